"""What each way to find duplicates finds: precision and recall on versions of real texts, and MinHash against theory.

Truth are the versions of 114 specifications at several dates (`dedup/near_duplicates`, `dup_group`: real edits) beside
249 other specifications, each a text of its own in the same style. All other files of the test data lie around them
(`corrupted` and the sample left out): what is dropped there is counted, right or wrong is not known.

    pairs      of the labelled documents that share a key and are at least so alike; right if of one group
    dropped    labelled documents that `select.duplicates` drops; right if for a version of the same text. Recall: of
               those that can be dropped, all but one of each group

Then pairs are planted: 600 words of a book and a copy of which some words are others, so that their Jaccard index is
known by counting; `score.minhash` should find a pair with the probability 1 - (1 - J^8)^14.

    python bench/dedup_quality.py [--data DIR] [--small]
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from numpy.typing import NDArray

from measure import at_least, must, result, save
from vernier.core.artifact import Artifact
from vernier.core.shard import Inputs
from vernier.core.store import Store
from vernier.core.vectors import WHOLE, have_direction, whole
from vernier.score.clusters import Clusters as Keys
from vernier.score.embedding import Embedding
from vernier.score.line_hashes import LineHashes
from vernier.score.minhash import MinHash
from vernier.score.text_hash import TextHash
from vernier.select.dedup import features, kernel
from vernier.select.dedup.alike import Likeness
from vernier.select.dedup.documents import Documents
from vernier.select.dedup.written import FILE
from vernier.select.duplicates import Duplicates
from vernier.testing.make import build, corpus_table, make_artifact, make_folder, run
from vernier.train.clusters import Clusters
from vernier.train.embedder import Embedder

VERSIONS, OTHERS = "dedup/near_duplicates", "corpus/techspec_peps"
LEFT_OUT = ("corrupted", "mixture_small", "techspec_peps")
DIMENSIONS, FITTED = 128, 5000  # of the embedder, documents that it is fitted on
JACCARD = (0.5, 0.6, 0.7, 0.75, 0.8, 0.9)
SHARES = (0.5, 0.8, 0.9)  # of a text's lines that another has
COSINES = (0.8, 0.9, 0.95, 0.98, 0.99)
PROBES, CLUSTERS = (1, 2, 3), (0.5, 1, 2)  # keys of a document; times the square root of the documents
CROWDED, ROOM = 0.25, (100, 1000, None)  # few clusters, so that each holds as many as in a corpus 16 times as large
APART = "standard deviations apart"
PLANTED, WORDS, LEVELS = 1000, 600, (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)


@dataclass(frozen=True)
class Text:
    """group: of which text it is a version, None where that is not known; newest: Jaccard index to the newest version,
    as the data has it, None for the newest and where there is none."""

    text: str
    group: str | None = None
    newest: float | None = None


def lines(data: Path, name: str) -> Iterator[dict[str, Any]]:
    with zstandard.open(data / f"{name}.jsonl.zst", "rt", encoding="utf-8", newline="\n") as file:
        yield from map(json.loads, file)


def texts(data: Path, small: bool) -> list[Text]:
    """Versions, other specifications, and what lies around them."""
    found = [Text(row["text"], row["dup_group"], row.get("jaccard_w5")) for row in lines(data, VERSIONS)]
    found += [Text(row["text"], f"other {row['id']}") for row in lines(data, OTHERS)]
    if small:
        found = found[:150] + found[-50:]
    names = sorted(path.name.partition(".")[0] for path in (data / "corpus").glob("*.jsonl.zst"))
    for name in (name for name in names if name not in LEFT_OUT):
        rows = (Text(row["text"]) for row in lines(data, f"corpus/{name}"))
        found += itertools.islice(rows, 20) if small else rows
    return found


class Bench:
    """A corpus of these texts in a store of its own, and what plugins make of it."""

    def __init__(self, folder: Path, documents: Sequence[Text]) -> None:
        self.folder, self.documents = folder, documents
        self.store = Store(str(folder / "store"))
        self.labelled = np.array([one.group is not None for one in documents])
        self.can_go = int(self.labelled.sum()) - len({one.group for one in documents if one.group})
        table = corpus_table([one.text for one in documents])
        self.ids = {id: row for row, id in enumerate(table.column("doc_id").to_pylist())}
        self.corpus = make_artifact(self.store, "corpus", [table])
        self._number = itertools.count()

    def inputs(self, **given: Artifact) -> Inputs:
        return Inputs(self.store.url, {"corpus": self.corpus, **given})

    def table(self, scorer: Any, **given: Artifact) -> Artifact:
        inputs = self.inputs(**given)
        facts = scorer.facts(inputs)
        return make_artifact(self.store, "scores", run(scorer, inputs), facts=facts)

    def model(self, trainer: Any, **given: Artifact) -> Artifact:
        out = self._new()
        facts = build(trainer, self.inputs(**given), out)[1]
        return make_folder(self.store, "model", out, facts=facts)

    def dropped(self, search: Duplicates, **given: Artifact) -> tuple[dict[int, int], dict[str, Any]]:
        """For each row that is dropped the row that is kept, and the account."""
        out = self._new()
        facts = build(search, self.inputs(**given), out)[1]
        rows = pq.read_table(out / FILE).to_pylist()
        return {row["row"]: self.ids[row["duplicate_of"]] for row in rows}, facts

    def alike(self, rows: Sequence[tuple[int, int]], **given: Artifact) -> NDArray[np.float64]:
        """How alike pairs of labelled rows are by what their keys stand for; of two ways to ask the larger."""
        inputs = self.inputs(**given)
        likeness, documents = Likeness.of(inputs), Documents.of(inputs)
        held = np.flatnonzero(self.labelled)
        folder = self._new()
        features.write(folder, documents.features(likeness, held, 1))
        store = features.Store(folder)
        first, second = np.searchsorted(held, np.array(rows, np.int64).reshape(-1, 2).T)
        flat = store.values, store.weights, store.offsets
        both = (kernel.pairs(likeness.number, 0.0, *flat, *pair) for pair in ((first, second), (second, first)))
        return np.maximum(*both)

    def candidates(self, keys: Artifact) -> list[tuple[int, int]]:
        """Pairs of labelled rows that share a key."""
        holders = defaultdict[int, list[int]](list)
        for table in (shard.read("keys", ["keys"]) for shard in self.inputs(keys=keys).shards()):
            for row, some in enumerate(table.column("keys").to_pylist()):
                if self.labelled[row]:
                    for key in some or ():
                        holders[key].append(row)
        return sorted({pair for rows in holders.values() for pair in itertools.combinations(rows, 2)})

    def right(self, pairs: Sequence[tuple[int, int]]) -> int:
        return sum(self.documents[a].group == self.documents[b].group for a, b in pairs)

    def true_pairs(self) -> list[tuple[int, int]]:
        rows = np.flatnonzero(self.labelled).tolist()
        return [(a, b) for a, b in itertools.combinations(rows, 2) if self.right([(a, b)])]

    def _new(self) -> Path:
        return self.folder / f"made-{next(self._number)}"


def rows_of(
    bench: Bench, method: str, levels: Sequence[float], prefer: str = "first", **given: Artifact
) -> list[dict[str, Any]]:
    """A row for each level of likeness."""
    candidates = bench.candidates(given["keys"]) if "keys" in given else same_texts(bench)
    alike = bench.alike(candidates, **given) if "keys" in given else np.ones(len(candidates))
    true, out = len(bench.true_pairs()), list[dict[str, Any]]()
    for level in levels:
        pairs = [pair for pair, likeness in zip(candidates, alike, strict=True) if likeness >= level]
        more = {"a": given["keys"]} if prefer.startswith("a.") else {}
        started = time.process_time()
        gone, facts = bench.dropped(Duplicates(at_least=level, prefer=prefer), **given, **more)
        spent = time.process_time() - started
        mine = [(row, kept) for row, kept in gone.items() if bench.labelled[row]]
        good = bench.right(mine)
        out.append(
            {
                "method": method,
                "at least": level,
                "pairs": len(pairs),
                "pairs: precision": share(bench.right(pairs), len(pairs)),
                "pairs: recall": share(bench.right(pairs), true),
                "dropped": len(mine),
                "dropped: precision": share(good, len(mine)),
                "dropped: recall": share(good, bench.can_go),
                "dropped of the rest": len(gone) - len(mine),
                "compared": facts["compared"],
                "left out": facts["left_out"],
                "CPU s": short(spent),
            }
        )
        print(out[-1], file=sys.stderr, flush=True)
    return out


def same_texts(bench: Bench) -> list[tuple[int, int]]:
    met = defaultdict[str, list[int]](list)
    for row in np.flatnonzero(bench.labelled).tolist():
        met[bench.documents[row].text].append(row)
    return [pair for rows in met.values() for pair in itertools.combinations(rows, 2)]


def by_jaccard(bench: Bench, keys: Artifact) -> tuple[list[dict[str, Any]], float]:
    """How many pairs of versions share a key, by their Jaccard index, and what theory says; and by how much the index
    of the data set differs from ours, in the mean."""
    pairs = bench.true_pairs()
    found, candidates = bench.alike(pairs, keys=keys), set(bench.candidates(keys))
    out = list[dict[str, Any]]()
    for tenth in range(10):
        low, high = tenth / 10, (tenth + 1) / 10
        inside = np.flatnonzero((found >= low) & ((found < high) | (tenth == 9)))
        if len(inside):
            shared = sum(pairs[i] in candidates for i in inside)
            expected = theory(found[inside])
            out.append(
                {
                    "Jaccard index": f"{low} to {high}",
                    "pairs": len(inside),
                    "share a key": share(shared, len(inside)),
                    "theory": short(float(expected.mean())),
                }
            )
    newest = {one.group: row for row, one in enumerate(bench.documents) if one.group and one.newest is None}
    mine = [(newest[one.group or ""], row) for row, one in enumerate(bench.documents) if one.newest is not None]
    theirs = np.array([one.newest for one in bench.documents if one.newest is not None])
    return out, float(np.abs(bench.alike(mine, keys=keys) - theirs).mean())


def theory(jaccard: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability that two texts share a key, by their Jaccard index."""
    return 1 - (1 - jaccard ** MinHash().band_rows) ** MinHash().bands


