"""Certificates hold for closed forms: what floating point adds is said, here against arithmetic with 60 digits."""

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pinnkit as pk
from benchmarks.certificate.certificates import heat_or_wave
from pinnkit.certificate.validated.running_error import Rounded, rounded
from pinnkit.exact.superposition.enclosed_misfits import rounding_adds
from pinnkit.exact.superposition.linear_operator import operator
from pinnkit.exact.superposition.rounding import evaluation_bound, evaluation_error
from pinnkit.exact.superposition.separated import exponentials
from pinnkit.exact.superposition.superposition import Superposition
from pinnkit.statement.symbolic.torch_program import Program

pytestmark = pytest.mark.portable

x, t = pk.coordinates("x t")
u = pk.field("u", x, t)


def exactly(e, X):
    """Values of an expression with 60 digits."""
    with mpmath.workdps(60):
        f = sp.lambdify((x, t), e, "mpmath")
        return [f(*map(mpmath.mpf, row)) for row in X.tolist()]


def cancelling(size):
    """Amplitudes of that size which cancel; the approximation is off by 1e-10 of a third member."""
    box = pk.Box(x=(0, 1), t=(0, 1))
    equation = u.diff(t) - u.diff(x, 2) / 10
    start = pk.Problem("start", u, equation, box, [pk.Initial(u, 0), pk.Dirichlet(u, 0)])
    waves = [3.0, 3.0 * (1 + 1 / size), 1.0]
    pairs = [(np.array([1j * k, -0.1 * k * k]), np.ones(1)) for k in waves]  # of the coordinates x, t
    family, theta = exponentials(operator(start), box.bounds, pairs)
    model = Superposition((family,), tuple((0, tuple(row)) for row in theta.tolist()))
    per = len(theta) // len(waves)  # cosine and sine of a wave
    amplitudes = torch.cat([torch.full((per,), v, dtype=torch.float64) for v in (size, -size, 0.7)])
    e = model.expression(amplitudes.tolist())
    conditions = [pk.Initial(u, e.subs(t, 0)), *(pk.Dirichlet(u, e.subs(x, v), on=f"x_{n}") for n, v in
                                                 (("min", 0), ("max", 1)))]  # fmt: skip
    problem = pk.Problem("cancelling", u, equation, box, conditions)
    off = amplitudes + torch.tensor([0.0] * 2 * per + [1e-10] * per, dtype=torch.float64)
    return pk.Solution(pk.Model(problem, model, False, frozenset({"pde"})), off, pk.Points({})), e


@pytest.mark.parametrize("size", [1e3, 1e9])
def test_the_closed_form_obeys_the_bound_and_its_evaluation_adds_what_is_said(size):
    solution, truth = cancelling(size)
    found, said = pk.certify(solution, enclosed=True), evaluation_bound(solution)
    assert found.rigorous and f"rounding adds at most {said:.1e}" in found.evaluation
    assert said <= 3 * evaluation_error(solution)
    X = solution.problem.domain.sample(60, method="random", seed=3).double()
    form, true = exactly(solution.network.expression(solution.theta.tolist()), X), exactly(truth, X)
    computed = [mpmath.mpf(v) for v in solution(X)[:, 0].tolist()]
    with mpmath.workdps(60):
        assert max(abs(a - b) for a, b in zip(form, true, strict=True)) <= found["sup"]
        added = max(abs(a - b) for a, b in zip(computed, form, strict=True))
        assert said / 1000 <= added <= said
    assert size < 1e6 or added > 1e-8  # large terms cancel: far above the rounding of values


EXPRESSIONS = [
    sp.exp(-((x - 0.3) ** 2) / (4 * t + 1e-4)) / sp.sqrt(t + 1e-4), 1e6 * sp.sin(50 * x) - 1e6 * sp.sin(50 * x + 1e-8),
    sp.erf((x - t) / 1e-3) - sp.tanh(80 * x), sp.erfc(9 * x) * sp.exp(20 * x), (x + t) ** 5 / (1 + x**2) ** 3,
    sp.cosh(3 * x) * sp.cos(4 * t) - sp.sinh(3 * x), (1 + x) ** sp.Rational(-7, 3) * sp.log(2 + t),
    (2 + x) ** (3 * t - 1),
    x**3 - 6 * x * t + sp.pi * sp.atan(x / 7), (x - t) ** 4 - x**4,
]  # fmt: skip


@pytest.mark.parametrize("e", EXPRESSIONS, ids=range(len(EXPRESSIONS)))
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_running_errors_bound_what_is_computed(e, dtype):
    """On cells of [0, 1]^2, against 60 digits at points of the precision."""
    edges, eps, count = np.linspace(0, 1, 17), torch.finfo(dtype).eps, 40
    X = torch.rand(count, 2, generator=torch.Generator().manual_seed(1), dtype=dtype)
    cells = np.searchsorted(edges, X.double().numpy(), "right") - 1
    with np.errstate(all="ignore"):
        own = {s: Rounded.exact(edges[k], edges[k + 1], eps) for s, k in zip((x, t), cells.T, strict=True)}
        found = rounded(e, own)
    (computed,) = Program([e], (x, t))({x: X[:, 0], t: X[:, 1]})
    exact = [f.xreplace({v: sp.Rational(v) for v in f.atoms(sp.Float)}) for f in [e]]
    truth = exactly(exact[0], X)
    assert np.isfinite(found.error).all()
    with mpmath.workdps(60):
        for k, (a, b) in enumerate(zip(computed.tolist(), truth, strict=True)):
            assert abs(mpmath.mpf(a) - b) <= found.error[k]
            assert found.value.low[k] <= b <= found.value.high[k]
            if np.isfinite(found.relative[k]):
                assert abs(mpmath.mpf(a) - b) <= abs(b) * found.relative[k]


