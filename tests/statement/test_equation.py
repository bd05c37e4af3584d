"""Lowering to channels, merging second derivatives, and the product rule through u = g + d N."""

import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pinnkit as pk
from pinnkit.domain.point_set import PointSet
from pinnkit.statement.residual_program import ResidualProgram
from pinnkit.statement.symbolic.channels import partial
from pinnkit.statement.symbolic.lowering import at_image, collapse, insert, lower
from pinnkit.statement.symbolic.notation import differentiate, parse_index
from pinnkit.statement.symbolic.place import INTERIOR
from pinnkit.statement.symbolic.residual import Residual

x, y, t = pk.coordinates("x y t")
u, v = pk.field("u", x, y), pk.field("v", x, y)
u_x, u_y, u_xx, u_xy, u_yy = pk.derivatives(u, "x", "y", "xx", "xy", "yy")
v_x, v_xx, v_yy = pk.derivatives(v, "x", "xx", "yy")
nu, s = sp.symbols("nu s")


def lowered(*expressions):
    return lower(expressions, (u, v), (x, y))


def test_names_of_derivatives():
    assert parse_index("xxt", ("x", "t")) == (2, 1) and parse_index("", ("x",)) == (0,)
    assert parse_index("x1x10", ("x1", "x10")) == (1, 1)
    assert pk.derivatives(u, "xyx") == sp.Derivative(u, (x, 2), y)
    assert differentiate(x**3 * y, (2, 1), (x, y)) == 6 * x


@pytest.mark.parametrize(("call", "words"), [
    (lambda: pk.derivatives(u, "xz"), "'xz' is by something that is not a coordinate.*x, y in a row"),
    (lambda: pk.field("u"), "expected different coordinates"),
    (lambda: pk.field("u", x, x), "expected different coordinates"),
    (lambda: pk.field("u", x, 2), "expected different coordinates"),
    (lambda: lowered(sp.Derivative(u, t)), "differentiates by t, which is not a coordinate of u"),
    (lambda: lowered(pk.field("w", x, y).diff(x)), "w.*stands in an expression"),
    (lambda: lowered(((1 + sp.floor(3 * x)) * u_x).diff(x)), r"with floor is differentiated.*pk.divergence\(k, u\)"),
])  # fmt: skip
def test_what_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_every_derivative_is_a_slot():
    low = lowered(u_xx + u * v_x - nu, x * u_xy)
    assert {(s.output, s.channel[0][1]) for s in low.slots.values()} == {
        (0, (2, 0)), (0, (0, 0)), (1, (1, 0)), (0, (1, 1)),
    }  # fmt: skip
    assert not any(e.atoms(sp.Derivative) for e in low.expressions)


def test_derivatives_of_products_are_carried_out():
    low = lowered(sp.Derivative(u * u_x, x))
    U = {s.channel[0][1]: n for n, s in low.slots.items()}
    assert sp.expand(low.expressions[0] - (U[1, 0] ** 2 + U[0, 0] * U[2, 0])) == 0


def test_what_cancels_is_not_needed():
    assert {s.channel[0][1] for s in lowered(u_x + u_yy - u_yy).slots.values()} == {(1, 0)}


def test_an_image_has_its_own_coordinates():
    there = at_image(lowered(x * u_x), (x, y), 1)
    assert {str(s) for s in there.expressions[0].free_symbols} == {"x@1", "u0_10@1"}
    assert [s.image for s in there.slots.values()] == [1]


# A Laplacian is one channel

LAPLACE = ((1.0, (0, 2)), (1.0, (2, 0)))
ONE = {
    "Laplacian": ([u_xx + u_yy - u], {LAPLACE}),
    "variable coefficient": ([(1 + x**2) * (u_xx + u_yy) + u_x], {LAPLACE}),
    "weights": ([3 * u_xx - sp.Rational(1, 2) * u_yy], {((1.0, (0, 2)), (-6.0, (2, 0)))}),
    "square": ([(u_xx + u_yy) ** 2 - 1], {LAPLACE}),
    "exponential": ([sp.exp(u_xx) * sp.exp(u_yy)], {LAPLACE}),
    "system": ([u * u_x - nu * (u_xx + u_yy), v_x - nu * v_xx - nu * v_yy], {LAPLACE}),
}
SEVERAL = {
    "one direction only": [u_xx + u],
    "different weights": [u_xx + u_yy, u_xx - u_yy],
    "weights by place": [u_xx + x * u_yy],
    "alone elsewhere": [u_xx + u_yy, u_xx],
    "Monge-Ampere": [u_xx * u_yy - u_xy**2],
    "third order": [u_xx + u_yy + u_x.diff(y, 2)],
    "a field with one of them": [u_xx + u_yy, v_xx],
}


@pytest.mark.parametrize("case", ONE)
def test_second_derivatives_that_are_merged(case):
    expressions, channels = ONE[case]
    low = collapse(lowered(*expressions))
    found = {s.channel for s in low.slots.values() if sum(s.channel[0][1]) == 2}
    assert found == channels


@pytest.mark.parametrize("case", SEVERAL)
def test_second_derivatives_that_are_not(case):
    low = collapse(lowered(*SEVERAL[case]))
    assert all(len(s.channel) == 1 for s in low.slots.values())


