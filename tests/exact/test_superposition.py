"""The parts of a superposition: operators, families, modes, images, quadrature, projection, greedy choice."""

import json

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pinnkit as pk
from pinnkit.certificate.validated.interval_series import WIDTH
from pinnkit.exact.superposition.boundary_points import gauss_panels, resolve
from pinnkit.exact.superposition.boundary_rows import rows
from pinnkit.exact.superposition.box_conditions import face_pairs
from pinnkit.exact.superposition.columns import Dense, joined
from pinnkit.exact.superposition.family import ITSELF, Family, Range
from pinnkit.exact.superposition.linear_operator import LinearOperator, operator
from pinnkit.exact.superposition.local_solutions import integrals, local
from pinnkit.exact.superposition.matching_pursuit import Choice, Search, from_dictionary, prune, refine
from pinnkit.exact.superposition.separated import forced, polynomials, standing
from pinnkit.exact.superposition.solve_lie import condition_weights
from pinnkit.exact.superposition.superposition import Superposition, superposition
from pinnkit.exact.superposition.tensor_columns import TensorColumns
from pinnkit.exact.superposition.variable_projection import fit, jacobian
from pinnkit.tools import sympy_tree as tree

x, t = pk.coordinates("x t")
u = pk.field("u", x, t)
HEAT, WAVE = u.diff(t) - u.diff(x, 2) / 2, u.diff(t, 2) - 4 * u.diff(x, 2)


def stated(equation, *conditions, box=None):
    order = 2 if equation.has(u.diff(t, 2)) else 1
    initial = [pk.Initial(u, sp.sin(3 * x), order=k) for k in range(order)]
    return pk.Problem("p", u, equation, box or pk.Box(x=(0, 1), t=(0, 1)), [*initial, *conditions])


def dirichlet(equation):
    return stated(equation, pk.Dirichlet(u, 0, on="x"))


def test_symbol_has_the_roots_that_solve_the_equation():
    op = operator(dirichlet(WAVE))
    assert sorted(op.rates(np.array([3j])).imag) == pytest.approx([-6, 6])
    assert op.misfit(sp.exp(x / 2 + t), {}) < 1e-30
    assert op.misfit(sp.exp(x / 2 + 2 * t), {}) > 0.1


@settings(max_examples=5, deadline=None)
@given(st.floats(0.1, 3), st.floats(0.1, 3), st.floats(0.1, 3), st.floats(0.1, 3))
def test_separated_solutions_satisfy_robin_conditions(a, b, c, d):
    problem = stated(HEAT, pk.Robin(u, a, b, 0, on="x_min"), pk.Robin(u, c, d, 0, on="x_max"))
    op = operator(problem)
    family, theta = standing(op, face_pairs(problem), problem.domain, 12)
    assert len(theta) == 12
    for row in theta[:12:6]:
        phi = family.at(row)
        assert op.misfit(phi, {}) < 1e-12
        for at, n, p, q in ((0, -1, a, b), (1, 1, c, d)):
            gap = (p * phi + q * n * phi.diff(x)).subs({x: at, t: 0.1})
            assert abs(float(gap)) < 1e-9
    k = theta[:, 0]
    assert (np.diff(k) > 0.5).all() and (np.diff(k) < 4.0).all()  # none is left out


def test_wave_modes_come_in_pairs_and_telegraph_modes_decay():
    family, theta = standing(operator(dirichlet(WAVE)), face_pairs(dirichlet(WAVE)), pk.Box(x=(0, 1), t=(0, 1)), 3)
    assert theta.shape == (6, 5) and family.count == 5
    problem = dirichlet(u.diff(t, 2) + 2 * u.diff(t) - u.diff(x, 2))
    _, theta = standing(operator(problem), face_pairs(problem), problem.domain, 3)
    assert theta[:, 2] == pytest.approx(-1)


