"""Training again without points against closed forms, and the validation that is built on it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
import torch
from torch import Tensor, nn

import pinnkit as pk
from pinnkit.cli import main
from pinnkit.influence import corrupted_data as P
from pinnkit.influence import removed_groups
from pinnkit.influence import validation as V
from pinnkit.influence.leave_out import validate
from pinnkit.influence.retrain import Proximal, minimise, retrain, steihaug, without
from pinnkit.tools import hdf5

DAMPING = 1e-2


def rod(**more: object) -> pk.Problem:
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    u_t, u_xx = pk.derivatives(u, "t", "xx")
    conditions = [pk.Initial(u, sp.sin(sp.pi * x)), pk.Dirichlet(u, 0, on="x")]
    return pk.Problem("rod", u, u_t - u_xx / 10, pk.Box(x=(-1, 1), t=(0, 1)), conditions, **more)


class Linear:
    """A model that is linear in its parameters, trained by a ridge fit with the loss's own weights."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        features = nn.Sequential(nn.Linear(2, 20), nn.Tanh(), nn.Linear(20, 1)).double()
        for p in features[0].parameters():
            p.requires_grad_(False)
        self.model = pk.Model(rod(), pk.Module(features), hard=False)
        points = pk.sample(self.model.problem, {"pde": 60, "initial": 20, "x": 20}, seed=0)
        stack = self.model.stack(points)
        self.zero = torch.zeros(self.model.count, dtype=torch.float64)
        self.J, self.r, self.a = stack.jacobian(self.zero), stack.values(self.zero), stack.row_weights
        self.solution = pk.Solution(self.model, self.ridge(self.J, self.r, self.a), points)
        self.functional = pk.Field("u", self.model.problem.domain.sample(6, seed=1))
        self.influence = pk.Influence(self.solution, "explicit", DAMPING)

    def ridge(self, J: Tensor, r: Tensor, a: Tensor) -> Tensor:
        """argmin sum a (r + J theta)^2 + damping |theta|^2, by QR."""
        rows = torch.cat([a.sqrt()[:, None] * J, DAMPING**0.5 * torch.eye(J.shape[1]).double()])
        target = torch.cat([-a.sqrt() * r, torch.zeros(J.shape[1]).double()])
        Q, R = torch.linalg.qr(rows)
        return torch.linalg.solve_triangular(R, (Q.T @ target)[:, None], upper=True)[:, 0]

    def change(self, J: Tensor, r: Tensor, a: Tensor) -> Tensor:
        """By how much the functionals differ from the solution's for the ridge fit of other rows."""
        other = replace(self.solution, theta=self.ridge(J, r, a))
        return self.functional.linearise(other)[0] - self.functional.linearise(self.solution)[0]

    def removed(self, group: dict[str, list[int]]) -> Tensor:
        """The change when points leave the data."""
        a = self.a.clone()
        for key, numbers in group.items():
            self.solution.stack.rows_of(key, a)[:, numbers] = 0
        return self.change(self.J, self.r, a)

    def rows(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """J and r(0) at interior points."""
        stack = self.model.rows({"pde": pk.PointSet(points)})
        return stack.jacobian(self.zero), stack.values(self.zero)


@pytest.fixture(scope="module")
def linear() -> Linear:
    return Linear()


def close(found: Tensor, truth: Tensor) -> bool:
    return bool((found - truth).norm() <= 1e-10 * truth.norm())


def test_linear_model_removing_one_point(linear: Linear) -> None:
    effects = linear.influence.attribute(linear.functional)
    for key, i in (("pde", 0), ("pde", 41), ("initial", 3), ("x", 17)):
        assert close(effects.joint[key][:, i], linear.removed({key: [i]}))


def test_linear_model_removing_groups(linear: Linear) -> None:
    groups = [{"pde": [1, 5, 30]}, {"initial": list(range(10)), "x": [2, 4], "pde": [7]}]
    found = linear.influence.remove(linear.functional, [{k: torch.tensor(v) for k, v in g.items()} for g in groups])
    for j, group in enumerate(groups):
        assert close(found[:, j], linear.removed(group))


def test_linear_model_adding_and_replacing(linear: Linear) -> None:
    candidates = linear.model.problem.domain.sample(4, seed=5)
    added = linear.influence.add(linear.functional, "pde", candidates)
    swapped = linear.influence.replace(linear.functional, "pde", torch.tensor([3, 9, 20, 58]), candidates)
    for j, old in enumerate([3, 9, 20, 58]):
        J, r = linear.rows(candidates[j : j + 1])
        one = torch.full((1,), 1 / 60, dtype=torch.float64)
        parts = torch.cat([linear.J, J]), torch.cat([linear.r, r])
        assert close(added[:, j], linear.change(*parts, torch.cat([linear.a, one])))
        less = linear.a.clone()
        linear.solution.stack.rows_of("pde", less)[:, old] = 0
        assert close(swapped[:, j], linear.change(*parts, torch.cat([less, one])))


def test_linear_model_trained_again(linear: Linear) -> None:
    before = linear.functional.linearise(linear.solution)[0]
    for group in ({"pde": [11]}, {"pde": [1, 2, 3], "initial": [0, 19]}):
        found = retrain(linear.solution, {k: torch.tensor(v) for k, v in group.items()}, DAMPING)
        moved = linear.functional.linearise(replace(linear.solution, theta=found.theta))[0] - before
        assert found.converged and close(moved, linear.removed(group))


def test_mean_convention_rescales_the_rest(linear: Linear) -> None:
    stack = without(linear.solution, {"pde": torch.tensor([4, 5])}, "mean")
    own = stack.rows_of("pde", stack.row_weights)[0]
    assert own[4] == own[5] == 0 and torch.allclose(own[6:], torch.full((54,), 1 / 58).double(), rtol=1e-14)
    assert torch.equal(stack.rows_of("x", stack.row_weights), linear.solution.stack.rows_of("x", linear.a))
    found = retrain(linear.solution, {"pde": torch.tensor([4, 5])}, DAMPING, convention="mean")
    a = linear.a.clone()
    linear.solution.stack.rows_of("pde", a)[:] = own
    truth = linear.change(linear.J, linear.r, a)
    moved = linear.functional.linearise(replace(linear.solution, theta=found.theta))[0]
    assert close(moved - linear.functional.linearise(linear.solution)[0], truth)


def test_wrong_removals(linear: Linear) -> None:
    for removed, convention, text in (
        ({"pde": torch.tensor([60])}, "fixed", "numbered 0 to 59"),
        ({"pde": torch.tensor([-1])}, "fixed", "numbered 0 to 59"),
        ({"face": torch.tensor([0])}, "fixed", "no point set 'face'"),
        ({"x": torch.arange(20)}, "mean", "no point of 'x' would be left"),
        ({"x": torch.arange(2)}, "average", "choose one of fixed, mean"),
    ):
        with pytest.raises(ValueError, match=text):
            without(linear.solution, removed, convention)
    with pytest.raises(ValueError, match="give a positive number"):
        retrain(linear.solution, {"x": torch.tensor([0])}, 0.0)


# --------------------------------------------------------------------------------------------- a network


@pytest.fixture(scope="module")
def small() -> pk.Solution:
    """Burgers' equation by a network of 81 parameters."""
    problem = pk.problem("burgers", nu=0.05)
    counts = {"pde": 120, "initial": 30, "x": 30}
    weights = {"u initial": 10.0, "u on x": 10.0}
    stages = [pk.Adam(200, lr=1e-2), pk.SSBroyden(400)]
    return pk.solve(problem, pk.MLP(2, 6, 6, 1), counts, stages=stages, resample=None, hard=False, weights=weights)


def test_training_again_does_not_depend_on_its_start(small: pk.Solution) -> None:
    damping = pk.Influence(small).curvature.damping
    group = {"pde": torch.arange(8), "x": torch.tensor([3])}
    found = retrain(small, group, damping)
    noise = 1e-3 * torch.randn(len(small.theta), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    other = retrain(small, group, damping, start=small.theta + noise, precondition=lambda v: v / damping)
    assert found.converged and other.converged
    moved = (found.theta - small.theta).norm()
    assert (found.theta - other.theta).norm() < 1e-6 * moved


def test_with_all_points_the_solution_is_the_minimum_trained_to_the_end_or_not(small: pk.Solution) -> None:
    early = replace(small, theta=small.theta + 0.01)
    found = retrain(early, {}, 1e-3)
    assert torch.equal(found.theta, early.theta) and found.steps == 0 and found.converged


def test_the_objective_and_its_derivatives(small: pk.Solution) -> None:
    noise = torch.Generator().manual_seed(1)
    v, w, tilt = (torch.randn(len(small.theta), generator=noise, dtype=torch.float64) for _ in range(3))
    q = Proximal(without(small, {"pde": torch.arange(3)}), small.theta, tilt, 0.1)
    theta, step, values = small.theta + 0.01 * w, 1e-4 * v, q.stack.values

    def change(s: Tensor) -> float:
        return q.change(theta, values(theta), s, values(theta + s))

    slope = float(2 * q.gradient(theta, values(theta)) @ step)
    assert (change(step) - change(-step)) / 2 == pytest.approx(slope, rel=1e-5)
    assert change(step) + change(-step) == pytest.approx(float(2 * step @ q.product(theta, step)), rel=1e-3)


def test_steihaug_reaches_the_minimum_or_the_edge() -> None:
    noise = torch.Generator().manual_seed(0)
    A = torch.randn(12, 12, generator=noise, dtype=torch.float64)
    C, g = A @ A.T + torch.eye(12), torch.randn(12, generator=noise, dtype=torch.float64)
    found = steihaug(lambda v: C @ v, g, lambda v: v, 1e-12, np.inf)
    truth = -torch.linalg.solve(C, g)
    assert torch.allclose(found.step, truth, rtol=1e-9)
    assert found.promise == pytest.approx(-float(g @ truth), rel=1e-9)
    scale = 1 + torch.arange(12).double()
    for shift in (0.0, 30.0):  # the second is indefinite
        matrix = C - shift * torch.eye(12)
        step = steihaug(lambda v, m=matrix: m @ v, g, lambda v: v / scale, 1e-12, 0.01)
        assert float(step.step @ (scale * step.step)) == pytest.approx(1e-4) and step.length == pytest.approx(0.01)
        truth = -float(2 * g @ step.step + step.step @ matrix @ step.step)
        assert truth > 0 and step.promise == pytest.approx(truth)


def test_minimise_leaves_a_saddle(small: pk.Solution) -> None:
    start = pk.Model(small.problem, small.network, False).initial(3)
    q = Proximal(small.stack, start, torch.zeros_like(start), 1e-4)
    found = minimise(q, start, steps=8)
    assert found.products > found.steps
    change = q.change(start, q.stack.values(start), found.theta - start, q.stack.values(found.theta))
    losses = q.stack.losses(start).sum(), q.stack.losses(found.theta).sum()
    moved = 1e-4 * (found.theta - start).square().sum()
    assert losses[1] < losses[0] and change == pytest.approx(float(losses[1] - losses[0] + moved), rel=1e-9)


def test_minimise_reports_that_it_has_not_converged(small: pk.Solution) -> None:
    start = pk.Model(small.problem, small.network, False).initial(3)
    found = minimise(Proximal(small.stack, start, torch.zeros_like(start), 1e-6), start, steps=2)
    assert not found.converged and found.reason == "not converged in 2 Newton steps"


# --------------------------------------------------------------------------------------------- validation


@pytest.fixture(scope="module")
def found(small: pk.Solution) -> V.Validation:
    return validate(small, points=9, groups=4, corruptions=2, progress=False)


def test_leave_one_out_of_a_network(found: V.Validation) -> None:
    single, random, cluster = found.trials
    default = "with leverage (default)"
    assert found.trainings == (17, 17) and single.actual.shape == (11, 9)
    assert single.correlation(default) > 0.95 and max(single.relative_errors(default)[:-1]) < 0.05  # but the loss's
    assert single.relative_error("without leverage") > 2 * single.relative_error(default)
    assert single.correlation("gradient-dot") < 0.9 and np.isnan(single.relative_error("gradient-dot"))
    assert random.correlation("group Newton (default)") > 0.9
    assert cluster.relative_error("group Newton (default)") < cluster.relative_error("sum of effects, without leverage")


def test_planted_wrong_data_are_found(found: V.Validation) -> None:
    assert found.corrupted.keys == ("initial", "x") and (found.corrupted.points, found.corrupted.among) == (3, 60)
    assert found.corrupted.auc["self-influence"] > 0.95


def test_figures_as_text_dict_and_file(found: V.Validation, tmp_path: Path) -> None:
    text = str(found)
    assert "17 converged, 0 did not" in text and "1 is the same order" in text and "(no scale)" in text
    assert found.to_dict()["trials"][found.trials[0].title]["gradient-dot"]["spearman"] < 0.9
    tree = hdf5.read(found.save(tmp_path / "v.h5"), pk.Validation.FORMAT, pk.Validation.VERSION)
    trial = tree["trials"][found.trials[1].title]
    assert torch.equal(trial["actual"], found.trials[1].actual)
    assert torch.equal(trial["removed"]["2"]["pde"], found.trials[1].removed[2]["pde"])
    assert tree["figures"]["corrupted"]["auc"]["self-influence"] == found.corrupted.auc["self-influence"]


def test_a_seed_fixes_all_figures(small: pk.Solution, found: V.Validation) -> None:
    same = validate(small, points=9, groups=0, corruptions=0, progress=False).trials[0]
    assert torch.equal(same.actual, found.trials[0].actual)
    assert all(torch.equal(p, found.trials[0].predicted[m]) for m, p in same.predicted.items())


def test_hard_constraints_have_wrong_sources() -> None:
    solution = pk.solve(
        pk.problem("burgers", nu=0.05), pk.MLP(2, 6, 6, 1), {"pde": 150}, hard=True, resample=None,
        stages=[pk.Adam(200, lr=1e-2), pk.SSBroyden(200)],
    )  # fmt: skip
    done = validate(solution, points=2, groups=0, corruptions=1, progress=False)
    assert done.corrupted.keys == ("pde",) and any("hold by construction" in note for note in done.notes)
    assert done.corrupted.auc["self-influence"] > 0.7


def test_planted_shifts_change_only_their_rows(small: pk.Solution) -> None:
    shift = torch.arange(30.0).double()
    bad = P.corrupt(small, {"x": shift})
    gap = small.stack.values(small.theta) - bad.stack.values(small.theta)
    assert torch.allclose(bad.stack.rows_of("x", gap)[0], shift) and float(gap.abs().sum()) == pytest.approx(435)


def test_wrong_data_alone(small: pk.Solution) -> None:
    done = validate(small, points=0, groups=0, corruptions=1, progress=False)
    assert done.trainings == (0, 0) and "not trained again" in str(done) and done.to_dict()["trials"] == {}


def test_counts_are_checked(small: pk.Solution) -> None:
    with pytest.raises(ValueError, match="expected a whole number"):
        validate(small, points=-1)
    with pytest.raises(ValueError, match="not all of them 0"):
        validate(small, points=0, groups=0, corruptions=0)


def test_what_no_machine_ends_and_what_no_preconditioner_gives_is_refused(small: pk.Solution) -> None:
    with pytest.raises(ValueError, match="a validation by 2000000000000 trainings would need"):
        validate(small, points=0, groups=10**12, corruptions=0)
    for wrong in (lambda v: float("nan"), lambda v: v[1:], lambda v: v * float("nan")):
        with pytest.raises(ValueError, match="precondition gave .*: expected as many finite numbers"):
            retrain(small, {"pde": torch.tensor([0])}, 0.1, precondition=wrong)


def test_changes_below_their_noise_are_not_ranked() -> None:
    actual = torch.tensor([[1.0, 2.0, 3.0, 4.0, 1e-13]])
    predicted = torch.tensor([[1.0, 2.0, 3.0, 4.0, 9.0]])
    noise = torch.full((1, 5), 1e-13)
    trial = V.Trial("", [{}] * 5, actual, noise, torch.ones(5, dtype=torch.bool), {"m": predicted}, ("m",))
    assert trial.correlation("m") == pytest.approx(1) and not trial.clear[0, 4]
    lost = replace(trial, converged=torch.tensor([True, True, False, True, True]))
    assert lost.relative_error("m") > 1 and not lost.clear[0, 2]


def test_auc_and_rank_correlation() -> None:
    assert P.auc(torch.tensor([torch.inf, torch.inf, 2.0]), torch.tensor([True, False, False])) == 0.75
    assert P.auc(torch.tensor([3.0, 1.0, 2.0, 2.0]), torch.tensor([True, False, False, True])) == 0.875
    assert V.spearman(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0, 30.0, 20.0])) == pytest.approx(0.5)
    assert V.spearman(torch.ones(3), torch.arange(3.0)) == 0.0