@pytest.mark.parametrize(
    "e, at, dtype",
    [
        (sp.cosh(sp.Float(709.3, 17) * x), 0.9997, torch.float64),
        (sp.exp(100 * x) * (1 / sp.exp(50 * x)), 0.97, torch.float32),
        (sp.exp(100 * x) / (sp.exp(100 * x) + 1), 0.97, torch.float32),
        (sp.exp(-110 * x) * sp.cosh(80 * x), 0.99, torch.float32),
        (1 / (1 + sp.exp(-(x**2) * 800) * sp.cosh(700 * x)), 0.99, torch.float64),
        (sp.erfc(30 * x), 0.99, torch.float64),
    ],
    ids=range(6),
)
def test_what_overflows_or_underflows_is_not_bounded_by_less(e, at, dtype):
    X = torch.tensor([[at, 0.0]], dtype=dtype)
    place = np.array([X[0, 0].item()])
    with np.errstate(all="ignore"):
        said = rounded(e, {x: Rounded.exact(place, place, torch.finfo(dtype).eps)}).error[0]
    (computed,) = Program([e], (x,))({x: X[:, 0]})
    (true,) = exactly(e.xreplace({v: sp.Rational(v) for v in e.atoms(sp.Float)}), X)
    with mpmath.workdps(60):
        assert np.isinf(said) or abs(mpmath.mpf(computed.item()) - true) <= said


@settings(max_examples=5, deadline=None)
@given(st.sampled_from(["heat", "wave"]), st.integers(1, 2), st.integers(0, 10**6))
def test_the_rounding_of_random_superpositions_is_bounded(kind, d, seed):
    solution = heat_or_wave(kind, d, "superposition", seed)
    bound, X = evaluation_bound(solution), solution.problem.domain.sample(20, method="random", seed=seed).double()
    form = solution.network.expression(solution.theta.tolist())
    f = sp.lambdify(solution.problem.variables, form, "mpmath")
    with mpmath.workdps(60):
        true = [f(*map(mpmath.mpf, row)) for row in X.tolist()]
        added = max(abs(mpmath.mpf(v) - w) for v, w in zip(solution(X)[:, 0].tolist(), true, strict=True))
        assert added <= bound <= 1000 * evaluation_error(solution)


def test_local_solutions_with_images_are_bounded_too_and_jumps_only_estimated():
    for initial in ("gauss", "step"):
        solution = pk.solve_lie(pk.problem("heat", initial=initial), tolerance=1e-3)
        X = solution.problem.domain.sample(20, method="random", seed=3).double()
        true = exactly(solution.network.expression(solution.theta.tolist()), X)
        added = max(abs(float(a - b)) for a, b in zip(solution(X)[:, 0].tolist(), true, strict=True))
        assert added <= evaluation_bound(solution) < 1e-8
    around = {x: Rounded.exact(np.full(1, -1.0), np.ones(1), 1e-16)}
    with np.errstate(all="ignore"):
        assert not np.isfinite(rounded(1 / x, around).error).any()  # a singularity: nothing is known
    with pytest.raises(ValueError, match="no rule for what rounding does to Heaviside"):
        rounded(sp.Heaviside(x), {x: Rounded.exact(np.zeros(1), np.ones(1), 1e-16)})


def test_the_evaluation_of_a_cole_hopf_map_is_estimated():
    problem = pk.Problem(
        "viscous", u, u.diff(t) + u * u.diff(x) - u.diff(x, 2) / 10, pk.Box(x=(-1, 1), t=(0, sp.Rational(1, 2))),
        [pk.Initial(u, -sp.sin(sp.pi * x)), pk.Dirichlet(u, 0, on="x")],
    )  # fmt: skip
    solution = pk.solve_lie(problem, tolerance=1e-3)
    X = problem.domain.sample(10, method="random", seed=3).double()
    form = exactly(solution.network.expression(solution.theta.tolist()), X)
    added = max(abs(float(a - b)) for a, b in zip(solution(X)[:, 0].tolist(), form, strict=True))
    assert added <= evaluation_error(solution) < 1e-10
    assert rounding_adds(solution) == f"rounding may add about {evaluation_error(solution):.0e}"
    with pytest.raises(ValueError, match="of others it is not"):
        evaluation_bound(solution)
    net = pk.MLP(2, 4, 1)
    other = pk.Solution(pk.Model(problem, net, False), net.initial(problem.domain, 0), pk.Points({}))
    with pytest.raises(ValueError, match="is no superposition"):
        evaluation_error(other)
