"""Make a corpus of a wanted size: real text repeated with seeded perturbation, as JSON Lines under Zstandard.

The text is that of the development data ($VERNIER_DATA, else ../shared/data), or of the Python installation where
there is none. Each copy of a document differs: two words in a hundred change places with their neighbour, one in a
hundred is dropped. Lengths and domains stay as they are. Fields: id, text, domain, license, url. The same text,
seed, size and number of files give the same bytes.

    python bench/corpora.py --size 1000 --files 8 --scratch DIR        # 1000 MB before compression
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import zstandard

SWAPPED, DROPPED = 0.02, 0.01  # shares of the words of a copy
FILES = 8
DONE = "corpus.json"


def make(folder: Path, size: int, files: int = FILES, seed: int = 0) -> list[Path]:
    """Write `files` files that hold `size` bytes of JSON together, before compression; none twice.

    Returns their paths. What an earlier call with the same numbers made is used again.
    """
    paths = [folder / f"part-{i:03d}.jsonl.zst" for i in range(files)]
    wanted = {"size": size, "files": files, "seed": seed}
    mark = folder / DONE
    if mark.exists() and json.loads(mark.read_text()) == wanted:
        return paths
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(write, paths, [size // files] * files, [f"{seed}/{i}" for i in range(files)]))
    mark.write_text(json.dumps(wanted))
    return paths


def write(path: Path, size: int, seed: str) -> None:
    """One file of `size` bytes of JSON, the last record beyond it left out."""
    rng = random.Random(seed)
    documents = list(sources())
    left = size
    with open(path, "wb") as raw, zstandard.ZstdCompressor(level=3).stream_writer(raw) as file:
        for copy in itertools.count():
            rng.shuffle(documents)
            for document in documents:
                line = orjson.dumps(perturbed(document, rng, f"{seed}/{copy}"), option=orjson.OPT_APPEND_NEWLINE)
                left -= len(line)
                if left < 0:
                    return
                file.write(line)


def perturbed(document: dict[str, str], rng: random.Random, copy: str) -> dict[str, str]:
    """A copy with some words swapped or dropped, and its own id and address."""
    words = document["text"].split(" ")
    for _ in range(round(len(words) * SWAPPED)):
        i = int(rng.random() * (len(words) - 1))
        words[i], words[i + 1] = words[i + 1], words[i]
    for _ in range(round(len(words) * DROPPED)):
        del words[int(rng.random() * len(words))]
    name = f"{document['id']}/{copy}"
    return {
        "id": name,
        "text": " ".join(words),
        "domain": document["domain"],
        "license": document["license"],
        "url": f"https://example.org/{document['domain']}/{name}",
    }


def sources() -> Iterator[dict[str, str]]:
    """The documents to repeat: id, text, domain, license."""
    data = data_folder()
    if data is None:
        yield from installed()
        return
    licenses = {entry["file"]: entry["licence"] for entry in json.loads((data / "MANIFEST.json").read_text())}
    for path in sorted((data / "corpus").glob("*.jsonl.zst")):
        if path.name.startswith(("corrupted", "mixture_small")):  # copies of what is in the other files
            continue
        with zstandard.open(path, "rb") as file:
            lines = file.read().split(b"\n")
        for line in lines:
            if line:
                record: dict[str, Any] = orjson.loads(line)
                yield {
                    "id": record["id"],
                    "text": record["text"],
                    "domain": record["domain"],
                    "license": licenses[f"corpus/{path.name}"],
                }


def data_folder() -> Path | None:
    """The development data, if it is there."""
    root = Path(__file__).resolve().parent.parent
    folder = Path(os.environ.get("VERNIER_DATA", root.parent / "shared" / "data"))
    return folder if (folder / "corpus").is_dir() else None


def installed() -> Iterator[dict[str, str]]:
    """The sources of the standard library, a document a file."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        if "site-packages" in path.parts:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # the standard library tests its decoders with such files
            continue
        name = path.relative_to(root).as_posix()
        yield {"id": name, "text": text, "domain": name.partition("/")[0], "license": "PSF-2.0"}


@contextlib.contextmanager
def scratch(given: Path | None) -> Iterator[Path]:
    """The folder to work in: the given one, which stays, or a temporary one."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given.resolve()
    else:
        with tempfile.TemporaryDirectory(prefix="vernier-bench-") as folder:
            yield Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=1000, help="MB of JSON before compression")
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, required=True, help="the folder to write")
    given = parser.parse_args()
    paths = make(given.scratch, given.size * 10**6, given.files, given.seed)
    print(f"{len(paths)} files, {sum(p.stat().st_size for p in paths):,} bytes compressed", file=sys.stderr)


if __name__ == "__main__":
    main()
