"""Find for each document the kept one that it is a copy of, in memory that the corpus does not set.

The documents are gone through in order of preference. One is dropped if it shares a key with a document that was kept
before it and is at least `at_least` alike to it; of several such it names the one that it is most like, and of those
the most preferred. So what is dropped has a kept document like itself: a chain of copies of copies drops nothing that
is not like what stays.

Keys are sorted and joined by DuckDB, which uses files where memory ends. What is left, the documents that share a key,
is gone through at once where it fits (`_at_once`). Where it does not, rounds come first (`_round`): a document that is
the most preferred one under each of its keys depends on no other, so all such are kept at once, compared with what
shares a key with them, and put aside. Both ways come to the same result, whatever the memory (Blelloch et al., arXiv
1202.3205: the greedy independent set in rounds).

Under one key at most `bucket` kept documents are compared with later ones: without a limit, documents that share a key
and are not alike take quadratic time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vernier.core.errors import StageError
from vernier.select.dedup import features, kernel
from vernier.select.dedup.alike import Likeness
from vernier.select.dedup.documents import Documents
from vernier.select.dedup.order import Order

SPILLED = 1 << 20  # rows handed over at a time


@dataclass
class Search:
    """One search. `scratch`: an empty folder; it takes some 60 bytes for each key, and what candidates are compared by.

    at_least  likeness
    bucket    kept documents under one key that later ones are compared with
    memory    bytes, about
    at_once   keys of documents that are gone through in one pass

    What it came to:

    candidates  documents that share a key with another one
    compared    pairs
    left_out    times that a key had no room for a document that was kept: later ones were not compared with it there
    rounds      before the rest was gone through at once
    """

    documents: Documents
    likeness: Likeness
    order: Order
    at_least: float
    bucket: int
    memory: int
    at_once: int
    threads: int
    scratch: Path
    candidates: int = 0
    compared: int = 0
    left_out: int = 0
    rounds: int = 0
    db: Any = field(init=False)

    def __post_init__(self) -> None:
        import duckdb

        self.db = duckdb.connect(config={"threads": self.threads})
        for name, value in {
            "memory_limit": f"{self.memory // 2 >> 20}MiB",
            "temp_directory": str(self.scratch / "spilled"),
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }.items():
            self.db.execute(f"SET {name} = '{value}'")

    def run(self) -> None:
        """Find all: table `duplicates` then has `doc`, `of_` (the kept document) and `likeness`."""
        self.candidates = self._candidates()
        self._rank()
        self._write_features()
        self.db.execute("CREATE TABLE dropped (position BIGINT, of_ BIGINT, likeness DOUBLE)")
        self._begin()
        while self.one("SELECT count(*) FROM entries") > self.at_once:
            self._round()
        self._at_once()
        self.db.execute(
            """CREATE TABLE duplicates AS SELECT mine.doc AS doc, theirs.doc AS of_, likeness FROM dropped
               JOIN ranked AS mine USING (position) JOIN ranked AS theirs ON theirs.position = of_"""
        )

    def close(self) -> None:
        self.db.close()

    def _candidates(self) -> int:
        """Tables `entries` (key, doc), of keys that several documents have, one of them new at least, and `docs`."""
        self.db.execute("CREATE TABLE keys (key UBIGINT, doc BIGINT)")
        for table in _gathered(self.documents.keys(self.likeness)):
            self.insert("keys", table)
        self.db.execute(
            "CREATE TABLE shared AS SELECT key FROM keys GROUP BY key HAVING count(*) > 1 AND max(doc) >= ?",
            [self.documents.first_new],
        )
        self.db.execute("CREATE TABLE entries AS SELECT key, doc FROM keys JOIN shared USING (key)")
        self.db.execute("DROP TABLE keys; DROP TABLE shared")
        self.db.execute("CREATE TABLE docs (doc BIGINT, place INTEGER, value DOUBLE, high UBIGINT, low UBIGINT)")
        number = 0
        for docs in self.numbers("SELECT DISTINCT doc FROM entries ORDER BY doc", "doc"):
            number += len(docs)
            for part, rows in self.documents.among(docs):
                places, values = self.order.of(part, rows)
                high, low = part.shard.text_hashes()[rows].T
                columns = {"doc": part.start + rows, "place": places, "value": values, "high": high, "low": low}
                self.insert("docs", pa.table(columns))
        return number

    def _rank(self) -> None:
        """Table `ranked`: for each candidate its `position` in the order of preference, and the number of its
        `feature`, which equal texts share."""
        self.db.execute(
            """CREATE TABLE owners AS SELECT high, low, min(doc) AS doc FROM docs GROUP BY high, low;
               CREATE TABLE numbered (doc BIGINT, feature BIGINT); CREATE TABLE placed (doc BIGINT, position BIGINT)"""
        )
        ordered = "SELECT doc FROM docs ORDER BY doc >= ?, place, value DESC, doc"
        first_new = [self.documents.first_new]
        for name, query, given in (
            ("numbered", "SELECT doc FROM owners ORDER BY doc", []),
            ("placed", ordered, first_new),
        ):
            at = 0
            for docs in self.numbers(query, "doc", given):
                self.insert(name, pa.table({"doc": docs, "number": np.arange(at, at + len(docs))}))
                at += len(docs)
        self.db.execute(
            """CREATE TABLE ranked AS SELECT placed.doc AS doc, position, feature FROM placed JOIN docs USING (doc)
               JOIN owners ON owners.high = docs.high AND owners.low = docs.low
               JOIN numbered ON numbered.doc = owners.doc;
               DROP TABLE docs; DROP TABLE placed; DROP TABLE numbered;
               CREATE TABLE ours AS SELECT key, position FROM entries JOIN ranked USING (doc);
               DROP TABLE entries; ALTER TABLE ours RENAME TO entries"""
        )

    def _write_features(self) -> None:
        owners = self.numbers("SELECT doc FROM owners ORDER BY doc", "doc")
        made = (one for docs in owners for one in self.documents.features(self.likeness, docs, self.threads))
        features.write(self.scratch / "features", made)
        self.features = features.Store(self.scratch / "features")

    def _begin(self) -> None:
        """Table `state`: what is known of each candidate (a likeness of -2: nothing yet), and `filled`: how many kept
        documents each key was compared under."""
        self.num_known = self.one("SELECT count(*) FROM ranked WHERE doc < ?", [self.documents.first_new])
        self.db.execute(
            f"""CREATE TABLE state AS SELECT position, {kernel.UNDECIDED} AS status, -1::BIGINT AS of_,
                {kernel.NOT_ALIKE}::DOUBLE AS likeness FROM ranked;
                CREATE TABLE filled (key UBIGINT, number BIGINT)"""
        )
        self.db.execute("UPDATE state SET status = ? WHERE position < ?", [kernel.KNOWN, self.num_known])

    def _round(self) -> None:
        """Keep every document that is the first under each of its keys, and compare those behind it."""
        self.rounds += 1
        self.db.execute(
            f"""CREATE TABLE first AS SELECT key, min(position) AS lead FROM entries JOIN state USING (position)
                  WHERE status <> {kernel.DROPPED} GROUP BY key;
                DELETE FROM entries WHERE key NOT IN (SELECT key FROM first);
                CREATE TABLE leaders AS SELECT DISTINCT lead FROM first WHERE lead NOT IN (
                  SELECT position FROM entries JOIN state USING (position) JOIN first USING (key)
                  WHERE status <> {kernel.DROPPED} AND position <> lead);
                CREATE TABLE led AS SELECT first.key, lead, coalesce(number, 0) AS number FROM first
                  SEMI JOIN leaders USING (lead) LEFT JOIN filled USING (key)"""
        )
        self.left_out += self.one("SELECT count(*) FROM led WHERE number >= ?", [self.bucket])
        self.db.execute("CREATE TABLE better (position BIGINT, of_ BIGINT, likeness DOUBLE)")
        for pairs in self.query(
            """SELECT DISTINCT position, lead, mine.feature AS a, theirs.feature AS b FROM entries JOIN led USING (key)
               JOIN ranked AS mine USING (position) JOIN ranked AS theirs ON theirs.position = lead
               WHERE position > lead AND position >= ? AND number < ?""",
            [self.num_known, self.bucket],
        ):
            found = self._likeness(pairs.column("a").to_numpy(), pairs.column("b").to_numpy())
            self.compared += len(found)
            alike = np.flatnonzero(found != kernel.NOT_ALIKE)
            if len(alike):
                some = pairs.select(["position", "lead"]).take(pa.array(alike))
                self.insert("better", some.append_column("likeness", pa.array(found[alike])))
        self.db.execute(
            f"""UPDATE state SET status = {kernel.DROPPED}, of_ = best.of_, likeness = best.likeness FROM (
                  SELECT position, likeness, min(of_) AS of_ FROM better
                  JOIN (SELECT position, max(likeness) AS likeness FROM better GROUP BY position)
                  USING (position, likeness) GROUP BY position, likeness) AS best
                WHERE state.position = best.position AND (best.likeness > state.likeness
                  OR (best.likeness = state.likeness AND best.of_ < state.of_));
                UPDATE state SET status = {kernel.KEPT} WHERE position IN (SELECT lead FROM leaders)
                  AND status = {kernel.UNDECIDED};
                DELETE FROM entries WHERE position IN (SELECT lead FROM leaders);
                CREATE TABLE more AS SELECT key, number + (number < {self.bucket})::BIGINT AS number FROM led;
                DELETE FROM filled WHERE key IN (SELECT key FROM more);
                INSERT INTO filled SELECT * FROM more;
                DROP TABLE first; DROP TABLE leaders; DROP TABLE led; DROP TABLE better; DROP TABLE more"""
        )

    def _at_once(self) -> None:
        """Go through what is left in one pass."""
        entries = self.db.execute("SELECT key, position FROM entries ORDER BY position").fetchnumpy()
        keys, buckets = np.unique(np.asarray(entries["key"]), return_inverse=True)
        position, starts = np.unique(np.asarray(entries["position"]), return_index=True)
        starts = np.append(starts, len(buckets)).astype(np.int64)
        del entries
        known = self.db.execute(
            """SELECT feature, status, of_, likeness FROM ranked JOIN state USING (position)
               WHERE position IN (SELECT position FROM entries) ORDER BY position"""
        ).fetchnumpy()
        feature, status, of, alike = (np.array(known[name]) for name in ("feature", "status", "of_", "likeness"))
        status = status.astype(np.int8)
        filled_before = self._filled(keys)
        places = np.concatenate([[0], np.cumsum(np.bincount(buckets, minlength=len(keys)))])
        filled = np.zeros(len(keys), np.int64)
        members, looked = np.empty(len(buckets), np.int32), np.full(len(position), -1, np.int32)
        for first, last in self._stretches(self.features.sizes(feature)):
            compared, left_out = kernel.settle(
                *(self.likeness.number, self.at_least),
                *(self.features.values, self.features.weights, self.features.offsets),
                *(feature, position, first, last, starts, buckets, places, filled, self.bucket - filled_before),
                *(members, looked, status, of, alike),
            )
            self.features.release()
            self.compared, self.left_out = self.compared + compared, self.left_out + left_out
        dropped = np.flatnonzero(status == kernel.DROPPED)
        self.db.execute("DELETE FROM state WHERE position IN (SELECT position FROM entries)")
        self.db.execute(
            f"INSERT INTO dropped SELECT position, of_, likeness FROM state WHERE status = {kernel.DROPPED}"
        )
        self.insert("dropped", pa.table([position[dropped], of[dropped], alike[dropped]], names=["p", "o", "l"]))

    def _filled(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """How many kept documents were compared under each of these keys (rising) in rounds before."""
        before = self.db.execute("SELECT key, number FROM filled WHERE key IN (SELECT key FROM entries)").fetchnumpy()
        numbers = np.zeros(len(keys), np.int64)
        numbers[np.searchsorted(keys, np.asarray(before["key"]))] = np.asarray(before["number"])
        return numbers

    def _stretches(self, sizes: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
        """Stretches whose features take an eighth of the memory: then their pages are given back. sizes: bytes, [n]"""
        ends = np.cumsum(sizes)
        first = 0
        while first < len(sizes):
            before = int(ends[first] - sizes[first])
            last = int(np.searchsorted(ends, before + self.memory // 8, side="right"))
            yield first, max(last, first + 1)
            first = max(last, first + 1)

    def _likeness(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        """How alike each features a[i] are to b[i], float64 [n]."""
        stored = self.features
        arrays = stored.values, stored.weights, stored.offsets
        found = np.empty(len(a))
        for first, last in self._stretches(stored.sizes(a) + stored.sizes(b)):
            some = a[first:last], b[first:last]
            found[first:last] = kernel.pairs(self.likeness.number, self.at_least, *arrays, *some)
            stored.release()
        return found

    def query(self, query: str, given: list[Any] | None = None) -> Iterator[pa.Table]:
        """The result of a query, a part at a time, while others run."""
        for batch in self.db.cursor().sql(query, params=given or None).to_arrow_reader(SPILLED):
            yield pa.Table.from_batches([batch])

    def numbers(self, query: str, column: str, given: list[Any] | None = None) -> Iterator[NDArray[np.int64]]:
        return (table.column(column).to_numpy() for table in self.query(query, given))

    def one(self, query: str, given: list[Any] | None = None) -> int:
        row = self.db.execute(query, given or []).fetchone()
        if row is None:
            raise StageError("a count came back empty", found=query)
        return int(row[0])

    def insert(self, name: str, table: pa.Table) -> None:
        self.db.register("handed_over", table)
        self.db.execute(f"INSERT INTO {name} SELECT * FROM handed_over")
        self.db.unregister("handed_over")


def _gathered(many: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Small tables put together, SPILLED rows or a little more at a time: handing over costs milliseconds."""
    waiting, rows = list[pa.Table](), 0
    for one in many:
        waiting.append(one)
        rows += one.num_rows
        if rows >= SPILLED:
            yield pa.concat_tables(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pa.concat_tables(waiting)
