"""What the cleaning rules throw out of labelled documents: bad ones, as they should, and good ones.

Every document of the development data (`corpus/`, without the sample of it) has a quality by its source. A preset, and
each rule by itself, is judged by the share of `low` documents that it drops (recall) and of `high` ones (false drops),
over all and domain by domain. Apart from these: kinds of text that the rules were not made for, namely short texts in
other languages than English, mathematics, technical specifications, and code (this Python's standard library).
A label by source is coarse: a bad document may stand in a good source.

    python bench/rules.py [--small]
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import zstandard
from numpy.typing import NDArray

from corpora import data_folder, installed
from measure import result, save
from vernier.core.rules import PRESETS, RULES, cuts
from vernier.score.signals import Signals

LEFT_OUT = ("mixture_small",)  # a sample of the others
CODE = "standard_library"
AT_ONCE = 1000  # documents whose signals are counted together
OTHERS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "other languages than English (short_howto)": lambda one: one["domain"] == "short_howto" and one["lang"] != "en",
    "mathematics in LaTeX (math_latex)": lambda one: one["domain"] == "math_latex",
    "mathematics in words (math_qa)": lambda one: one["domain"] == "math_qa",
    "technical specifications (tech_spec)": lambda one: one["domain"] == "tech_spec",
    "code (this Python's standard library)": lambda one: one["domain"] == CODE,
}


def documents(most: int | None) -> Iterable[dict[str, Any]]:
    """The labelled documents and the code, `most` of each file; text, domain, quality, lang."""
    folder = data_folder()
    if folder is None:
        raise SystemExit("this bench needs the development data: set VERNIER_DATA")
    for path in sorted((folder / "corpus").glob("*.jsonl.zst")):
        name = path.name.removesuffix(".jsonl.zst")
        if name in LEFT_OUT:
            continue
        with zstandard.open(path, "rb") as file:
            for line in itertools.islice(filter(None, file.read().split(b"\n")), most):
                record = orjson.loads(line)
                domain = "corrupted" if name == "corrupted" else record["domain"]
                yield {"domain": domain, **{field: record[field] for field in ("text", "quality", "lang")}}
    for one in itertools.islice(installed(), most):
        yield {"text": one["text"], "domain": CODE, "quality": None, "lang": None}


def measure(found: Sequence[dict[str, Any]]) -> dict[str, NDArray[np.float64]]:
    """What each rule measures, float64 [documents]."""
    parts = []
    plugin = Signals()
    for start in range(0, len(found), AT_ONCE):
        texts = pa.array([one["text"] for one in found[start : start + AT_ONCE]], pa.large_string())
        counts = plugin.count(texts)
        parts.append({name: rule.values(counts) for name, rule in RULES.items() if rule.part in counts})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def dropped(values: dict[str, NDArray[np.float64]], limits: dict[str, float]) -> NDArray[np.bool_]:
    """Which documents some rules drop, as `select.rules` does: what is undefined is dropped too."""
    out = np.zeros(len(next(iter(values.values()))), bool)
    for name, limit in limits.items():
        out |= RULES[name].drops(values[name], limit) | np.isnan(values[name])
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a few documents of each file; nothing is saved")
    given = parser.parse_args()
    found = list(documents(30 if given.small else None))
    values = measure(found)
    quality = np.array([one["quality"] or "unknown" for one in found])
    domain = np.array([one["domain"] for one in found])
    judged = {f"preset {name}": dropped(values, cuts([name])) for name in PRESETS}
    judged["all presets"] = dropped(values, cuts(PRESETS))
    alone = {name: dropped(values, {name: limit}) for name, limit in cuts(PRESETS).items()}
    low, high = quality == "low", quality == "high"

    def share(drops: NDArray[np.bool_], of: NDArray[np.bool_]) -> float | None:
        return float(f"{drops[of].mean():.4g}") if of.any() else None

    groups = {name: np.array([test(one) for one in found]) for name, test in OTHERS.items()}
    rows = [
        {
            "arm": name,
            "low dropped": share(drops, low),
            "high dropped": share(drops, high),
            "medium dropped": share(drops, quality == "medium"),
        }
        for name, drops in judged.items()
    ]
    by_rule = [
        {
            "rule": name,
            "family": RULES[name].family,
            "low dropped": share(drops, low),
            "high dropped": share(drops, high),
            **{group: share(drops, of) for group, of in groups.items()},
        }
        for name, drops in alone.items()
    ]
    by_domain = [
        {
            "domain": name,
            "quality": label,
            "documents": int(of.sum()),
            **{arm: share(drops, of) for arm, drops in judged.items()},
        }
        for name, label in sorted(set(zip(domain.tolist(), quality.tolist(), strict=True)))
        for of in [(domain == name) & (quality == label)]
    ]
    kinds = [
        {"kind": name, "documents": int(of.sum()), **{arm: share(drops, of) for arm, drops in judged.items()}}
        for name, of in groups.items()
    ]
    question = "Which bad documents do the cleaning rules throw out, and which good ones?"
    numbers = {"low": int(low.sum()), "high": int(high.sum()), "all": len(found)}
    tables = {
        "Kinds of text that the rules were not made for: share dropped": kinds,
        "By domain and quality: share dropped": by_domain,
        "Each rule by itself: share dropped": by_rule,
    }
    save(result("rules", question, rows, [], documents=numbers, tables=tables), small=given.small)


if __name__ == "__main__":
    main()
