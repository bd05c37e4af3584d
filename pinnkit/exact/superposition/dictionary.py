"""The fixed dictionary of a problem: what is tried first, and what joins where the first does not reach."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pinnkit.domain.box import Domain

from . import steady
from .boundary_arcs import NOWHERE
from .boundary_rows import BoundaryRows
from .box_conditions import FacePair
from .columns import Columns, Dense, joined
from .family import Family
from .linear_operator import LinearOperator
from .local_solutions import LocalSolutions
from .matching_pursuit import HUGE
from .separated import EXTENSION, forced, plane, polynomials, standing
from .system import LinearSystem
from .tensor_columns import TensorColumns

DEGREE = {1: 8, 2: 4, 3: 3}  # of polynomial solutions, by the number of space dimensions
STEADY_DEGREE = {1: 4, 2: 8, 3: 4}  # the same without time
OSCILLATIONS = 24  # frequencies of forced solutions, where the walls' data are not 0

Part = tuple[Family, np.ndarray]


@dataclass(frozen=True)
class Dictionary:
    """Members without free parameters: families with rows of parameters (K, p)."""

    parts: tuple[Part, ...]

    def columns(self, rows: BoundaryRows) -> Columns:
        """The weighted rows of all members, those that are not finite being 0: never chosen."""
        found: list[Columns] = [Dense(np.zeros((len(rows.target), 0)))]
        for family, theta in self.parts:
            if len(family.coordinates) > 2 and rows.gridded and family.factors is not None:
                found.append(TensorColumns(rows.blocks, family, theta))
                continue
            D = rows.columns(family, theta)
            found.append(Dense(np.where((np.abs(D) < HUGE).all(0), D, 0.0)))
        return joined(found)

    def member(self, j: int) -> tuple[Family, tuple[float, ...]]:
        """The family and parameters of column j."""
        for family, theta in self.parts:
            if j < len(theta):
                return family, tuple(theta[j].tolist())
            j -= len(theta)
        raise IndexError("the dictionary has no such column")


def together(parts: Iterable[Dictionary]) -> Dictionary:
    """Dictionaries one after the other."""
    return Dictionary(tuple(part for one in parts for part in one.parts))


def first(domain: Domain, op: LinearOperator | LinearSystem, sides: Sequence[FacePair], modes: int) -> Dictionary:
    """Polynomials of low degree and separated solutions, of which the walls' homogeneous conditions hold.

    Without time there are no such: polynomials of higher degree, and exponentials.
    """
    parts: list[Part | None] = []
    if op.time is None:
        parts.append(polynomials(op, domain, STEADY_DEGREE[min(3, len(domain.names))]))
        if op.constant and _determined(op):
            parts.append(steady.waves(op, domain.bounds))
    elif op.constant and _determined(op):
        parts.append(polynomials(op, domain, 1))
        separated = standing(op, sides, domain, modes) if isinstance(op, LinearOperator) else None
        if separated is None and all(w.periodic for w in sides):
            separated = plane(op, sides, domain, modes // 2, 1)
        elif separated is None:
            separated = plane(op, sides, domain, modes // 4, 2)
        parts.append(separated)
    return Dictionary(tuple(part for part in parts if part is not None))


def special(
    domain: Domain, op: LinearOperator | LinearSystem, sides: Sequence[FacePair], near: LocalSolutions | None,
    modes: int, wide: bool = False, cuts: np.ndarray = NOWHERE,
) -> Dictionary:  # fmt: skip
    """More polynomials, layers at the walls, and where the walls' data ask for them, oscillations of all kinds.

    Without time: sources outside the domain, which gather at corners and at the ``cuts`` (K, 2). With ``wide`` also
    waves of a wider interval where walls are driven, of which many do what few local solutions do later: cheaper where
    those cost much.
    """
    if op.time is None:
        return Dictionary(
            tuple(steady.sources(op, domain, cuts) if op.constant and isinstance(op, LinearOperator) else ())
        )
    parts = [polynomials(op, domain, DEGREE[len(sides)])]
    if near is not None:
        parts += [(f, np.zeros((1, 0))) for f in near.layers()]
    if len(sides) == 1 and not sides[0].periodic and op.constant and _determined(op):
        ends = sides[0].ends
        driven = ends is None or not all(e.steady for e in ends)
        if driven or near is None:
            parts.append(forced(op, domain, OSCILLATIONS))
        if ends is None or (driven and wide):
            parts.append(plane(op, sides, domain, modes // 4, 2 * EXTENSION))
    return Dictionary(tuple(part for part in parts if part is not None))


def _determined(op: LinearOperator | LinearSystem) -> bool:
    """Whether exponentials can be told from the symbol."""
    return isinstance(op, LinearOperator) or op.determinant is not None
