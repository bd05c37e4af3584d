"""How far a trait tells good models from bad ones: effect sizes for every pair, and over all problems."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from .runs import Job, Traits
from .trait import ERROR, TOLERABLE, TRAITS, Trait

BROKEN = "broken"
Pair = tuple[str, str]  # a problem, and the bad variant that its good models are compared with


@dataclass(frozen=True)
class Effect:
    """A trait of good and of bad models, by seed.

    ``delta`` is Cliff's: the chance that a bad model has the larger value less the chance that a good one has, which
    is 2 AUC - 1. ``d`` is Cohen's: the difference of the means, bad less good, over the pooled standard deviation (n -
    1), of logarithms where the trait spans decades; infinite where the values of neither kind differ.
    """

    good: tuple[float, ...]
    bad: tuple[float, ...]
    delta: float
    d: float

    @property
    def counts(self) -> bool:
        """Whether there are two models of either kind at least: one against one always lies apart."""
        return min(len(self.good), len(self.bad)) > 1

    @property
    def separates(self) -> bool:
        """Whether every bad model lies on the same side of every good one."""
        return abs(self.delta) == 1

    @property
    def apart(self) -> bool:
        """Whether the two kinds lie further from each other than either does within itself."""
        gap = max(min(self.bad) - max(self.good), min(self.good) - max(self.bad))
        return gap > max(max(v) - min(v) for v in (self.good, self.bad))


def effect(good: Iterable[float], bad: Iterable[float], *, decades: bool = False) -> Effect | None:
    """The effect sizes of a trait between good and bad models; None where it is not defined for both.

    NaN are left out. Logarithms stop at 1e-300, where a loss is as good as nothing.
    """
    g, b = ([v for v in values if not math.isnan(v)] for values in (good, bad))
    if not g or not b:
        return None
    wins = sum((y > x) - (y < x) for x in g for y in b)
    scaled = [[math.log10(max(v, 1e-300)) for v in values] if decades else values for values in (g, b)]
    return Effect(tuple(g), tuple(b), wins / (len(g) * len(b)), _cohen(*scaled))


def _cohen(good: Sequence[float], bad: Sequence[float]) -> float:
    """The difference of the means over the pooled standard deviation; NaN for one value against one."""
    (m, s), (n, t) = _moments(good), _moments(bad)
    free = len(good) + len(bad) - 2
    if not free:
        return math.nan
    if s + t > 0:
        return (n - m) / math.sqrt((s + t) / free)
    return math.copysign(math.inf, n - m) if n != m else 0.0


def _moments(values: Sequence[float]) -> tuple[float, float]:
    """The mean and the sum of squares around it."""
    mean = sum(values) / len(values)
    return mean, sum((v - mean) ** 2 for v in values)


@dataclass(frozen=True)
class Outcome:
    """What a trait has done over all pairs, where it is defined.

    Signs, counts and thresholds are those of badly trained models. A broken one is trained well on a wrong equation:
    what exposes it is another matter, and ``broken`` keeps it apart.
    """

    trait: Trait
    effects: Mapping[Pair, Effect]

    @cached_property
    def trained(self) -> dict[Pair, Effect]:
        """The pairs with badly trained models, where there are enough to be counted."""
        return {pair: e for pair, e in self.effects.items() if pair[1] != BROKEN and e.counts}

    @property
    def broken(self) -> Effect | None:
        """The pair with broken models, if there are enough to be counted."""
        return next((e for (_, v), e in self.effects.items() if v == BROKEN and e.counts), None)

    @cached_property
    def sign(self) -> int:
        """1 if bad models mostly have the larger value, else -1: without a reference only one sign is of use."""
        return 1 if sum(e.delta for e in self.trained.values()) >= 0 else -1

    def separated(self, variant: str | None = None) -> tuple[int, int]:
        """In how many pairs (of one bad variant) all bad models lie on the side of ``sign``, and of how many."""
        chosen = [e for (_, v), e in self.trained.items() if variant in (None, v)]
        return sum(e.delta == self.sign for e in chosen), len(chosen)

    @property
    def against(self) -> int:
        """In how many pairs all bad models lie on the other side."""
        return sum(e.delta == -self.sign for e in self.trained.values())

    @property
    def always(self) -> bool:
        """Whether it separates every pair with the same sign."""
        separated, pairs = self.separated()
        return separated == pairs > 0

    @cached_property
    def auc(self) -> float:
        """The chance that a bad model of any problem lies beyond a good one of any problem, on the side of ``sign``."""
        good, bad = self._all
        found = effect(good, bad)
        return math.nan if found is None else (1 + self.sign * found.delta) / 2

    @cached_property
    def threshold(self) -> float | None:
        """A value between all good and all bad models of all problems, if there is one."""
        good, bad = self._all
        if not good or not bad:
            return None
        low, high = (max(good), min(bad)) if self.sign > 0 else (max(bad), min(good))
        if not low < high:
            return None
        return math.sqrt(low * high) if self.trait.decades and low > 0 else (low + high) / 2

    @property
    def _all(self) -> tuple[list[float], list[float]]:
        good = {problem: e.good for (problem, _), e in self.trained.items()}
        return [v for g in good.values() for v in g], [v for e in self.trained.values() for v in e.bad]


def misplaced(traits: Traits) -> list[Job]:
    """Models whose true error belies their name: good ones above the tolerable error, others not above it."""
    return [
        job for job, row in traits.items()
        if not math.isnan(row[ERROR]) and (row[ERROR] > TOLERABLE) == (job.variant == "good")
    ]  # fmt: skip


def outcomes(traits: Traits) -> dict[str, Outcome]:
    """What every trait has done, by name, the misplaced models left out; the variant "good" is compared with others."""
    out, models = set(misplaced(traits)), {}
    for job, row in traits.items():
        if job not in out:
            models.setdefault((job.problem, job.variant), []).append(row)
    return {trait.name: Outcome(trait, _effects(trait, models)) for trait in TRAITS}


def _effects(trait: Trait, models: Mapping[Pair, Sequence[Mapping[str, float]]]) -> dict[Pair, Effect]:
    """A trait of all bad variants against the good one of their problem, where both have it."""
    values = {pair: [row[trait.name] for row in rows] for pair, rows in models.items()}
    found = {
        (problem, variant): effect(values.get((problem, "good"), ()), bad, decades=trait.decades)
        for (problem, variant), bad in values.items() if variant != "good"
    }  # fmt: skip
    return {pair: one for pair, one in found.items() if one is not None}
