"""Time windows: the end of one is the beginning of the next, in value and derivatives; files; what is refused."""

import numpy as np
import pytest
import sympy as sp
import torch
from scipy.integrate import solve_ivp

import pinnkit as pk
import problems
from pinnkit import plot
from pinnkit.model.march import continued, window
from pinnkit.statement.symbolic.torch_program import Program

QUIET = {"progress": False, "validation": 50, "resample": None}
SHORT = QUIET | {"stages": [pk.Adam(60, lr=5e-3), pk.SSBroyden(60)]}
NET = pk.MLP(2, 10, 10, 1)


@pytest.fixture(scope="module")
def marched():
    return pk.march(problems.diffusion(), 3, NET, 150, **SHORT)


def test_the_whole_time_is_solved(marched):
    assert marched.edges == pytest.approx((0, 1 / 3, 2 / 3, 1))
    assert marched.errors()["u"]["relative_l2"] < 2e-3
    X = marched.problem.sample("pde", 40).X
    u, u_xx = marched.jet(X, "u u_xx")
    assert torch.allclose(u, marched(X)[:, 0], rtol=1e-12) and u_xx.shape == (40,)
    last = X[X[:, 1] > 2 / 3]
    assert torch.allclose(marched(last), marched.windows[2](last), rtol=1e-12)


def test_each_window_starts_where_the_last_one_ends(marched):
    x = torch.linspace(-1, 1, 30, dtype=torch.float64)
    for t, before, after in zip(marched.edges[1:], marched.windows, marched.windows[1:], strict=False):
        X = torch.stack([x, torch.full_like(x, t)], 1)
        for name in ("u", "u_x", "u_xx"):
            a, b = before.jet(X, name), after.jet(X, name)
            assert (a - b).abs().max() < 1e-12 * a.abs().max(), (t, name)


def test_a_continued_field_has_the_networks_derivatives(marched):
    solution = marched.windows[0]
    (x, _), u = marched.problem.variables, marched.problem.fields[0]
    x7 = torch.linspace(-0.9, 0.8, 7, dtype=torch.float64)
    X = torch.stack([x7, torch.full_like(x7, 0.3)], 1)
    e = sp.sin(x) * continued(solution, u, 0.3)
    second, mixed = Program([e.diff(x, 2), e.diff(x) ** 2], [x])({x: X[:, 0]})
    v, v_x, v_xx = solution.jet(X, "u u_x u_xx")
    sin, cos = X[:, 0].sin(), X[:, 0].cos()
    assert torch.allclose(second, sin * v_xx + 2 * cos * v_x - sin * v, rtol=1e-12, atol=1e-14)
    assert torch.allclose(mixed, (sin * v_x + cos * v) ** 2, rtol=1e-12, atol=1e-14)


def test_a_system_in_time_alone_hands_over_numbers():
    (t,) = pk.coordinates("t")
    S, E, I, R = fields = [pk.field(name, t) for name in "SEIR"]  # noqa: E741
    b, s, g = 0.4, 1 / 5.2, 0.1  # an epidemic: meetings, incubation, recovery, a day
    equations = {
        "s": S.diff(t) + b * S * I, "e": E.diff(t) - b * S * I + s * E,
        "i": I.diff(t) - s * E + g * I, "r": R.diff(t) - g * I,
    }  # fmt: skip
    first = (0.99, 0.0, 0.01, 0.0)
    start = [pk.Initial(f, v) for f, v in zip(fields, first, strict=True)]
    problem = pk.Problem("seir", fields, equations, pk.Box(t=(0, 40)), start)
    found = pk.march(problem, 4, pk.MLP(1, 10, 10, 4), 60, **QUIET | {"stages": [pk.LevenbergMarquardt(60)]})

    def rates(_: float, u: np.ndarray) -> list[float]:
        return [-b * u[0] * u[2], b * u[0] * u[2] - s * u[1], s * u[1] - g * u[2], g * u[2]]

    times = np.linspace(0, 40, 33)
    truth = solve_ivp(rates, (0, 40), first, t_eval=times, rtol=1e-11, atol=1e-13).y.T
    assert np.abs(found(torch.as_tensor(times[:, None])).numpy() - truth).max() < 1e-4
    for before, after in zip(found.windows, found.windows[1:], strict=False):
        at = torch.tensor([[after.problem.domain.lower[0]]]).double()
        assert [float(c.value) for c in after.problem.conditions] == before(at)[0].tolist()


