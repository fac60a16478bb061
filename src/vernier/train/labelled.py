"""What a rater is trained on: pairs of excerpts with a preference, or documents with a label.

Both come out in the order of their ids, whatever the order of documents and shards.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from vernier.core import tables
from vernier.core.errors import DataError, RecipeError, nearest
from vernier.core.measures import read_numbers
from vernier.core.preference import preference
from vernier.core.shard import Inputs, Shard

Row = tuple[bytes, bytes, tuple[str, ...], NDArray[np.float64]]  # id, kin, texts, wanted
Told = tuple[set[str], set[str]]  # ids of documents, hashes of texts
KINDS = ("ab_votes", "ab_answers", "ba_votes", "ba_answers")


@dataclass(frozen=True)
class Labelled:
    """N examples of one text each, or of two.

    criteria   names, one for each column of `wanted`
    ids        uint64 [N, 2], of the documents or pairs
    kin        uint64 [N, 2], equal where two examples must lie on one side of the split
    texts      N tuples of one text or two
    wanted     float64 [N, C]: the probability that the second text is preferred (NaN: not to be learnt), or a class
    documents  ids of all documents that were told, hex
    hashes     hashes of all texts that were told, hex
    left_out   how many were left out, by reason
    """

    criteria: tuple[str, ...]
    ids: NDArray[np.uint64]
    kin: NDArray[np.uint64]
    texts: Sequence[tuple[str, ...]]
    wanted: NDArray[np.float64]
    documents: frozenset[str]
    hashes: frozenset[str]
    left_out: Mapping[str, int]


def soft_labels(p: NDArray[np.float64], *, confidence: float, temperature: float) -> NDArray[np.float64]:
    """QuRating's labels: sigmoid(logit(p) / temperature) where |p - 1/2| >= confidence / 2, else NaN; NaN stays.

    p   float64 [...], probabilities
    """
    sure = np.abs(p - 0.5) >= confidence / 2
    with np.errstate(divide="ignore"):  # 0 and 1 have logits -inf and inf, and come back as they were
        logit = np.log(p) - np.log1p(-p)
    with np.errstate(over="ignore"):
        return np.where(sure, 1 / (1 + np.exp(-logit / temperature)), math.nan)


def read_pairs(inputs: Inputs, *, confidence: float, temperature: float) -> Labelled:
    """Pairs of `corpus.pairs` by their table from `score.judge`. Left out, each criterion of a pair by itself:
    `unreadable` (half of the answers of an order or more), `not_sure`; whole pairs: `not_judged`, `empty` ones.

    Raises RecipeError for tables that are not such.
    """
    criteria, generations = _asked(inputs)
    rows, told, left_out = list[Row](), (set[str](), set[str]()), Counter[str]()
    for shard in inputs.shards():
        p, judged = _preferences(shard, criteria, generations)
        wanted = soft_labels(p, confidence=confidence, temperature=temperature)
        selected, at = shard.kept(), 0
        for batch in shard.batches("corpus", _pair_columns(shard)):
            for row, record in enumerate(batch.to_pylist(), at):
                if not selected[row]:
                    continue
                texts = (record["text"], record["second"])
                if not judged[row] or not all(texts):
                    left_out["not_judged" if all(texts) else "empty"] += 1
                    continue
                told[0].update((record["first_id"], record["second_id"]))
                told[1].update(map(_hash, texts))
                left_out["unreadable"] += int(np.isnan(p[row]).sum())
                left_out["not_sure"] += int((np.isnan(wanted[row]) & ~np.isnan(p[row])).sum())
                if not np.isnan(wanted[row]).all():
                    rows.append((record["doc_id"], record["doc_id"], texts, wanted[row]))
            at += batch.num_rows
    return _together(criteria, rows, told, left_out)


def read_labels(inputs: Inputs, *, column: str, values: Mapping[str, float]) -> tuple[Labelled, tuple[float, ...]]:
    """Documents by a column of labels, and what the classes are worth, rising: class i is worth the i-th.

    values   what each label is worth; without any, the labels are numbers
    Left out: `no_label`, `empty` texts. Raises RecipeError for a column that is not there or a label that is not
    named, DataError for one that is no number or fewer than two classes.
    """
    rows, told, left_out = list[Row](), (set[str](), set[str]()), Counter[str]()
    for shard in inputs.shards():
        here = shard.columns("corpus")
        if column not in here:
            raise RecipeError(f"the corpus has no column {column!r}", do=nearest(column, here))
        selected, at = shard.kept(), 0
        for batch in shard.batches("corpus", list(dict.fromkeys(["doc_id", "text", "text_hash", column]))):
            for row, record in enumerate(batch.to_pylist(), at):
                if not selected[row]:
                    continue
                if record[column] is None or not record["text"]:
                    left_out["empty" if record[column] is not None else "no_label"] += 1
                    continue
                worth = np.array([_worth(record[column], column, values)])
                told[0].add(record["doc_id"].hex())
                told[1].add(record["text_hash"].hex())
                rows.append((record["doc_id"], record["text_hash"], (record["text"],), worth))
            at += batch.num_rows
    read = _together((column,), rows, told, left_out)
    worths, classes = np.unique(read.wanted, return_inverse=True)
    if len(worths) < 2:
        raise DataError(
            "a rater needs labels of two classes or more",
            found=f"{len(worths)} in the column {column!r} of {len(read.ids)} documents",
        )
    return replace(read, wanted=classes.reshape(read.wanted.shape).astype(np.float64)), tuple(worths.tolist())


def _together(criteria: tuple[str, ...], rows: list[Row], told: Told, left_out: Counter[str]) -> Labelled:
    if not rows:
        raise DataError("there is nothing to train a rater on", found=str(dict(left_out)) if left_out else "no rows")
    rows = sorted(rows, key=lambda row: row[0])
    ids, kin = (np.frombuffer(b"".join(some), np.uint64).reshape(-1, 2) for some in list(zip(*rows, strict=True))[:2])
    documents, hashes = map(frozenset, told)
    wanted = np.stack([row[3] for row in rows])
    return Labelled(criteria, ids, kin, [row[2] for row in rows], wanted, documents, hashes, left_out)


def _asked(inputs: Inputs) -> tuple[tuple[str, ...], int]:
    """The criteria of a table of judged pairs, and how many answers were asked for in each order."""
    facts = inputs.facts("judgments")
    if not facts.get("pairs") or "answers" not in facts:
        raise RecipeError(
            "these judgments are not about pairs",
            found=", ".join(facts) or "a table that says nothing of itself",
            expected="what `score.judge` makes of a corpus of `corpus.pairs`",
        )
    return tuple(facts["criteria"]), int(facts["answers"])


def _preferences(
    shard: Shard, criteria: Sequence[str], generations: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The preference of each pair by each criterion, float64 [rows, C], and which pairs were judged."""
    p, judged = np.empty((shard.rows, len(criteria))), np.ones(shard.rows, dtype=bool)
    for i, name in enumerate(criteria):
        columns = read_numbers(shard, "judgments", [f"{name}_{kind}" for kind in KINDS])
        ab_votes, ab_answers, ba_votes, ba_answers = (values.astype(np.int64) for values, _ in columns)
        p[:, i] = preference(ab_votes, ab_answers, ba_votes, ba_answers, generations)
        for _, known in columns:
            judged &= known
    return p, judged


def _pair_columns(shard: Shard) -> list[str]:
    wanted, here = ["doc_id", "text", "second", "first_id", "second_id"], shard.columns("corpus")
    missing = [name for name in wanted if name not in here]
    if missing:
        raise RecipeError(
            "the corpus holds no pairs", found=f"no column {missing[0]!r}", do="give a corpus of `corpus.pairs`"
        )
    return wanted


def _worth(label: str, column: str, values: Mapping[str, float]) -> float:
    if values:
        if label not in values:
            raise RecipeError(f"the label {label!r} has no value", found=f"labels: {dict(values)}", do="add it")
        return float(values[label])
    try:
        worth = float(label)
    except ValueError:
        worth = math.nan
    if not math.isfinite(worth):
        raise DataError(
            f"a label of the column {column!r} is not a number",
            found=repr(label),
            do="write `labels`, what each is worth: {low: 0, high: 1}",
        )
    return worth


def _hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=tables.ID_BYTES).hexdigest()
