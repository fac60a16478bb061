"""What the exam tries each plugin with: settings, and optional inputs left out. `{}` for those not named here."""

from __future__ import annotations

from typing import Any

PAIR = {"by": "excess_loss"}
ONE = {"by": "low_loss"}

EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "corpus.boilerplate": [
        {"with": {"documents": 2}},
        {"with": {"documents": 2, "within": "domain", "entries": 5}},
    ],
    "corpus.chunk": [
        {"with": {"tokens": 40, "run": 500}},
        {"with": {"tokens": 150}, "without": ["selection"]},
    ],
    "corpus.clean": [
        {"with": {"lines": {"rules": ["redstone"]}, "mask": {}}},
        {"with": {"lines": {"rules": ["c4"], "limits": {"min_words": 3}}, "mask": {"region": "DE", "key": None}}},
        {"with": {"mask": {}}},
    ],
    "corpus.lines": [
        {"with": {"rules": ["redstone"]}},
        {"with": {"rules": ["c4", "single_word"], "limits": {"min_words": 3, "patterns": ["^the cat"]}}},
    ],
    "corpus.mask": [{}, {"with": {"email": "email@example.com", "phone": None, "key": None}}],
    "corpus.extract": [{}, {"with": {"by": "trafilatura", "favor": "precision", "fast": True}}],
    "corpus.pairs": [
        {"with": {"pairs": 8, "shortest": 3, "longest": 9}},
        {"with": {"pairs": 100, "shortest": 5, "longest": 5}, "without": ["selection"]},
    ],
    "corpus.read_hf": [{"with": {"path": "{folder}/hf"}}],
    "corpus.read_html": [{"with": {"paths": ["{folder}/html"]}}],
    "corpus.read_installed": [
        {"with": {"max_bytes": 50_000, "packages": ["numpy", "pydantic"]}},
        {"with": {"max_bytes": 50_000, "packages": ["numpy", "pydantic"], "planted": 0.5}},
    ],
    "corpus.read_jsonl": [
        {"with": {"paths": ["{folder}/docs.jsonl"]}},
        {"with": {"paths": ["{folder}/docs.jsonl"], "domain": None}},
    ],
    "corpus.read_parquet": [{"with": {"paths": ["{folder}/docs.parquet"], "columns": ["note"]}}],
    "corpus.read_text": [{"with": {"paths": ["{folder}/text"]}}],
    "corpus.read_warc": [
        {"with": {"paths": ["{folder}/pages.warc.gz"]}},
        {"with": {"paths": ["{folder}/pages.warc.gz"], "constant_domain": "web", "max_page": 200}},
    ],
    "evaluate.benchmark": [
        {"with": {"tasks": ["{folder}/tasks.jsonl"], "n": 3, "shortest": 2}},
        {"with": {"tasks": ["{folder}/tasks.jsonl"], "n": 2, "shortest": 2, "common": 1}, "without": ["selection"]},
    ],
    "evaluate.diversity": [{"with": {"group": 3, "groups": 2}}, {"with": {"group": 4, "groups": 3, "shift": True}}],
    "evaluate.tasks": [
        {"with": {"tasks": ["{folder}/tasks.jsonl"]}},
        {"with": {"tasks": ["{folder}/tasks.jsonl"], "limit": 2, "window": 11}},
    ],
    "mix.meta_rater": [
        {
            "with": {
                "terms": [{"column": "num_words", "per": "byte"}, {"column": "nll", "per": "byte", "wanted": "low"}],
                "weights": [[0.25, 0.75], [0.5, 0.5]],
                "simulated": 1000,
            }
        },
    ],
    "score.clusters": [{}, {"with": {"probes": 7}}],
    "score.combine": [
        {
            "with": {
                "terms": [{"column": "nll", "per": "token", "of": 1}, {"column": "num_words", "of": 0, "weight": -0.5}]
            },
            "without": ["weights"],
        },
        {"with": {"clip": 1.5}},
        {
            "with": {"terms": [{"column": "num_chars", "of": 0}], "standardise": "none"},
            "without": ["weights", "within"],
        },
    ],
    "score.contamination": [{}],
    "score.embedding": [{}, {"with": {"layer": 0, "max_tokens": 10}, "without": ["selection"]}],
    "score.judge": [
        {"with": {"url": "{endpoint}", "model": "toy", "rubric": "prrc", "max_chars": 40}},
        {
            "with": {
                "url": "{endpoint}",
                "model": "toy",
                "prompt": "Rate this: {text}",
                "scales": {
                    "professionalism": [0, 5],
                    "readability": [1, 4],
                    "reasoning": [0, 5],
                    "cleanliness": [0, 5],
                },
                "answers": 2,
                "temperature": 1.0,
                "price_in": 1.0,
                "price_out": 4.0,
            },
            "without": ["selection"],
        },
    ],
    "score.language": [{}, {"with": {"languages": ["fr", "zh"]}}],
    "score.latex": [{}, {"with": {"sure": 2}}],
    "score.line_hashes": [
        {"with": {"min_chars": 5}},
        {"with": {"unit": "paragraph", "min_chars": 1, "form": {"digits": "zero", "lower": False}}},
    ],
    "score.lines": [
        {"with": {"rules": ["redstone"]}},
        {"with": {"rules": ["pattern", "few_words"], "limits": {"min_words": 3, "patterns": ["^the cat"]}}},
    ],
    "score.minhash": [
        {},
        {"with": {"ngram": 3, "bands": 5, "band_rows": 2, "by": "character", "form": {"unicode": "nfkc"}, "family": 1}},
    ],
    "score.nll": [{}, {"with": {"max_tokens": 10}, "without": ["selection"]}, {"with": {"window": 8}}],
    "score.perplexity_correlation": [
        {"with": {"abilities": [0.3, 0.4]}},
        {"with": {"abilities": [2.0, 1.0], "group": "license"}, "without": ["within"]},
    ],
    "score.personal": [{}, {"with": {"region": "DE"}}],
    "score.predictive_strength": [{"with": {"abilities": [0.3, 0.4]}}],
    "score.questions": [
        {},
        {"with": {"url": "source", "page": {"chars": [1, 100], "lines": [1, 9], "longest": [1, 99]}}},
    ],
    "score.rater": [{}, {"with": {"segment": 50, "values": [0.0, 1.0]}, "without": ["selection"]}],
    "score.signals": [{}, {"with": {"families": ["c4", "fineweb"], "bad_words": ["cat", "on the mat"]}}],
    "score.text_hash": [{}, {"with": {"form": {"unicode": "nfkc", "punctuation": "drop", "accents": "drop"}}}],
    "score.token_nll": [{}, {"with": {"max_tokens": 10}}, {"with": {"window": 8}}],
    "select.band": [{"with": {**ONE, "range": [0.2, 0.8]}, "without": ["b"]}],
    "select.duplicates": [
        {"without": ["keys", "vectors", "a", "b", "old_corpus", "old", "old_keys", "old_vectors"]},
        {"with": {"at_least": 0.2, "prefer": "longest"}, "without": ["vectors", "a", "b", "old_vectors"]},
        {
            "with": {"at_least": 0.1, "prefer": "low_loss", "domains": ["prose"]},
            "without": ["vectors", "b", "old_corpus", "old", "old_keys", "old_vectors"],
        },
    ],
    "select.facility_location": [
        {"with": {"keep": {"share": 0.5}, "part": 10}},
        {
            "with": {"keep": {"share": 0.3, "of": "tokens"}, "part": 20, "method": "stochastic", "take": "greedy"},
            "without": ["within"],
        },
    ],
    "select.gumbel": [{"with": {**PAIR, "temperature": 0.5, "keep": {"share": 0.5}}}],
    "select.random": [
        {"with": {"keep": {"share": 0.5}}},
        {"with": {"keep": {"documents": 10}, "rank": True}, "without": ["within", "lengths"]},
    ],
    "select.rules": [
        {"with": {"rules": "redstone_general", "limits": {"few_words": 5, "top_2gram": None}}},
        {
            "with": {"rules": ["gopher", "c4", "fineweb"], "limits": {"few_words": 3, "bad_words": 1, "stop_words": 1}},
            "without": ["within"],
        },
    ],
    "select.slice": [{"with": {"range": [0.0, 0.5]}}, {"with": {"range": [0.0, 0.5], "group": "domain"}}],
    "select.threshold": [{"with": {**PAIR, "at_least": 0.0}}],
    "select.where": [
        {"with": {"among": ["prose"]}},
        {"with": {"column": "license", "among": ["CC0-1.0"]}, "without": ["within"]},
    ],
    "select.top_k": [
        {"with": {**PAIR, "keep": {"share": 0.5, "of": "tokens"}}},
        {"with": {**ONE, "keep": {"bytes": 500}}, "without": ["b", "within", "lengths"]},
        {"with": {**PAIR, "keep": {"share": 0.4}, "quotas": "equal", "rank": True}, "without": ["lengths"]},
        {
            "with": {
                **ONE,
                "keep": {"share": 0.4, "of": "tokens"},
                "quotas": "proportional",
                "quota_by": ["domain", "a.num_stop_words"],
            },
            "without": ["b"],
        },
    ],
    "select.uncontaminated": [{}, {"with": {"at_least": 0}, "without": ["within"]}],
    "train.classifier": [{}, {"with": {"documents": 5}}, {"with": {"folds": 2}}],
    "train.clusters": [{}, {"with": {"clusters": 4, "sample": 20, "iterations": 3}, "without": ["selection"]}],
    "train.embedder": [{"with": {"dimensions": 4}}, {"with": {"dimensions": 3, "documents": 5}}],
    "corpus.pack": [{"with": {"context": 16}}, {"with": {"context": 16, "max_tokens": 9}, "without": ["selection"]}],
    "train.pretrain": [
        {"with": {"tokens": 400, "context": 32, "batch": 4}, "without": ["windows", "teacher"]},
        {
            "with": {"tokens": 400, "context": 32, "batch": 4, "schedule": "constant", "warmup": 64, "accumulate": 3},
            "without": ["windows", "init", "teacher"],
        },
        {"with": {"tokens": 300, "batch": 4}, "without": ["corpus", "selection", "init"]},
    ],
    "train.rater": [
        {
            "with": {"label": "domain", "labels": {"code": 0, "prose": 1}, "segment": 20, "batch": 8, "lr": 0.01},
            "without": ["judgments"],
        },
        {
            "with": {"label": "id", "segment": 7, "batch": 8, "epochs": 1},
            "without": ["judgments", "selection"],
        },
    ],
    "train.read_hf": [{"with": {"path": "{model}"}}, {"with": {"path": "{model}", "dtype": "bfloat16"}}],
    "train.seqkd": [
        {"with": {"prompt": 8, "tokens": 16}},
        {"with": {"prompt": 4, "tokens": 12, "temperature": 2.0}},
    ],
    "train.tokenizer": [{"with": {"vocab": 300}}],
}