def test_a_march_is_shown_in_a_line_and_drawn(marched):
    assert len(repr(marched)) < 200 and "diffusion: 3 windows" in repr(marched)
    assert repr(marched.windows[0]) == "Solution(diffusion, MLP, 151 parameters)"
    assert len(marched.points["pde"]) == 3 * len(marched.windows[0].points["pde"])
    assert marched.stops[0] == "3 windows, t = 0 to 1"
    assert marched.history["iteration"][-1] == 360 and marched.progress.done
    figures = plot.figures(marched)
    assert {"summary", "solution", "error", "points", "history"} <= set(figures)
    values = plot.plot_field(marched).collections[0].get_array()
    u = marched.on_grid()[1]
    assert abs(float(np.max(values)) - float(u.max())) < 1e-2


@pytest.mark.parametrize("small", [False, True])
def test_a_march_in_a_file(marched, tmp_path, small):
    path = pk.save(marched, tmp_path / "march.h5", small=small)
    read = pk.load(path)
    assert isinstance(read, pk.March) and read.edges == marched.edges and read.problem.name == "diffusion"
    X = marched.problem.sample("pde", 50).X
    assert torch.equal(read.evaluate(list(read.problem.fields), X), marched(X))
    assert torch.equal(read.jet(X, "u_xx"), marched.jet(X, "u_xx"))
    assert (read.progress is None) == small
    with pytest.raises(ValueError, match="holds no solution of this problem"):
        pk.load(path, pk.problem("heat"))


def test_a_march_has_windows(marched):
    with pytest.raises(ValueError, match="at least one"):
        pk.March(marched.problem, ())


def test_a_march_in_a_file_states_its_ordinary_equation(tmp_path):
    (t,) = pk.coordinates("t")
    y = pk.field("y", t)
    problem = pk.Problem("decay", y, y.diff(t) + y, pk.Box(t=(0, 2)), [pk.Initial(y, 1)])
    found = pk.march(problem, 2, pk.MLP(1, 6, 1), 30, **QUIET | {"stages": [pk.LevenbergMarquardt(20)]})
    read = pk.load(pk.save(found, tmp_path / "march.h5"))
    X = torch.linspace(0, 2, 9, dtype=torch.float64)[:, None]
    assert torch.equal(read(X), found(X)) and abs(float(read(X)[-1, 0]) - np.exp(-2)) < 1e-3


def test_one_window_is_a_plain_solution():
    one = pk.march(problems.diffusion(), 1, NET, 60, seed=4, **SHORT)
    plain = pk.solve(problems.diffusion(), NET, 60, seed=4, **SHORT)
    assert torch.equal(one.windows[0].theta, plain.theta)


def test_windows_in_files(tmp_path):
    settings = QUIET | {"stages": [pk.Adam(15)]}
    whole = pk.march(problems.diffusion(), [0, 0.4, 1], NET, 40, folder=tmp_path / "whole", **settings)
    again = pk.march(problems.diffusion(), [0, 0.4, 1], NET, 40, folder=tmp_path / "whole", **settings)
    assert [s.theta.tolist() for s in again.windows] == [s.theta.tolist() for s in whole.windows]
    cut = pk.march(problems.diffusion(), [0, 0.4, 1], NET, 40, folder=tmp_path / "cut", time_limit=0.0, **settings)
    assert len(cut.windows) == 1 and cut.edges == (0, 0.4)


def test_observations_belong_to_their_window():
    problem = problems.taylor_green()
    parts = [window(problem, 0, 0.5), window(problem, 0.5, 1)]
    counts = [len(p.sample("gauge", 1)) for p in parts]
    assert sum(counts) == 64 and min(counts) > 20
    assert max(parts[0].verify().values()) < 1e-13


@pytest.mark.parametrize(("call", "says"), [
    (lambda: pk.march(problems.kovasznay()), "need a pinnkit.Box with time"),
    (lambda: pk.march(problems.heat_inverse()), "the unknown D belongs to the whole time"),
    (lambda: pk.march(problems.diffusion(), 0), "windows is 0: expected a whole number of at least 1"),
    (lambda: pk.march(problems.diffusion(), [0, 0.7, 0.5, 1]), "times that rise from 0 to 1"),
])  # fmt: skip
def test_what_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
