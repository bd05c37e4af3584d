"""Symmetries found from equations: dimensions of the literature, generators checked by independent mathematics."""

import pytest
import sympy as sp
from lie_found import found

import pinnkit as pk
from benchmarks.lie.lie_equations import EQUATIONS, system
from pinnkit.cli import main
from pinnkit.exact.lie.prolongation import defects

x, t = pk.coordinates("x t")
u = pk.field("u", x, t)
U = sp.Symbol("u", real=True)
a, k = sp.symbols("a k")


@pytest.mark.parametrize("name", EQUATIONS)
def test_dimensions_are_those_of_the_literature(name: str) -> None:
    _, dimension, listed = EQUATIONS[name]
    assert (found(name).dimension, len(found(name))) == (dimension, listed)
    assert found(name).complete == (dimension is not None)


@pytest.mark.parametrize("name", [name for name, (_, d, _) in EQUATIONS.items() if d is not None])
def test_finite_algebras_are_closed(name: str) -> None:
    assert all(c is not None for c in found(name).table.values())


def _linear_defect(v: pk.Generator, equation: sp.Expr, field: sp.Expr) -> sp.Expr:
    """L(Q u) modulo L u = 0, in plain SymPy: a symmetry of a linear equation maps solutions to solutions."""
    coordinates = field.args
    Q = v.matrix[0, 0] * field - sum(c * field.diff(z) for c, z in zip(v.xi, coordinates, strict=True))
    highest = max(equation.atoms(sp.Derivative), key=lambda d: (d.derivative_count, d.has(t)))
    solved = sp.solve(equation, highest)[0]
    out = equation.subs(field, Q).doit()
    for _ in range(3):  # derivatives of the highest one first
        for d in sorted(out.atoms(sp.Derivative), key=lambda d: -d.derivative_count):
            rest = list(d.variables)
            for z in highest.variables:
                if z not in rest:
                    break
                rest.remove(z)
            else:
                out = out.subs(d, sp.diff(solved, *rest) if rest else solved).doit()
    return sp.simplify(sp.expand(out))


@pytest.mark.parametrize("name", ["heat 1D", "Klein-Gordon", "Ornstein-Uhlenbeck", "telegraph", "Airy (linear KdV)"])
def test_characteristics_solve_linear_equations(name: str) -> None:
    (equation,), (field,) = system(name)
    for v in found(name):
        assert _linear_defect(v, sp.expand(equation.doit()), field) == 0


def test_heat_by_its_names() -> None:
    alpha = sp.Symbol("alpha")
    by_hand = [
        ((1, 0), 0), ((0, 1), 0), ((x, 2 * t), 0), ((2 * alpha * t, 0), -x * U),
        ((4 * alpha * t * x, 4 * alpha * t**2), -(x**2 + 2 * alpha * t) * U), ((0, 0), U),
    ]  # fmt: skip
    for v, (xi, phi) in zip(found("heat 1D"), by_hand, strict=True):
        assert all(sp.expand(p - q) == 0 for p, q in zip(v.components, (*xi, phi), strict=True))


def test_commutators() -> None:
    v = found("Burgers")
    assert v.table[0, 3] == {0: 1}  # [d_x, x d_x + 2 t d_t - u d_u] = d_x
    assert v.table[1, 2] == {0: 1}  # [d_t, t d_x + d_u] = d_x
    coupled = found("coupled diffusion")
    rates = {sp.simplify(c) for (i, _), row in coupled.table.items() if i == 1 for c in row.values()}
    assert 2 * sp.sqrt(a * k) in rates  # [d_t, exp(2 sqrt(a k) t) ...]


def test_families_of_fluids() -> None:
    assert [str(v) for v in found("Navier-Stokes 2D").families] == [
        "f(t) ∂_p",
        "f(t) ∂_x + f'(t) ∂_u - x*f''(t) ∂_p",
        "f(t) ∂_y + f'(t) ∂_v - y*f''(t) ∂_p",
    ]
    assert "infinitely many" in str(found("Euler 2D"))
    assert len(found("Kadomtsev-Petviashvili").families) == 3
    wave = found("wave 1D")
    assert len(wave.families) == 2 and all("f(" in str(v) for v in wave.families)


def test_symmetries_of_special_values_are_announced() -> None:
    generic = pk.symmetries(u.diff(t) - u.diff(x, 2) - a * u.diff(x) / x, u)
    free = pk.symmetries(u.diff(t) - u.diff(x, 2), u)
    assert len(generic) == 4 and len(free) == 6
    assert "generic a" in generic.notes[-1]


def test_a_wrong_generator_has_a_defect() -> None:
    (v,) = [w for w in pk.symmetries(u.diff(t) - u.diff(x, 2), u) if w.xi == (x, 2 * t)]
    wrong = pk.Generator((x, t), (U,), (x, t), (sp.S.Zero,))
    assert defects(v, [u.diff(t) - u.diff(x, 2)], [u]) == (0,)
    assert defects(wrong, [u.diff(t) - u.diff(x, 2)], [u]) != (0,)


def test_sources_are_left_out() -> None:
    free = pk.symmetries(u.diff(t) - u.diff(x, 2) - sp.sin(x), u)
    assert len(free) == 6 and any("sources" in note for note in free.notes)


