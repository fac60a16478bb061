"""One page from HTML to text, in the child process of `corpus.extract`. See there for the settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from vernier.core.errors import SetupError
from vernier.corpus import declared, markup

MUCH = 4  # times as many words, and the text of resiliparse is preferred to that of trafilatura
_WORD = re.compile(r"\w+")
_BREAKS = re.compile(r"\n{3,}")
_BLANK_ENDS = re.compile(r"[ \t]+$", re.MULTILINE)


class Page(NamedTuple):
    """What is in a page: its main content, and what it says of itself."""

    text: str
    title: str | None
    page_date: str | None
    language_hint: str | None
    links: str


def extractor(settings: Mapping[str, Any]) -> Callable[[str], Page]:
    """The function that a child applies to each page. Raises SetupError if a library is missing."""
    text_of = _by(settings)
    try:
        from resiliparse.parse.html import HTMLParserException, HTMLTree
    except ModuleNotFoundError as error:
        raise _missing(error) from error

    def page(html: str) -> Page:
        try:
            tree: Any = HTMLTree.parse(html)
        except HTMLParserException as error:  # any text has a tree: only memory can have been missing
            raise MemoryError from error
        changed = markup.keep_formulas(tree, html)
        changed = markup.keep_lines(tree) or changed
        said = declared.said(tree)
        source = tree.document.html if changed else html
        text = _tidy(text_of(tree, source))
        links = declared.written(declared.links(tree, text))
        return Page(
            text,
            said.title and _sound(said.title),
            said.page_date,
            said.language_hint and _sound(said.language_hint),
            _sound(links),
        )

    return page


def _by(settings: Mapping[str, Any]) -> Callable[[Any, str], str]:
    """From a tree and its source to the main content."""
    by = settings["by"]
    try:
        if by == "trafilatura":
            return _trafilatura(settings["favor"], settings["fast"])
        if by == "resiliparse":
            return _resiliparse()
        first, second = _resiliparse(), _trafilatura("recall", True)
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    enough = settings["enough"]

    def cascade(tree: Any, source: str) -> str:
        text = first(tree, source)
        words = len(_WORD.findall(text))
        if words >= enough:
            return text
        other = second(tree, source)
        return text if words > MUCH * len(_WORD.findall(other)) else other

    return cascade


def _resiliparse() -> Callable[[Any, str], str]:
    from resiliparse.extract.html2text import extract_plain_text

    def text_of(tree: Any, source: str) -> str:
        markup.keep_lists(tree)
        # alternative texts of pictures are no text of the page: without them F1 is 0.744, with them 0.732
        return extract_plain_text(tree, main_content=True, preserve_formatting=True, alt_texts=False)

    return text_of


def _trafilatura(favor: str, fast: bool) -> Callable[[Any, str], str]:
    import trafilatura

    how: dict[str, Any] = {"fast": fast, "favor_precision": favor == "precision", "favor_recall": favor == "recall"}

    def text_of(tree: Any, source: str) -> str:
        return trafilatura.extract(source, **how) or ""

    return text_of


def _tidy(text: str) -> str:
    """Without white space at the ends of lines and more than one blank line in a row."""
    return _BREAKS.sub("\n\n", _BLANK_ENDS.sub("", _sound(text))).strip("\n")


def _sound(text: str) -> str:
    """A text that UTF-8 can write: a half of a surrogate pair becomes `?`."""
    return text.encode("utf-8", "replace").decode()


def _missing(error: ModuleNotFoundError) -> SetupError:
    return SetupError(
        f"extracting text from pages needs the package {error.name!r}", found=str(error), do="pip install vernier[web]"
    )
