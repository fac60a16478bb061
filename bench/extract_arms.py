"""One arm of `extract.py` in a process of its own: pages from the WARC file to a JSON object {id: text}.

    python bench/extract_arms.py ARM FOLDER [--start]

FOLDER holds the pages as a corpus (`prepare`), which our arms read; the others read the WARC file. --start: one short
page, to know what starting costs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from corpora import data_folder
from extract_quality import pages

Texts = Callable[[Sequence[str]], list[str]]
OURS: dict[str, dict[str, Any]] = {
    "vernier cascade": {},
    "vernier cascade, always both": {"enough": 1_000_000_000},
    "vernier resiliparse": {"by": "resiliparse"},
    "vernier trafilatura": {"by": "trafilatura"},
    "vernier trafilatura, fast": {"by": "trafilatura", "fast": True},
}
IN_PROCESS = "vernier cascade, no child process"
TRAFILATURA: dict[str, dict[str, Any]] = {
    "trafilatura": {},
    "trafilatura, fast": {"fast": True},
    "trafilatura, fast precise": {"fast": True, "favor_precision": True},
    "trafilatura, fast recall": {"fast": True, "favor_recall": True},
}
SHORT = ["<p>A page."]
ARMS = (*OURS, IN_PROCESS, *TRAFILATURA, "resiliparse", "justext")


def arm(name: str) -> Texts:
    """What makes texts of pages, its libraries imported."""
    if name in OURS:
        return partial(ours, OURS[name])
    if name == IN_PROCESS:
        from vernier.corpus.page import extractor

        page = extractor({"by": "cascade", "enough": 200, "favor": "balance", "fast": False})
        return lambda html: [page(one).text for one in html]
    if name in TRAFILATURA:
        import trafilatura

        return lambda html: [trafilatura.extract(one, **TRAFILATURA[name]) or "" for one in html]
    if name == "resiliparse":
        from resiliparse.extract.html2text import extract_plain_text

        return lambda html: [extract_plain_text(one, main_content=True, preserve_formatting=True) for one in html]
    import justext

    words = justext.get_stoplist("English")

    def texts(html: Sequence[str]) -> list[str]:
        return ["\n".join(p.text for p in justext.justext(one, words) if not p.is_boilerplate) for one in html]

    return texts


def prepare(folder: Path, html: Sequence[str]) -> None:
    """Commit pages, and one short page, as corpora of one shard."""
    from vernier.core.store import Store
    from vernier.testing.make import corpus_table, make_artifact

    for name, texts in (("pages", html), ("start", SHORT)):
        corpus = make_artifact(Store(str(folder)), "corpus", [corpus_table(texts)])
        (folder / f"{name}.json").write_text(json.dumps(corpus.to_json()))


def ours(settings: dict[str, Any], html: Sequence[str]) -> list[str]:
    """By the plugin, from a corpus in a store, its child process and all."""
    from vernier.core.artifact import Artifact
    from vernier.core.shard import Inputs
    from vernier.corpus.extract import Extract
    from vernier.testing.make import run

    folder = sys.argv[2]
    corpus = Artifact.from_json(json.loads(Path(folder, f"{'start' if html is SHORT else 'pages'}.json").read_text()))
    (made,) = run(Extract(**settings), Inputs(folder, {"corpus": corpus}))
    return made.column("text").to_pylist()


def main() -> None:
    name, folder = sys.argv[1:3]
    start = "--start" in sys.argv[3:]
    data = data_folder()
    assert data is not None
    found = pages(data)
    texts = arm(name)
    made = texts(SHORT if start else list(found.values()))
    out = Path(folder, f"{ARMS.index(name)}{int(start)}.texts")
    out.write_text(json.dumps(dict(zip(found, made, strict=False))), encoding="utf-8")


if __name__ == "__main__":
    main()