def planted(data: Path, number: int) -> list[dict[str, Any]]:
    """For each level pairs of that Jaccard index, about, and how many of them share a key."""
    words = [re.findall("[a-z]+", row["text"].lower()) for row in lines(data, "corpus/books_classic")]
    words = [one for one in words if len(one) >= WORDS]
    hashing, out = MinHash(), list[dict[str, Any]]()
    for level in LEVELS:
        random, both, jaccard = Random(f"planted {level}"), list[str](), list[float]()
        changes = round((1 - level) / (1 + level) * WORDS / hashing.ngram)  # each is in so many n-grams
        for i in range(number):
            source = words[i % len(words)]
            start = random.randrange(len(source) - WORDS + 1)
            first = source[start : start + WORDS]
            second = list(first)
            for place in random.sample(range(WORDS), changes):
                second[place] = "".join(random.choices("bcdfghjklmnpqrstvwxz", k=9))
            both += [" ".join(first), " ".join(second)]
            jaccard.append(index_of(first, second, hashing.ngram))
        keys, bounds, _ = hashing.keys(pa.chunked_array([pa.array(both, pa.large_string())]))
        held = [{*keys[a:b].tolist()} for a, b in itertools.pairwise(bounds.tolist())]
        met = sum(bool(a & b) for a, b in zip(held[::2], held[1::2], strict=True))
        expected = theory(np.array(jaccard))
        deviation = math.sqrt(float((expected * (1 - expected)).sum()))
        out.append(
            {
                "Jaccard index, mean": short(float(np.mean(jaccard))),
                "pairs": number,
                "share a key": met / number,
                "theory": short(float(expected.mean())),
                APART: short((met - float(expected.sum())) / deviation),
            }
        )
    return out


