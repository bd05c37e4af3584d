"""Features that resolve what happens near faces and corners of a box: the coordinates and logarithms of distances."""

from dataclasses import dataclass

import sympy as sp

from pinnkit.domain.box import Domain
from pinnkit.domain.distance_function import exact
from pinnkit.network.base import FeatureMap
from pinnkit.tools.checked import Positive, checked_but
from pinnkit.tools.serialise import register

from .inversion import Formulas


@register
@checked_but("faces")
@dataclass(frozen=True)
class LogDistance(FeatureMap):
    """The coordinates scaled to [-1, 1]^d, and log(1 + s / width) for every face, s in [0, 1] being the distance to it.

    The logarithms, scaled to [-1, 1] too, vary as much from s = width to 2 width as from 1/2 to 1: the network sees all
    scales above ``width``, as a mesh does whose cells shrink towards the faces. Where two of them meet, the difference
    of the logarithms tells the angle: flows like f(angle) at a corner are smooth functions of the features. ``faces``
    are named x_min, x_max, ...; s is the distance in lengths of the domain's bounding box.

    Raises:
        ValueError: no tuple of faces, a width that is not positive, or a face that the domain does not have.
    """

    faces: tuple[str, ...]
    width: Positive = 0.01

    def __post_init__(self) -> None:
        if isinstance(self.faces, str):
            raise ValueError(f"faces={self.faces!r}: give a tuple of names, as ({self.faces!r},)")

    def build(self, domain: Domain) -> Formulas:
        """The features on that domain."""
        ends: dict[str, sp.Expr] = {}
        for name, (lo, hi) in zip(domain.names, domain.bounds.T.tolist(), strict=True):
            x, lo, hi = sp.Symbol(name, real=True), exact(lo), exact(hi)
            ends |= {f"{name}_min": (x - lo) / (hi - lo), f"{name}_max": (hi - x) / (hi - lo)}
        for face in self.faces:
            if face not in ends:
                raise ValueError(f"LogDistance has no face {face!r} here: choose among {', '.join(ends)}")
        width = sp.Float(self.width, 17)
        scaled = [2 * ends[f"{name}_min"] - 1 for name in domain.names]
        logarithms = [2 * sp.log(1 + ends[face] / width) / sp.log(1 + 1 / width) - 1 for face in self.faces]
        return Formulas((*scaled, *logarithms), tuple(sp.Symbol(name, real=True) for name in domain.names))
