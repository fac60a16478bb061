"""The recipe: which stages there are, what they read, how the arms differ; checked before anything runs.

A recipe is written in YAML (`load`) or built in Python (`Recipe.add`, `Recipe.arm`). Both fill the same plain
definitions, and one path decodes and checks them; the only difference is where an error says it stands.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from vernier.core import written
from vernier.core.config import Gather, decode, plain
from vernier.core.errors import RecipeError, nearest
from vernier.core.nodes import ArmName, Seeds, choose, expand, find_cycle, split
from vernier.core.nodes import Node as Node
from vernier.core.nodes import Stage as Stage
from vernier.core.plugin import find, name_of
from vernier.core.rows import misaligned
from vernier.core.written import KEYS, Entry, On
from vernier.core.yaml import Marks, Place, read_file


class Recipe:
    """Named stages, and arms that vary them.

    name     of the recipe and its run folder
    target   what the user wants: {domain: NAME} or {tasks: NAME}, of either also a list; None = no verdict
    seeds    {values: [0, 1, 2], from: [keep]}: these stages and all downstream repeat per seed
    store    URL of the folder that holds the artifacts
    plugins  packages that `package.module:Class` may come from
    """

    def __init__(
        self,
        name: str,
        *,
        target: Mapping[str, Any] | None = None,
        seeds: Mapping[str, Sequence[Any]] | None = None,
        store: str = ".vernier",
        plugins: Sequence[str] = (),
    ) -> None:
        given = {"target": target, "seeds": seeds}
        data = {k: plain(v) for k, v in given.items() if v is not None}
        gather = Gather()
        self._begin({"name": name, "store": store, "plugins": list(plugins), **data}, Marks(_caller()), gather)
        gather.settle()

    @staticmethod
    def from_data(data: Any, marks: Marks | None = None) -> Recipe:
        """A recipe from its plain form. Raises RecipeError with all that is wrong, or Problems."""
        marks, gather = marks or Marks("recipe"), Gather()
        data = written.mapping(data, marks, (), "the recipe")
        with gather.each():
            version = data.get("vernier")
            if type(version) is not int or version != 1:
                raise RecipeError(
                    "the recipe does not say `vernier: 1`",
                    where=marks.at(("vernier",)),
                    found=f"vernier: {version}" if "vernier" in data else "nothing",
                    expected="`vernier: 1`, the version of the recipe language",
                )
        for key in data:
            with gather.each():
                if key not in KEYS:
                    raise written.unknown(f"a recipe has no part {key!r}", marks, (key,), KEYS)
        recipe = Recipe.__new__(Recipe)
        recipe._begin(data, marks, gather)
        for part, put in (("stages", recipe._put_stage), ("arms", recipe._put_arm)):
            with gather.each():
                for name, entry in written.mapping(data.get(part, {}), marks, (part,), f"`{part}`").items():
                    with gather.each():
                        put(name, entry, marks.under((part, name)))
        recipe._check(gather)
        gather.settle()
        return recipe

    def _begin(self, data: Mapping[str, Any], marks: Marks, gather: Gather) -> None:
        """Take over the parts of the recipe that are neither stages nor arms."""
        self.name, self.store, self.marks = "", ".vernier", marks
        self.target: dict[str, Any] | None = None
        self.seeds: Seeds | None = None
        self.plugins: tuple[str, ...] = ()
        self._stages: dict[str, Entry] = {}
        self._arms: dict[str, dict[str, Entry]] = {}
        self._resolved: dict[ArmName, dict[str, Stage]] | None = None
        with gather.each():
            self.name = written.recipe_name(data.get("name"), marks)
        with gather.each():
            self.store = written.text(data.get("store", ".vernier"), marks, ("store",), "`store`")
        with gather.each():
            self.plugins = tuple(written.texts(data.get("plugins", []), marks, ("plugins",), "`plugins`"))
            for index, package in enumerate(self.plugins):
                with gather.each():
                    written.import_package(package, marks.at(("plugins", index)))
        if "target" in data:
            with gather.each():
                self.target = written.target(data["target"], marks)
        if "seeds" in data:
            with gather.each():
                self.seeds = written.seeds(data["seeds"], marks)

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages, in the recipe's order."""
        return tuple(self._stages)

    @property
    def arms(self) -> tuple[str, ...]:
        """The names of the arms, in the recipe's order; none for a recipe without."""
        return tuple(self._arms)

    def add(
        self, name: str, plugin: Any, /, *, on: Mapping[str, Any] | None = None, **inputs: str | Sequence[str]
    ) -> str:
        """Add a stage; returns its name, which is what other stages take as input.

        nll = recipe.add("nll", score.NLL(max_tokens=1024), corpus=clean, model=small, on={"workers": 2})
        """
        self._put_stage(name, self.stage(plugin, on=on, **inputs), Marks(_caller()))
        return name

    def stage(
        self, plugin: Any, /, *, on: Mapping[str, Any] | None = None, **inputs: str | Sequence[str]
    ) -> dict[str, Any]:
        """A stage in plain form, for an arm to replace one by."""
        do = name_of(cast("type[Any]", type(plugin)))
        package = do.partition(":")[0].partition(".")[0]
        if ":" in do and package not in self.plugins:
            self.plugins += (package,)
        entry = {"do": do, "in": plain(inputs), "with": plain(plugin), "on": plain(on or {})}
        return {part: given for part, given in entry.items() if given or part == "do"}

    def arm(self, name: str, /, **stages: Mapping[str, Any]) -> None:
        """Add an arm: stages by name, each replaced by `recipe.stage(...)` or changed by a mapping.

        recipe.arm("random", keep=recipe.stage(select.Random(), corpus=clean))
        recipe.arm("half", keep={"with": {"keep": {"share": 0.5}}})
        """
        self._put_arm(name, plain(stages), Marks(_caller()))

    def _put_stage(self, name: str, data: Any, marks: Marks) -> None:
        written.part_name(name, marks, "a stage")
        if name in self._stages:
            raise RecipeError(
                f"there are two stages {name!r}",
                where=marks.root,
                found=f"the first one is at {self._stages[name].marks.root}",
            )
        self._stages[name] = Entry({}, marks)  # so that what reads it is not told that it does not exist
        self._stages[name] = entry = Entry(written.parts(data, marks, f"the stage {name!r}"), marks)
        self._resolved = None
        if "do" not in entry.data:
            raise RecipeError(f"the stage {name!r} does not say what to do", where=marks.root, expected="`do: PLUGIN`")

    def _put_arm(self, name: str, data: Any, marks: Marks) -> None:
        written.part_name(name, marks, "an arm")
        if name in self._arms:
            raise RecipeError(f"there are two arms {name!r}", where=marks.root)
        self._arms[name] = {}
        self._resolved = None
        gather = Gather()
        for stage, entry in written.mapping(data, marks, (), f"the arm {name!r}").items():
            with gather.each():
                if stage not in self._stages:
                    what = f"the arm {name!r} names a stage {stage!r} that there is not"
                    raise written.unknown(what, marks, (stage,), self._stages)
                under = marks.under((stage,))
                self._arms[name][stage] = Entry(written.parts(entry, under, f"{stage!r} of the arm {name!r}"), under)
        gather.settle()

    def check(self) -> None:
        """Find all that can be found without running. Raises RecipeError, or Problems if there are several."""
        if self._resolved is None:
            gather = Gather()
            self._check(gather)
            gather.settle()

    def _check(self, gather: Gather) -> None:
        if not self._stages:
            gather.add(RecipeError("the recipe has no stages", where=self.marks.root, expected="`stages:`"))
            return
        resolved: dict[ArmName, dict[str, Stage]] = {}
        decoded: dict[tuple[ArmName, str], Stage | None] = {}
        for arm in self._arms or (None,):
            changed = self._arms[arm] if arm is not None else {}
            for name, base in self._stages.items():
                at = (arm if name in changed else None, name)
                if at not in decoded:
                    decoded[at] = None
                    with gather.each():
                        entry = changed[name].over(base) if name in changed else base
                        decoded[at] = self._decode(name, entry)
            resolved[arm] = {n: s for n in self._stages if (s := decoded[arm if n in changed else None, n])}
        for arm, stages in resolved.items():
            for stage in stages.values():
                self._check_inputs(arm, stage, resolved, gather)
        for index, name in enumerate(self.seeds.stages if self.seeds else ()):
            with gather.each():
                if name not in self._stages:
                    raise RecipeError(
                        f"`seeds` names a stage {name!r} that there is not",
                        where=self.marks.at(("seeds", "from", index)),
                        do=nearest(name, self._stages),
                    )
        if circle := find_cycle(resolved):
            gather.add(
                RecipeError(
                    "stages wait for each other in a circle",
                    where=self._stages[split(circle[0])[0]].marks.root,
                    found=" -> ".join(circle),
                    do="let one of them read something else",
                )
            )
        if not gather.problems:
            marks = next(iter(resolved.values()))
            for problem in misaligned(
                expand(resolved, self.seeds),
                lambda node, label: (resolved[node.arm] if node.arm else marks)[node.stage].marks.at(_place(label)),
            ):
                gather.add(problem)
        if not gather.problems:
            self._resolved = resolved

    def _decode(self, name: str, entry: Entry) -> Stage | None:
        """The stage with its plugin built; None if it was found wrong before."""
        if "do" not in entry.data:
            return None
        do, marks, gather = entry.data["do"], entry.marks, Gather()
        module, third_party, _ = do.partition(":")
        if third_party and not any(module == p or module.startswith(f"{p}.") for p in self.plugins):
            raise RecipeError(
                f"the plugin {do!r} comes from a package that the recipe does not list",
                where=marks.at(("do",)),
                do=f"add `plugins: [{module.partition('.')[0]}]` if you trust it: its code will run",
            )
        try:
            cls = find(do)
        except RecipeError as error:
            error.where = marks.at(("do",))
            raise
        plugin, on = None, On()
        with gather.each():
            plugin = decode(cls, entry.data.get("with", {}), marks, ("with",), label=do)
        with gather.each():
            on = decode(On, entry.data.get("on", {}), marks, ("on",), label=f"`on` of {name!r}")
            if on.ranks is not None and not (hasattr(cls, "build") and getattr(cls, "ranks", False) is True):
                raise RecipeError(
                    f"{do} can not be built by several ranks",
                    where=marks.at(("on", "ranks"), key=True),
                    found=f"ranks: {on.ranks}",
                    do="leave out `ranks`",
                )
        gather.settle()
        written_inputs: dict[str, str | list[str]] = entry.data.get("in", {})
        inputs = {n: tuple(g) if isinstance(g, list) else g for n, g in written_inputs.items()}
        given = {n: getattr(on, n) for n in entry.data.get("on", {})}
        return Stage(name, do, plugin, inputs, given, marks)

    def _check_inputs(
        self, arm: ArmName, stage: Stage, resolved: Mapping[ArmName, Mapping[str, Stage]], gather: Gather
    ) -> None:
        takes: Mapping[str, str] = stage.plugin.takes
        for name, kind in takes.items():
            if "?" not in kind and not stage.inputs.get(name):
                gather.add(
                    RecipeError(
                        f"the stage {stage.name!r} needs the input {name!r}",
                        where=stage.marks.at(("in",), key=True),
                        found="nothing",
                        expected=f"a stage that makes: {kind.rstrip('?*')}",
                    )
                )
        for name, given in stage.inputs.items():
            place: Place = ("in", name)
            if name not in takes:
                what = f"the input {name!r} of {stage.name!r} is unused: {stage.do} does not take it"
                gather.add(written.unknown(what, stage.marks, place, takes))
                continue
            if "*" not in takes[name] and (not isinstance(given, str) or split(given)[1] == "*"):
                gather.add(
                    RecipeError(
                        f"the input {name!r} of {stage.name!r} takes one artifact, not several",
                        where=stage.marks.at(place),
                        found=given if isinstance(given, str) else f"a list of {len(given)}",
                        expected="the name of one stage",
                    )
                )
            for index, reference in enumerate((given,) if isinstance(given, str) else given):
                with gather.each():
                    spot = place if isinstance(given, str) else (*place, index)
                    self._check_reference(arm, stage, name, reference, stage.marks.at(spot), resolved)
        if hasattr(stage.plugin, "check"):
            with gather.each():
                try:
                    stage.plugin.check(stage.inputs.keys())
                except RecipeError as error:
                    error.where = stage.marks.at(("in",), key=True, changes=("with",))
                    raise

    def _check_reference(
        self,
        arm: ArmName,
        stage: Stage,
        label: str,
        reference: str,
        where: str,
        resolved: Mapping[ArmName, Mapping[str, Stage]],
    ) -> None:
        name, at = split(reference)
        if name not in self._stages:
            raise RecipeError(f"there is no stage {name!r}", where=where, do=nearest(name, self._stages))
        if at not in (None, "*") and at not in self._arms:
            raise RecipeError(f"there is no arm {at!r}", where=where, found=reference, do=nearest(at, self._arms))
        wanted = stage.plugin.takes[label].rstrip("?*")
        for other in resolved if at == "*" else (arm if at is None else at,):
            source = resolved[other].get(name)
            if source is not None and source.plugin.makes != wanted:
                fit = sorted({s.name for s in resolved[other].values() if s.plugin.makes == wanted})
                raise RecipeError(
                    f"the input {label!r} of {stage.name!r} is of the wrong kind",
                    where=where,
                    found=f"{reference!r} makes: {source.plugin.makes}",
                    expected=wanted,
                    do=f"stages that make it: {', '.join(fit) or '(none)'}",
                )

    def _settled(self) -> dict[ArmName, dict[str, Stage]]:
        self.check()
        assert self._resolved is not None
        return self._resolved

    def nodes(self, arm: str | None = None, seed: int | None = None, to: str | None = None) -> tuple[Node, ...]:
        """What there is to make, each node behind its inputs: all of it, or what an arm, a seed or a stage needs.

        `to` is a stage, or some of its nodes (`keep@random`, `keep@random@0`).

        Raises RecipeError for an unknown arm, seed or stage, and for what `check` finds.
        """
        stages = self._settled()
        if arm is not None and arm not in self._arms:
            raise RecipeError(f"the recipe has no arm {arm!r}", do=nearest(arm, self._arms))
        if seed is not None and (self.seeds is None or seed not in self.seeds.values):
            known = ", ".join(map(str, self.seeds.values)) if self.seeds else "(none)"
            raise RecipeError(f"the recipe has no seed {seed}", expected=f"one of: {known}")
        return choose(expand(stages, self.seeds), arm=arm, seed=seed, to=to)

    def to_data(self) -> dict[str, Any]:
        """The recipe in plain form with every setting written out; `from_data` gives the same nodes again."""
        resolved = self._settled()
        base = {name: _stage_data(stage) for name, stage in next(iter(resolved.values())).items()}
        arms = {
            arm: {name: _stage_data(stage) for name, stage in resolved[arm].items() if _stage_data(stage) != base[name]}
            for arm in self._arms
        }
        seeds = {"values": list(self.seeds.values), "from": list(self.seeds.stages)} if self.seeds else None
        data = {
            "vernier": 1,
            "name": self.name,
            "target": self.target,
            "seeds": seeds,
            "store": self.store,
            "plugins": list(self.plugins),
            "stages": base,
            "arms": arms,
        }
        return {key: value for key, value in data.items() if value or key == "stages"}


