"""Symmetries of ordinary equations, and of linear systems with few solutions, where xi depends on the fields too."""

import pytest
import sympy as sp

import pinnkit as pk
from pinnkit.exact.lie.jet_space import JetSpace
from pinnkit.exact.lie.search import straight

x, z = pk.coordinates("x z")
y, w = (pk.field(name, x) for name in "yw")
u, v = (pk.field(name, x, z) for name in "uv")
k = sp.Symbol("k", positive=True)
y1, y2, y3, y4 = (y.diff(x, n) for n in (1, 2, 3, 4))

LINEAR = {  # of order n: 8 for n = 2, else n + 4, n + 2 or n + 1 (Lie 1883; Mahomed, Leach 1990)
    "y2": (y2, 8), "y3": (y3, 7), "y4": (y4, 8), "y2 + k^2 y": (y2 + k**2 * y, 8),
    "y2 - 2 y1 + y": (y2 - 2 * y1 + y, 8), "Euler": (x**2 * y2 + x * y1 - y, 8), "y2 - 1": (y2 - 1, 8),
    "y2 + y - sin": (y2 + y - sp.sin(x), 8), "y3 + y1": (y3 + y1, 7), "y3 - y": (y3 - y, 5), "y4 - y": (y4 - y, 6),
    "y4 + y": (y4 + y, 6),
}  # fmt: skip
BEYOND = {"Bessel": (x * y2 + y1 + x * y, 8), "Airy": (y2 - x * y, 8), "y3 + x y": (y3 + x * y, 4)}
QUASILINEAR = {
    "y2 - y1^2": (y2 - y1**2, 8), "modified Emden": (y2 + 3 * y * y1 + y**3, 8),
    "Emden-Fowler": (y2 + 2 * y1 / x + y**5, 1), "y2 - exp y": (y2 - sp.exp(y), 2),
    "Painleve I": (y2 - 6 * y**2 - x, 0), "Painleve II": (y2 - 2 * y**3 - x * y - k, 0),
    "Ermakov": (y2 - y**-3, 3), "pendulum": (y2 + sp.sin(y), 1),
    "Blasius": (y3 + y * y2 / 2, 2), "circles": (y2 - (1 + y1**2) ** sp.Rational(3, 2), 3),
    "Schwarz": (2 * y1 * y3 - 3 * y2**2, 6), "Thomas-Fermi": (y2 - y ** sp.Rational(3, 2) / sp.sqrt(x), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", [*LINEAR, *QUASILINEAR])
def test_dimensions_of_the_literature_are_reached(name: str) -> None:
    equation, dimension = (LINEAR | QUASILINEAR)[name]
    found = pk.symmetries(equation, y)
    assert found.dimension == len(found) == dimension and found.complete
    assert all(c is not None for c in found.table.values())


@pytest.mark.parametrize("name", BEYOND)
def test_what_has_no_closed_form_is_counted_and_not_called_complete(name: str) -> None:
    equation, dimension = BEYOND[name]
    found = pk.symmetries(equation, y)
    assert found.dimension == dimension > len(found) and not found.complete
    assert f"{dimension - len(found)} more" in found.notes[-1] and "every solution s" in found.notes[-2]


MAPS = [  # X, Y as functions of x and y: Y_XX = 0 has the symmetries of y'' = 0
    (x, y**3), (x * y, y), (x, 1 / y), (y, x), (x + y**2, y), (sp.exp(y), x), (y / x, 1 / x),
    (x + 2 * y, sp.exp(y - x)),
]  # fmt: skip


@pytest.mark.parametrize(("X", "Y"), MAPS)
def test_point_transformations_keep_all_eight(X: sp.Expr, Y: sp.Expr) -> None:
    second = sp.diff(sp.diff(Y, x) / sp.diff(X, x), x)
    found = pk.symmetries(sp.fraction(sp.together(second))[0], y)
    assert found.dimension == len(found) == 8


@pytest.mark.parametrize("name", ["y2 + k^2 y", "Euler", "y2 + y - sin"])
def test_characteristics_solve_the_equation(name: str) -> None:
    """Q = phi - xi y' on the general solution is again one of the homogeneous equation, in plain SymPy."""
    equation, _ = LINEAR[name]
    general = sp.dsolve(equation, y).rhs
    source = equation.subs(y, 0).doit()
    for g in pk.symmetries(equation, y):
        (xi,), (phi,) = (tuple(e.subs(g.fields[0], general) for e in part) for part in (g.xi, g.phi))
        left = (equation - source).subs(y, phi - xi * general.diff(x)).doit()
        at = {s: sp.Rational(n + 3, 7) for n, s in enumerate(sorted(left.free_symbols, key=str))}
        assert abs(sp.N(left.subs(at), 30)) < 1e-25


def test_systems_of_free_particles_have_the_projective_algebra() -> None:
    assert pk.symmetries([y2, w.diff(x, 2)], [y, w]).dimension == 15  # sl(n + 2)
    r = sp.sqrt(y**2 + w**2)
    assert len(pk.symmetries([y2 + y / r**3, w.diff(x, 2) + w / r**3], [y, w])) == 3  # Kepler in the plane
    uncoupled = pk.symmetries([y2 + y, w.diff(x, 2) + 4 * w], [y, w])
    assert uncoupled.dimension == len(uncoupled) == 7


def test_first_order_and_degenerate_equations_have_infinitely_many() -> None:
    for equation, field in ((y1, y), (y1 - y, y), (u.diff(x, z), u), (u.diff(z), u), (u.diff(x, 2) + u, u)):
        found = pk.symmetries(equation, field)
        assert found.infinite and not found.complete and "infinitely many" in str(found)


def test_linear_systems_with_few_solutions_move_the_coordinates_by_the_fields() -> None:
    planes = pk.symmetries([u.diff(x, 2), u.diff(x, z), u.diff(z, 2)], u)  # sl(4): the projective maps of space
    assert planes.dimension == len(planes) == 15 and not all(g.projectable for g in planes)
    ruled = pk.symmetries([u.diff(x, 2), u.diff(z, 2)], u)
    assert ruled.dimension == len(ruled) == 11  # 7 and the 4 solutions 1, x, z, x z


def test_superposition_left_out_is_proved_to_be_all_that_is_left_out() -> None:
    p = pk.field("p", x, z)
    stokes = [*(f.diff(x, 2) + f.diff(z, 2) - p.diff(s) for f, s in ((u, x), (v, z))), u.diff(x) + v.diff(z)]
    telegraph = [u.diff(x) + v.diff(z) + v, v.diff(x) + u.diff(z)]
    for equations, fields in (([u.diff(z) - u.diff(x, 2)], [u]), (stokes, [u, v, p]), (telegraph, [u, v])):
        assert straight(JetSpace(equations, fields))
    plane = [u.diff(x) - v.diff(z), u.diff(z) + v.diff(x)]  # Cauchy-Riemann: x + i z and u + i v may change places
    assert not straight(JetSpace(plane, [u, v]))
    assert "among those" in pk.symmetries(plane, [u, v]).notes[1]


def test_what_is_no_differential_equation_is_refused() -> None:
    with pytest.raises(ValueError, match="equation 1 is 0 = 0"):
        pk.symmetries(y1 - y1 + sp.S.Zero, y)
    with pytest.raises(ValueError, match="contain no derivative"):
        pk.symmetries(y - x, y)