def index_of(first: Sequence[str], second: Sequence[str], size: int) -> float:
    """The Jaccard index of two texts' word n-grams, counted in the plainest way."""
    a, b = ({tuple(words[i : i + size]) for i in range(len(words) - size + 1)} for words in (first, second))
    return len(a & b) / len(a | b)


def clustered(bench: Bench, vectors: Artifact) -> tuple[list[dict[str, Any]], float]:
    """What more clusters and more keys find of what a look at all pairs finds; and of dropped documents the share that
    the defaults find at 0.95."""
    held = np.array(bench.inputs(vectors=vectors).shard(0).read("vectors", ["embedding"])[0].to_pylist())
    directed = np.flatnonzero(have_direction(held))
    unit = whole(held[directed])
    least, found = (0.9, 0.95), list[tuple[NDArray[Any], ...]]()
    for start in range(0, len(unit), 1000):
        cosines = unit[start : start + 1000] @ unit.T / WHOLE**2
        a, b = np.nonzero(np.triu(cosines >= least[0], start + 1))
        found.append((a + start, b, cosines[a, b]))
    first, second, cosine = (np.concatenate(column) for column in zip(*found, strict=True))
    root, out, defaults = math.sqrt(len(unit)), list[dict[str, Any]](), 0.0
    one = bench.model(Clusters(clusters=1), embeddings=vectors)
    keys = bench.table(Keys(probes=1), embeddings=vectors, clusters=one)
    every = bench.dropped(Duplicates(at_least=least[1]), keys=keys, vectors=vectors)
    for times in CLUSTERS:
        model = bench.model(Clusters(clusters=math.ceil(times * root)), embeddings=vectors)
        for probes in PROBES:
            keys = bench.table(Keys(probes=probes), embeddings=vectors, clusters=model)
            lists = bench.inputs(keys=keys).shard(0).read("keys", ["keys"])[0].to_pylist()
            near = np.array([lists[row] for row in directed])
            common = (near[first][:, :, None] == near[second][:, None, :]).any(axis=(1, 2))
            gone, facts = bench.dropped(Duplicates(at_least=least[1]), keys=keys, vectors=vectors)
            if (times, probes) == (1, Keys().probes):
                defaults = len(gone) / len(every[0])
            out.append(
                {
                    "clusters": model.facts["clusters"],
                    "keys of a document": probes,
                    "largest cluster": int(np.bincount(near.ravel()).max()),
                    **{f"pairs from {low} on": short(float(common[cosine >= low].mean())) for low in least},
                    f"dropped at {least[1]}, of all": short(len(gone) / len(every[0])),
                    "compared, of all": short(facts["compared"] / every[1]["compared"]),
                }
            )
    return out, defaults


