"""What an influence analysis returns: effects by functional, term and point; the distance from a minimum."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pinnkit.statement.points import Points
from pinnkit.tools.checked import Whole, checked


@checked
@dataclass(frozen=True, eq=False)
class Attribution:
    """The effect of removing each training point on K functionals: f(without it) - f(with it).

    ``effects`` maps every loss term to (K, N): the point leaves this term alone. ``joint`` maps every point set to
    (K, N): the point leaves all its terms. A positive effect on a loss or an error says that the point helps.
    ``names``, ``values`` (K,) and ``places`` (K, d) are the functionals' (NaN for one that is not asked at a point),
    ``convention`` says what became of 1/N (see :class:`Influence`), ``coordinates`` name the columns of points.
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

    def strongest(self, n: Whole = 10, functional: Whole = 0) -> list[tuple[str, int, tuple[float, ...], float]]:
        """The n points with the largest |effect|: point set, number, coordinates, effect."""
        keys = list(self.joint)
        flat = torch.cat([self.joint[key][functional] for key in keys])
        owner = [(key, i) for key in keys for i in range(self.joint[key].shape[1])]
        top = flat.abs().topk(min(n, len(flat))).indices.tolist()
        return [(*owner[m], tuple(self.points[owner[m][0]].X[owner[m][1]].tolist()), float(flat[m])) for m in top]


@checked
@dataclass(frozen=True)
class Stationarity:
    """How far a model is from a minimum of its loss: |gradient|, and what one Newton step would still gain.

    ``gain`` is the predicted relative decrease of the loss g^T (C + damping)^-1 g / L, the squared Newton decrement.
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