@pytest.mark.parametrize(
    "equation, count",
    [(HEAT, 7), (WAVE, 13), (u.diff(t) + u.diff(x, 3), 7), (u.diff(t) - x * u.diff(x, 2), 7)],
)
def test_polynomials_solve_the_equation_exactly(equation, count):
    box = pk.Box(x=(0.5, 2), t=(0, 0.25))
    op = operator(stated(equation, pk.Dirichlet(u, 0, on="x"), pk.Neumann(u, 0, on="x_max"), box=box))
    family, theta = polynomials(op, box, 6)
    assert len(theta) == count
    assert max(op.misfit(family.at(row), {}) for row in theta) < 1e-14
    assert np.linalg.matrix_rank(theta) == count


def test_repeated_integrals_of_erfc():
    from scipy.integrate import quad
    from scipy.special import erfc

    p, q = integrals(3)[2]
    value = float(np.polyval([float(c) for c in p[::-1]], 0.7) * erfc(0.7))
    value += float(np.polyval([float(c) for c in q[::-1]], 0.7)) * 2 / np.sqrt(np.pi) * np.exp(-0.49)
    assert value == pytest.approx(quad(lambda s: (s - 0.7) * erfc(s), 0.7, 30)[0], rel=1e-12)


@pytest.mark.parametrize("equation", [HEAT, HEAT + 2 * u.diff(x) - u, WAVE])
def test_images_keep_the_walls_at_zero(equation):
    problem = dirichlet(equation)
    op = operator(problem)
    near = local(op, face_pairs(problem), problem.domain)
    for family in near.families(0.05):
        theta = np.array([[0.3, 0.02]])
        ends = torch.tensor([[0.0, 0.3], [1.0, 0.3], [0.4, 0.3]], dtype=torch.float64)
        low, high, inside = family.values(theta, ends, [(0, 0)])[0, 0].tolist()
        assert abs(low) < 1e-12 and abs(inside) < 2
        if "step" not in family.name:  # a step leaves a straight line, which the dictionary has
            assert abs(high) < 1e-8
    family = near.families(0.05)[0]
    assert op.misfit(family.at(theta[0]), {}) < 1e-11
    layers = near.layers()
    assert {f.name.rpartition("_")[2] for f in layers} == {"min", "max"}
    X = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.0, 1.0]], dtype=torch.float64)
    for family in layers:
        if family.name.endswith("x_min") and "order 0" not in family.name:
            start, inside, end = family.values(np.zeros((1, 0)), X, [(0, 0)])[0, 0].tolist()
            assert abs(start) < 1e-15 and abs(inside) < 1e-15 and end > 0.1


@pytest.mark.parametrize("equation", [HEAT + 2 * u.diff(x) - u, WAVE])
def test_where_walls_are_driven_solutions_pass_through_them(equation):
    problem = stated(equation, pk.Dirichlet(u, sp.sin(t), on="x"))
    op = operator(problem)
    near = local(op, face_pairs(problem), problem.domain)
    found, still = near.families(0.05), local(op, face_pairs(dirichlet(equation)), problem.domain).families(0.05)
    free = [f for f in found if f.images == ITSELF]
    assert len(found) == 2 * len(still) == 2 * len(free) and not any(f.images == ITSELF for f in still)
    for family in free:
        assert op.misfit(family.at((-0.1, 0.2)), {}) < 1e-11
        assert family.ranges[0].lower < 0 and family.ranges[0].upper > 1


def test_the_misfit_of_nearly_dependent_columns_is_that_of_their_amplitudes():
    problem = dirichlet(HEAT)
    data = rows(problem, condition_weights(problem), {"x": 30, "t": 10})
    s = np.linspace(0, 1, len(data.target))
    D = s[:, None] ** np.arange(30)
    search = Search(data, Dense(D), [], np.exp(s) / (1.01 - s), 1e-9)
    found = from_dictionary(search, Choice(), 30)
    assert found.misfit == fit(search.columns(found), search.target).misfit


