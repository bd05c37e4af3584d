"""What an influence analysis returns: effects by functional, term and point; the distance from a minimum."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pinnkit.model.tables import Tabled
from pinnkit.statement.points import Points
from pinnkit.tools.checked import Whole, checked


@checked
@dataclass(frozen=True, eq=False)
class Attribution(Tabled):
    """Effects f(without a point) - f(with it) of every training point on K functionals f.

    A positive effect on a loss or an error means that the point helps.

    Args:
        names: the functionals, K texts.
        values: the values f (K,) of the trained model.
        effects: by loss term, (K, N): the point leaves this term only.
        joint: by point set, (K, N): the point leaves all terms of its set.
        points: the training points.
        keys: the point set of every loss term.
        convention: "fixed" or "mean", see :class:`Influence`.
        curvature: the curvature in a line of text.
        notes: what limits the result.
        coordinates: names of the columns of the points.
        places: points (K, d) where the functionals are evaluated. NaN for those without a place.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.LevenbergMarquardt(10)], progress=False)
        >>> pk.Influence(u).attribute(pk.at("u", x=0.5, t=0.05)).joint["pde"].shape
        torch.Size([1, 50])
    """

    names: tuple[str, ...]
    values: Tensor
    effects: Mapping[str, Tensor]
    joint: Mapping[str, Tensor]
    points: Points
    keys: Mapping[str, str]
    convention: str
    curvature: str
    notes: tuple[str, ...] = ()
    coordinates: tuple[str, ...] = ()
    places: Tensor | None = None

    @property
    def terms(self) -> tuple[str, ...]:
        """The loss terms."""
        return tuple(self.effects)

    def _columns(self) -> dict[str, Any]:
        """A row for every functional and training point: its effect, and that on each term of its set alone."""
        rows: dict[str, list] = {name: [] for name in ("functional", "set", "point", *self.coordinates, "effect")}
        alone: dict[str, list] = {f"effect:{term}": [] for term in self.effects}
        for k, functional in enumerate(self.names):
            for key, joint in self.joint.items():
                n = joint.shape[1]
                rows["functional"] += [functional] * n
                rows["set"] += [key] * n
                rows["point"] += range(n)
                for name, column in zip(self.coordinates, self.points[key].X.T.tolist(), strict=True):
                    rows[name] += column
                rows["effect"] += joint[k].tolist()
                for term, effects in self.effects.items():
                    alone[f"effect:{term}"] += effects[k].tolist() if self.keys[term] == key else [math.nan] * n
        return rows | alone

    def strongest(self, n: Whole = 10, functional: Whole = 0) -> list[tuple[str, int, tuple[float, ...], float]]:
        """The n training points with the largest |effect| on one functional.

        Args:
            n: how many points. Default 10.
            functional: number of the functional, from 0.

        Returns:
            A list of (point set, number in the set, coordinates, effect), the largest |effect| first.

        Raises:
            ValueError: a number that no functional has.
        """
        if functional >= len(self.names):
            raise ValueError(f"there is no functional {functional}: {len(self.names)} were asked about, from 0")
        keys = list(self.joint)
        flat = torch.cat([self.joint[key][functional] for key in keys])
        owner = [(key, i) for key in keys for i in range(self.joint[key].shape[1])]
        top = flat.abs().topk(min(n, len(flat))).indices.tolist()
        return [(*owner[m], tuple(self.points[owner[m][0]].X[owner[m][1]].tolist()), float(flat[m])) for m in top]


@checked
@dataclass(frozen=True)
class Stationarity:
    """Distance of a model from a minimum of its loss: |g|, and the relative decrease g^T (C + damping)^-1 g / L.

    The second number is the squared Newton decrement over the loss L. Influence is exact at a minimum only.

    Args:
        gradient: norm |g| of the gradient of the loss.
        loss: L.
        gain: part of the loss that one Newton step would remove, as predicted.

    Example:
        >>> import pinnkit as pk
        >>> pk.Stationarity(gradient=1e-6, loss=1e-3, gain=1e-4).reading[:50]
        'a Newton step would lower the loss by 1.0e-04 of i'
    """

    gradient: float
    loss: float
    gain: float

    @property
    def reading(self) -> str:
        """What this means for influences, in a sentence."""
        if self.gain < 0.01:
            return (
                f"a Newton step would lower the loss by {self.gain:.1e} of itself: the model is at a minimum for this "
                "purpose, and effects are those of training again"
            )
        return (
            f"a Newton step would lower the loss by {min(self.gain, 1.0):.0%}: the model is not at a minimum, and "
            "effects are differences between two trainings that go on from it, with and without the point, near it"
        )

    def __str__(self) -> str:
        return f"|gradient| {self.gradient:.1e}, loss {self.loss:.1e}: {self.reading}"
