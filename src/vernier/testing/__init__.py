"""For tests of plugins, ours and yours: the exam, small artifacts, strategies, a model with known answers.

    from vernier.testing import exam

    def test_my_scorer():
        exam("my_package.my_module:MyScorer", examples=[{"with": {"depth": 2}}])

Installing `vernier[dev]` brings what the strategies and the toy model need.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vernier.testing.grade import Failed as Failed
    from vernier.testing.grade import exam as exam
    from vernier.testing.grade import record as record
    from vernier.testing.make import corpus_table as corpus_table
    from vernier.testing.make import make_artifact as make_artifact
    from vernier.testing.make import make_folder as make_folder
    from vernier.testing.make import run as run
    from vernier.testing.strategies import corpora as corpora
    from vernier.testing.strategies import cuts as cuts
    from vernier.testing.strategies import documents as documents
    from vernier.testing.strategies import score_tables as score_tables
    from vernier.testing.strategies import selections as selections
    from vernier.testing.toy import toy_bits as toy_bits
    from vernier.testing.toy import toy_model as toy_model

_HOME = {
    "grade": ("exam", "record", "Failed"),
    "make": ("corpus_table", "make_artifact", "make_folder", "run"),
    "strategies": ("corpora", "cuts", "documents", "score_tables", "selections"),
    "toy": ("toy_bits", "toy_model"),
}


def __getattr__(name: str) -> Any:
    for module, names in _HOME.items():
        if name in names:
            return getattr(importlib.import_module(f"vernier.testing.{module}"), name)
    raise AttributeError(f"module 'vernier.testing' has no attribute {name!r}")
