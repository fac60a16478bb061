"""What the scores are judged on: a sample with labels, and corrupted documents beside what they were made of.

    sample.jsonl.zst   high and low documents of pool and held, `PER_QUALITY` of each quality, each domain with equally
                       many as far as it has them; all of the domain that people labelled document by document
    pairs.jsonl.zst    corrupted documents and their clean twins; all twins are held
    twins.jsonl.zst    {id, clean_id, corruption} of each corrupted document; read by no recipe, as the labels

No recipe trains on these files. A scorer trained on meta has seen none of their documents.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson
import zstandard

from labelled_scores import PEOPLE
from labelled_split import LABELS, records

PER_QUALITY = 800
SIDES = ("pool", "held")
SAMPLE, PAIRS, TWINS = "sample.jsonl.zst", "pairs.jsonl.zst", "twins.jsonl.zst"
KEY = b"judged 1"


def judge(data: Path, parts: Path, per_quality: int = PER_QUALITY) -> dict[str, int]:
    """Write the three files beside those of `labelled_split.prepare`; returns how many documents each has."""
    labels = {row["id"]: row for row in records(parts / LABELS)}
    shown = {row["id"]: row for side in SIDES for row in records(parts / f"{side}.jsonl.zst")}
    chosen = [name for quality in ("high", "low") for name in sample(labels, shown, quality, per_quality)]
    corrupted = [row for row in records(data / "corpus" / "corrupted.jsonl.zst") if row["clean_id"] in shown]
    clean = sorted({row["clean_id"] for row in corrupted})
    pairs = [shown[name] for name in clean] + [{name: row[name] for name in shown[clean[0]]} for row in corrupted]
    told = [{name: row[name] for name in ("id", "clean_id", "corruption")} for row in corrupted]
    files = {SAMPLE: [shown[name] for name in sorted(chosen, key=_hash)], PAIRS: pairs, TWINS: told}
    for name, rows in files.items():
        _write(parts / name, rows)
    return {name.partition(".")[0]: len(rows) for name, rows in files.items()}


def sample(
    labels: Mapping[str, Mapping[str, Any]], names: Sequence[str] | Mapping[str, Any], quality: str, number: int
) -> list[str]:
    """The documents of one quality: domain by domain in turn, until there are enough."""
    by_domain: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(names, key=_hash):
        if labels[name]["quality"] == quality:
            by_domain[labels[name]["domain"]].append(name)
    turns = [
        (-1 if domain == PEOPLE else turn, domain, name)
        for domain, found in by_domain.items()
        for turn, name in enumerate(found)
    ]
    return [name for _, _, name in sorted(turns)[:number]]


def few(parts: Path, share: int = 16, least: int = 6) -> None:
    """For a quick look: keep of each domain of each side every `share`-th document, at least `least`."""
    kept: set[str] = set()
    for side in ("meta", *SIDES):
        rows = records(parts / f"{side}.jsonl.zst")
        sizes, met = Counter(row["domain"] for row in rows), Counter[str]()
        short: list[dict[str, Any]] = []
        for row in rows:
            if met[row["domain"]] < max(least, sizes[row["domain"]] // share):
                met[row["domain"]] += 1
                short.append(row)
        _write(parts / f"{side}.jsonl.zst", short)
        kept |= {row["id"] for row in short}
    _write(parts / LABELS, [row for row in records(parts / LABELS) if row["id"] in kept])


def _hash(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=16, key=KEY).digest()


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with open(path, "wb") as raw, zstandard.ZstdCompressor(level=3).stream_writer(raw) as file:
        for row in rows:
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
