"""Features that resolve what happens near faces and corners of a box: the coordinates and logarithms of distances."""

from dataclasses import dataclass

import sympy as sp

from pinnkit.domain.box import Domain
from pinnkit.domain.distance_function import exact_number
from pinnkit.network.base import FeatureMap
from pinnkit.tools.checked import Positive, checked
from pinnkit.tools.serialise import register

from .inversion import Formulas


@register
@checked
@dataclass(frozen=True)
class LogDistance(FeatureMap):
    """The coordinates scaled to [-1, 1], and log(1 + s / width) for each face, s the distance to it.

    The logarithms resolve all scales above ``width``, like a mesh that is refined towards the faces. Where two faces
    meet, their difference gives the angle.

    Args:
        faces: names of faces, as x_min.
        width: the smallest resolved scale, in extents of the bounding box. Default 0.01.

    Raises:
        ValueError: faces that are no tuple, a width that is not positive; on building, a face that the domain lacks.

    Example:
        >>> import pinnkit as pk
        >>> pk.LogDistance(("y_max",)).width
        0.01
    """

    faces: tuple[str, ...]
    width: Positive = 0.01

    def build(self, domain: Domain) -> Formulas:
        """The features on a domain.

        Args:
            domain: the domain, whose bounding box scales the coordinates.

        Raises:
            ValueError: a face that the domain does not have.
        """
        ends: dict[str, sp.Expr] = {}
        for name, (lo, hi) in zip(domain.names, domain.bounds.T.tolist(), strict=True):
            x, lo, hi = sp.Symbol(name, real=True), exact_number(lo), exact_number(hi)
            ends |= {f"{name}_min": (x - lo) / (hi - lo), f"{name}_max": (hi - x) / (hi - lo)}
        for face in self.faces:
            if face not in ends:
                raise ValueError(f"LogDistance has no face {face!r} here: choose among {', '.join(ends)}")
        width = sp.Float(self.width, 17)
        scaled = [2 * ends[f"{name}_min"] - 1 for name in domain.names]
        logarithms = [2 * sp.log(1 + ends[face] / width) / sp.log(1 + 1 / width) - 1 for face in self.faces]
        return Formulas((*scaled, *logarithms), tuple(sp.Symbol(name, real=True) for name in domain.names))
