"""The labelled corpus in three parts that share no source: meta (trains the scorers), pool (selected from), held.

The text is that of `corpus/` in the development data, without `corrupted` and `mixture_small`, which are made of the
other files. Of equal texts one stays. Then whole groups go to a side: a group is what one source gave, so that no
model is tested on the next page of what it trained on.

    books                the book                    web pages            the site, for main text and boilerplate alike
    HoTT                 the chapter                 machine text         the prompt, for all three models alike
    logs, reviews        the file that was cut       all others           the document (article, PEP, problem, message)

A site is the end of the host name that an owner registers; pages without an address go by their number. Groups that
hold the clean twin of a corrupted document are held. The others go, file by file in the order of a keyed hash, to the
side that lacks most of its share of their bytes: even sides where there are many groups, the pool where there is only
one. Twins lie in 21 of the 22 books, so the held side has nearly all books and the other two nearly none.

A domain whose documents differ in quality is written with it: `web_crawl_high`. The labels themselves go to a file
of their own, which no recipe reads.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import zstandard

SHARES = {"pool": 0.6, "meta": 0.3, "held": 0.1}  # of a file's bytes, without what is held as a twin's source
COPIES = ("corrupted", "mixture_small")  # files made of the other files
KEY = b"labelled 1"
LABELS = "labels.jsonl.zst"
COUNTS = "counts.json"


@dataclass(frozen=True)
class Document:
    """One document as it was read.

    file      the name of its file, without endings
    record    its fields
    group     documents of one group stay together
    """

    file: str
    record: Mapping[str, Any]
    group: str

    @property
    def num_bytes(self) -> int:
        return len(self.record["text"].encode())

    @property
    def kind(self) -> str:
        """The file, or the files that share groups."""
        return self.group.partition(":")[0]


def prepare(data: Path, out: Path) -> dict[str, Any]:
    """Write {meta,pool,held}.jsonl.zst, the labels and the counts into `out`; returns the counts."""
    every = read(data)
    kept = distinct(every, twins(data))
    sides = split(kept, twins(data))
    mixed = mixed_domains(kept)
    out.mkdir(parents=True, exist_ok=True)
    kept = sorted(kept, key=lambda document: (_hash(document.group), document.record["id"]))  # domains mixed
    for side in SHARES:
        _write(out / f"{side}.jsonl.zst", (shown(d, mixed) for d in kept if sides[d.group] == side))
    _write(out / LABELS, (label(d, sides[d.group]) for d in kept))
    found = counted(every, kept, sides)
    (out / COUNTS).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def read(data: Path) -> list[Document]:
    """All documents, in the order of files and lines."""
    paths = sorted((data / "corpus").glob("*.jsonl.zst"))
    names = [(path, path.name.partition(".")[0]) for path in paths]
    return [
        Document(name, record, group(name, record))
        for path, name in names
        if name not in COPIES
        for record in records(path)
    ]


def records(path: Path) -> list[dict[str, Any]]:
    with zstandard.open(path, "rb") as file:
        return [orjson.loads(line) for line in file.read().split(b"\n") if line]


def twins(data: Path) -> set[str]:
    """The ids of the documents that were corrupted."""
    return {record["clean_id"] for record in records(data / "corpus" / "corrupted.jsonl.zst")}


def group(file: str, record: Mapping[str, Any]) -> str:
    """The kind of source and the source that a document is of."""
    name: str = record["id"]
    stem, _, number = name.rpartition("-")
    match file:
        case "books_classic":
            return f"{file}:{record['title']}"
        case "web_main" | "web_boilerplate":
            return f"web:{site(record['url']) or number}"
        case "machine_text":
            return f"{file}:{record['prompt_set']} {number}"
        case "math_hott" | "logs_apache" | "review_fragments":
            return f"{file}:{stem}"
        case _:
            return f"{file}:{name}"


def site(url: str) -> str:
    """`example.co.uk` of `https://shop.example.co.uk/a`; "" without a host.

    Two labels of the host, three if the last two look like a country's (`co.uk`, `com.au`): sites that share a host
    for everybody (`github.io`) become one, which only keeps more together.
    """
    labels = (urlsplit(url).hostname or "").split(".")
    number = 3 if re.fullmatch(r"[a-z]{2,3}\.[a-z]{2}", ".".join(labels[-2:])) else 2
    return ".".join(labels[-number:])


def distinct(documents: Iterable[Document], first: set[str]) -> list[Document]:
    """One document for each text: one whose id is in `first`, else the first that was read."""
    found: dict[str, Document] = {}
    for document in sorted(documents, key=lambda document: document.record["id"] not in first):
        found.setdefault(document.record["text"], document)
    return list(found.values())


def split(documents: Sequence[Document], held: set[str]) -> dict[str, str]:
    """The side of each group; those of the documents `held` are held."""
    sides = {document.group: "held" for document in documents if document.record["id"] in held}
    sizes: dict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for document in documents:
        if document.group not in sides:
            sizes[document.kind][document.group] += document.num_bytes
    for groups in sizes.values():
        lack = {side: share * sum(groups.values()) for side, share in SHARES.items()}
        for name in sorted(groups, key=_hash):
            sides[name] = max(lack, key=lack.__getitem__)
            lack[sides[name]] -= groups[name]
    return sides


def mixed_domains(documents: Iterable[Document]) -> set[str]:
    """Domains with documents of more than one quality, unknown counted as one."""
    found: defaultdict[str, set[str | None]] = defaultdict(set)
    for document in documents:
        found[document.record["domain"]].add(document.record["quality"])
    return {domain for domain, qualities in found.items() if len(qualities) > 1}


def shown(document: Document, mixed: set[str]) -> dict[str, str]:
    """What a recipe reads. Scorers see only `text`."""
    record = document.record
    domain = record["domain"]
    if domain in mixed:
        domain = f"{domain}_{record['quality'] or 'unknown'}"
    return {"id": record["id"], "text": record["text"], "domain": domain, "source": record["source"]}


def label(document: Document, side: str) -> dict[str, Any]:
    """What is joined to the scores afterwards, by id."""
    record = document.record
    names = ("id", "domain", "quality", "quality_basis")
    return {**{name: record[name] for name in names}, "file": document.file, "group": document.group, "side": side}


def counted(every: Sequence[Document], kept: Sequence[Document], sides: Mapping[str, str]) -> dict[str, Any]:
    """Documents and bytes by file and side. Together they are what was read: what is on no side is a copy."""
    places = (*SHARES, "copies")
    side_of = {id(document): sides[document.group] for document in kept}
    files = {
        name: {place: {"documents": 0, "bytes": 0} for place in places} for name in sorted({d.file for d in every})
    }
    for document in every:
        numbers = files[document.file][side_of.get(id(document), "copies")]
        numbers["documents"] += 1
        numbers["bytes"] += document.num_bytes
    total = {
        place: {unit: sum(by_place[place][unit] for by_place in files.values()) for unit in ("documents", "bytes")}
        for place in places
    }
    groups = {side: sum(1 for at in sides.values() if at == side) for side in SHARES}
    return {"read": len(every), "groups": groups, "total": total, "files": files}


def table(found: Mapping[str, Any]) -> str:
    """The counts as text."""
    lines = [f"{'file':24}" + "".join(f"{side:>20}" for side in (*SHARES, "copies"))]
    for name, by_side in {**found["files"], "total": found["total"]}.items():
        cells = (f"{by_side[side]['documents']:>8,} {by_side[side]['bytes']:>11,}" for side in (*SHARES, "copies"))
        lines.append(f"{name:24}" + "".join(cells))
    return "\n".join(lines)


def _hash(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=16, key=KEY).digest()


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with open(path, "wb") as raw, zstandard.ZstdCompressor(level=3).stream_writer(raw) as file:
        for row in rows:
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
