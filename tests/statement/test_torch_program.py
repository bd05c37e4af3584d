"""Compiled expressions against mpmath and numpy, shared constants, relations, and functions known by values only."""

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pinnkit as pk
from pinnkit.statement.symbolic.torch_program import Program, number

pytestmark = pytest.mark.portable

x, y = pk.coordinates("x y")
k = sp.Symbol("k", real=True)
ANY = np.array([-2.3, -1.0, -0.4, 0.0, 0.7, 1.0, 1.9])
POSITIVE, INSIDE, OUTSIDE = np.linspace(0.1, 3, 7), np.linspace(-0.9, 0.9, 6), np.linspace(1.1, 4, 6)
UNARY = [
    *((f, ANY) for f in (sp.sin, sp.cos, sp.tan, sp.exp, sp.sinh, sp.cosh, sp.tanh, sp.sech, sp.atan, sp.asinh)),
    *((f, ANY) for f in (sp.erf, sp.erfc, sp.Abs, sp.sign, sp.floor, sp.ceiling, sp.sec, sp.Heaviside)),
    *((f, POSITIVE) for f in (sp.log, sp.sqrt, sp.cot, sp.csc, sp.csch, sp.coth)),
    *((f, INSIDE) for f in (sp.asin, sp.acos, sp.atanh)),
    (sp.acosh, OUTSIDE),
]
POWERS = [-3, -2, -1, 1, 2, 3, 4, 5, sp.Rational(1, 2), sp.Rational(-1, 2), sp.Rational(1, 3), 2.5, sp.pi]
POWERS = [(lambda s, p=p: s**p, POSITIVE) for p in POWERS] + [(lambda s: 2**s, ANY), (lambda s: s**s, POSITIVE)]


def run(*expressions, **values):
    """Values of expressions at arrays given by symbol name, each as an array (n,)."""
    symbols = {s.name: s for s in (x, y, k)}
    tensors = {symbols[n]: torch.as_tensor(v) for n, v in values.items()}
    n = max(v.numel() for v in tensors.values())
    out = Program(expressions, list(tensors))(tensors)
    return [np.broadcast_to(np.asarray(v, dtype=float), (n,)) for v in out]


def true(e, **values):
    """The same by mpmath with 30 digits."""
    with mpmath.workdps(30):
        f = sp.lambdify([sp.Symbol(n, real=True) for n in values], e, "mpmath")
        return np.array([float(f(*map(mpmath.mpf, row))) for row in zip(*values.values(), strict=True)])


@pytest.mark.parametrize(("f", "at"), UNARY + POWERS)
def test_function_of_one_variable(f, at):
    assert run(f(x), x=at)[0] == pytest.approx(true(f(x), x=at), rel=1e-14, abs=1e-15)


@pytest.mark.parametrize("e", [
    sp.atan2(y, x), sp.Mod(x, y), sp.Mod(x, 2), sp.Max(x, y), sp.Max(x, sp.sin(y), 0), sp.Min(x, 0.5, y),
    x / y, 2 * x * y - y / 3 + sp.pi, x**y, -x, x - y, sp.sqrt(3) * x * sp.pi * y,
])  # fmt: skip
def test_function_of_several_variables(e):
    at = {"x": POSITIVE, "y": POSITIVE[::-1] ** 2}
    assert run(e, **at)[0] == pytest.approx(true(e, **at), rel=1e-14)


@pytest.mark.parametrize("e", [
    sp.Piecewise((0, x < 0), (x**2, x <= 1), (y, True)),
    sp.Piecewise((1, x < 0.5), (0, True)),
    sp.Piecewise((sp.sin(x), (x > 0) & (y > 1)), (sp.cos(x), (x < -1) | (y >= 0)), (7, True)),
    sp.Piecewise((1, sp.Eq(x, 1)), (2, sp.Ne(y, 0)), (3, True)),
    sp.Piecewise((1, sp.Xor(x < 0, y < 0)), (2, True)),
    sp.Piecewise((1, sp.Not((x < 0) & (y < 0))), (2, True)),
    sp.Piecewise((1, sp.ITE(x < 0, y < 0, y > 1)), (2, True)),
    sp.Piecewise((x, x < 0), (sp.Piecewise((y, y < 0), (1, True)), True)) ** 2,
])  # fmt: skip
def test_cases(e):
    at = {"x": ANY, "y": ANY[::-1].copy()}
    assert run(e, **at)[0] == pytest.approx(true(e, **at), rel=1e-14, abs=1e-15)


