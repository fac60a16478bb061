"""What `corpus.mask` finds: false alarms on clean text, recall on planted places, megabytes per CPU second.

Clean text (mathematics, specifications, novels, an encyclopedia) holds next to nothing that should be masked, but the
real e-mail addresses of the specifications' authors, so what is found there is counted. Then places of each kind are
planted between two words of those documents, in the forms that people write. The peer is datatrove's formatter, which
FineWeb was made with: e-mail and public IP addresses.

    python bench/masking.py [--data DIR] [--small]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from random import Random
from typing import Any

import zstandard

from measure import at_least, must, result, save
from vernier.core import personal

FILES = ("math_hott", "math_gsm8k_train", "techspec_peps", "books_classic", "encyclopedia_wikitext2", "web_main")
CLEAN = FILES[:-1]  # of the pages of the web nobody knows what they hold
KINDS = ("email", "ip", "phone", "key")
PLANTED = 500  # of each kind
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789"
Find = Callable[[str], Iterable[tuple[str, str]]]  # a text -> kind and place


def ours(text: str) -> list[tuple[str, str]]:
    return [(kind, text[a:b]) for a, b, kind in personal.find(text, dict.fromkeys(personal.KINDS, ""), "US")]


def datatrove() -> Find:
    from datatrove.pipeline.formatters import PIIFormatter

    formatter = PIIFormatter()

    def find(text: str) -> Iterable[tuple[str, str]]:
        for kind, one in (("email", formatter.emails_replacer), ("ip", formatter.ip_replacer)):
            for match in one.regex.finditer(text):
                if one.validator is None or one.validator(match[0]):
                    yield kind, match[0]

    return find


def texts(data: Path, file: str, most: int | None) -> list[str]:
    with zstandard.open(data / "corpus" / f"{file}.jsonl.zst", "rt", encoding="utf-8", newline="\n") as lines:
        found = [json.loads(line)["text"] for line in lines]
    return found[:most]


def place(kind: str, random: Random) -> str:
    """A place of a kind, in one of the forms in which people write it."""

    def word(size: int, letters: str = LETTERS) -> str:
        return "".join(random.choices(letters, k=size))

    small, digits = "abcdefghijklmnopqrstuvwxyz", "0123456789"
    if kind == "email":
        name = random.choice(
            [word(7, small), f"{word(4, small)}.{word(6, small)}", f"{word(5, small)}+{word(2, digits)}"]
        )
        return f"{name}@{word(8, small)}.{random.choice(['com', 'org', 'co.uk', 'de', 'museum'])}"
    if kind == "ip":
        first = random.choice([n for n in range(11, 224) if n not in (100, 127, 169, 172, 192, 198, 203)])
        return f"{first}.{random.randint(0, 255)}.{random.randint(0, 255)}.{random.randint(10, 255)}"
    if kind == "phone":
        area, rest = random.choice(["212", "415", "303", "617"]), f"{random.randint(200, 999)}-{word(4, digits)}"
        plain = rest.replace("-", " ")
        return random.choice(
            [
                f"{area}-{rest}",
                f"({area}) {rest}",
                f"+1 {area} {plain}",
                f"1-{area}-{rest}",
                f"{area}.{rest.replace('-', '.')}",
            ]
        )
    return random.choice(
        [
            "AKI" + "A" + word(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
            "gh" + "p_" + word(36),
            "sk_" + "live_" + word(24),
            "xox" + f"b-{word(12, digits)}-{word(24, small)}",
            "AI" + "za" + word(35),
            "glp" + "at-" + word(20),
        ]
    )


def recall(find: Find, documents: list[str], kind: str, number: int) -> float:
    """The share of planted places that are found as they were planted."""
    random, found = Random(f"masking {kind}"), 0
    for i in range(number):
        words = documents[i % len(documents)][:4000].split(" ")
        middle, planted = random.randrange(len(words) + 1), place(kind, random)
        shown = random.choice(["{}", "({})", "{},", "{}.", "<{}>", '"{}"', "\n{}\n", "at {}"]).format(planted)
        found += (kind, planted) in set(find(" ".join([*words[:middle], shown, *words[middle:]])))
    return found / number


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = os.environ.get("VERNIER_DATA", str(Path(__file__).resolve().parents[2] / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=Path(default), help="the folder of test data")
    parser.add_argument("--small", action="store_true", help="a quick look: few documents, nothing written")
    given = parser.parse_args()
    arms: dict[str, Find] = {"vernier": ours, "datatrove": datatrove()}
    rows: list[dict[str, Any]] = []
    alarms = Counter[str]()
    documents = list[str]()
    for file in FILES:
        read = texts(given.data, file, 20 if given.small else None)
        documents += read[:: max(1, len(read) // 100)] if file in CLEAN else []
        size = sum(len(text.encode()) for text in read) / 1e6
        for name, find in arms.items():
            started = time.process_time()
            counts = Counter(kind for text in read for kind, _ in find(text))
            spent = time.process_time() - started
            rows.append(
                {
                    "text": file,
                    "by": name,
                    "MB": float(f"{size:.3g}"),
                    **{kind: counts[kind] for kind in (KINDS if name == "vernier" else KINDS[:2])},
                    "MB per CPU second": float(f"{size / spent:.3g}"),
                }
            )
            if name == "vernier" and file in CLEAN:
                alarms += counts
    number = 20 if given.small else PLANTED
    found = {
        name: {kind: recall(find, documents, kind, number) for kind in (KINDS if name == "vernier" else KINDS[:2])}
        for name, find in arms.items()
    }
    planted = [{"by": name, **shares} for name, shares in found.items()]
    verdict = [
        must("clean text: phone numbers, keys and IP addresses found", alarms.total() - alarms["email"], 5),
        *(at_least(f"planted: {kind} found", found["vernier"][kind], 0.95) for kind in KINDS),
    ]
    save(
        result(
            "masking",
            "What does corpus.mask find in clean text, and of what was planted there?",
            rows,
            verdict,
            planted_of_each_kind=number,
            libraries={name: metadata.version(name) for name in ("phonenumbers", "detect-secrets", "datatrove")},
            tables={"Share of planted places found": planted},
        ),
        small=given.small,
    )


if __name__ == "__main__":
    main()