def load(path: str | Path, sets: Iterable[str] = ()) -> Recipe:
    """Read and check a recipe. `sets` are changes from the command line, `stage.with.key=value`.

    A change is made where the recipe has the stage, as if it were written there: arms that set the same key still
    do (`stage@arm.with.key=value` changes an arm). Values are YAML. Packages under `plugins:` may lie beside the
    recipe. Raises RecipeError with file, line and column.
    """
    data, marks = read_file(path)
    beside = str(Path(path).resolve().parent)
    if isinstance(data, Mapping) and "plugins" in data and beside not in sys.path:
        sys.path.insert(0, beside)
    for text in sets:
        marks = written.override(data, marks, text)
    return Recipe.from_data(data, marks)


def _stage_data(stage: Stage) -> dict[str, Any]:
    entry = {"do": stage.do, "in": plain(stage.inputs), "with": plain(stage.plugin), "on": dict(stage.on)}
    return {part: given for part, given in entry.items() if given}


def _place(label: str) -> Place:
    """Where the input of a node stands in its stage: `scores[1]` is the second one of a list, or of `test@*`."""
    name, bracket, index = label.partition("[")
    return ("in", name, int(index.rstrip("]"))) if bracket else ("in", name)


def _caller() -> str:
    """The line of the user's Python that called into this file."""
    frame = next(f for f in reversed(traceback.extract_stack()) if f.filename != __file__)
    return f"{frame.filename}:{frame.lineno}"
