"""Energy bounds of slopes for heat and wave equations on boxes: Dirichlet misfits, lifted by transfinite interpolation.

e, e0, e1, g, r as in `heat` and `wave`, u_t or u_tt + 2 b u_t = sum_i a_i u_ii + c u. With P_i g = (1 - x_i / L_i) g on
the lower face of i + x_i / L_i g on the upper one, w = (1 - prod_i (1 - P_i)) g = sum_S +- P_S g, S the sets of
coordinates, is g on all faces, if g is continuous there: the data must agree where faces meet, and with the initial
values. z = e - w vanishes on the walls and has the source f = r - w_t (or w_tt + 2 b w_t) + sum a_i w_ii + c w. With
|grad z|_a^2 = sum a_i |z_i|^2:

  heat   (1 - max(c, 0) / k) |grad z(t)|_a^2 <= |grad z0|_a^2 + max(-c, 0) |z0|^2 + 1/2 int |f|^2, k the first
         eigenvalue: the equation times z_t (Evans, Partial Differential Equations, 2010, 7.1.3);
  wave   |grad z(t)|_a <= sqrt(|z1|^2 + |grad z0|_a^2 - c |z0|^2) + int |f|, c <= 0: energy (Evans, 7.2.4).

Checked: constant coefficients a_i > 0 (of waves b >= 0, c <= 0; of heat c < k), one Dirichlet condition on every face
of a box, and that data agree where faces and the start meet (`corners`), without which slopes are not bounded.

In P_S g second derivatives by the coordinates of S vanish; of others they are those of g along the faces. The lift
reaches across the box: for waves through the walls that are short against it the bound is many times the error.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from .bound import Bound, Theorem
from .corner_compatibility import agreement
from .form import Form
from .misfit import Misfits, Norm
from .wave import constants


def match(f: Form) -> Theorem | None:
    """The bound; None for another kind of equation, ValueError with what is missing."""
    if f.order == 1:
        if f.diffusion is None:
            return None
        a, b, c = f.diffusion, 0.0, f.constant()
        first = sum(ai * (math.pi / L) ** 2 for ai, L in zip(a, f.sides, strict=True))
        if c >= first:
            raise ValueError(f"its zero-order coefficient {c:.3g} is not below the first eigenvalue {first:.3g}")
    else:
        found = constants(f) if len(f.space) > 1 else None  # in one dimension `energy` has more kinds of walls
        if found is None:
            return None
        a, b, c = found
        first = math.inf
    f.dirichlet()
    f.box()
    proved = agreement(f, [(held[0], face) for face, held in f.held.items()])

    def bound(m: Misfits) -> list[Bound]:
        if m.rigorous and not proved:
            raise ValueError("that its data agree where faces meet is not proved: certify slopes with samples")
        w, t, T = _Lift(f, m), f.problem.domain.names[f.t], f.duration
        e0 = m.initial().l2 + w.largest()
        names = [f.problem.variables[i].name for i in f.space]
        slope = math.sqrt(sum(ai * m.initial(0, (n,)).l2 ** 2 for ai, n in zip(a, names, strict=True)))
        lifted = math.sqrt(sum(ai * w.slope(i) ** 2 for i, ai in enumerate(a)))
        force = m.residual().l2 + w.laplacian(a) + (abs(c) * w.over() if c else 0.0)
        if f.order == 1:
            square = (slope + lifted) ** 2 + max(-c, 0.0) * e0**2 + (force + w.over((t,))) ** 2 / 2
            energy = math.sqrt(square / (1 - max(c, 0.0) / first))
        else:
            force += w.over((t, t)) + (2 * b * w.over((t,)) if b else 0.0)
            rate = m.initial(1).l2 + w.largest((t,))
            energy = math.hypot(rate, slope + lifted, math.sqrt(-c) * e0) + math.sqrt(T) * force
        return [Bound("H1(t)", (energy + lifted) / math.sqrt(min(a)), "energy, walls lifted")]

    return bound


@dataclass(frozen=True)
class _Lift:
    """Bounds of w and its derivatives: in L2 over space at any time, or (``over``) over space and time."""

    f: Form
    m: Misfits

    def _sets(self) -> Iterator[tuple[int, ...]]:
        """The sets S of coordinates, as their numbers in space."""
        d = len(self.f.space)
        return (S for k in range(1, d + 1) for S in combinations(range(d), k))

    def _name(self, i: int) -> str:
        return self.f.problem.variables[self.f.space[i]].name

    def _pair(self, i: int, by: tuple[str, ...]) -> tuple[Norm, Norm]:
        """Of the two faces of a coordinate."""
        low, high = f"{self._name(i)}_min", f"{self._name(i)}_max"
        return self.m.wall(self.f.held[low][0], low, by), self.m.wall(self.f.held[high][0], high, by)

    def _top(self, S: tuple[int, ...], by: tuple[str, ...]) -> float:
        """Of |P_S g| everywhere."""
        return min(max(n.sup for n in self._pair(i, by)) for i in S)

    def _at(self, S: tuple[int, ...], by: tuple[str, ...]) -> float:
        top = self._top(S, by)
        if len(S) == 1:
            top = min(top, sum(n.sup for n in self._pair(S[0], by)) / math.sqrt(3))
        return math.sqrt(self.f.volume) * top

    def _over(self, S: tuple[int, ...], by: tuple[str, ...]) -> float:
        if len(S) == 1:
            return math.sqrt(self.f.sides[S[0]] / 3) * sum(n.l2 for n in self._pair(S[0], by))
        return math.sqrt(self.f.volume * self.f.duration) * self._top(S, by)

    def largest(self, by: tuple[str, ...] = ()) -> float:
        """Of |w| or its derivative by time."""
        return sum(self._at(S, by) for S in self._sets())

    def over(self, by: tuple[str, ...] = ()) -> float:
        """The same over space and time."""
        return sum(self._over(S, by) for S in self._sets())

    def slope(self, i: int) -> float:
        """Of |w_i|."""
        root, L, by = math.sqrt(self.f.volume), self.f.sides[i], (self._name(i),)
        found = math.sqrt(self.f.volume) / L * sum(n.sup for n in self._pair(i, ()))
        for S in self._sets():
            if i not in S:
                found += self._at(S, by)
            elif len(S) > 1:
                rest = tuple(j for j in S if j != i)
                found += root * min(2 / L * self._top(S, ()), self._top(rest, by))
        return found

    def laplacian(self, a: tuple[float, ...]) -> float:
        """Of |sum a_j w_jj| over space and time."""
        found = 0.0
        for S in self._sets():
            found += sum(aj * self._over(S, (self._name(j),) * 2) for j, aj in enumerate(a) if j not in S)
        return found