def test_values_and_slopes_of_a_family_against_sympy():
    a, w = Range("a", -1, 1), Range("w", 0.1, 2, log=True)
    phi = sp.exp(-(((x - a.symbol) / w.symbol) ** 2)) * sp.cos(t)
    family = Family("f", phi, (x, t), (a, w), ((1.0, 1, 0.0), (-0.5, -1, 2.0)))
    theta, X = np.array([[0.3, 0.7], [-0.2, 1.1]]), torch.rand(5, 2, dtype=torch.float64)
    whole = phi - phi.subs(x, 2 - x) / 2
    for J in ((0, 0), (1, 1), (2, 0)):
        exact = sp.diff(whole, *([x] * J[0] + [t] * J[1])) if sum(J) else whole
        call = sp.lambdify((x, t, a.symbol, w.symbol), [exact, exact.diff(a.symbol), exact.diff(w.symbol)])
        for k, (p, q) in enumerate(theta):
            want = np.array([call(*row, p, q) for row in X.tolist()]).T
            assert family.values(theta, X, [J])[0, k].numpy() == pytest.approx(want[0], abs=1e-12)
            assert family.slopes(theta, X, [J])[0, :, k].numpy() == pytest.approx(want[1:], abs=1e-11)
    assert float(family.at(theta[0]).subs({x: 0.2, t: 0.4})) == pytest.approx(
        float(whole.subs({a.symbol: 0.3, w.symbol: 0.7, x: 0.2, t: 0.4}))
    )


def test_a_superposition_survives_json():
    family = Family("f", sp.erf(x / 3) * sp.exp(-sp.pi * t) + sp.Max(x, 0), (x, t), (Range("a", 0, 1),))
    spec = Superposition((family,), ((0, (0.1,)), (0, (1 / 3,))))
    again = superposition(**json.loads(json.dumps(spec.to_json())))
    assert again == spec
    with pytest.raises(ValueError, match="does not know"):
        tree.decode(["__import__", ["number", "1", "1"]])
    with pytest.raises(ValueError, match="cannot be written"):
        tree.encode(sp.besselj(0, x))


def test_quadrature_resolves_a_step():
    def data(s):
        return np.tanh(200 * (s - 0.4))[None]

    edges = resolve(data, np.linspace(0, 1, 3))
    node, weight = gauss_panels(edges)
    exact = (np.log(np.cosh(200 * 0.6)) - np.log(np.cosh(200 * 0.4))) / 200
    assert weight @ data(node)[0] == pytest.approx(exact, abs=1e-13)
    assert np.diff(edges).max() / np.diff(edges).min() > 8


def mixed_problem():
    conditions = [pk.Dirichlet(u, sp.sin(t), on="x_min"), pk.Robin(u, 1, 2, x, on="x_max")]
    return stated(WAVE, *conditions)


@pytest.mark.parametrize("problem", [mixed_problem(), stated(WAVE, pk.Periodic(u, "x"))])
def test_jacobian_of_the_projection_on_every_block_of_rows(problem):
    data = rows(problem, condition_weights(problem), {"x": 20, "t": 20})
    families = list(local(operator(problem), face_pairs(problem), problem.domain).families(0.05))
    search = Search(data, Dense(np.zeros((len(data.target), 0))), families, data.target, 0.0)
    rng = np.random.default_rng(0)
    atoms = []
    for f, family in enumerate(families):
        low, high = family.bounds
        atoms.append((f, tuple(low + (high - low) * rng.uniform(0.3, 0.7, family.count))))

    def residual(z):
        moved = tuple((f, tuple(v)) for (f, _), v in zip(atoms, z.reshape(len(atoms), -1), strict=True))
        return fit(search.atom_columns(moved), data.target).residual

    z = np.concatenate([v for _, v in atoms])
    J = jacobian(search.atom_columns(atoms), search.atom_slopes(atoms), data.target)
    h = 1e-5
    steps = [(-2, 1), (-1, -8), (1, 8), (2, -1)]
    fd = np.stack([sum(w * residual(z + k * h * e) for k, w in steps) / (12 * h) for e in np.eye(len(z))], 1)
    assert len(data.slices) >= 4
    for name, part in data.slices.items():
        scale = np.abs(J).max()
        assert np.abs(J[part] - fd[part]).max() <= 1e-6 * scale, name
        if "periodic" not in name:
            assert np.abs(fd[part]).max() > 1e-4 * scale, name  # derivative rows do move


