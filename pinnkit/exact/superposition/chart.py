"""Where solutions are sought: the problem's own coordinates, or those in which its equation is the heat equation."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import sympy as sp

from pinnkit.domain.box import Box, Domain
from pinnkit.exact.lie.heat_normal_form import NormalForm, normal_forms
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.channels import Index
from pinnkit.tools.checked import checked

from .boundary_arcs import NOWHERE
from .box_conditions import FaceCondition, FacePair
from .dictionary import Dictionary, first, special
from .family import ITSELF, Family
from .heat_kernels import heat_kernels
from .linear_operator import LinearOperator, operator
from .local_solutions import LocalSolutions, local, verify_symbol
from .singular_places import singular
from .system import LinearSystem

HEAT = {(0, 1): sp.S.One, (2, 0): -sp.S.One}  # by the derivatives in space and time
PLACES = 9  # by each coordinate, at which a map is looked at
TIMES = 65  # at which the ends of a moving interval are looked at


@dataclass(frozen=True, eq=False)
class Chart:
    """An operator, its walls and its box, which are the heat equation's where there is a form.

    ``own`` is the problem's operator, ``slope`` the largest dy/dx and ``compression`` the largest of y's part to x's of
    their intervals. At the ``cuts`` data are singular: (K, 2) on the boundary of
    a plane domain, or (K, 1) on an interval at first.
    """

    op: LinearOperator | LinearSystem
    walls: tuple[FacePair, ...]
    box: Domain
    form: NormalForm | None = None
    own: LinearOperator | None = None
    slope: float = 1.0
    compression: float = 1.0
    places: Mapping[sp.Symbol, tuple[float, float]] | None = None  # where to verify, unless from 0.1 to 0.9
    cuts: np.ndarray = field(default_factory=lambda: NOWHERE)

    @cached_property
    def local(self) -> LocalSolutions | None:
        """The local solutions, where the operator has such."""
        return local(self.op, self.walls, self.box) if isinstance(self.op, LinearOperator) else None

    def first(self, modes: int) -> Dictionary:
        """The dictionary that is tried first."""
        return self._back(first(self.box, self.op, self.walls, modes))

    def singular(self) -> Dictionary:
        """What is singular where the data are."""
        if self.form is not None or not isinstance(self.op, LinearOperator) or not self.op.constant:
            return Dictionary(())
        if self.op.time is None:
            return Dictionary(tuple(singular(self.op, self.box, self.cuts)))
        return Dictionary(tuple(self.local.singular(self.cuts[:, 0].tolist()) if self.local is not None else ()))

    def special(self, modes: int) -> Dictionary:
        """What joins it where it does not reach."""
        wide = self.form is not None
        return self._back(special(self.box, self.op, self.walls, self.local, modes, wide, self.cuts))

    def kernels(self, finest: float) -> list[Family]:
        """Local solutions with free places and widths, the width in x at least ``finest``; verified. Maybe none."""
        if self.local is None:
            return heat_kernels(self.op, self.walls, self.box, finest)
        found = self.local.families(finest * self.slope)
        if self.form is None:
            return found
        for family in found:
            verify_symbol(self.own or self.op, self.form(family.expression), family.name, family.ranges, self.places)
        return [replace(family, form=self.form) for family in found]

    def _back(self, found: Dictionary) -> Dictionary:
        """A dictionary for the problem's equation; the first and last member of each family are verified.

        Without their images, which only repeat them elsewhere.
        """
        if self.form is None:
            return found
        parts = tuple((replace(family, form=self.form), theta) for family, theta in found.parts)
        for family, theta in {family.expression: (family, theta) for family, theta in parts}.values():
            for row in theta[[0, -1]] if len(theta) > 1 else theta:
                verify_symbol(self.own or self.op, replace(family, images=ITSELF).at(row), family.name, (), self.places)
        return Dictionary(parts)


def charts(
    problem: Problem, op: LinearOperator | LinearSystem, sides: tuple[FacePair, ...], cuts: np.ndarray = NOWHERE
) -> tuple[Chart, ...]:
    """The coordinates of the heat equation where the coefficients vary and maps are known, else the problem's own.

    The data are singular at the ``cuts`` (K, 2) on the boundary of a plane domain.
    """
    own = Chart(op, sides, problem.domain, cuts=cuts)
    if not isinstance(op, LinearOperator) or op.constant or op.time is None or len(sides) != 1:
        return (own,)
    forms, _ = heat_forms(problem)
    return tuple(_mapped(op, sides[0], problem.domain, form) for form in forms) or (own,)


@checked
def heat_forms(problem: Problem) -> tuple[tuple[NormalForm, ...], str]:
    """Maps from the heat equation v_s = v_yy to a problem's equation u_t = a u_xx + b u_x + c u.

    Args:
        problem: a problem with one linear homogeneous equation.

    Returns:
        The maps (of two, the first has the simpler gauge), and the reason where there are none.

    Raises:
        ValueError: an equation that is not linear and homogeneous, or more than one.

    Source:
        Bluman, SIAM J. Appl. Math. 39 (1980).

    Example:
        >>> import pinnkit as pk
        >>> forms, reason = pk.heat_forms(pk.problem("heat"))
        >>> len(forms) > 0
        True
    """
    op, box = operator(problem), problem.domain
    if op.time is None or len(op.coordinates) != 2 or not isinstance(box, Box):
        return (), "the problem is not one of a box x, t"
    i, j = 1 - op.time, op.time
    by = {(J[i], J[j]): c for J, c in op.coefficients.items()}
    if not set(by) <= {(2, 0), (1, 0), (0, 0), (0, 1)} or not {(2, 0), (0, 1)} <= set(by):
        return (), "the equation is not of the form u_t = a u_xx + b u_x + c u"
    a, b, c = (-by.get((n, 0), sp.S.Zero) / by[0, 1] for n in (2, 1, 0))
    return normal_forms(a, b, c, (op.coordinates[i], op.coordinates[j]), box.bounds[:, [i, j]].tolist())


def _mapped(op: LinearOperator, wall: FacePair, box: Domain, form: NormalForm) -> Chart:
    x, t = form.coordinates
    start, end = box.bounds[:, op.t].tolist()
    slope = form.space.diff(x)
    call = sp.lambdify((x, t), [form.space, slope], "numpy")
    at = np.meshgrid(np.linspace(wall.lower, wall.upper, TIMES), np.linspace(start, end, TIMES))
    place, slopes = (np.broadcast_to(v, at[0].shape) for v in call(*at))
    lower, upper = float(place.min()), float(place.max())
    duration = float(form.time.subs(t, sp.Rational(end)))
    ends = {x.name: (lower, upper), t.name: (0.0, duration)}
    mapped = FacePair(wall.name, wall.index, lower, upper, _ends(wall, form), False)
    heat: dict[Index, sp.Expr] = {J if op.time == 1 else J[::-1]: c for J, c in HEAT.items()}
    return Chart(
        LinearOperator(op.coordinates, heat, op.time),
        (mapped,),
        Box.of({s.name: ends[s.name] for s in op.coordinates}, box.time),
        form,
        op,
        float(slopes.max()),
        float(slopes.max()) * wall.length / (upper - lower),
        None if _real(form) else {x: (wall.lower, wall.upper), t: (start, end)},
    )


def _real(form: NormalForm) -> bool:
    """Whether a map is real from 0.1 to 0.9, where solutions are put into the equation; log(-x) is not."""
    at = np.meshgrid(*[np.linspace(0.1, 0.9, PLACES)] * 2)
    with np.errstate(all="ignore"):
        found = sp.lambdify(form.coordinates, [form.space, form.time, form.gauge], "numpy")(*at)
    return all(np.isfinite(v).all() for v in found)


def _ends(wall: FacePair, form: NormalForm) -> tuple[FaceCondition, FaceCondition] | None:
    """The walls' conditions for v, where they keep their places and their coefficients do not vary."""
    x, t = form.coordinates
    if wall.ends is None or form.space.has(t):
        return None
    found = []
    for e, place, n in zip(wall.ends, (wall.lower, wall.upper), (-1, 1), strict=True):
        a, b = sp.Rational(e.a) + n * sp.Rational(e.b) * form.gauge.diff(x), sp.Rational(e.b) * form.space.diff(x)
        a, b = (v.subs(x, sp.Rational(place)) for v in (a, b))
        if a.has(t) or b.has(t):
            return None
        found.append(FaceCondition(float(a), float(b), e.homogeneous, e.homogeneous))
    low, high = found
    return low, high
