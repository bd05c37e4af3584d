"""BarrierProof: bounds c - w < e < c + w of an error as data, from which anybody can check them in rational arithmetic.

What is claimed. Let e be C^{2,1} inside the box and C^1 up to its faces (on a Dirichlet face continuous), and let

  sum_J (a_J + s_J) D^J e = f  inside,     a_J in ``operator``, exact expressions, J counting derivatives by coordinate;
  alpha e + beta e_n = g      on every face in ``walls``, n outward; e and e_n agree on the two faces of a coordinate in
                              ``periodic``; faces in ``open`` have no condition;
  e = e_0                     at the first time (with a time coordinate),

where on every cell of a slab f, g, e_0 (and the s_J in ``slopes``, of order 0 or 1 in space; there are none without
time) lie within ``radius`` of the polynomial that ``coefficients`` give. Then |e - c| < w everywhere, with the splines
c = ``center`` and w = ``width`` of the slab, so |e| <= ``bound``. With ``reach`` also |c| + w <= reach, for which the
s_J were enclosed (of a non-linear equation they depend on e itself).

Why, and what a checker has to look at (theorem in `barrier`). With L = sum_J (a_J + s_J) D^J, on every cell, one-sided
derivatives included:
  1. the coefficient of e_t is 1 (or there is no time) and no other time derivative occurs; -(a_J) of second order is
     positive semi-definite; beta >= 0; c and w are C^1 in space: every inner knot is simple and every degree by a space
     coordinate at least 2 (on a periodic coordinate across its ends too);
  2. L w > |f - L c| inside, for all f and s_J that are allowed; precisely L (c + w) > f > L (c - w);
  3. alpha w + beta w_n > |g - alpha c - beta c_n| on walls; on open faces a_nn = 0, n_i a_i >= 0 with a_i the
     coefficient of e_i in ``operator``, and no s_J of order 1;
  4. w > |e_0 - c| at the first time; from slab to slab w + c does not fall and w - c does not fall;
  5. w > 0 on every slab.
All numbers are exact: floats are rational numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp

from pinnkit.statement.symbolic.channels import Index


@dataclass(frozen=True, eq=False)
class Spline:
    """sum_j C_j prod_k B_{j_k}(z_k), a tensor product of B-splines in the order of the box's coordinates.

    By coordinate: ``breaks`` (n + 1,) increasing floats, ``degrees`` p, ``periodic`` or not. Knots are the breaks, the
    first and the last p + 1 times: N = n + p functions; on a periodic coordinate knot number j is breaks[(j - p) mod n]
    plus the period times floor((j - p) / n), function number i has the knots i ... i + p + 1, and those with the same i
    mod n have one coefficient: N = n. ``coefficients`` has the shape (N_1, ..., N_d).
    """

    breaks: tuple[np.ndarray, ...]
    degrees: tuple[int, ...]
    periodic: tuple[bool, ...]
    coefficients: np.ndarray


@dataclass(frozen=True, eq=False)
class Enclosure:
    """A function within ``radius`` of polynomials on the cells of a grid.

    By coordinate ``breaks`` (n + 1,), or (1,) where it is fixed, as on a face (then n = 1 and the degree is 0). On the
    cell (i_1, ..., i_d) the polynomial has Bernstein coefficients ``coefficients`` [i_1, ..., i_d] of shape (m_1 + 1,
    ..., m_d + 1), each on the cell's own [0, 1], and the function lies within ``radius`` [i_1, ..., i_d] of it.
    """

    breaks: tuple[np.ndarray, ...]
    coefficients: np.ndarray
    radius: np.ndarray


@dataclass(frozen=True)
class Wall:
    """alpha e + beta e_n on a face ("x_min", "x_max"), exact expressions of the coordinates."""

    face: str
    alpha: sp.Expr
    beta: sp.Expr


@dataclass(frozen=True, eq=False)
class Slab:
    """c and w between two times (or everywhere, without time), and what is known of the data there.

    The breaks of every enclosure contain those of ``center`` and ``width`` by their coordinates. ``misfits`` follows
    ``walls``; ``start`` is there in the first slab. ``slopes`` are the s_J.
    """

    center: Spline
    width: Spline
    source: Enclosure
    misfits: tuple[Enclosure, ...]
    start: Enclosure | None = None
    slopes: tuple[tuple[Index, Enclosure], ...] = ()


@dataclass(frozen=True, eq=False)
class BarrierProof:
    """See above. ``box`` holds two floats by coordinate, in the order of the derivatives' multi-indices."""

    variables: tuple[sp.Symbol, ...]
    time: str | None
    box: Mapping[str, tuple[float, float]]
    operator: tuple[tuple[Index, sp.Expr], ...]
    walls: tuple[Wall, ...]
    periodic: tuple[str, ...]
    open: tuple[str, ...]
    slabs: tuple[Slab, ...]
    bound: float
    reach: float | None = None
