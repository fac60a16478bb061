"""The exam: every check that fits a plugin, all problems at once.

    exam("score.surface")
    exam("my_package.my_module:MyScorer", examples=[{"with": {"depth": 2}}, {}], golden=Path("tests/golden"))

`record` writes down the golden output of a new version.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vernier.core.config import decode
from vernier.core.errors import RecipeError
from vernier.core.plugin import find
from vernier.core.store import write_atomically
from vernier.core.yaml import Marks
from vernier.testing import behaviour, contract
from vernier.testing.toyset import ToySet

FOLDER = "{folder}"  # in an example: where the toy files are (ToySet.files)
MODEL = "{model}"  # in an example: where the toy model is (ToySet.model)
ENDPOINT = "{endpoint}"  # in an example: the URL of a judge that answers everything (ToySet.endpoint)

Example = Mapping[str, Any]


class Failed(ExceptionGroup[Exception]):
    """A plugin did not pass; one exception for each check that it failed, with the check's own words as note."""


def exam(
    name: str,
    *,
    examples: Sequence[Example] = ({},),
    golden: Path | None = None,
    toys: ToySet | None = None,
) -> list[str]:
    """Put a plugin through every check that fits its shape. Returns the names of the checks that it passed.

    examples   what to try: `with`, settings as in a recipe, and `without`, optional inputs to leave out;
               `{folder}` in a setting stands for a folder with docs.jsonl, docs.parquet,
               text/*.txt, hf/ and tasks.jsonl, `{model}` for a folder with a model
    golden     folder with the recorded hash of the output of each version; None leaves that check out
    toys       a toy set to use again
    Raises Failed with all problems.
    """
    with tempfile.TemporaryDirectory(prefix="vernier-exam-") as folder:
        toys = toys or ToySet(Path(folder))
        trials = _trials(name, examples, toys)
        sitting = contract.Sitting(name, find(name), tuple(trial.plugin for trial in trials))
        problems: list[Exception] = []
        passed: list[str] = []

        def sit(label: str, check: Callable[[Any], None], candidate: Any) -> None:
            try:
                check(candidate)
            except Exception as error:  # noqa: BLE001 (whatever a plugin raises is the answer; all are told at the end)
                error.add_note(f"{name}, {label}: {check.__doc__}")
                problems.append(error)
            else:
                passed.append(label)

        for check in contract.CHECKS:
            sit(check.__name__, check, sitting)
        for number, trial in enumerate(trials):
            for one in behaviour.checks(trial.plugin):
                sit(f"{one.__name__}[{number}]", one, trial)
        if golden is not None:
            sit("makes_what_it_made", _same_as_recorded(golden, name), trials)
    if problems:
        raise Failed(f"{name} did not pass {len(problems)} of {len(problems) + len(passed)} checks", problems)
    return passed


def record(folder: Path, name: str, examples: Sequence[Example] = ({},)) -> Path:
    """Record the golden output of a plugin. Raises RecipeError if this version is recorded with another one."""
    path = folder / f"{name}.json"
    with tempfile.TemporaryDirectory(prefix="vernier-exam-") as scratch:
        made = _golden(name, _trials(name, examples, ToySet(Path(scratch))))
    if path.exists():
        was = json.loads(path.read_text())
        # Other examples are another input; for the same ones a version has one output for ever.
        if was["version"] == made["version"] and len(was["outputs"]) == len(made["outputs"]) and was != made:
            raise RecipeError(
                f"{name} makes something else than it did, under the same version {was['version']}",
                where=str(path),
                do="raise `version` in the plugin, or bring the old output back; delete the file for new examples",
            )
    write_atomically(path, (json.dumps(made, indent=1, sort_keys=True) + "\n").encode())
    return path


def _same_as_recorded(folder: Path, name: str) -> Callable[[Any], None]:
    def check(trials: Sequence[behaviour.Trial]) -> None:
        """The output for a fixed input is the one recorded for this version."""
        path = folder / f"{name}.json"
        do = "write it down with `vernier.testing.record`"
        assert path.exists(), f"no golden output; {do}"
        was, now = json.loads(path.read_text()), _golden(name, trials)
        assert was["version"] == now["version"], f"version {now['version']} has no golden output; {do}"
        assert was == now, f"version {now['version']} makes something else than it did: raise `version`, then {do}"

    return check


def _golden(name: str, trials: Sequence[behaviour.Trial]) -> dict[str, Any]:
    outputs = [behaviour.golden(trial) for trial in trials]
    return {"plugin": name, "version": find(name).version, "outputs": outputs}


def _trials(name: str, examples: Sequence[Example], toys: ToySet) -> list[behaviour.Trial]:
    cls = find(name)
    trials: list[behaviour.Trial] = []
    for example in examples:
        assert set(example) <= {"with", "without"}, f"an example has {sorted(example)}"
        given, without = example.get("with", {}), tuple(example.get("without", ()))
        optional = [n for n, kind in cls.takes.items() if "?" in kind]
        assert set(without) <= set(optional), f"{without} can not be left out, only {optional}"
        plugin = decode(cls, _at(given, toys, "files"), Marks(f"an example of {name}"))
        moved = _at(given, toys, "elsewhere")
        elsewhere = None if moved == given else decode(cls, moved, Marks(f"an example of {name}"))
        trials.append(behaviour.Trial(plugin, toys, elsewhere, without))
    return trials


def _at(value: Any, toys: ToySet, place: str) -> Any:
    """`value` with `{folder}`, `{model}` and `{endpoint}` filled in, from one of two places that hold the same."""
    if isinstance(value, str):
        for mark, make in ((FOLDER, toys.files), (MODEL, toys.model), (ENDPOINT, toys.endpoint)):
            if mark in value:
                value = value.replace(mark, str(make(place)))
        return value
    if isinstance(value, Mapping):
        return {key: _at(inner, toys, place) for key, inner in value.items()}
    if isinstance(value, Sequence):
        return [_at(inner, toys, place) for inner in value]
    return value
