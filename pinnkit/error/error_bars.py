"""The result of an uncertainty: values, their covariance and intervals, in figures and in words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from pinnkit.tools.checked import Within, checked
from pinnkit.tools.renamed import renamed

HELD = 0.1  # share of a variance that is the ridge's, from which on nothing else determines f


@renamed(
    doubt="sensitivity", freedom="degrees_of_freedom", white="white_covariance", chance="p_values", held="ridge_share"
)
@checked
@dataclass(frozen=True, eq=False)
class Uncertainty:
    """K numbers f of a solution, their covariance under the noise of the measurements, and their systematic error.

    Args:
        names: what the numbers are.
        values: f (K,) of the trained solution.
        corrected: f (K,) at the minimum of the same loss with many points, which training may not have reached.
        covariance: (K, K), of the corrected values if only the measurements were repeated.
        sensitivity: (K,), what the correction leaves open: its change as the equations weigh ten times as much or as
            little, with the damping, and in the last linearisation.
        noise: by term, the standard deviation of the measurements.
        degrees_of_freedom: degrees of freedom of the noise; infinite where it was given.
        damping: the ridge that was added.
        rows: number of residual rows that were used.
        cpu_s: seconds of CPU time.
        white_covariance: (K, K), the covariance if the noise were white. Default None: it is ``covariance``.
        effective: degrees of freedom (K,) of correlated noise. Default None: ``degrees_of_freedom``.
        bias: (K,), the effect of an offset of the readings. Default None: there is none.
        notes: what was found in the residuals.
        p_values: by test, the probability of such residuals under white noise.
        ridge_share: (K,), the share of f's formal variance that the ridge alone keeps finite. From 0.1 on neither
            equations nor measurements determine f, and its interval is infinite. Default None: 0.

    Source:
        Hausman, Econometrica 46 (1978), for ``sensitivity``.
    """

    names: tuple[str, ...]
    values: Tensor
    corrected: Tensor
    covariance: Tensor
    sensitivity: Tensor
    noise: Mapping[str, float]
    degrees_of_freedom: float
    damping: float
    rows: int
    cpu_s: float = 0.0
    white_covariance: Tensor | None = None
    effective: Tensor | None = None
    bias: Tensor | None = None
    notes: tuple[str, ...] = ()
    p_values: Mapping[str, float] = field(default_factory=dict)
    ridge_share: Tensor | None = None

    @cached_property
    def sd(self) -> Tensor:
        """The standard deviations (K,) by the measurements' noise."""
        return self.covariance.diagonal().clamp_min(0).sqrt()

    @property
    def shift(self) -> Tensor:
        """The systematic error of the trained values, (K,): what is predicted to be wrong with them."""
        return self.values - self.corrected

    @property
    def correlation(self) -> Tensor:
        """The correlations (K, K)."""
        return self.covariance / (self.sd[:, None] * self.sd).clamp_min(1e-300)

    def half_width(self, level: Within = 0.95) -> Tensor:
        """Half widths (K,) of the intervals: Student's quantile times ``sd`` and the sensitivity, in quadrature, plus
        the bias.

        Args:
            level: probability between 0 and 1. Default 0.95.

        Returns:
            A tensor (K,).

        Raises:
            ValueError: a level that is no probability.
        """
        if not 0 < level < 1:
            raise ValueError(f"level={level}: give a probability between 0 and 1, such as 0.95")
        from scipy.special import ndtri, stdtrit

        p = (1 + level) / 2
        freedom = torch.full_like(self.sd, self.degrees_of_freedom) if self.effective is None else self.effective
        t = self.sd.new_tensor([ndtri(p) if math.isinf(v) else stdtrit(v, p) for v in freedom.tolist()])
        half = torch.hypot(t * self.sd, self.sensitivity)
        half = half if self.bias is None else half + self.bias
        return half if self.ridge_share is None else half.masked_fill(self.ridge_share > HELD, math.inf)

    def interval(self, level: Within = 0.95) -> Tensor:
        """Intervals around the corrected values that contain the true ones with a given probability.

        Args:
            level: probability between 0 and 1. Default 0.95.

        Returns:
            Lower and upper ends (K, 2).

        Raises:
            ValueError: a level that is no probability.
        """
        half = self.half_width(level)
        return torch.stack([self.corrected - half, self.corrected + half], 1)

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain numbers, texts, lists and dicts."""
        kinds = ("trained", "corrected", "sd", "sensitivity", "interval")
        columns = (self.values, self.corrected, self.sd, self.sensitivity, self.interval())
        rows = zip(self.names, *(c.tolist() for c in columns), strict=True)
        return {
            "values": {name: dict(zip(kinds, row, strict=True)) for name, *row in rows},
            "covariance": self.covariance.tolist(), "noise": dict(self.noise),
            "degrees_of_freedom": None if math.isinf(self.degrees_of_freedom) else self.degrees_of_freedom,
            "damping": self.damping, "rows": self.rows,
            "notes": list(self.notes), "p_values": dict(self.p_values), "cpu_s": self.cpu_s,
        }  # fmt: skip

    def texts(self) -> dict[str, str]:
        """The numbers in words, by name: as trained, then corrected with their interval."""
        rows = zip(self.names, *(c.tolist() for c in (self.values, self.corrected, self.half_width())), strict=True)
        return {name: in_words(*row) for name, *row in rows}

    def __str__(self) -> str:
        lines = [f"{name}: {text}" for name, text in self.texts().items()]
        kind = (
            "given"
            if math.isinf(self.degrees_of_freedom)
            else f"estimated, {self.degrees_of_freedom:.0f} degrees of freedom"
        )
        lines += [f"noise of {name}: {sd:.3g} ({kind})" for name, sd in self.noise.items()]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def in_words(trained: float, corrected: float, half: float) -> str:
    """A number as trained, then corrected with its interval, to two digits of the latter."""
    if math.isinf(half):
        return f"{trained:.6g} trained; not determined by equations and measurements"
    digits = max(0, min(12, 1 - math.floor(math.log10(half)))) if 0 < half < math.inf else 6
    return f"{trained:.6g} trained; {corrected:.{digits}f} +- {half:.1e} (95 %), corrected"