def crowded(bench: Bench, vectors: Artifact) -> list[dict[str, Any]]:
    """What room for kept documents under a key does to clusters as large as a larger corpus has them."""
    model = bench.model(Clusters(clusters=math.ceil(CROWDED * math.sqrt(len(bench.documents)))), embeddings=vectors)
    keys = bench.table(Keys(), embeddings=vectors, clusters=model)
    out = list[dict[str, Any]]()
    for bucket in ROOM:
        started = time.process_time()
        gone, facts = bench.dropped(Duplicates(at_least=0.95, bucket=bucket), keys=keys, vectors=vectors)
        spent = time.process_time() - started
        out.append(
            {
                "bucket": bucket or "default",
                "dropped": len(gone),
                "left out": facts["left_out"],
                "compared": facts["compared"],
                "CPU s": short(spent),
            }
        )
    return out


def share(part: int, of: int) -> float | None:
    return short(part / of) if of else None


def short(value: float) -> float:
    return float(f"{value:.4g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = os.environ.get("VERNIER_DATA", str(Path(__file__).resolve().parents[2] / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=Path(default), help="the folder of test data")
    parser.add_argument("--small", action="store_true", help="a quick look: few documents, nothing written")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), texts(given.data, given.small))
        keys = bench.table(MinHash())
        rows = rows_of(bench, "exact", (1.0,))
        rows += rows_of(bench, "text_hash", (1.0,), keys=bench.table(TextHash()))
        rows += rows_of(bench, "line_hashes", SHARES, keys=bench.table(LineHashes()))
        rows += rows_of(bench, "minhash", JACCARD, keys=keys)
        model = bench.model(Embedder(dimensions=DIMENSIONS, documents=FITTED))
        vectors = bench.table(Embedding(), model=model)
        clusters = bench.model(Clusters(), embeddings=vectors)
        of_clusters = bench.table(Keys(), embeddings=vectors, clusters=clusters)
        rows += rows_of(bench, "semantic", COSINES, "a.distance", keys=of_clusters, vectors=vectors)
        indices, differ = by_jaccard(bench, keys)
        recalls, defaults = clustered(bench, vectors)
        room = crowded(bench, vectors)
    pairs = planted(given.data, 50 if given.small else PLANTED)
    of = {(row["method"], row["at least"]): row for row in rows}
    high = [row for row in indices if row["Jaccard index"] in ("0.8 to 0.9", "0.9 to 1.0")]
    shared = sum(row["pairs"] * row["share a key"] for row in high) / sum(row["pairs"] for row in high)
    verdict = [
        must("planted pairs: standard deviations apart from theory", max(abs(p[APART]) for p in pairs), 4),
        at_least("pairs of versions with an index of 0.8 or more that share a key", shared, 0.95),
        at_least("minhash at 0.8: precision of what is dropped", of["minhash", 0.8]["dropped: precision"], 0.99),
        must("Jaccard index: mean difference from the data set's", differ, 0.01),
        at_least("semantic at 0.95: precision of what is dropped", of["semantic", 0.95]["dropped: precision"], 0.95),
        at_least("semantic at 0.95: dropped, of what all pairs drop", defaults, 0.99),
    ]
    found = result(
        "dedup_quality",
        "What does each way to find duplicates find, and is it right?",
        rows,
        verdict,
        documents=len(bench.documents),
        labelled=int(bench.labelled.sum()),
        groups=len({one.group for one in bench.documents if one.group}),
        tables={
            "Pairs of versions, by their Jaccard index: which share a key of score.minhash": indices,
            "Planted pairs: which share a key of score.minhash": pairs,
            "Semantic: pairs that have a cluster in common, by the number of clusters and keys": recalls,
            "Semantic: large clusters, by the room of a key": room,
        },
    )
    save(found, small=given.small)


if __name__ == "__main__":
    main()
