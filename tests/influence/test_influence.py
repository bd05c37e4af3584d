"""Influences against dense references, finite differences and small retrainings."""

from dataclasses import replace

import pytest
import torch
from trained import dense, functionals

import pinnkit as pk
from pinnkit.model.quantity.base import Several, rows_of

DAMPING = 1e-3


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
    for key in solution.stack.programs:
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
    assert total == pytest.approx(influence.curvature.effective_parameters, rel=1e-8)
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
    from published_scores import published_scores

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
