"""One arm of `extract.py` in a process of its own: pages from the WARC file to a JSON object {id: text}.

    python bench/extract_arms.py ARM OUT [--no-pages]

--no-pages: everything but the pages, to know what starting costs.
"""

from __future__ import annotations

import json
import sys
import tempfile
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


def ours(settings: dict[str, Any], html: Sequence[str]) -> list[str]:
    """By the plugin, from a corpus in a store, its child process and all."""
    from vernier.core.shard import Inputs
    from vernier.core.store import Store
    from vernier.corpus.extract import Extract
    from vernier.testing.make import corpus_table, make_artifact, run

    with tempfile.TemporaryDirectory() as folder:
        corpus = make_artifact(Store(folder), "corpus", [corpus_table(html)])
        (made,) = run(Extract(**settings), Inputs(folder, {"corpus": corpus}))
    return made.column("text").to_pylist()


def main() -> None:
    name, out = sys.argv[1:3]
    data = data_folder()
    assert data is not None
    found = pages(data)
    texts = arm(name)
    html = list[str]() if "--no-pages" in sys.argv[3:] else list(found.values())
    made = texts(html)
    Path(out).write_text(json.dumps(dict(zip(found, made, strict=False))), encoding="utf-8")


if __name__ == "__main__":
    main()
