"""What the exam feeds to a plugin: the same 48 small documents, laid out in several ways, with tables about them."""

from __future__ import annotations

import gzip
import html
import json
import math
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vernier.core import seen, tables
from vernier.core.artifact import Artifact
from vernier.core.ngram import Counts
from vernier.core.passages import Passages, Text
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.core.terms import Fitted, Term
from vernier.corpus.pack import Pack
from vernier.models import classifier, clusters
from vernier.models.embed import fit
from vernier.score.contamination import columns
from vernier.score.minhash import MinHash
from vernier.score.signals import Signals
from vernier.select.duplicates import Duplicates
from vernier.testing.endpoint import toy_endpoint
from vernier.testing.make import build, corpus_table, make_artifact, make_folder
from vernier.testing.toy import toy_model, toy_rater

ROWS = 48
WORDS = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "it",
    "a",
    "cat",
    "sat",
    "on",
    "mat",
    "def",
    "return",
    "x",
    "=",
    "1",
    ";",
    "http://a.b/c",
    "ünder",
    "中文",
    "🙂",
    "\n",
    "\u2028",
]
DOMAINS = ("prose", "code", None)
LICENSES = ("CC0-1.0", None)

PAIR = {"label": 1, "target": None}
ITEMS: list[dict[str, object]] = [
    *(
        {**PAIR, "id": f"m{i}", "task": "choose", "kind": "multiple_choice", "context": f"{word}:", "choices": choices}
        for i, (word, choices) in enumerate(
            [("cat", [" sat", " mat"]), ("dog", [" ran", " ünder", " 中文"]), ("one", [" 1", " two"])]
        )
    ),
    {**PAIR, "id": "p0", "task": "pairs", "kind": "minimal_pair", "context": "", "choices": ["a cat sit", "a cat sat"]},
    {
        **PAIR,
        "id": "w0",
        "task": "contexts",
        "kind": "partial_context",
        "context": "",
        "choices": ["the cat", "the mat"],
        "target": " lay there",
    },
    {"id": "c0", "task": "words", "kind": "cloze", "context": "on the", "choices": [], "label": None, "target": " mat"},
]

# Ways to lay the documents out: their order, and the lengths of the shards.
LAYOUTS: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "whole": (tuple(range(ROWS)), (48,)),
    "cut": (tuple(range(ROWS)), (0, 13, 1, 0, 34)),
    "shuffled": (tuple(Random(1).sample(range(ROWS), ROWS)), (20, 28)),
}


