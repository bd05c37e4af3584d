"""Curvatures, functionals and influences against dense references, finite differences and small retrainings."""

from dataclasses import replace

import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.model import curvature as curvatures
from pinnkit.model.quantity.base import Several, rows_of

DAMPING = 1e-3


@pytest.fixture(scope="module")
def burgers():
    """A small trained model with three terms."""
    return pk.solve(
        pk.problem("burgers"), pk.MLP(2, 6, 6, 1), {"pde": 60, "initial": 20, "x": 20}, hard=False,
        stages=[pk.Adam(100, lr=1e-2), pk.SSBroyden(150)], resample=None, progress=False, validation=50,
    )  # fmt: skip


@pytest.fixture(scope="module")
def system():
    """A system: three residuals and three fields, periodic rows and a coefficient that is trained."""
    x, t = pk.coordinates("x t")
    u, v = pk.field("u", x, t), pk.field("v", x, t)
    problem = pk.Problem(
        "pair", [u, v], {"first": u.diff(t) - sp.Symbol("c") * v.diff(x), "second": v.diff(t) - u.diff(x) + u * v},
        pk.Box(x=(0, 1), t=(0, 1)),
        [pk.Initial(u, sp.sin(2 * sp.pi * x)), pk.Initial(v, x), pk.Periodic(u, "x", order=1, weight=3.0),
         pk.Observations(u * v, torch.tensor([[0.2, 0.3], [0.5, 0.5], [0.8, 0.1], [0.3, 0.9]]), torch.zeros(4))],
        unknowns={"c": 0.7},
    )  # fmt: skip
    return pk.solve(
        problem, pk.MLP(2, 6, 2), {"pde": 30, "initial": 12, "periodic_x": 10}, hard=False, stages=[pk.SSBroyden(60)],
        resample=None, progress=False, validation=20,
    )  # fmt: skip


@pytest.fixture(params=["burgers", "system"])
def solution(request):
    return request.getfixturevalue(request.param)


def dense(solution, exact=True):
    """The half Hessian or its Gauss-Newton part, and J, a, r."""
    stack, theta = solution.stack, solution.theta
    J, a, r = stack.jacobian(theta), stack.row_weights, stack.values(theta)
    C = J.T @ (a[:, None] * J)
    if exact:
        C = torch.stack([stack.hvp(theta, e) for e in torch.eye(len(theta), dtype=theta.dtype)]) / 2
    return C, J, a, r


def functionals(solution):
    u = solution.problem.fields[0]
    x, t = solution.problem.variables
    found = [
        pk.at("u", x=0.2, t=[0.3, 0.9]), pk.Field(u.diff(x) * u, torch.tensor([[0.1, 0.4]])), pk.Loss(),
        pk.Loss(term=solution.stack.terms[-1]), pk.test_loss(solution.problem, 30),
        pk.integral(solution.problem, u**2, n=64),
        pk.integral(solution.problem, u.diff(x) * sp.Symbol("n_x"), "x", n=32),
        pk.Function("ratio", lambda f: f[0] / (1 + f[1] ** 2), [pk.at("u", x=0.5, t=0.5), pk.at("u_t", x=0.1, t=0.2)]),
    ]  # fmt: skip
    if solution.problem.reference is not None:
        found.append(pk.Error("u"))
    if solution.problem.unknowns:
        found.append(pk.Unknown("c"))
    return found


# --------------------------------------------------------------------------------------------- functionals


