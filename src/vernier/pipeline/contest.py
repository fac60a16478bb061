"""One evaluation of a run: its arms against the control, on the target, with what each cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from vernier.core.stats import (
    Bounded,
    Comparison,
    Difference,
    Interval,
    break_even,
    compare,
    net_multiplier,
    training_multiplier,
)
from vernier.pipeline import leaks
from vernier.pipeline.account import Account, Overhead, Spent, mean, total
from vernier.pipeline.arms import (
    Trial,
    Trials,
    apart,
    has_constant_rate,
    is_rung,
    is_second_lot,
    measured_otherwise,
    same_windows,
)
from vernier.pipeline.knowledge import told
from vernier.pipeline.lineage import Lineage

CONTROL = "random"
CONFIDENCE = 0.95
EQUAL = 0.01  # share of the control's compute by which an arm's may differ and still be judged
MACRO = "macro"
AVERAGES = (MACRO, "all")  # what an evaluation writes beside its domains


class Contest:
    """What is known of one evaluation's arms. `trials` has the control and at least one more."""

    def __init__(self, lineage: Lineage, account: Account, trials: Trials, target: Sequence[str]) -> None:
        self._lineage, self._account, self._trials = lineage, account, trials
        self.notes: list[str] = []
        self.rungs: list[str] = []
        self.competitors: list[str] = []
        self._take_apart()
        self._leave_laggards()
        compared = [CONTROL, *self.competitors, *self.rungs]
        measured = [trial.losses for arm in compared for trial in trials[arm].values()]
        self.missing = [d for d in target if d in AVERAGES or not all(d in losses for losses in measured)]
        self.domains = sorted({d for losses in measured for d in losses} - set(AVERAGES))
        self._on = list(target) if target and not self.missing else [MACRO]

    def _take_apart(self) -> None:
        others = [arm for arm in self._trials if arm != CONTROL]
        kept, shared = apart([CONTROL, *others], self._trials)
        self.notes += [f"{arm} has the same model as {first} here: it is left out" for first, arm in shared]
        control = self._trials[CONTROL]
        for arm in kept[1:]:
            trials = self._trials[arm]
            differs = measured_otherwise(self._lineage, control, trials)
            if differs:
                self.notes.append(f"{arm} was measured otherwise than {CONTROL}: it is left out ({'; '.join(differs)})")
                continue
            if not is_rung(self._lineage, control, trials):
                self.competitors.append(arm)
            elif has_constant_rate(self._lineage, {**control, **trials}):
                self.rungs.append(arm)
            else:
                self.competitors.append(arm)
                self.notes.append(
                    f"{arm} is {CONTROL} on another number of tokens, but no rung of a ladder: under a cosine the rate "
                    "depends on where training ends (`schedule: constant` makes it one)"
                )

    def _leave_laggards(self) -> None:
        """Take out arms that lack a seed which the control and most arms have: else it would be lost for all."""
        arms = [CONTROL, *self.competitors]
        most = [s for s in self._trials[CONTROL] if 2 * sum(s in self._trials[arm] for arm in arms) > len(arms)]
        lacking = {arm: sorted(set(most) - self._trials[arm].keys()) for arm in self.competitors}
        kept = [arm for arm in self.competitors if not lacking[arm]]
        if kept:
            for arm in self.competitors:
                if lacking[arm]:
                    seeds = ", ".join(map(str, lacking[arm]))
                    self.notes.append(f"{arm} lacks seeds that most arms have ({seeds}): it is left out")
            self.competitors = kept

    def facts(self) -> dict[str, Any]:
        """All of it in JSON values."""
        self._note_windows()
        self._note_devices()
        found = self._compare()
        seeds = found.seeds if found is not None else tuple(sorted(self._trials[CONTROL]))
        ladder = self._ladder(seeds)
        comparable = found is not None or not self.competitors
        arms = [CONTROL, *self.competitors] if comparable else []
        compute = {arm: self._compute(arm, seeds) for arm in self.competitors if found is not None}
        self._note_compute(compute)
        self.notes += leaks.notes(
            self._lineage, {arm: self._trials[arm].values() for arm in [CONTROL, *self.competitors]}
        )
        return {
            "on": self._on,
            "judged": self._on != [MACRO],
            "seeds": list(seeds) if comparable else [],
            "left_out": list(found.left_out) if found is not None else [],
            "df": found.df if found is not None else 0,
            "noise": found.noise if found is not None and found.df else None,
            "confidence": CONFIDENCE,
            "order": arms,  # of the recipe, which a manifest's mappings do not keep
            "arms": {
                arm: self._arm(arm, seeds, found.arms.get(arm) if found else None, ladder)
                | ({"compute": compute[arm], "equal_compute": _is_equal(compute[arm])} if arm in compute else {})
                | ({"same_knowledge": self._same_knowledge(arm, found)} if found is not None and arm != CONTROL else {})
                for arm in arms
            },
            "ladder": ladder,
            "notes": self.notes,
        }

    def _value(self, trial: Trial) -> float:
        return math.fsum(trial.losses[domain] for domain in self._on) / len(self._on)

    def _values(self, arm: str) -> dict[int, float]:
        return {seed: self._value(trial) for seed, trial in sorted(self._trials[arm].items())}

    def _mean(self, arm: str, seeds: Sequence[int]) -> float:
        values = self._values(arm)
        return math.fsum(values[seed] for seed in seeds) / len(seeds)

    def _compare(self) -> Comparison | None:
        """The competitors against the control; None, with a note, where there is nothing to pair."""
        if not self.competitors:
            left = f"rungs of {CONTROL}'s ladder" if self.rungs else "those left out"
            self.notes.append(f"no arm but {left}: nothing to compare {CONTROL} with")
            return None
        values = {arm: self._values(arm) for arm in [CONTROL, *self.competitors]}
        if not set.intersection(*(set(by_seed) for by_seed in values.values())):
            self.notes.append("no verdict: no seed is finished in every arm")
            return None
        found = compare(values, CONTROL, confidence=CONFIDENCE)
        if found.note:
            self.notes.append(found.note)
        return found

    def _ladder(self, seeds: Sequence[int]) -> list[dict[str, Any]]:
        """The control's rungs by rising cost, each with its mean loss over the seeds that all of them have.

        Empty, with a note, where there is none.
        """
        arms = [CONTROL, *self.rungs]
        common = [seed for seed in seeds if all(seed in self._trials[arm] for arm in arms)]
        if not self.rungs:
            self.notes.append(
                f"no multiplier: {CONTROL} has no ladder (arms that train it on other numbers of `tokens`, with "
                "`schedule: constant` in all)"
            )
            return []
        if not common:
            self.notes.append("no multiplier: no seed is finished on every rung of the ladder")
            return []
        costs = {arm: self._training(arm, common).actual for arm in arms}
        unknown = [arm for arm, cost in costs.items() if cost is None]
        if unknown:
            self.notes.append(f"no multiplier: nobody knows what training took in {', '.join(unknown)}")
            return []
        rungs = sorted(
            (
                {
                    "arm": arm,
                    "tokens": self._tokens(arm, common),
                    "flops": costs[arm],
                    "loss": self._mean(arm, common),
                    "seeds": common,
                }
                for arm in arms
            ),
            key=lambda rung: rung["flops"],
        )
        if any(a["flops"] == b["flops"] for a, b in pairwise(rungs)):
            self.notes.append("no multiplier: two rungs of the ladder took the same compute")
            return []
        return rungs

    def _arm(
        self, arm: str, seeds: Sequence[int], difference: Difference | None, ladder: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """What there is to say of one arm, the control among them."""
        trials = self._trials[arm]
        training, overhead = self._training(arm, seeds), self._overhead(arm, seeds)
        out: dict[str, Any] = {
            "loss": self._mean(arm, seeds),
            "training": asdict(training),
            "overhead": asdict(overhead.spent),
            "overhead_stages": list(overhead.stages),
            "overhead_unknown": list(overhead.unknown),
            "models": [trials[seed].model for seed in seeds],
            "token_share": self._token_share(arm, seeds),
            "told": self._told(arm),
        }
        if difference is not None:
            out |= {
                "difference": difference.difference,
                "alone": _ends(difference.alone),
                "together": _ends(difference.together),
                "second_lot": is_second_lot(self._lineage, self._trials[CONTROL], trials),
                **self._multipliers(arm, difference, training.actual, overhead.spent.actual, ladder, seeds),
            }
        return out

    def _told(self, arm: str) -> list[str]:
        return told(self._lineage, [trial.model for trial in self._trials[arm].values() if trial.model])

    def _same_knowledge(self, arm: str, found: Comparison) -> list[dict[str, Any]]:
        """The arm minus those that were told the same and spent nothing on it: what models add to the knowledge."""
        known = self._told(arm)
        beside: list[dict[str, Any]] = []
        if known and self._overhead(arm, found.seeds).spent.actual != 0:
            for other in self.competitors:
                if self._told(other) == known and self._overhead(other, found.seeds).spent.actual == 0:
                    apart = found.between(arm, other)
                    beside.append({"arm": other, "difference": apart.difference, "alone": _ends(apart.alone)})
        return beside

    def _multipliers(
        self,
        arm: str,
        difference: Difference,
        target: float | None,
        overhead: float | None,
        ladder: Sequence[Mapping[str, Any]],
        seeds: Sequence[int],
    ) -> dict[str, Any]:
        """R(L) / C, at the arm's loss and at both ends of its interval; nothing of what is not known."""
        if not ladder or target is None:
            return {}
        own = dict.fromkeys(self._lineage.nodes[n].stage for s in seeds for n in self._own_by_both(arm, s)[0])
        if own:
            # The ladder says what the last stage alone is worth.
            self.notes.append(
                f"no multiplier of {arm}: it and {CONTROL} differ in {', '.join(own)} before that training"
            )
            return {}
        costs, losses = [rung["flops"] for rung in ladder], [rung["loss"] for rung in ladder]
        # The ladder's seeds may be fewer than those of the comparison: the arm's loss is the one on the same ones.
        loss = self._mean(arm, ladder[0]["seeds"])
        training = training_multiplier(costs, losses, loss, target)
        out: dict[str, Any] = {"training_multiplier": _bounded(training)}
        if difference.alone is not None:
            half = (difference.alone.high - difference.alone.low) / 2
            ends = [training_multiplier(costs, losses, at, target) for at in (loss + half, loss - half)]
            out["training_multiplier_ends"] = [_bounded(end) for end in ends]
        if overhead is not None:
            out["net_multiplier"] = _bounded(net_multiplier(costs, losses, loss, target, overhead))
            paid_back = break_even(training, target, overhead) if overhead > 0 else None
            if paid_back is not None:
                out["break_even"] = _bounded(paid_back)
        return out

    def _compute(self, arm: str, seeds: Sequence[int]) -> float | None:
        """An arm's training over the control's: in operations, where these are unknown in tokens; None if both are."""
        both = [self._own_by_both(arm, seed) for seed in seeds]
        one, control = (
            total(
                [*(self._training(name, [s]) for s in seeds), *(self._account.of(n) for own in both for n in own[side])]
            ).actual
            for side, name in enumerate((arm, CONTROL))
        )
        if one is None or control is None:
            if any(own for own, _ in both):
                return None
            one, control = (self._tokens(name, seeds) for name in (arm, CONTROL))
        return one / control if one and control else None

    def _own_by_both(self, arm: str, seed: int) -> tuple[list[str], list[str]]:
        models = [self._trials[name][seed].model for name in (arm, CONTROL)]
        return self._account.own_by_both(models[0], models[1]) if all(models) else ([], [])

    def _note_windows(self) -> None:
        """Arms that differ in how they train, not in what they chose: legitimate, but no comparison of selections."""
        for i, arm in enumerate(self.competitors):
            earlier = [CONTROL, *self.competitors[:i]]
            first = next((a for a in earlier if same_windows(self._lineage, self._trials[a], self._trials[arm])), None)
            if first is not None:
                self.notes.append(f"trained on the same windows as {first}, with other settings: {arm}")

    def _note_devices(self) -> None:
        """Devices round otherwise: what that does to a loss is no doing of the arm."""
        control = self._trials[CONTROL]
        for arm in self.competitors:
            pairs = [(t.model, control[s].model) for s, t in self._trials[arm].items() if s in control]
            devices = [tuple(map(self._lineage.device, pair)) for pair in pairs if all(pair)]
            unequal = next((pair for pair in devices if pair[0] != pair[1]), None)
            if unequal is not None:
                self.notes.append(f"{arm} was trained on {unequal[0]} where {CONTROL} was on {unequal[1]}")

    def _note_compute(self, compute: Mapping[str, float | None]) -> None:
        for arm, times in compute.items():
            if times is None:
                self.notes.append(f"nobody knows what training took in {arm} or {CONTROL}: take care that it is equal")
            elif not _is_equal(times):
                self.notes.append(f"{arm} trained with {times:.3g} times the compute of {CONTROL}: no verdict on it")

    def _training(self, arm: str, seeds: Sequence[int]) -> Spent:
        models = [self._trials[arm][seed].model for seed in seeds]
        return mean([self._account.training(model) if model else Spent(None, None) for model in models])

    def _overhead(self, arm: str, seeds: Sequence[int]) -> Overhead:
        """The mean over seeds of what the arm needs beyond the control."""
        if not all(self._trials[a][seed].model for a in (arm, CONTROL) for seed in seeds):
            return Overhead((), (), Spent(None, None))
        each = [self._account.overhead(self._trials[arm][s].model, self._trials[CONTROL][s].model) for s in seeds]
        stages = dict.fromkeys(name for one in each for name in one.stages)
        unknown = dict.fromkeys(name for one in each for name in one.unknown)
        return Overhead(tuple(stages), tuple(unknown), mean([one.spent for one in each]))

    def _fact(self, arm: str, seed: int, name: str) -> Any:
        model = self._trials[arm][seed].model
        return self._lineage.artifacts[model].facts.get(name) if model else None

    def _tokens(self, arm: str, seeds: Sequence[int]) -> int | None:
        """Tokens that a rung was trained on: the same at every seed, or unknown."""
        found = {self._fact(arm, seed, "tokens") for seed in seeds}
        return found.pop() if len(found) == 1 else None

    def _token_share(self, arm: str, seeds: Sequence[int]) -> dict[str, float] | None:
        """Each domain's share of the tokens that the arm's models were trained on; None where one does not say."""
        sums: dict[str, int] = {}
        for seed in seeds:
            counted = self._fact(arm, seed, "tokens_by_domain")
            if not counted:
                return None
            for domain, number in counted.items():
                sums[domain] = sums.get(domain, 0) + number
        whole = sum(sums.values())
        return {domain: number / whole for domain, number in sorted(sums.items())} if whole else None


def uncontested(target: Sequence[str], notes: Sequence[str]) -> dict[str, Any]:
    """The facts of an evaluation in which nothing can stand beside the control, with notes that say why."""
    nothing: dict[str, Any] = {
        "seeds": [],
        "left_out": [],
        "df": 0,
        "noise": None,
        "order": [],
        "arms": {},
        "ladder": [],
    }
    return {"on": list(target) or [MACRO], "judged": False, "confidence": CONFIDENCE, **nothing, "notes": list(notes)}


def _is_equal(times: float | None) -> bool:
    """Whether nothing is known against equal compute."""
    return times is None or abs(times - 1) <= EQUAL


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _bounded(number: Bounded) -> dict[str, Any]:
    """In JSON, which has no infinity: the value None is one."""
    return {"value": number.value if math.isfinite(number.value) else None, "bound": number.bound}
