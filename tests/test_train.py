"""solve(): seeds, values that go in and come out, history, notes, interrupts, inverse problems."""

import pytest
import torch

import pinnkit as pk

SHORT = [pk.Adam(20, lr=1e-2), pk.SSBroyden(20)]
NET = pk.MLP(2, 8, 8, 1)


def short(**settings):
    given = {"stages": SHORT, "resample": None, "progress": False, "validation": 100, "log_every": 5, **settings}
    return pk.solve(pk.problem("burgers"), NET, {"pde": 80}, **given)


def test_seeds_reproduce_bit_for_bit():
    a, b, c = short(seed=1), short(seed=1), short(seed=2)
    assert torch.equal(a.theta, b.theta) and not torch.equal(a.theta, c.theta)


def test_a_start_is_not_changed_and_its_inverse_hessian_is_kept():
    first = short()
    theta, H = first.theta.clone(), first.progress.state["H"].clone()
    second = pk.solve(stages=[pk.SSBroyden(15)], start=first, progress=False)
    again = pk.solve(stages=[pk.SSBroyden(15)], start=first, progress=False)
    assert torch.equal(first.theta, theta) and torch.equal(first.progress.state["H"], H)
    assert torch.equal(second.theta, again.theta)
    assert second.progress.state["steps"] > first.progress.state["steps"]
    fresh = pk.solve(stages=[pk.LBFGS(3)], start=first, progress=False)
    assert "H" not in fresh.progress.state


def test_history():
    solution = short()
    history = solution.history
    wanted = {"iteration", "stage", "round", "wall_s", "cpu_s", "loss", "validation", "train:pde", "error:u"}
    assert wanted <= set(history.columns)
    assert list(history["iteration"]) == sorted(history["iteration"]) and history["iteration"][-1] == 40
    assert history["loss"][-1] < history["loss"][0]
    assert len(solution.stops) == 2 and all("iterations done" in s for s in solution.stops)


def test_validation_points_are_fixed_and_never_trained_on():
    from pinnkit.train import validation_points

    solution = short()
    a, b = (validation_points(solution.model, solution.progress.plan, solution.theta) for _ in range(2))
    assert torch.equal(a["pde"].X, b["pde"].X)
    assert torch.cdist(a["pde"].X, solution.points["pde"].X).min() > 0


def test_a_model_that_fits_its_points_and_not_the_equation_is_pointed_out():
    few = pk.solve(
        pk.problem("burgers"), NET, {"pde": 8}, stages=[pk.Adam(100, lr=1e-2), pk.SSBroyden(200)], resample=None,
        progress=False,
    )  # fmt: skip
    assert any("fits points, not the equation" in note for note in few.notes)
    assert not short().notes


def test_an_interrupt_leaves_a_run_that_can_be_resumed():
    class Stop:
        seen = 0

        def __call__(self, solution):
            self.seen += 1
            if self.seen == 3:
                raise KeyboardInterrupt

    cut = short(observe=Stop())
    assert not cut.progress.done and "interrupted" in cut.stops[-1]
    assert torch.equal(pk.resume(cut, progress=False).theta, short().theta)


def test_a_time_limit_is_a_reason_to_stop():
    solution = short(time_limit=0.0)
    assert any("time limit" in s for s in solution.stops)


def test_a_loss_that_is_not_finite_names_the_term_and_keeps_the_last_good_parameters():
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    calls = []

    def source(x, t, u):
        calls.append(1)
        return torch.where(u.abs() > 1e300, u, torch.full_like(u, float("nan"))) if len(calls) > 12 else 0 * u

    q = pk.function(source, "q")
    problem = pk.Problem(
        "broken", u, {"balance": u.diff(t) - u.diff(x, 2) + q(x, t, u)}, pk.Box(x=(0, 1), t=(0, 1)),
        [pk.Initial(u, x * (1 - x)), pk.Dirichlet(u, 0, on="x")],
    )  # fmt: skip
    solution = pk.solve(
        problem, NET, {"pde": 20}, stages=[pk.Adam(50)], resample=None, progress=False, log_every=1000, validation=20
    )
    assert torch.isfinite(solution.theta).all()
    assert "not finite" in solution.stops[-1] and "iteration" in solution.stops[-1]


def test_weights_by_name_change_the_loss():
    a = pk.solve(
        pk.problem("burgers"), NET, {"pde": 80}, hard=False, stages=[pk.Adam(1)], resample=None, progress=False
    )
    b = a.model.stack(a.points, {"u initial": 10.0})
    plain, heavy = a.stack.losses(a.theta), b.losses(a.theta)
    at = a.stack.terms.index("u initial")
    torch.testing.assert_close(heavy[at], 10 * plain[at])
    with pytest.raises(ValueError, match="weights are given for"):
        a.model.stack(a.points, {"nothing": 1.0})


def test_float32_follows_through():
    solution = short(dtype=torch.float32)
    assert solution.theta.dtype == torch.float32 and solution.points["pde"].X.dtype == torch.float32
    assert solution.history["loss"][-1] < solution.history["loss"][0]


def test_solve_says_what_is_missing():
    with pytest.raises(TypeError, match="needs a problem"):
        pk.solve()
    with pytest.raises(ValueError, match="no point set"):
        pk.solve(pk.problem("burgers"), NET, {"inside": 10}, progress=False)


def test_an_unknown_coefficient_is_recovered():
    problem = pk.problem("heat_inverse")
    solution = pk.solve(
        problem, pk.MLP(2, 12, 12, 1), stages=[pk.Adam(200, lr=5e-3), pk.SSBroyden(300)], resample=None, progress=False
    )
    (value,) = solution.unknowns.values()
    assert abs(value - 0.3) < 3e-3
