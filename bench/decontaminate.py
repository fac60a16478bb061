"""What decontamination finds of planted benchmark items and what it drops for nothing, and megabytes per CPU second.

Into half of the planted documents of the test data one item was put, a third of them each whole, without its answer, or
edited (words dropped, small letters, signs apart). Found: dropped by `select.uncontaminated`, and for ours the planted
item is the one that it holds most of. False alarms: dropped documents of the other half, and of the whole corpus, into
which nothing was put; the corpus was made apart from the tasks, but no one has read it for them, so what is dropped of
it is listed with its text. The settings were looked for on these documents, so n = 6 may do a little worse elsewhere.

Peers: lm-evaluation-harness' Janitor in Python (13 words, question and right answer as the model is asked for them),
and datatrove's filter (12 words; spaCy's tokenizer; its index is made by its own function, without lighteval), as it
comes, and with n-grams of the question alone. A document is dropped for one n-gram by both. They read the planted
documents only.

    python bench/decontaminate.py [--data DIR] [--small]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from random import Random
from statistics import median
from types import SimpleNamespace
from typing import Any, NamedTuple

import pyarrow as pa
import zstandard

from measure import at_least, must, result, save
from vernier.core import files
from vernier.core.passages import Passages, Text
from vernier.core.stats import binomial
from vernier.evaluate.items import read

KINDS = ("verbatim", "question_only", "edited")
NONE = "none"
LEFT_OUT = ("corrupted", "mixture_small")  # copies of documents of the other files
BATCH = 500  # documents
LISTED = 8  # false alarms of each arm
Dropped = list[tuple[int, str, float, str]]  # document, task and item, overlap, text


class Arm(NamedTuple):
    """The settings of `evaluate.benchmark` and `select.uncontaminated`."""

    n: int
    shortest: int
    at_least: float


ARMS = {
    "n = 13 (as it comes)": Arm(13, 8, 0.2),
    "n = 13, any n-gram": Arm(13, 8, 0.0),
    "n = 13, shortest 5": Arm(13, 5, 0.2),
    "n = 8, any n-gram": Arm(8, 8, 0.0),
    "n = 6": Arm(6, 8, 0.2),
    "n = 6, shortest 5": Arm(6, 5, 0.2),
    "n = 6, any n-gram": Arm(6, 8, 0.0),
    "n = 5": Arm(5, 8, 0.2),
}
RATES = (0.05, 0.1, 0.15, 0.2, 0.3)  # words dropped of an item by chance
STRICT, NEAR = "n = 13 (as it comes)", "n = 6"


def planted(data: Path) -> list[dict[str, Any]]:
    with zstandard.open(data / "contamination" / "planted.jsonl.zst", "rt", encoding="utf-8", newline="\n") as lines:
        return [json.loads(line) for line in lines]


def corpus(data: Path, small: bool) -> list[str]:
    found: list[str] = []
    for path in sorted((data / "corpus").glob("*.jsonl.zst")):
        if path.name.partition(".")[0] not in LEFT_OUT:
            with zstandard.open(path, "rt", encoding="utf-8", newline="\n") as lines:
                found += [json.loads(line)["text"] for line in lines][: 20 if small else None]
    return found


def benchmark(data: Path) -> list[Text]:
    """The items of the task files, as `evaluate.benchmark` reads them."""
    found = files.find([str(data / "tasks" / "*.jsonl")], None, (".jsonl",))
    items = [one for file in found for one in read(file, (data / "tasks" / file.name).read_bytes(), generated=True)]
    return [Text(one.task, one.id, *one.asked[one.label]) for one in items]


def dropped(known: Passages, share: float, texts: Sequence[str]) -> Dropped:
    """Which documents are dropped, and the item that each holds most of."""
    out: Dropped = []
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        found, last = known.find(pa.array(batch, pa.large_string())), -1
        for row, item, have, of, begin, end in zip(*(column.tolist() for column in found), strict=True):
            if row > last and have / of >= share:
                text = str(batch[row]).encode()[begin:end].decode()
                out.append((start + row, f"{known.tasks[item]} {known.ids[item]}", have / of, text))
            last = row
    return out


def janitor(items: Sequence[Text]) -> Callable[[str], bool]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        from lm_eval.decontamination.janitor import Janitor, word_ngrams_indices

    cleaner = Janitor()
    for item in items:
        cleaner.register_contaminant_python(item.question + item.answer)

    def is_dropped(text: str) -> bool:  # the test of its `clean_python`, which then cuts the text into pieces
        parts = (ngram for ngram, _ in word_ngrams_indices(text, cleaner.ngram_n))
        return any(cleaner.normalize_string(ngram) in cleaner.dirt_ngrams for ngram in parts)

    return is_dropped


def datatrove(items: Sequence[Text], questions: bool) -> Callable[[str], bool]:
    from datatrove.data import Document
    from datatrove.pipeline.decont import NGramsDecontConfig, NGramsDecontFilter, NGramsDecontIndexer
    from datatrove.utils.hashing import HashConfig

    # Its default, xxhash, takes no text from version 4 on.
    config = NGramsDecontConfig(find_query_ngrams=questions, hash_config=HashConfig(hash_fc="sha1"))
    cleaner = NGramsDecontFilter(".", config)
    # What its function asks of the indexer, which can not be made without lighteval.
    indexer: Any = SimpleNamespace(config=config, tokenizer=cleaner.tokenizer, hash_func=cleaner.hash_func)
    hashes = ((one.task, NGramsDecontIndexer.compute_hashes(indexer, one.answer, one.question)) for one in items)
    cleaner._index_hashes = {h: task for task, some in hashes for h in some}

    def is_dropped(text: str) -> bool:
        return cleaner.filter(Document(text=text, id="")) is not True

    return is_dropped


def shares(documents: Sequence[dict[str, Any]], out: Dropped, checked: bool) -> dict[str, Any]:
    """The share dropped of each kind, with its 95 % interval; where `checked` a planted one counts for its own item."""
    of = Counter(one["contamination"] for one in documents)
    hits = Counter[str]()
    for row, item, _, _ in out:
        one = documents[row]
        if one["contamination"] == NONE or not checked or item.split(" ")[1] in one["contaminates"]:
            hits[one["contamination"]] += 1
    return {kind: interval(hits[kind], of[kind]) for kind in (*KINDS, NONE)}


def interval(hits: int, number: int) -> dict[str, float]:
    ends = binomial(hits, number)
    return {"value": hits / number, "low": ends.low, "high": ends.high}


def by_task(documents: Sequence[dict[str, Any]], arms: dict[str, Dropped]) -> Iterator[dict[str, Any]]:
    """How many planted items of each task were found, of how many."""
    tasks = sorted({one["contaminates"][0].rpartition("-")[0] for one in documents if one["contaminates"]})
    for name, out in arms.items():
        found = {row for row, item, _, _ in out if item.split(" ")[1] in documents[row]["contaminates"]}
        for kind in KINDS:
            row: dict[str, Any] = {"arm": name, "planted": kind}
            for task in tasks:
                rows = {
                    i
                    for i, one in enumerate(documents)
                    if one["contamination"] == kind and one["contaminates"][0].startswith(f"{task}-")
                }
                row[task] = f"{len(rows & found)} of {len(rows)}"
            yield row


def edited(items: Sequence[Text], small: bool) -> Iterator[dict[str, Any]]:
    """Of all items that are looked for, the share that is found if each word is dropped by chance, by rate."""
    for name in (STRICT, "n = 8, any n-gram", NEAR, "n = 5"):
        arm = ARMS[name]
        known = Passages.of(items, arm.n, arm.shortest)
        some = [item for item, looked_for in zip(items, known.known, strict=True) if looked_for][
            : 50 if small else None
        ]
        row: dict[str, Any] = {"arm": name, "items": len(some)}
        for rate in RATES:
            random = Random(f"edited {rate}")
            words = ((item.question + item.answer).split() for item in some)
            texts = [" ".join(word for word in one if random.random() >= rate) for one in words]
            row[f"{rate:.0%}"] = float(f"{len(dropped(known, arm.at_least, texts)) / len(some):.3g}")
        yield row


def seconds(work: Callable[[], Any], times: int) -> tuple[Any, float]:
    """What it makes, and the median of its CPU seconds."""
    spent: list[float] = []
    made = None
    for _ in range(times):
        started = time.process_time()
        made = work()
        spent.append(time.process_time() - started)
    return made, median(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = os.environ.get("VERNIER_DATA", str(Path(__file__).resolve().parents[2] / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=Path(default), help="the folder of test data")
    parser.add_argument("--small", action="store_true", help="a quick look: little of the corpus, nothing written")
    given = parser.parse_args()
    documents, clean, items = planted(given.data), corpus(given.data, given.small), benchmark(given.data)
    texts = [one["text"] for one in documents]
    sizes = [sum(len(text.encode()) for text in some) / 1e6 for some in (texts, clean)]
    rows: list[dict[str, Any]] = []
    alarms: list[dict[str, Any]] = []
    arms: dict[str, Dropped] = {}
    false: dict[str, int] = {}
    for name, arm in ARMS.items():
        known = Passages.of(items, arm.n, arm.shortest)
        arms[name] = dropped(known, arm.at_least, texts)
        out, spent = seconds(lambda known=known, arm=arm: dropped(known, arm.at_least, clean), 3)
        false[name] = len(out)
        rows.append(
            {
                "arm": name,
                **shares(documents, arms[name], True),
                "dropped of the corpus": len(out),
                "share": interval(len(out), len(clean)),
                "MB per CPU second": float(f"{sizes[1] / spent:.3g}"),
            }
        )
        if arm.at_least > 0:
            listed = out[:LISTED] + [one for one in arms[name] if documents[one[0]]["contamination"] == NONE]
            alarms += [{"arm": name, "item": i, "overlap": o, "text": text} for _, i, o, text in listed]
    peers: dict[str, Callable[[Sequence[Text]], Callable[[str], bool]]] = {
        "lm-eval Janitor": janitor,
        "datatrove": lambda items: datatrove(items, False),
        "datatrove, questions too": lambda items: datatrove(items, True),
    }
    for name, make in peers.items():
        drops = make(items)
        drops("Something to begin with.")
        some, spent = seconds(lambda drops=drops: [(i, "", 1.0, "") for i, text in enumerate(texts) if drops(text)], 1)
        speed = float(f"{sizes[0] / spent:.3g}")
        rows.append({"arm": name, **shares(documents, some, False), "MB per CPU second": speed})
    found = {row["arm"]: row for row in rows}
    verdict = [
        at_least("n = 13: items found that were put in whole", found[STRICT]["verbatim"]["value"], 0.95),
        at_least("n = 6: edited items found", found[NEAR]["edited"]["value"], 0.8),
        *(must(f"{name}: share of the corpus dropped", false[name] / len(clean), 0.001) for name in (STRICT, NEAR)),
        at_least(
            "n = 13: megabytes per CPU second, over the fastest peer's",
            found[STRICT]["MB per CPU second"] / max(found[name]["MB per CPU second"] for name in peers),
            10,
        ),
    ]
    save(
        result(
            "decontaminate",
            "What is found of planted benchmark items, what is dropped for nothing, and how fast?",
            rows,
            verdict,
            documents={**Counter(one["contamination"] for one in documents), "corpus": len(clean)},
            megabytes={"planted": float(f"{sizes[0]:.4g}"), "corpus": float(f"{sizes[1]:.4g}")},
            items=len(items),
            libraries={name: metadata.version(name) for name in ("lm_eval", "datatrove", "spacy")},
            tables={
                "All items, words dropped by chance: share found": list(edited(items, given.small)),
                "Planted items found, by task": list(by_task(documents, {n: arms[n] for n in (STRICT, NEAR)})),
                "What was dropped of documents into which nothing was put": alarms,
            },
        ),
        small=given.small,
    )


if __name__ == "__main__":
    main()