def test_outside_of_all_cases_is_nan():
    assert np.isnan(run(sp.Piecewise((1, x < 0), (2, x < 1)), x=np.array([-1.0, 0.5, 2.0]))[0]).tolist() == [
        False, False, True,
    ]  # fmt: skip


LEAVES = st.sampled_from([x, y, sp.Integer(2), sp.Rational(-1, 3), sp.pi, sp.sqrt(2), sp.Float(0.7)])


def grow(inner):
    """Larger expressions of moderate size and slope."""
    pair = st.tuples(inner, inner)
    bounded = [sp.sin, sp.cos, sp.tanh, sp.atan, lambda e: sp.exp(sp.sin(e)), lambda e: 1 / (2 + sp.cos(e)), sp.Abs]
    return st.one_of(
        pair.map(lambda p: p[0] + 2 * p[1]),
        pair.map(lambda p: p[0] * p[1]),
        pair.map(lambda p: sp.Max(*p)),
        pair.map(lambda p: sp.Piecewise((p[0], x < y), (p[1], True))),
        st.tuples(inner, st.sampled_from(bounded)).map(lambda p: p[1](p[0])),
        inner.map(lambda e: sp.tanh(e) ** 3),
    )


@settings(deadline=None, max_examples=40)
@given(several=st.lists(st.recursive(LEAVES, grow, max_leaves=8), min_size=1, max_size=3))
def test_random_expressions(several):
    at = {"x": np.array([-0.8, 0.3, 1.2]), "y": np.array([0.5, -0.6, 0.9])}
    for e, got in zip(several, run(*several, **at), strict=True):
        assert got == pytest.approx(true(e, **at), rel=1e-11, abs=1e-11)


def test_definitions_and_shared_parts_are_evaluated_once():
    calls = []

    def count(v):
        calls.append(len(v))
        return v

    q = pk.function(count, "q")
    u = sp.Symbol("u", real=True)
    program = Program([u**2 + sp.sin(q(x)), u + q(x)], [x], [(u, 3 * q(x))])
    a, b = program({x: torch.tensor([1.0, 2.0])})
    assert calls == [2]
    assert torch.allclose(a, torch.tensor([9.0, 36.0]) + torch.sin(torch.tensor([1.0, 2.0])))
    assert torch.equal(b, torch.tensor([4.0, 8.0]))


def test_a_partial_program_is_the_same_to_the_last_bit():
    calls = []

    def count(v):
        calls.append(len(v))
        return v.exp()

    q = pk.function(count, "q")
    u = sp.Symbol("u", real=True)
    rows = [q(x) * k + u**2, sp.Piecewise((u, x < 0.5), (3, True)), sp.sin(x) * u + sp.cos(x) / 3, x + 1, sp.pi]
    program = Program(rows, [x, k], [(u, q(x) + x * k)])
    points, K = torch.linspace(0, 1, 101, dtype=torch.float64), torch.linspace(2, 3, 101, dtype=torch.float64)
    partial = program.partial({x: points})
    assert calls == [101]
    for other in (K, K.flip(0), torch.tensor(2.0, dtype=torch.float64)):
        for got, whole in zip(partial({k: other}), program({x: points, k: other}), strict=True):
            assert torch.equal(torch.as_tensor(got), torch.as_tensor(whole))
    assert calls == [101] * 4


def test_constants_stay_numbers():
    e = sp.sin(sp.sqrt(2)) + sp.sqrt(2) * sp.pi
    out = Program([e, e * x, sp.sin(sp.sqrt(2)) * sp.cos(x)], [x])({x: torch.ones(3, dtype=torch.float64)})
    assert out[0] == pytest.approx(float(e))
    assert out[1].tolist() == pytest.approx([float(e)] * 3)


@pytest.mark.parametrize("e", [
    sp.Piecewise((1, x < 0.5), (0, True)), sp.Heaviside(x), sp.Max(x, 0), sp.sqrt(2) * x,
    pk.function(lambda a: a * a, "q")(0) * x, pk.function(lambda a, b: a, "q")(x, 1),
])  # fmt: skip
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_follows_the_points(e, dtype):
    assert Program([e], [x])({x: torch.ones(3, dtype=dtype)})[0].dtype == dtype


