"""What a pool may not hold: the items of tasks, as word n-grams to look for (`score.contamination`).

    tasks:  {do: evaluate.benchmark, with: {tasks: [tasks/*.jsonl, arc_easy]}}
    held:   {do: score.contamination, in: {corpus: crawl, benchmark: tasks}}
    clean:  {do: select.uncontaminated, in: {corpus: crawl, contamination: held, benchmark: tasks}}

Name the tasks here by which arms are compared (`evaluate.tasks`). How items become passages and what counts as found
stands in `vernier.core.passages`; n = 13, 8 words at least, 10 documents are GPT-3's (arXiv 2005.14165, appendix C).

With `n: 6` edited copies are found too. Of 100 planted items each, and the 0.2 of `select.uncontaminated`
(`bench/decontaminate.py`):

                           n = 13   n = 6
    put in whole               98      98
    without the answer         86      86
    some words dropped          0      90
    dropped for nothing         0       2   of 15,808 documents

`shortest: 5` finds 92 of those without the answer and nothing more for nothing, in these 45 MB; but sentences of five
words are also written by chance. With `at_least: 0` n = 6 drops 736 documents for nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from vernier.core.errors import DataError, RecipeError
from vernier.core.passages import Passages, Text
from vernier.core.plugin import Unit
from vernier.core.shard import Inputs
from vernier.evaluate import sources


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """The n-grams of the tasks' items; with `corpus`, without those that many of its selected documents have.

    tasks     files (JSON Lines; paths, patterns or folders of `.jsonl`), and names of tasks of lm-evaluation-harness,
              whose items are on the Hugging Face hub; those that ask for generated text too
    n         words of an n-gram
    shortest  words that an item needs to be looked for
    common    documents of `corpus` that may have an n-gram before it counts as a phrase: GPT-3's number. A benchmark
              that was copied more often goes unseen then, so give a corpus without duplicates, or none
    """

    version: ClassVar[int] = 1
    makes: ClassVar[str] = "model"
    takes: ClassVar[Mapping[str, str]] = {"corpus": "corpus?", "selection": "selection?"}

    tasks: list[str]
    n: int = 13
    shortest: int = 8
    common: int = 10

    def __post_init__(self) -> None:
        for name, value, least in (("n", self.n, 2), ("shortest", self.shortest, 1), ("common", self.common, 1)):
            if value < least:
                raise RecipeError(f"`{name}` is too small", found=str(value), expected=f"{least} or more")

    def check(self, given: Container[str]) -> None:
        if "selection" in given and "corpus" not in given:
            raise RecipeError("a selection of no corpus", found="`selection` alone", do="give input `corpus`, too")

    def units(self) -> Sequence[Unit]:
        """See `vernier.evaluate.sources`."""
        return sources.units(self.tasks, generated=True)

    def build(self, inputs: Inputs, out: Path) -> dict[str, Any]:
        """Raises DataError if a file changed since it was hashed, and if no item is long enough to be looked for."""
        texts: list[Text] = []
        for unit in inputs.units:
            for item in sources.items(unit, generated=True):
                texts.append(Text(item.task, item.id, *item.asked[item.label]))
        found = Passages.of(texts, self.n, self.shortest)
        told: dict[str, Any] = {"ngrams": len(found.grams)}
        if "corpus" in inputs:
            common = found.spread(_documents(inputs)) > self.common
            found = found.without(common)
            told |= {"common_ngrams": int(common.sum())}
        known = found.known
        if not known.any():
            raise DataError(
                "no item of the tasks can be looked for",
                found=f"{len(texts)} items, none with {self.shortest} words that are not common",
                do="set `shortest` lower",
            )
        found.save(out)
        items, unknown = Counter(found.tasks), Counter(np.array(found.tasks)[~known].tolist())
        return told | {"items": dict(sorted(items.items())), "not_looked_for": dict(sorted(unknown.items()))}


def _documents(inputs: Inputs) -> Iterator[pa.LargeStringArray]:
    """The texts of the selected documents, one row group at a time."""
    for shard in inputs.shards():
        kept, at = shard.kept(), 0
        for batch in shard.batches("corpus", ["text"]):
            here = pa.array(kept[at : at + batch.num_rows])
            at += batch.num_rows
            yield batch.column("text").combine_chunks().filter(here)