def test_fit_is_least_squares_and_drops_what_is_dependent():
    rng = np.random.default_rng(1)
    F, y = rng.normal(size=(40, 6)) * 10.0 ** rng.integers(-6, 6, 6), rng.normal(size=40)
    assert fit(F, y).residual == pytest.approx(y - F @ np.linalg.lstsq(F, y, rcond=None)[0], abs=1e-9)
    twice = np.concatenate([F, F[:, :1] * 3], 1)
    assert fit(twice, y).rank == 6 and fit(twice, y).misfit == pytest.approx(fit(F, y).misfit)


def plain(D, y, goal=0.0):
    return Search(None, Dense(D), (), y, goal)


def test_dictionary_choice_takes_the_largest_orthogonal_score():
    rng = np.random.default_rng(2)
    D, y = rng.normal(size=(50, 12)), rng.normal(size=50)
    got = from_dictionary(plain(D, y), Choice(), 4)
    chosen = []
    for _ in range(4):
        best = min(set(range(12)) - set(chosen), key=lambda j: fit(D[:, [*chosen, j]], y).misfit)
        chosen.append(best)
    assert list(got.fixed) == chosen
    assert got.misfit == pytest.approx(fit(D[:, chosen], y).misfit)


def test_pruning_drops_what_is_not_needed():
    rng = np.random.default_rng(3)
    D = rng.normal(size=(50, 12))
    y = D[:, [2, 5]] @ [1.0, -2.0]
    choice = prune(plain(D, y), Choice(tuple(range(12)), (), 0.0), 1e-9)
    assert sorted(choice.fixed) == [2, 5]


def test_refinement_finds_the_parameters():
    problem = pk.Problem(
        "p", u, WAVE, pk.Box(x=(0, 1), t=(0, 0.1)),
        [pk.Initial(u, sp.exp(-(((x - 0.45) / 0.1) ** 2))), pk.Initial(u, 0, order=1), pk.Dirichlet(u, 0, on="x")],
    )  # fmt: skip
    data = rows(problem, condition_weights(problem), {"x": 30, "t": 10})
    family = next(
        f for f in local(operator(problem), face_pairs(problem), problem.domain).families(0.02) if "pulse" in f.name
    )
    search = Search(data, Dense(np.zeros((len(data.target), 0))), [family], data.target, 0.0)
    start = Choice((), ((0, (0.5, float(np.log(0.2)))),))
    found = refine(search, start, 30)
    assert family.from_scale(np.array(found.atoms[0][1])) == pytest.approx([0.45, 0.1], abs=1e-7)
    assert found.misfit < 1e-7


def test_forced_solutions_oscillate_with_the_walls():
    problem = dirichlet(HEAT)
    op = operator(problem)
    family, theta = forced(op, problem.domain, 3)
    assert len(theta) == 12
    assert max(op.misfit(family.at(row), {}) for row in theta) < 1e-13


def room(equation, *walls, exact=None):
    names, order = "xyz", 2 if equation.has(sp.Derivative(R, (t, 2))) else 1
    box = pk.Box(**dict.fromkeys(names, (0, 1)), t=(0, 0.5))
    initial = [pk.Initial(R, exact.diff(t, k).subs(t, 0), order=k) for k in range(order)]
    return pk.Problem("room", R, equation, box, [*initial, *walls], reference=pk.Exact({R: exact}))


y, z = pk.coordinates("y z")
R = pk.field("u", x, y, z, t)
LAPLACE = sum(R.diff(s, 2) for s in (x, y, z))
MIXED = [
    pk.Neumann(R, 0, on="x"), pk.Periodic(R, "y"), pk.Robin(R, 2, 1, 0, on="z_min"), pk.Dirichlet(R, 0, on="z_max"),
]  # fmt: skip


