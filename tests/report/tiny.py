"""A whole run in seconds: two models, three arms, two seeds, and documents that mean harm."""

from __future__ import annotations

import json
from pathlib import Path

from vernier.core.recipe import Recipe
from vernier.core.run import Run
from vernier.pipeline.run import run

HOSTILE = [
    "<script>window.harmed = 1; alert('harm')</script> and words after it",
    "</pre></details></section><img src=x onerror='window.harmed = 2'> \"quoted\" 'text' &amp; &lt;",
    "\u202eright to left override\u202c שלום עולם مرحبا بالعالم mixed with Latin",
    "tab\tbell\x07 null\x00 escape\x1b[31m emoji \U0001f44b\U0001f3fd combining e\u0301\u0301\u0301",
    "one-long-line" * 80_000,
]
LINES = ["The cat sat on the mat and saw the dog run over the hill.", "for i in range(10): print(i, i * i)"]


def tiny_run(folder: Path) -> Run:
    """The run, in `folder`."""
    data = folder / "docs.jsonl"
    texts = [f"{LINES[i % 2]} Number {i}. " * (1 + i % 4) for i in range(80)] + HOSTILE * 2
    domains = ["prose" if i % 2 == 0 else "code" for i in range(80)] + ['<b>odd</b> & "domain"'] * 10
    records = [{"id": str(i), "text": t, "domain": d} for i, (t, d) in enumerate(zip(texts, domains, strict=True))]
    data.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    small = {"model": {"hidden": 16, "layers": 1}, "context": 64, "batch": 4, "max_tokens": 64}
    large = {**small, "model": {"hidden": 32, "layers": 1}}
    of_pool = {"corpus": "docs", "within": "pool"}
    stages = {
        "docs": {"do": "corpus.read_jsonl", "with": {"paths": [str(data)]}},
        "meta": {"do": "select.slice", "in": {"corpus": "docs"}, "with": {"range": [0, 0.4]}},
        "pool": {"do": "select.slice", "in": {"corpus": "docs"}, "with": {"range": [0.2, 1]}},
        "bpe": {"do": "train.tokenizer", "in": {"corpus": "docs"}, "with": {"vocab": 300}},
        "small": train("meta", tokens=4096, **small),
        "large": train("meta", tokens=4096, **large),
        "nll_s": score("nll", "pool", "small"),
        "nll_l": score("nll", "pool", "large"),
        "tok_s": score("token_nll", "pool", "small"),
        "tok_l": score("token_nll", "pool", "large"),
        "keep": {"do": "select.random", "in": of_pool, "with": {"keep": {"share": 0.5}}},
        "train": train("keep", tokens=2048, **small),
        "test": {
            "do": "evaluate.loss",
            "in": {"model": "train", "corpus": "docs", "selection": "meta"},
            "with": {"max_tokens": 64},
        },
    }
    top = {
        "do": "select.top_k",
        "in": {**of_pool, "a": "nll_s", "b": "nll_l"},
        "with": {"by": "quality_factor", "keep": {"share": 0.5}},
    }
    arms = {"random": {}, "random2": {"keep": {"with": {"draw": 1}}}, "scalingfilter": {"keep": top}}
    recipe = Recipe.from_data(
        {
            "vernier": 1,
            "name": "tiny",
            "store": str(folder / "store"),
            "target": {"domain": "prose"},
            "seeds": {"values": [0, 1], "from": ["keep"]},
            "stages": stages,
            "arms": arms,
        }
    )
    return run(recipe, out=folder / "run", quiet=True)


def train(selection: str, **settings: object) -> dict[str, object]:
    return {
        "do": "train.pretrain",
        "in": {"corpus": "docs", "selection": selection, "tokenizer": "bpe"},
        "with": settings,
    }


def score(how: str, selection: str, model: str) -> dict[str, object]:
    return {
        "do": f"score.{how}",
        "in": {"corpus": "docs", "selection": selection, "model": model},
        "with": {"max_tokens": 64},
    }