def test_unknown_coefficients_are_scalars():
    out = Program([k * x + k**2], [x, k])({x: torch.ones(3), k: torch.tensor(2.0)})[0]
    assert out.tolist() == [6.0, 6.0, 6.0]


@pytest.mark.parametrize(("e", "words"), [
    (sp.besselj(2, x), "besselj.*no torch counterpart.*pinnkit.function"),
    (sp.I * x, "not a real number"),
    (sp.zoo + x, "not a real number"),
])  # fmt: skip
def test_what_cannot_be_evaluated(e, words):
    with pytest.raises(ValueError, match=words):
        Program([e], [x])


def test_text_is_not_evaluated():
    with pytest.raises(sp.SympifyError):
        Program(["__import__('os').getcwd()"], [x])


# Functions known by their values only


def bump(a, b):
    return torch.exp(-((a - 0.3) ** 2)) * torch.sin(3 * b)


BUMP = sp.exp(-((x - sp.Rational(3, 10)) ** 2)) * sp.sin(3 * y)
AT = {"x": np.linspace(-1, 1, 5), "y": np.linspace(0.2, 2, 5)}


@pytest.mark.parametrize("index", [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (2, 1), (3, 0)])
def test_derivatives_of_a_callable(index):
    q = pk.function(bump, "q")
    got = run(sp.diff(q(x, y), x, index[0], y, index[1]), **AT)[0]
    assert got == pytest.approx(true(sp.diff(BUMP, x, index[0], y, index[1]), **AT), rel=1e-13, abs=1e-14)


def test_chain_rule_through_a_callable():
    q = pk.function(bump, "q")
    inner = {x: x * y, y: sp.sin(x)}
    got = run(sp.diff(q(x * y, sp.sin(x)), x, 2), **AT)[0]
    assert got == pytest.approx(true(sp.diff(BUMP.subs(inner, simultaneous=True), x, 2), **AT), rel=1e-12)


def test_a_callable_at_constants_is_a_number():
    q = pk.function(bump, "q")
    assert number(q(0, 1) + 1) == pytest.approx(float(BUMP.subs({x: 0, y: 1})) + 1)
    assert number(q(0, q(0, 1))) == pytest.approx(float(BUMP.subs({x: 0, y: BUMP.subs({x: 0, y: 1})})))


def test_a_callable_is_not_mistaken_for_a_function_of_its_name():
    gamma = pk.function(lambda a: 0 * a + 5, "gamma")
    assert number(sp.N(gamma(1) + 1)) == 6
    assert str(gamma(x)) == "gamma(x)" and "gamma" in sp.latex(gamma(x))


def test_two_callables_of_one_name_are_two():
    first, second = pk.function(lambda a: a, "f"), pk.function(lambda a: 2 * a, "f")
    assert first(x) != second(x)
    assert run(first(x) + 10 * second(x), x=np.ones(2))[0].tolist() == [21, 21]


def test_a_callable_that_ignores_an_argument_or_returns_a_number():
    one, flat = pk.function(lambda a, b: a**2, "one"), pk.function(lambda a: 4.0, "flat")
    got = run(one(x, y), one(x, y).diff(y), one(x, y).diff(x, 2), flat(x) * x, x=np.ones(2), y=np.ones(2))
    assert [v.tolist() for v in got] == [[1, 1], [0, 0], [2, 2], [4, 4]]


def test_a_callable_of_numpy_has_values_but_no_derivatives():
    q = pk.function(lambda a: np.interp(a.numpy(), [0, 1], [0, 2]), "table")
    assert run(q(x), x=np.array([0.5, 0.25]))[0].tolist() == [1, 0.5]
    with pytest.raises(ValueError, match="derivative of the function table.*hard=False"):
        run(q(x).diff(x), x=np.array([0.5, 0.25]))


def test_a_callable_of_the_wrong_shape():
    with pytest.raises(ValueError, match=r"function q gave shape \(2, 1\) for \(2,\) points"):
        run(pk.function(lambda a: a[:, None], "q")(x), x=np.ones(2))
    with pytest.raises(TypeError, match="expected a Python callable"):
        pk.function(3)
