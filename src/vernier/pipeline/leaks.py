"""Documents that stand on two sides of a comparison, by their exact texts; near copies are not looked for.

Held-out documents that an arm was trained on make its loss look lower than it is. Documents that an arm chose by models
which had been trained on them were chosen because these models remember them: a target that stands in the pool too, the
trap of CoLoR-Filter (arXiv 2406.10670). Two texts count as one if the first 64 bits of their hashes are equal: 8 bytes
for each document.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from vernier.core.shard import Inputs
from vernier.pipeline.arms import ROWS, Trial
from vernier.pipeline.lineage import Lineage

Rows = frozenset[tuple[str, str]]  # nodes: a corpus, and the selection of it or ""
READ = ("windows", "init")  # inputs by which a training stage has read more documents than its own inputs name


def notes(lineage: Lineage, arms: Mapping[str, Iterable[Trial]]) -> list[str]:
    """What is found, in words; nothing if nothing is."""
    texts = cache(lambda rows: _texts(lineage, rows))
    read = {
        arm: [(trial, _read(lineage, trial.model)) for trial in trials if trial.model] for arm, trials in arms.items()
    }
    measured, chosen = dict[str, int](), dict[str, int]()
    for arm, trials in read.items():
        for trial, rows in trials:
            held = texts(_rows(lineage, trial.node))
            measured[arm] = max(measured.get(arm, 0), int(np.isin(held, texts(rows)).sum()))
            by = frozenset().union(*(_read(lineage, model) for model in _chose(lineage, trial.model)))
            chosen[arm] = max(chosen.get(arm, 0), int(np.isin(texts(rows), texts(by)).sum()))
    return [*_held(measured), *_known(chosen)]


def _held(found: Mapping[str, int]) -> Iterable[str]:
    if any(found.values()):
        told = ", ".join(f"{arm} {number:,}" for arm, number in found.items() if number)
        yield f"held-out texts that are also trained on: {told} (`select.unseen` keeps them apart)"


def _known(found: Mapping[str, int]) -> Iterable[str]:
    if any(found.values()):
        told = ", ".join(f"{arm} {number:,}" for arm, number in found.items() if number)
        yield f"texts chosen by models that had been trained on them: {told} (`select.unseen` keeps them out)"


def _rows(lineage: Lineage, name: str) -> Rows:
    """What a node reads itself."""
    corpus, selection = (lineage.nodes[name].inputs.get(label, "") for label in ROWS)
    return frozenset({(corpus, selection)} if corpus else ())


def _read(lineage: Lineage, model: str) -> Rows:
    """What a model was trained on, by its own training and those that it went on from."""
    inputs = lineage.nodes[model].inputs
    return _rows(lineage, model).union(*(_read(lineage, inputs[label]) for label in READ if label in inputs))


def _chose(lineage: Lineage, model: str) -> list[str]:
    """The language models behind what a model was trained on, not those that it goes on from or is taught by."""
    selections = [selection for _, selection in _read(lineage, model) if selection]
    behind = lineage.behind(selections)
    return [
        name for name in behind if (one := lineage.nodes[name].plugin).makes == "model" and "tokenizer" in one.takes
    ]


def _texts(lineage: Lineage, rows: Rows) -> NDArray[np.uint64]:
    """The first word of each text's hash, each once."""
    parts = [np.empty(0, np.uint64)]
    for corpus, selection in sorted(rows):
        given = {"corpus": corpus, "selection": selection} if selection else {"corpus": corpus}
        made = {label: lineage.artifacts[name] for label, name in given.items()}
        for shard in Inputs(lineage.store.url, made).shards():
            parts.append(shard.text_hashes()[shard.kept(), 0])
    return np.unique(np.concatenate(parts))