def test_parameters_count_as_numbers():
    """u_tt - c^2 u_xx is one channel as soon as c has its value."""
    w = pk.field("w", x, t)
    c = sp.Symbol("c", positive=True)
    row = Residual("wave", w.diff(t, 2) - c**2 * w.diff(x, 2), INTERIOR)
    assert len(ResidualProgram([row], (w,), {}, {c: sp.Float(2)}).channels) == 4
    assert len(ResidualProgram([row], (w,), {}, {}, [c]).channels) == 5


# The product rule, and rows as functions of the network's channels: against direct differentiation

TERMS = [u, u_x, u_y, u_xx, u_yy, u_xy, v, v_x, u_x.diff(y, 2), u_xx.diff(x, 2)]
EXPRESSIONS = st.lists(
    st.tuples(st.sampled_from(TERMS), st.sampled_from(TERMS), st.sampled_from([1, x, -2, sp.sin(y)])),
    min_size=1, max_size=3,
).map(lambda parts: sum(c * a * b for a, b, c in parts))  # fmt: skip
LINEAR = st.lists(st.sampled_from([u_xx + u_yy, u_xx - 2 * u_yy, u_x, u * v, v_xx + v_yy, v_xx - 2 * v_yy]),
                  min_size=1, max_size=3).map(sum)  # fmt: skip
G = {u: sp.cos(x * y) + x, v: sp.exp(-y)}
D = {u: x * (1 - x) * y, v: sp.sin(x) + 2}
NETWORK = {u: sp.sin(2 * x + y) * sp.exp(x), v: sp.cos(x - 3 * y)}


@settings(deadline=None, max_examples=25)
@given(rows=st.lists(st.one_of(EXPRESSIONS, LINEAR), min_size=1, max_size=2))
def test_rows_equal_the_equation_of_the_ansatz(rows):
    ansatz = {f: (G[f], D[f]) for f in (u, v)}
    program = ResidualProgram([Residual(str(i), e, INTERIOR) for i, e in enumerate(rows)], (u, v), ansatz, {})
    X = pk.Box(x=(0, 1), y=(0, 1)).sample(5)
    numbers = {x: X[:, 0].numpy(), y: X[:, 1].numpy()}

    def value(e):
        out = sp.lambdify([x, y], e, "numpy")(*numbers.values())
        return torch.as_tensor(out, dtype=torch.float64).expand(5)

    def channel(c, N):
        return value(sum(w * differentiate(N, index, (x, y)) for w, index in c))

    output = torch.stack([torch.stack([channel(c, NETWORK[f]) for f in (u, v)], 1) for c in program.channels.items])
    got = program.values(output, PointSet(X), X.new_zeros(0))
    for e, row in zip(rows, got, strict=True):
        full = e.subs({f: G[f] + D[f] * NETWORK[f] for f in (u, v)}).doit()
        expected = value(full)
        assert (row - expected).abs().max() <= 1e-12 * max(1.0, float(expected.abs().max()))


def test_without_ansatz_the_field_is_the_network():
    low = lowered(u_xx + v)
    affine, needed = insert(low, (u, v), (x, y), {})
    assert {(s.output, s.channel) for s in needed.values()} == {(0, partial((2, 0))), (1, partial((0, 0)))}
    assert all(a.constant == 0 and list(a.coefficients.values()) == [1] for a in affine.values())


def test_linear_in_the_fields() -> None:
    x, t = pk.coordinates("x t")
    u, v = pk.field("u", x, t), pk.field("v", x, t)
    k = sp.Symbol("k")
    heat = u.diff(t) - k * u.diff(x, 2) - sp.sin(x) * u + sp.exp(-t)

    def linear(fields, equation, conditions=(), hard=None, **more) -> bool:
        start = [c for f in fields for c in (pk.Initial(f, sp.sin(x)), pk.Dirichlet(f, 0, on="x_min"))]
        walls = conditions or [pk.Dirichlet(f, 0, on="x_max") for f in fields]
        problem = pk.Problem("p", fields, equation, pk.Box(x=(0, 1), t=(0, 1)), [*start, *walls], **more)
        model = pk.Model(problem, pk.MLP(2, 4, len(fields)), hard)
        return all(program.linear for program in model.programs.values())

    radiation = pk.Operator("radiation", u.diff(x) + u**4, on="x_max")
    assert linear([u], heat, parameters={"k": 2.0}) and linear([u], heat, hard=False, parameters={"k": 2.0})
    read = pk.Observations(u, torch.rand(9, 2), torch.zeros(9))
    assert linear([u], heat, [read, pk.Dirichlet(u, 0, on="x_max")], unknowns={"k": 1.0})
    assert not linear([u], heat + u**2, [read, pk.Dirichlet(u, 0, on="x_max")], unknowns={"k": 1.0})
    assert not linear([u], heat + u * u.diff(x), parameters={"k": 2.0})
    assert not linear([u], heat, [radiation], parameters={"k": 2.0})
    assert linear([u, v], {"u": heat + v, "v": v.diff(t) - v.diff(x, 2) - u.diff(x)}, parameters={"k": 2.0})
    assert not linear([u, v], {"u": heat + v, "v": v.diff(t) - v.diff(x, 2) - u * v}, parameters={"k": 2.0})