def test_variable_coefficients_and_functions() -> None:
    assert len(pk.symmetries(u.diff(t) - u.diff(x, 2) + x**2 * u, u)) == 6  # equivalent to the heat equation
    assert len(pk.symmetries(u.diff(t) - u.diff(x, 2) - u.diff(x) / x, u)) == 4  # radial heat conduction
    assert len(pk.symmetries(u.diff(t) - (sp.exp(x) * u.diff(x)).diff(x), u)) >= 2
    assert pk.symmetries(u.diff(t, 2) - u.diff(x, 2) - sp.sin(u), u).dimension == 3
    assert pk.symmetries(u.diff(t) - (0.1 * u.diff(x)).diff(x), u).dimension == 6  # floats are fractions
    assert pk.symmetries(u.diff(t) - sp.pi * u.diff(x, 2), u).dimension == 6  # pi is a generic number


POWERS = {  # of u in u_t = (u^n u_x)_x: the algebra's dimension (Ovsiannikov 1959)
    sp.Rational(-4, 3): 5, sp.Rational(1, 2): 4, sp.Rational(-2, 3): 4, sp.Rational(-2): 4, sp.Rational(-1, 2): 4, a: 4,
}  # fmt: skip


@pytest.mark.parametrize("n", POWERS)
def test_powers_of_the_field(n: sp.Expr) -> None:
    v = pk.symmetries(u.diff(t) - (u**n * u.diff(x)).diff(x), u)
    assert v.dimension == len(v) == POWERS[n] and all(pk.flow(w) is not None for w in v)
    if n == sp.Rational(-4, 3):
        assert "x**2 ∂_x - 3*u*x ∂_u" in map(str, v)


def test_powers_of_coordinates() -> None:
    half = sp.Rational(1, 2)
    for equation, dimension, expected in (
        (u.diff(t) - sp.sqrt(x) * u.diff(x, 2), 4, "2*x ∂_x + 3*t ∂_t"),
        (u.diff(t) - x ** sp.Rational(4, 3) * u.diff(x, 2), 4, "12*t*x ∂_x + 4*t**2 ∂_t + u*(2*t - 9*x**(2/3)) ∂_u"),
        (u.diff(t) - x * u.diff(x, 2) - half * u.diff(x), 6, "sqrt(x) ∂_x"),  # to u_t = u_yy by x = y^2 / 4
        (u.diff(t) - u.diff(x, 2) - 2 * u.diff(x) / x, 6, "∂_x - u/x ∂_u"),  # to v_t = v_xx by v = x u
    ):
        v = pk.symmetries(equation, u)
        assert v.dimension == len(v) == dimension and expected in map(str, v)
        assert ("for x > 0" in v.notes) == any("sqrt(x)" in str(e) or "x**(3/2)" in str(e) for e in v)
        assert all(pk.flow(w) is not None for w in v)  # whose group law is checked when it is made


def test_functions_of_one_base_are_powers_of_one_generator() -> None:
    n = sp.Symbol("n")
    together = pk.symmetries(u.diff(t) - u**n * u.diff(x, 2) - n * u ** (n - 1) * u.diff(x) ** 2, u)
    assert len(together) == 4  # u^n and u^(n - 1) are not independent
    assert pk.symmetries(u.diff(t) - sp.exp(x) * u.diff(x, 2) - sp.exp(x) * u.diff(x) / 2, u).dimension == 6
    assert pk.symmetries(u.diff(t) - 2**x * u.diff(x, 2), u).dimension == 4
    assert pk.symmetries(u.diff(t) - sp.sqrt(1 + x**2) * u.diff(x, 2), u).dimension == 2
    assert pk.symmetries(u.diff(t) - u.diff(x, 2) + (x + 1 / x**2) * u, u).dimension == 2  # after seven prolongations


def test_equations_without_symmetry_and_bad_input() -> None:
    none = pk.symmetries(u.diff(t) - u.diff(x, 2) - u**2 * sp.sin(x * t), u)
    assert len(none) == 0 and none.dimension == 0
    with pytest.raises(TypeError, match="expected pinnkit.field"):
        pk.symmetries(u.diff(t) - u.diff(x, 2))
    with pytest.raises(ValueError, match="use elementary functions"):
        pk.symmetries(u.diff(t) - sp.gamma(u) * u.diff(x, 2), u)
    with pytest.raises(ValueError, match="cannot be solved for any derivative"):
        pk.symmetries(u.diff(t) ** 2 + u.diff(t) + u.diff(x) ** 2 + u.diff(x) - 1, u)


def test_command(capsys: pytest.CaptureFixture) -> None:
    for words, expected in (
        (["heat", "--table"], "[v1, v3] = v1"),
        (["burgers", "--latex", "--table"], r"v_{3} &= t \, \partial_{x} + \partial_{u}"),
        (["allen_cahn", "--json"], '"dimension": 2'),
        (["wave1d"], "infinitely many Lie point symmetries"),
    ):
        with pytest.raises(SystemExit) as left:
            main(["symmetries", *words])
        assert left.value.code == 0
        assert expected in capsys.readouterr().out