def test_products_are_the_columns_without_writing_them_out():
    problem = room(R.diff(t, 2) - LAPLACE, *MIXED, exact=sp.cos(sp.pi * x))
    data = rows(problem, condition_weights(problem), dict.fromkeys("xyzt", 3))
    family, theta = standing(operator(problem), face_pairs(problem), problem.domain, 8)
    products, D = TensorColumns(data.blocks, family, theta), data.columns(family, theta)
    assert products.shape == D.shape and len(data.blocks) == 7
    V = np.random.default_rng(0).normal(size=(len(D), 2))
    assert products.dot(V) == pytest.approx(D.T @ V, abs=1e-12)
    assert products.squares() == pytest.approx((D * D).sum(0), rel=1e-12)
    assert products.take([3, 7]) == pytest.approx(D[:, [3, 7]], abs=1e-14)
    both = joined([Dense(D[:, :2]), products, Dense(D[:, 2:5])])
    assert both.take([1, 4, len(theta) + 3]) == pytest.approx(D[:, [1, 2, 3]], abs=1e-14)
    assert both.dot(V[:, 0]) == pytest.approx(np.concatenate([D[:, :2], D, D[:, 2:5]], 1).T @ V[:, 0], abs=1e-12)


@pytest.mark.parametrize("name", ["heat3d", "wave3d"])
def test_three_dimensions_to_the_last_digit(name):
    solution = pk.solve_lie(pk.problem(name))
    assert solution.errors()["u"]["relative_l2"] < 1e-13 and solution.model.count == 2
    e, X = pk.closed_form(solution), solution.problem.domain.sample(3)
    for at, value in zip(X.tolist(), solution(X)[:, 0].tolist(), strict=True):
        assert float(e.subs(dict(zip((x, y, z, t), at, strict=True)))) == pytest.approx(value, abs=1e-12)
    assert r"\sin" in sp.latex(e) or r"\cos" in sp.latex(e)


def test_three_dimensions_insulated_periodic_and_cold():
    k = sp.pi
    insulated = [pk.Neumann(R, 0, on="x"), pk.Periodic(R, "y"), pk.Dirichlet(R, 0, on="z")]
    e = sp.cos(k * x) * sp.cos(2 * k * y) * sp.sin(k * z) * sp.exp(-6 * k**2 * t / 10)
    solution = pk.solve_lie(room(R.diff(t) - LAPLACE / 10, *insulated, exact=e))
    assert solution.errors()["u"]["relative_l2"] < 1e-12 and solution.model.count == 1


@settings(max_examples=60, deadline=None)
@given(st.floats(0.3, 5), st.integers(1, 200), st.floats(0.1, 3), st.floats(-17, 0), st.sampled_from((-1, 0, 1)))
def test_a_rate_or_its_wave_number_is_next_to_an_exact_one(length, n, c, decades, side):
    """u_tt + 2 b u_t = c^2 u_xx near critical damping, where s^2 + 2 b s + c^2 k^2 has a double root."""
    k = n * np.pi / length
    b = c * k * (1 + side * 10.0**decades)
    square = sp.Rational(c) ** 2
    op = LinearOperator((x, t), {(0, 2): sp.S.One, (0, 1): sp.Rational(2 * b), (2, 0): -square}, 1)
    with mpmath.workdps(50):
        exact = [
            -mpmath.mpf(b) + sign * mpmath.sqrt(mpmath.mpf(b) ** 2 - (mpmath.mpf(c) * mpmath.mpf(k)) ** 2)
            for sign in (1, -1)
        ]
        for s in op.rates(np.array([1j * k])):
            by_rate = min(abs(mpmath.mpmathify(complex(s)) / e - 1) for e in exact)
            other = mpmath.sqrt(-(mpmath.mpmathify(complex(s)) ** 2 + 2 * mpmath.mpf(b) * complex(s))) / mpmath.mpf(c)
            assert min(by_rate, abs(other / k - 1)) < WIDTH / 4