def test_groups_are_of_the_right_sizes(small: pk.Solution) -> None:
    rng = np.random.default_rng(0)
    assert [{k: len(v) for k, v in g.items()} for g in removed_groups.random_groups(small, 2, rng)] == [
        {"pde": 12, "initial": 3, "x": 3}
    ] * 2
    assert all(sum(map(len, g.values())) == 7 for g in removed_groups.clusters(small, 5, rng))
    singles = removed_groups.single_points(small, 10, rng)
    assert [next(iter(g)) for g in singles[:4]] == ["pde", "initial", "x", "pde"] and len(singles) == 10


def test_command(
    small: pk.Solution, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(*words: str) -> str:
        with pytest.raises(SystemExit) as left:
            main(["validate", "run.h5", "--groups", "0", *words])
        assert left.value.code == 0
        return "".join(capsys.readouterr())

    monkeypatch.chdir(tmp_path)
    pk.save(small, "run.h5")
    text = call("--points", "3", "--corruptions", "1", "--out", "new/v.h5")
    assert "with leverage (default)" in text and "AUC" in text and "in new/v.h5" in text
    assert hdf5.read("new/v.h5", pk.Validation.FORMAT, pk.Validation.VERSION)["figures"]["trainings"] == 3
    assert json.loads(call("--points", "2", "--corruptions", "0", "--json"))["converged"] == 2
