"""The exam's second part: what a plugin does with the toy set. One function, one check.

The promises are those that the store and the pipeline build on: same bytes whatever the shard cut, the order in
which workers take shards, the order of documents, and every setting outside the key; a row out for each row in;
inputs untouched; a seed that matters if and only if the plugin says that it draws.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from vernier.core import tables
from vernier.core.fingerprint import file_sha256
from vernier.core.plugin import Piece, Sourced, shape_of
from vernier.core.shard import Inputs
from vernier.testing.make import build, make_artifact, run, settle
from vernier.testing.toyset import LAYOUTS, ToySet


@dataclasses.dataclass(frozen=True)
class Trial:
    """One plugin instance and what it is tried on.

    plugin      with example settings
    without     optional inputs that it is tried without
    elsewhere   of one that takes from the outside world: the same settings, for the same files in another folder
    """

    plugin: Any
    toys: ToySet
    elsewhere: Any = None
    without: tuple[str, ...] = ()

    @property
    def shape(self) -> str:
        return shape_of(self.plugin)

    @functools.cached_property
    def usual(self) -> Any:
        """The output for the documents in one shard, with seed 0: what others are held against."""
        return self.output()

    def inputs(self, layout: str = "whole", seed: int = 0) -> Inputs:
        """The documents in this layout and tables about them, for all inputs but those left out."""
        takes = {name: kind for name, kind in self.plugin.takes.items() if name not in self.without}
        units = self.plugin.units() if isinstance(self.plugin, Sourced) else ()
        return dataclasses.replace(self.toys.inputs(takes, layout=layout, seed=seed), units=tuple(units))

    def table(self, layout: str = "whole", *, plugin: Any = None, **how: Any) -> pa.Table:
        """What the plugin makes of a layout, all shards in one table."""
        backwards = how.pop("backwards", False)
        inputs = self.inputs(layout, **how)
        return pa.concat_tables(run(plugin or self.plugin, inputs, backwards=backwards))

    def folder(self, layout: str = "whole", *, plugin: Any = None, **how: Any) -> Any:
        """What a build writes: its files by name with their hashes, and its facts."""
        out = self.toys.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        return build(plugin or self.plugin, self.inputs(layout, **how), out)

    def output(self, layout: str = "whole", *, plugin: Any = None, **how: Any) -> Any:
        """What the plugin makes, in values that compare."""
        if self.shape == "build":
            return self.folder(layout, plugin=plugin, **how)
        return rows(self.table(layout, plugin=plugin, **how))


def rows(table: pa.Table) -> list[str]:
    """The rows of a table as text: equal if and only if the values are (NaN equals NaN)."""
    return [repr(row) for row in table.to_pylist()]


# ---- map, fold and build -------------------------------------------------------------------------------------


def repeats(trial: Trial) -> None:
    """Twice the same input, twice the same output."""
    assert trial.output() == trial.usual


def does_not_see_shards(trial: Trial) -> None:
    """The same documents cut into other shards, empty ones among them, give the same output."""
    assert trial.output("cut") == trial.usual


def leaves_inputs_alone(trial: Trial) -> None:
    """Nothing in the store is changed."""
    trial.inputs()
    before = _digests(trial.toys.store.url)
    trial.output()
    assert _digests(trial.toys.store.url) == before


def draws_as_declared(trial: Trial) -> None:
    """Another seed gives another output if the plugin says `draws`, and the same one if not."""
    same = trial.output(seed=1) == trial.usual
    draws = getattr(trial.plugin, "draws", False)
    assert same != draws, f"draws = {draws}, yet another seed gives {'the same' if same else 'another'} output"


def keeps_its_key_honest(trial: Trial) -> None:
    """A whole-number setting outside the key does not change the output by a single bit."""
    for field in dataclasses.fields(trial.plugin):
        value = getattr(trial.plugin, field.name)
        if field.metadata.get("key", True) or type(value) is not int:
            continue
        for other in (max(1, value // 7), value + 13):
            plugin = dataclasses.replace(trial.plugin, **{field.name: other})
            assert trial.output(plugin=plugin) == trial.usual, f"{field.name} = {other}"


# ---- map and fold --------------------------------------------------------------------------------------------


def has_a_row_for_each_row(trial: Trial) -> None:
    """One row out for each row in, in each shard, with one schema that fits what the plugin makes."""
    inputs = trial.inputs("cut")
    made = run(trial.plugin, inputs)
    schemas = {str(table.schema) for table in made}
    assert len(schemas) == 1, f"shards differ in their columns: {schemas}"
    _fits(trial.plugin.makes, made[0].schema)
    if getattr(trial.plugin, "rows", "same") == "same":
        assert [table.num_rows for table in made] == list(LAYOUTS["cut"][1])
    for table in made:
        _adds_up(trial.plugin.makes, table)


def does_not_see_workers(trial: Trial) -> None:
    """Fresh processes that take the shards in the opposite order give the same output."""
    assert rows(trial.table("cut", backwards=True)) == rows(trial.table("cut"))


def does_not_see_order(trial: Trial) -> None:
    """The documents in another order give each document the same row."""
    made, shuffled = trial.usual, rows(trial.table("shuffled"))
    if getattr(trial.plugin, "rows", "same") == "new":
        assert Counter(shuffled) == Counter(made)
    else:
        assert shuffled == [made[i] for i in LAYOUTS["shuffled"][0]]


def masks_hide(trial: Trial) -> None:
    """Rows that a mask drops are null, the others are as without the mask."""
    masks = getattr(trial.plugin, "masks", ())
    inputs = trial.inputs()
    masks = [mask for mask in masks if mask in inputs]
    if not masks:
        return
    open_ = dataclasses.replace(inputs, artifacts={n: a for n, a in inputs.artifacts.items() if n not in masks})
    kept = [all(row) for row in zip(*(inputs.shard(0).kept(mask) for mask in masks), strict=True)]
    masked, full = pa.concat_tables(run(trial.plugin, inputs)), pa.concat_tables(run(trial.plugin, open_))
    nothing = dict.fromkeys(full.column_names)
    for wanted, got, whole in zip(kept, masked.to_pylist(), full.to_pylist(), strict=True):
        assert repr(got) == repr(whole if wanted else nothing)


def accounts_in_plain_values(trial: Trial) -> None:
    """What a fold says of its state is JSON, and the same for any shard cut."""
    plugin = trial.plugin
    told = [plugin.account(settle(plugin, trial.inputs(layout))) for layout in LAYOUTS]
    assert json.loads(json.dumps(told[0], allow_nan=False)) == told[0]
    assert coarse(told[0]) == coarse(told[1]) == coarse(told[2])


# ---- readers -------------------------------------------------------------------------------------------------


def reads_good_rows(trial: Trial) -> None:
    """Pieces have the schemas and add up; no document id comes twice."""
    ids: Counter[bytes] = Counter()
    for unit in trial.plugin.units():
        position = 0
        for piece in trial.plugin.read(unit, 0):
            assert piece.next >= position, "a piece ends before it begins"
            position = piece.next
            assert piece.bad.schema == tables.QUARANTINE
            _fits("corpus", piece.rows.schema)
            _adds_up("corpus", piece.rows)
            ids.update(piece.rows.column("doc_id").to_pylist())
    assert ids.total() > 0, "no documents"
    assert ids.most_common(1)[0][1] == 1, "a document id comes twice"


def goes_on_where_it_stopped(trial: Trial) -> None:
    """Read again from behind any piece, the rest is the same."""
    for unit in trial.plugin.units():
        whole = list(trial.plugin.read(unit, 0))
        for done in range(1, len(whole)):
            rest = trial.plugin.read(unit, whole[done - 1].next)
            assert _all_rows(rest) == _all_rows(whole[done:])


def names_what_it_takes(trial: Trial) -> None:
    """Units are named apart and found again, and are the same in another folder with the same files."""
    units = trial.plugin.units()
    assert units, "no units"
    for plugin in (trial.plugin, trial.elsewhere or trial.plugin):
        assert [(u.name, u.content, u.part) for u in units] == [(u.name, u.content, u.part) for u in plugin.units()]
    assert len({unit.name for unit in units}) == len(units)
    for unit in units:
        assert unit.content
        assert json.loads(json.dumps([unit.spec, unit.part])) == [unit.spec, unit.part]


def makes_the_same_elsewhere(trial: Trial) -> None:
    """The same files in another folder give the same output."""
    if trial.elsewhere is not None:
        assert dataclasses.replace(trial, plugin=trial.elsewhere).output() == trial.usual


def does_not_see_mounts(trial: Trial) -> None:
    """The same files in another folder give the same rows."""
    if trial.elsewhere is None:
        return
    here, there = trial.plugin.units(), trial.elsewhere.units()
    for one, other in zip(here, there, strict=True):
        assert _all_rows(trial.plugin.read(one, 0)) == _all_rows(trial.elsewhere.read(other, 0))


# ---- what is kept of an output -------------------------------------------------------------------------------


def coarse(value: Any) -> Any:
    """`value` with floats to 5 digits: equal across processors and library versions."""
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(k): coarse(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [coarse(v) for v in value]
    return value


def golden(trial: Trial) -> str | None:
    """A hash of what the plugin makes of the toy set; None where it depends on more than that.

    Left out: readers of anything but the toy files, and what training makes, which differs between processors.
    """
    if trial.shape == "reader":
        if trial.elsewhere is None:
            return None
        made: Any = [_values(trial.plugin.read(unit, 0)) for unit in trial.plugin.units()]
    elif trial.shape == "build":
        if getattr(trial.plugin, "draws", False):
            return None
        made = trial.usual[1]
    else:
        made = trial.table().to_pylist()
    return hashlib.sha256(json.dumps(coarse(made), sort_keys=True).encode()).hexdigest()[:32]


def _values(pieces: Any) -> list[dict[str, Any]]:
    return [row for piece in pieces for row in piece.rows.to_pylist()]


def _all_rows(pieces: Any) -> list[str]:
    some: list[Piece] = list(pieces)
    return [row for piece in some for row in rows(piece.rows)] + [row for piece in some for row in rows(piece.bad)]


def _fits(kind: str, schema: pa.Schema) -> None:
    if kind in ("corpus", "selection"):
        wanted = tables.CORPUS if kind == "corpus" else tables.SELECTION
        for field in wanted:
            found = schema.field(field.name).type
            assert found == field.type, f"{field.name} is {found}, not {field.type}"
    if kind == "scores":
        for field in schema:
            number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
            assert number or pa.types.is_list(field.type), f"{field.name} is {field.type}: not a sum or a count"


def _adds_up(kind: str, table: pa.Table) -> None:
    if kind == "selection":
        for row in table.select(["count", "reason"]).to_pylist():
            assert row["count"] >= 0
            assert (row["count"] == 0) == (row["reason"] is not None), f"kept with a reason, or dropped without: {row}"
    if kind == "corpus":
        for row in table.select(["text", "num_bytes", "text_hash"]).to_pylist():
            raw = row["text"].encode()
            assert row["num_bytes"] == len(raw)
            assert row["text_hash"] == hashlib.blake2b(raw, digest_size=16).digest()


def _digests(url: str) -> dict[str, str]:
    return {str(path): file_sha256(path) for path in Path(url).rglob("*") if path.is_file()}


def says_what_it_costs(trial: Trial) -> None:
    """Operations, planned and (of a map) real, are None or a number from 0 up, whatever the shards."""
    for finished in (False, True) if trial.shape == "map" else (False,):
        costs: list[float | None] = []
        for layout in ("whole", "cut"):
            inputs = trial.inputs(layout)
            made = run(trial.plugin, inputs) if finished else None
            out = None if made is None else make_artifact(trial.toys.store, trial.plugin.makes, made)
            costs.append(trial.plugin.flops(inputs, out))
        assert all(cost is None or (math.isfinite(cost) and cost >= 0) for cost in costs), f"flops: {costs}"
        assert costs[0] == costs[1], f"flops of the same documents in other shards: {costs}"


def checks(plugin: Any) -> tuple[Callable[[Trial], None], ...]:
    """The checks for a plugin of this shape."""
    shape = shape_of(plugin)
    if shape == "reader":
        return (names_what_it_takes, reads_good_rows, goes_on_where_it_stopped, does_not_see_mounts)
    every = (repeats, does_not_see_shards, leaves_inputs_alone, draws_as_declared, keeps_its_key_honest)
    if isinstance(plugin, Sourced):
        every = (names_what_it_takes, *every, makes_the_same_elsewhere)
    if hasattr(plugin, "flops"):
        every = (*every, says_what_it_costs)
    if shape == "build":
        return every
    some = (*every, has_a_row_for_each_row, does_not_see_workers, does_not_see_order)
    if getattr(plugin, "masks", ()):
        some = (*some, masks_hide)
    return (*some, accounts_in_plain_values) if shape == "fold" else some