def test_functionals_have_the_gradients_of_their_values(solution):
    v = torch.randn(len(solution.theta), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    step = 1e-6
    up, down = (replace(solution, theta=solution.theta + s * step * v) for s in (1, -1))
    for f in functionals(solution):
        values, gradients = f.linearise(solution)
        assert values.shape == (len(f.names),) and gradients.shape == (len(f.names), len(v))
        slope = (f.linearise(up)[0] - f.linearise(down)[0]) / (2 * step)
        torch.testing.assert_close(gradients @ v, slope, rtol=1e-5, atol=1e-7)


def test_functionals_have_the_values_they_say(burgers):
    theta, X = burgers.theta, torch.tensor([[0.2, 0.3], [0.2, 0.9]], dtype=torch.float64)
    torch.testing.assert_close(pk.at("u", t=[0.3, 0.9], x=0.2).linearise(burgers)[0], burgers(X)[:, 0])
    assert float(pk.Loss().linearise(burgers)[0]) == pytest.approx(float(burgers.stack.losses(theta).sum()))
    assert float(pk.Error().linearise(burgers)[0]) == pytest.approx(burgers.errors()["u"]["relative_l2"])
    x, t = burgers.problem.variables
    exact = pk.integral(burgers.problem, x**2 * t, n=2048).linearise(burgers)[0]
    assert float(exact) == pytest.approx(1 / 3, rel=1e-3)
    line = pk.integral(burgers.problem, x**2 + t, n=2048, t=0.5).linearise(burgers)[0]
    assert float(line) == pytest.approx(5 / 3, 1e-3)
    n_x = sp.Symbol("n_x", real=True)
    assert float(pk.integral(burgers.problem, n_x * x, "x", n=64).linearise(burgers)[0]) == pytest.approx(2.0)


def test_functionals_refuse_with_a_sentence(burgers, system):
    for f, sentence in [
        (pk.at("w", x=0.0, t=0.0), "the fields are u"), (pk.at("u", x=0.0), "a point of burgers has x, t"),
        (pk.Loss(term="no"), "the terms are"), (pk.Unknown("D"), "unknown coefficients are none"),
        (pk.Error("v"), "the fields are u"), (pk.Field(sp.Symbol("q"), torch.zeros(1, 2)), "contains q"),
        (pk.Function("two", lambda f: f, [pk.at("u", x=[0.1, 0.2], t=0.0)]), "expected one number"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=sentence):
            f.linearise(burgers)
    with pytest.raises(ValueError, match="no reference"):
        pk.Error().linearise(system)
    with pytest.raises(TypeError, match="expected a functional"):
        pk.Influence(burgers).attribute("u")
    with pytest.raises(ValueError, match="no functional"):
        pk.Influence(burgers).attribute([])
    with pytest.raises(ValueError, match="no coordinate"):
        pk.integral(burgers.problem, 1, z=0.0)


# ------------------------------------------------------------------------------------------------ curvature


def test_all_curvatures_are_the_dense_ones(solution, monkeypatch):
    stack, theta, b = solution.stack, solution.theta, torch.randn(len(solution.theta), dtype=torch.float64)
    eye = torch.eye(len(theta), dtype=theta.dtype)
    for kind, exact in [("gauss-newton", False), ("explicit", True), ("exact", True)]:
        found = pk.curvature(stack, theta, kind, 0.1)
        C = dense(solution, exact)[0] + found.damping * eye
        assert found.damping == 0.1, found.notes
        torch.testing.assert_close(found.solve(b), torch.linalg.solve(C, b), rtol=1e-7, atol=1e-9)
        B = torch.randn(len(theta), 5, dtype=torch.float64)
        torch.testing.assert_close(found.solve(B), torch.linalg.solve(C, B), rtol=1e-7, atol=1e-9)
    chosen = pk.curvature(stack, theta, "gauss-newton").damping
    monkeypatch.setattr(curvatures, "DENSE", 1)
    assert pk.curvature(stack, theta, "gauss-newton").damping == pytest.approx(chosen, rel=0.2)
    low = pk.curvature(stack, theta, "gauss-newton", 0.1)
    assert "rank" in low.kind and not low.notes
    C, J, *_ = dense(solution, False)
    C, rows = C + 0.1 * eye, J.T @ torch.randn(len(J), dtype=torch.float64)
    for right, most in [(rows, 1e-4), (b, 0.1)]:  # what is left out is below a tenth of the damping
        exact = torch.linalg.solve(C, right)
        assert float((low.solve(right) - exact).norm()) < most * float(exact.norm())


def test_primal_and_dual_agree_on_value_and_damping(burgers):
    few = replace(burgers, points=burgers.points.replace(pde=burgers.points["pde"].X[:20]))
    assert few.stack.rows < len(few.theta) < burgers.stack.rows + 1
    dual = pk.curvature(few.stack, few.theta, "gauss-newton")
    assert "dual" in dual.kind
    C, J, a, r = dense(few, False)
    from pinnkit.tools.damped_solve import path

    line = path(None, C, few.theta, a.sqrt() * r, False, J.T @ (a * r))
    assert line.choose() == pytest.approx(dual.damping, rel=0.5)
    b, x = J[0], pk.curvature(few.stack, few.theta, "gauss-newton", 1e-6).solve(J[0])
    assert float((C @ x + 1e-6 * x - b).norm()) < 1e-6 * float(b.norm())


def test_an_indefinite_hessian_is_damped_until_a_minimum_exists_and_reported():
    untrained = pk.solve(
        pk.problem("burgers"), pk.MLP(2, 6, 6, 1), {"pde": 40}, stages=[pk.Adam(1)], resample=None, progress=False
    )
    lowest = float(torch.linalg.eigvalsh(dense(untrained)[0]).min())
    assert lowest < -1e-4
    for kind in ("explicit", "exact"):
        found = pk.curvature(untrained.stack, untrained.theta, kind, 1e-9)
        assert found.damping > -lowest and any("indefinite" in note for note in found.notes)


def test_curvature_refuses_with_a_sentence(burgers):
    with pytest.raises(ValueError, match="choose one of auto"):
        pk.curvature(burgers.stack, burgers.theta, "kfac")
    with pytest.raises(ValueError, match="positive number"):
        pk.curvature(burgers.stack, burgers.theta, damping=-1.0)
    with pytest.raises(ValueError, match="not finite"):
        pk.curvature(burgers.stack, burgers.theta * torch.nan)


# ---------------------------------------------------------------------------------------------- attribution


def removed(solution, chosen, C, J, a, r, damping):
    """The quadratic model's parameters without some rows, densely: removing rows and their curvature."""
    keep = torch.ones(len(r), dtype=torch.bool)
    keep[chosen] = False
    lost = (J * a[:, None])[~keep]
    H = C - lost.T @ J[~keep] + damping * torch.eye(len(C), dtype=C.dtype)
    return torch.linalg.solve(H, lost.T @ r[~keep])


def test_removals_are_those_of_the_quadratic_model(solution):
    fs = functionals(solution)
    influence = pk.Influence(solution, "gauss-newton", DAMPING)
    found = influence.attribute(fs)
    C, J, a, r = dense(solution, False)
    one = Several(tuple(fs))
    (_, F), curve = one.linearise(solution), one.curve(solution)
    numbers = torch.arange(len(r))
    for term, rows in solution.stack.by_term(numbers).items():
        for i in (0, len(rows) - 1):
            d = removed(solution, rows[i : i + 1], C, J, a, r, DAMPING)
            expected = F @ d + curve(d[:, None])[:, 0]
            torch.testing.assert_close(found.effects[term][:, i], expected, rtol=1e-6, atol=1e-10)
    for key, rows in solution.stack.by_key(numbers[None]).items():
        d = removed(solution, rows[0, :, 3], C, J, a, r, DAMPING)
        expected = F @ d + curve(d[:, None])[:, 0]
        torch.testing.assert_close(found.joint[key][:, 3], expected, rtol=1e-6, atol=1e-10)
        group = influence.remove(fs, [{key: torch.tensor([3])}, {key: torch.tensor([0, 1, 2])}])
        torch.testing.assert_close(group[:, 0], expected, rtol=1e-6, atol=1e-10)
        d = removed(solution, rows[0][:, [0, 1, 2]].reshape(-1), C, J, a, r, DAMPING)
        expected = F @ d + curve(d[:, None])[:, 0]
        torch.testing.assert_close(group[:, 1], expected, rtol=1e-6, atol=1e-10)


def test_losses_and_errors_change_with_the_square_of_the_parameters():
    """Of a linear equation and a model that is linear in its parameters: exactly."""
    problem = pk.problem("diffusion")
    base = pk.Model(problem, pk.MLP(2, 5, 1), hard=False)
    model = pk.Model(problem, pk.Linearised(base.network, base.initial(0)), hard=False)
    solution = pk.Solution(model, 0.1 * base.initial(1), pk.sample(problem, 50))
    d = 0.3 * torch.randn(model.count, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    parts = [pk.Loss(), pk.at("u", x=0.1, t=0.2), pk.test_loss(problem, 60, term="pde"), pk.Error()]
    one = Several(tuple(parts))
    value, gradient = one.linearise(solution)
    moved = [one.linearise(replace(solution, theta=solution.theta + v))[0] - value for v in d.T]
    found = gradient @ d + one.curve(solution)(d)
    torch.testing.assert_close(found, torch.stack(moved, 1), rtol=1e-9, atol=1e-12)
    assert Several((parts[1], parts[1])).curve(solution) is None


def test_without_correction_the_effects_add_up(solution):
    influence, fs = pk.Influence(solution, "gauss-newton", DAMPING), functionals(solution)
    found = influence.attribute(fs, correct=False)
    C, J, a, r = dense(solution, False)
    _, F = Several(tuple(fs)).linearise(solution)
    step = F @ torch.linalg.solve(C + DAMPING * torch.eye(len(C), dtype=C.dtype), J.T @ (a * r))
    torch.testing.assert_close(sum(e.sum(1) for e in found.effects.values()), step, rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(sum(e.sum(1) for e in found.joint.values()), step, rtol=1e-8, atol=1e-12)


def test_the_mean_convention_is_a_reweighting(burgers):
    """Removing under "mean" = removing under "fixed", then all others' weights times N / (N - 1), to first order."""
    influence, f = pk.Influence(burgers, "gauss-newton", DAMPING), pk.at("u", x=0.2, t=0.5)
    plain = influence.attribute(f, correct=False)
    mean = influence.attribute(f, correct=False, convention="mean")
    for term, e in plain.effects.items():
        N = e.shape[1]
        torch.testing.assert_close(mean.effects[term], e - (e.sum(1, keepdim=True) - e) / (N - 1))
    for one in (f, pk.Loss()):
        together = influence.remove(one, [{"pde": torch.tensor([3])}], convention="mean")
        torch.testing.assert_close(together[:, 0], influence.attribute(one, convention="mean").joint["pde"][:, 3])


def test_adding_undoes_removing(solution):
    """A copy of a point that is added, or the model without it to which it is added: the same quadratic model."""
    influence, fs = pk.Influence(solution, "gauss-newton", DAMPING), functionals(solution)
    C, J, a, r = dense(solution, False)
    _, F = Several(tuple(fs)).linearise(solution)
    for key in solution.stack.readouts:
        rows = solution.stack.by_key(torch.arange(len(r))[None])[key][0, :, 2]
        H = C + (J[rows] * a[rows, None]).T @ J[rows] + DAMPING * torch.eye(len(C), dtype=C.dtype)
        expected = -F @ torch.linalg.solve(H, (J[rows] * a[rows, None]).T @ r[rows])
        found = influence.add(fs, key, solution.points[key][2:3])
        torch.testing.assert_close(found[:, 0], expected, rtol=1e-6, atol=1e-10)
        same = influence.replace(fs, key, torch.tensor([2]), solution.points[key][2:3])
        assert float(same.abs().max()) < 1e-10


def test_replacing_is_removing_and_adding(solution):
    influence, fs = pk.Influence(solution, "gauss-newton", DAMPING), functionals(solution)
    C, J, a, r = dense(solution, False)
    _, F = Several(tuple(fs)).linearise(solution)
    new = solution.problem.sample("pde", 3, seed=5)
    found = influence.replace(fs, "pde", torch.tensor([0, 1, 2]), new)
    rows = solution.stack.by_key(torch.arange(len(r))[None])["pde"][0, :, 1]
    sub = solution.model.rows({"pde": new[1:2]})
    J1, r1, a1 = sub.jacobian(solution.theta), sub.values(solution.theta), a[rows]
    H = C - (J[rows] * a1[:, None]).T @ J[rows] + (J1 * a1[:, None]).T @ J1 + DAMPING * torch.eye(len(C), dtype=C.dtype)
    expected = F @ torch.linalg.solve(H, (J[rows] * a1[:, None]).T @ r[rows] - (J1 * a1[:, None]).T @ r1)
    torch.testing.assert_close(found[:, 1], expected, rtol=1e-6, atol=1e-10)


def test_many_functionals_and_one_agree_on_candidates(solution):
    influence, fs = pk.Influence(solution, "gauss-newton", DAMPING), functionals(solution)
    X = solution.problem.sample("pde", 700, seed=5)
    many = influence.add([*fs, *fs, *fs], "pde", X, correct=False)  # enough for rows and one product
    for f, row in zip(fs[1:], many[2:], strict=False):
        torch.testing.assert_close(influence.add(f, "pde", X, correct=False)[0], row, rtol=1e-9, atol=1e-14)
    best, where = influence.rank(fs[1], "pde", (X[k : k + 100] for k in range(0, 700, 100)), top=20)
    order = many[2].abs().topk(20)
    torch.testing.assert_close(best.abs(), order.values)
    torch.testing.assert_close(where.X, X.X[order.indices])


def test_moving_is_the_limit_of_replacing(solution):
    influence, fs = pk.Influence(solution, "gauss-newton", DAMPING), functionals(solution)[:4]
    moved, rows, step = influence.move(fs, "pde"), torch.arange(5), 1e-6
    for i in range(2):
        shift = torch.zeros(2, dtype=torch.float64)
        shift[i] = step
        up, down = (influence.replace(fs, "pde", rows, solution.points["pde"].X[:5] + s * shift) for s in (1, -1))
        torch.testing.assert_close(moved[:, :5, i], (up - down) / (2 * step), rtol=1e-4, atol=1e-8)


def test_rows_in_hand_survive_other_work_on_the_same_stack(system):
    stack, theta = system.stack, system.theta
    J = stack.jacobian(theta)
    for numbers, r, block in stack.jacobian_blocks(theta):
        stack.loss_and_gradient(2 * theta)
        torch.testing.assert_close(block, J[numbers], rtol=0, atol=0)
        torch.testing.assert_close(r, stack.values(theta)[numbers])


def test_leverage_counts_the_parameters(solution):
    influence = pk.Influence(solution, "gauss-newton", DAMPING)
    total = sum(float(h.sum()) for h in influence.leverage.values())
    assert total == pytest.approx(influence.curvature.freedom, rel=1e-8)
    for name, own in influence.self_influence().items():
        h, term = influence.leverage[name], pk.Loss(term=name)
        assert (own >= 0).all() and (h <= 1).all() and own.shape == h.shape
        assert term.names == (f"{name} loss",)


def test_self_influence_is_the_growth_of_the_point_s_own_loss(burgers):
    influence = pk.Influence(burgers, "gauss-newton", DAMPING)
    own, i = influence.self_influence()["u initial"], 4
    point = burgers.points["initial"][i : i + 1]
    residual = next(r for r in burgers.problem.residuals if r.name == "u initial")
    rows = rows_of(burgers, residual.expression.subs(burgers.problem.values()), point)
    a = burgers.weights.get("u initial", 1.0) / len(burgers.points["initial"])

    class Own:
        names = ("own",)

        def linearise(self, solution):
            r = rows.values(solution.theta)
            return a * r**2, (2 * a * r)[:, None] * rows.jacobian(solution.theta)

    effect = influence.attribute(Own()).effects["u initial"][0, i]
    assert float(effect) == pytest.approx(float(own[i]), rel=1e-6)


def test_stationarity_tells_a_trained_model_from_an_untrained_one(burgers):
    untrained = replace(burgers, theta=burgers.model.initial(3))
    far = pk.Influence(untrained, "gauss-newton", DAMPING).stationarity
    near = pk.Influence(burgers, "gauss-newton", DAMPING).stationarity
    assert far.gain > 10 * near.gain and "not at a minimum" in far.reading
    converged = pk.solve(stages=[pk.SSBroyden(300)], start=burgers, resample=None, progress=False)
    assert "is at a minimum" in pk.Influence(converged, "gauss-newton", 1.0).stationarity.reading


def test_influence_refuses_with_a_sentence(burgers):
    influence = pk.Influence(burgers, "gauss-newton", DAMPING)
    f = pk.at("u", x=0.1, t=0.1)
    with pytest.raises(ValueError, match="choose one of fixed, mean"):
        influence.attribute(f, convention="sum")
    with pytest.raises(ValueError, match="no point set 'inside'"):
        influence.add(f, "inside", torch.zeros(2, 2))
    with pytest.raises(ValueError, match="cannot be moved"):
        influence.move(f, "x")
    with pytest.raises(ValueError, match="one candidate"):
        influence.replace(f, "pde", torch.tensor([1, 2]), torch.zeros(1, 2, dtype=torch.float64))
    with pytest.raises(ValueError, match="ranked by one"):
        influence.rank(pk.at("u", x=[0.1, 0.2], t=0.1), "pde", [])
    with pytest.raises(ValueError, match="no candidates"):
        influence.rank(f, "pde", [])


def test_the_strongest_points_are_named(burgers):
    found = pk.Influence(burgers, "gauss-newton", DAMPING).attribute(pk.at("u", x=0.2, t=0.5))
    (key, i, x, effect), *_ = found.strongest(3)
    assert abs(effect) == max(float(e.abs().max()) for e in found.joint.values())
    assert x == tuple(burgers.points[key].X[i].tolist()) and found.terms == burgers.stack.terms


# ------------------------------------------------------------------------------------------------ any model


def test_a_user_s_own_module_has_the_same_influence_as_the_built_in_network(burgers):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.ModuleList(torch.nn.Linear(a, b) for a, b in [(2, 6), (6, 6), (6, 1)])

        def forward(self, x):
            for layer in self.layers[:-1]:
                x = torch.tanh(layer(x))
            return self.layers[-1](x)

    module = Net().double()
    model = pk.Model(burgers.problem, pk.Module(module), hard=False)
    own = pk.Solution(model, model.initial(0), burgers.points)
    f = pk.at("u", x=0.2, t=0.5)
    found = pk.Influence(own, "gauss-newton", DAMPING).attribute(f)
    C, J, a, r = dense(own, False)
    _, F = f.linearise(own)
    rows = own.stack.by_term(torch.arange(len(r)))["u initial"]
    expected = F @ removed(own, rows[3:4], C, J, a, r, DAMPING)
    torch.testing.assert_close(found.effects["u initial"][:, 3], expected, rtol=1e-6, atol=1e-10)


def test_results_follow_the_dtype(burgers):
    single = replace(burgers, theta=burgers.theta.float(), points=burgers.points.to(torch.float32))
    single = pk.Solution(single.model, single.theta, single.points)
    found = pk.Influence(single, "gauss-newton", 1e-2).attribute(pk.at("u", x=0.2, t=0.5))
    double = pk.Influence(burgers, "gauss-newton", 1e-2).attribute(pk.at("u", x=0.2, t=0.5))
    assert found.joint["pde"].dtype == torch.float32
    scale = float(double.joint["pde"].abs().max())
    torch.testing.assert_close(found.joint["pde"].double(), double.joint["pde"], rtol=1e-2, atol=1e-2 * scale)


def test_the_methods_to_compare_with_are_named_options(burgers):
    from pinnkit.influence.pinnfluence import published_scores

    f = pk.at("u", x=0.2, t=0.5)
    found = pk.Influence(burgers, "published").attribute(f)
    X = torch.tensor([[0.2, 0.5]], dtype=torch.float64)
    scores = published_scores(burgers, X, of="u")
    torch.testing.assert_close(torch.cat(list(found.joint.values()), 1), scores)
    assert "Arnoldi" in found.curvature
    plain = pk.Influence(burgers, "gradient-dot").attribute(f)
    C, J, a, r = dense(burgers, False)
    _, F = f.linearise(burgers)
    torch.testing.assert_close(torch.cat(list(plain.effects.values()), 1)[0], 2 * r * (J @ F[0]))
