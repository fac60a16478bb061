"""Tags of code: known answers."""

from __future__ import annotations

from pathlib import Path

from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.score.code_tags import CodeTags
from vernier.testing.make import corpus_table, make_artifact, run


def test_opening_tags(tmp_path: Path) -> None:
    pages = [
        "<p>Text</p>",
        "<pre>x = 1</pre><PRE class='c'><code>y</code></PRE>",
        "a <code>b</code>, <code\nid=c>d</code>, <codec>, <prefix>, </pre>, &lt;pre&gt;",
        "",
    ]
    store = Store(str(tmp_path))
    (made,) = run(CodeTags(), Inputs(store.url, {"corpus": make_artifact(store, "corpus", [corpus_table(pages)])}))
    assert made.to_pydict() == {"num_pre": [0, 2, 0, 0], "num_code": [0, 1, 2, 0]}