class ToySet:
    """Artifacts for every kind of input, in a store below `folder`. Made when asked for, and once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(str(folder / "store"))
        self._texts = _texts()
        self._made: dict[tuple[str, str, str], Artifact] = {}

    def inputs(self, takes: Mapping[str, str], *, layout: str = "whole", seed: int = 0) -> Inputs:
        """Inputs for a plugin that takes `takes`, the optional ones among them."""
        artifacts: dict[str, Artifact] = {}
        for name, declared in takes.items():
            kind = declared.rstrip("?*")
            for entry in (f"{name}[0]", f"{name}[1]") if "*" in declared else (name,):
                artifacts[entry] = self._artifact(entry, kind, layout)
        return Inputs(self.store.url, artifacts, seed)

    def files(self, name: str = "files") -> Path:
        """A folder that readers can read: docs.jsonl, docs.parquet, text/*.txt, hf/, html/ and pages.warc.gz, the same
        documents each; and tasks.jsonl, items of every kind."""
        folder = self.folder / name
        if not folder.exists():
            for inner in ("text", "hf", "html"):
                (folder / inner).mkdir(parents=True)
            records = [
                {
                    "id": str(i),
                    "text": text,
                    "domain": _cycle(DOMAINS, i),
                    "license": _cycle(LICENSES, i),
                    "note": f"note {i % 5}",
                }
                for i, text in enumerate(self._texts)
            ]
            lines = [json.dumps(record) + "\n" for record in records]
            (folder / "docs.jsonl").write_text("".join(lines), encoding="utf-8")
            items = "".join(json.dumps(item) + "\n" for item in ITEMS)
            (folder / "tasks.jsonl").write_text(items, encoding="utf-8")
            for path in (folder / "docs.parquet", folder / "hf" / "train.parquet"):
                pq.write_table(pa.Table.from_pylist(records), path, row_group_size=10)
            for record in records:
                path = folder / "text" / f"{record['id']}.txt"
                path.write_bytes(str(record["text"]).encode())
                (folder / "html" / f"{record['id']}.html").write_bytes(_page(str(record["text"])))
            packed = [gzip.compress(_response(i, text), mtime=0) for i, text in enumerate(self._texts)]
            (folder / "pages.warc.gz").write_bytes(b"".join(packed))
        return folder

    def model(self, name: str = "files") -> Path:
        """A folder with a model (`vernier.testing.toy`), the same under each name."""
        return toy_model(self.folder / "models" / "outside" / name)

    def endpoint(self, name: str = "files") -> str:
        """The URL of a judge on this machine, the same under each name; it ends with the process."""
        return toy_endpoint()

    def _artifact(self, name: str, kind: str, layout: str) -> Artifact:
        whole = {
            "model": self._model,
            "windows": self._windows,
            "results": self._results,
        }  # not cut into shards as the documents are
        ordered = kind not in whole or name == "duplicates"  # which are told by the rows of the corpus
        known = (name, kind, layout if ordered else "")
        if known not in self._made and name == "duplicates":
            self._made[known] = self._duplicates(layout)
        elif known not in self._made:
            self._made[known] = whole[kind](name) if kind in whole else self._table(name, kind, layout)
        return self._made[known]

    def _model(self, name: str) -> Artifact:
        """What the plugins that have an input of this name want there: a language model, if nothing else."""
        folder, facts = self.folder / "models" / name, {}
        folder.mkdir(parents=True, exist_ok=True)
        if name == "embedder":
            fit([text for text in self._texts if text], 4).save(folder)
        elif name in ("target", "raw"):
            Counts.of(self._texts[:10] if name == "target" else self._texts).save(folder)
        elif name == "classifier":
            classifier.fit(self._texts[4:10], self._texts[10:20]).save(folder)
        elif name == "clusters":
            rows = self._scores("embeddings").column("embedding").to_pylist()
            clusters.fit(np.array([row for row in rows if row and any(row)], np.float32), 5, 25, 0)[0].save(folder)
        elif name == "rater":
            toy_rater(folder, told=self._texts[4:6])
        elif name == "benchmark":
            self._passages().save(folder)
        elif name.startswith("seen"):
            whole = {"corpus": self._artifact("corpus", "corpus", "whole")}
            kept = {"selection": self._artifact(name, "selection", "whole")}
            seen.save(folder, seen.hashes(Inputs(self.store.url, whole | kept)))
        else:
            toy_model(folder)
            facts = {"tokenizer": "toy"}
        return make_folder(self.store, "model", folder, facts=facts)

    def _windows(self, name: str) -> Artifact:
        inputs = self.inputs({"corpus": "corpus", "tokenizer": "model"})
        folder = self.folder / "windows" / name
        facts = build(Pack(context=20), inputs, folder)[1]
        return make_folder(self.store, "windows", folder, facts=facts)

    def _results(self, name: str) -> Artifact:
        """What an evaluation measured, and weights of terms, in one folder."""
        random = Random(f"results {name}")
        folder = self.folder / "results" / name
        folder.mkdir(parents=True)
        rows = [{"metric": "bits_per_byte", "domain": d, "value": random.uniform(2, 4)} for d in ("macro", "prose")]
        pq.write_table(pa.Table.from_pylist(rows), folder / "results.parquet")
        terms = [Term(column="num_words", per="byte", of=0), Term(column="nll", per="byte", of=1, wanted="low")]
        Fitted.of(terms, [0.25, 0.75], accepted=True, because="a test says so").save(folder)
        return make_folder(self.store, "results", folder)

    def _duplicates(self, layout: str) -> Artifact:
        """The duplicates of the corpus among what `within` keeps; which is kept does not depend on their order."""
        inputs = self.inputs({"corpus": "corpus", "within": "selection", "a": "scores"}, layout=layout)
        folder = self.folder / "results" / f"duplicates {layout}"
        return make_folder(self.store, "results", folder, facts=build(Duplicates(prefer="low_loss"), inputs, folder)[1])

    def _table(self, name: str, kind: str, layout: str) -> Artifact:
        made = {"corpus": self._corpus, "selection": self._selection, "scores": self._scores}
        assert kind in made, f"the toy set has no input of kind {kind!r} yet"
        order, lengths = LAYOUTS[layout]
        table = made[kind](name).take(pa.array(order))
        starts = [sum(lengths[:i]) for i in range(len(lengths))]
        shards = [table.slice(start, length) for start, length in zip(starts, lengths, strict=True)]
        facts: dict[str, Any] = {"tokenizer": "toy"} if kind == "scores" else {}
        if name.partition("[")[0] in ("keys", "old_keys"):
            facts = MinHash(ngram=2).facts(self.inputs({}))
        return make_artifact(self.store, kind, shards, rows_of=layout, facts=facts)

    def _corpus(self, name: str) -> pa.Table:
        domains = [_cycle(DOMAINS, i) for i in range(ROWS)]
        return corpus_table(self._texts, domains=domains, licenses=[_cycle(LICENSES, i) for i in range(ROWS)])

    def _selection(self, name: str) -> pa.Table:
        random = Random(f"selection {name}")
        count = [random.choice([0, 1, 1, 2]) for _ in range(ROWS)]
        reason = [None if n else random.choice(["below_cut", "outside"]) for n in count]
        return pa.table({"count": count, "reason": reason}, schema=tables.SELECTION)

    def _scores(self, name: str) -> pa.Table:
        """The columns of a model's scores and of surface counts; some rows not scored, some undefined."""
        random = Random(f"scores {name}")
        if name == "embeddings":
            return self._embeddings(random)
        if name == "signals":
            return self._signals()
        if name.partition("[")[0] in ("keys", "old_keys"):
            return self._keys()
        if name == "contamination":
            return self._contamination()
        sizes = [len(text.encode()) for text in self._texts]
        tokens = [math.ceil(size / 3) for size in sizes]
        columns: dict[str, list[float | int]] = {
            "nll": [random.randint(2 * n, 6 * n) * math.log(2) for n in tokens],
            "num_tokens": list(tokens),
            "num_bytes": list(sizes),
            "num_chars": [len(text) for text in self._texts],
            "num_words": [len(text.split()) for text in self._texts],
            "num_stop_words": [text.split().count("the") for text in self._texts],
            "num_symbols": [text.count(";") + text.count("=") for text in self._texts],
            "zlib_bytes": [size // 2 + 8 for size in sizes],
        }
        for row in random.sample(range(ROWS), 3):
            columns["nll"][row] = math.nan
        missing = pa.array([row in (5, 20, 40) for row in range(ROWS)])
        made = {n: pa.array(v, pa.float64() if n == "nll" else pa.int64()) for n, v in columns.items()}
        nothing = {n: pa.nulls(ROWS, column.type) for n, column in made.items()}
        return pa.table({n: pc.if_else(missing, nothing[n], made[n]) for n in made})

    def _keys(self) -> pa.Table:
        """Keys of two words in a row."""
        keys, offsets, _ = MinHash(ngram=2).keys(pa.chunked_array([pa.array(self._texts, pa.large_string())]))
        return pa.table({"keys": pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(keys))})

    def _signals(self) -> pa.Table:
        """What cleaning rules measure, some rows not scored."""
        made = pa.table(Signals(bad_words=["cat"]).count(pa.array(self._texts, pa.large_string())))
        missing = pa.array([row in (5, 20, 40) for row in range(ROWS)])
        nothing = pa.nulls(ROWS, pa.int64())
        return pa.table({name: pc.if_else(missing, nothing, made.column(name)) for name in made.column_names})

    def _passages(self) -> Passages:
        """Parts of some documents as the items of two tasks."""
        found = [text[:60] for text in self._texts if len(text) > 60][:12]
        return Passages.of([Text(f"task {i % 2}", str(i), text[:30], text[30:]) for i, text in enumerate(found)], 3, 2)

    def _contamination(self) -> pa.Table:
        """What of these items each document holds, some rows not scored."""
        missing = np.array([row in (5, 20, 40) for row in range(ROWS)])
        return columns(self._passages(), pa.array(self._texts, pa.large_string()), ~missing)

    def _embeddings(self, random: Random) -> pa.Table:
        """Embeddings of four numbers, copies, one not scored and one without a direction among them."""
        rows: list[list[float] | None] = [[random.gauss(0, 1) for _ in range(4)] for _ in range(ROWS)]
        rows[3], rows[5], rows[31] = [0.0] * 4, None, rows[10]
        counts = [None if row is None else 1 for row in rows]
        return pa.table(
            {"embedding": pa.array(rows, pa.list_(pa.float32())), "num_tokens": pa.array(counts, pa.int64())}
        )


def _texts() -> list[str]:
    random = Random("documents")
    texts = [" ".join(random.choices(WORDS, k=random.randint(1, 24))) for _ in range(ROWS)]
    texts[3], texts[30], texts[31] = "", texts[10], texts[10]  # an empty one, and copies
    return texts


def _page(text: str) -> bytes:
    return f"<!doctype html>\n<title>A page</title>\n<p>{html.escape(text)}</p>\n".encode()


def _response(number: int, text: str) -> bytes:
    """A record of an archive; every fifth one no page."""
    status = "404 Not Found" if number % 5 == 4 else "200 OK"
    block = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\n\r\n".encode() + _page(text)
    head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:x:{number}>\r\nContent-Length: {len(block)}\r\n"
    return f"{head}WARC-Target-URI: http://a.b/{number}\r\n\r\n".encode() + block + b"\r\n\r\n"


def _cycle(values: tuple[str | None, ...], i: int) -> str | None:
    return values[i % len(values)]
