"""What torch follows through a solution: autograd, torch.func, traces, exports give the solution's derivatives."""

import pytest
import sympy as sp
import torch
from torch.func import hessian, jacfwd, jacrev, vmap

import pinnkit as pk

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.trace:DeprecationWarning")
STAGES = [pk.SSBroyden(5)]
BURGERS = pk.problem("burgers")


def trained(network, problem=BURGERS, **more):
    return pk.solve(problem, network, 50, stages=STAGES, progress=False, **more)


@pytest.fixture(scope="module")
def march():
    return pk.march(pk.problem("heat"), 3, pk.MLP(2, 6, 1), 30, stages=[pk.LevenbergMarquardt(5)], progress=False)


def module():
    layers = torch.nn.Sequential(torch.nn.Linear(2, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1))
    return layers.double()


def solutions():
    yield "tanh", trained(pk.MLP(2, 6, 6, 1))
    yield "gated, gelu", trained(pk.ModifiedMLP(2, 6, 6, 1, activation="gelu"))
    yield "waves, sin", trained(pk.MLP(2, 6, 1, activation="sin", features=pk.Fourier(3)))
    yield "formulas, silu", trained(pk.MLP(2, 6, 1, activation="silu", features=pk.LogDistance(("x_min",))))
    yield "harmonics", trained(pk.MLP(2, 6, 1, features=pk.Harmonics(("x",))))


class Least:
    """A network with what one must have alone."""

    def build(self, domain):
        tape = pk.MLP(2, 4, 1).build(domain)
        return type("Evaluated", (), {"count": tape.count, "run": staticmethod(tape.run)})()

    def initial(self, domain, seed, dtype=torch.float64):
        return pk.MLP(2, 4, 1).initial(domain, seed, dtype)


ALL = dict(solutions())


def places(solution, n=7, seed=3):
    return solution.problem.domain.sample(n, method="random", seed=seed)


def check_derivatives(solution, far=1e-10):
    X = places(solution)
    expected = solution.jet(X, "u u_x u_t u_xx u_xt")

    def u(x):
        return solution(x[None])[0, 0]

    found = vmap(jacrev(u))(X), vmap(jacfwd(u))(X), vmap(hessian(u))(X)
    Y = X.clone().requires_grad_()
    (slope,) = torch.autograd.grad(solution(Y).sum(), Y)
    size = 1 + max(float(e.abs().max()) for e in expected)
    for got, i in ((found[0][:, 0], 1), (found[1][:, 1], 2), (found[2][:, 0, 0], 3), (found[2][:, 0, 1], 4),
                   (slope[:, 1], 2), (vmap(u)(X), 0)):  # fmt: skip
        assert (got - expected[i]).abs().max() < far * size
    assert not solution(X).requires_grad


@pytest.mark.parametrize("name", ALL)
def test_autograd_and_torch_func_find_the_derivatives(name):
    check_derivatives(ALL[name])


def test_of_modules_marches_corrections_and_closed_forms(march):
    check_derivatives(trained(module()))
    check_derivatives(march)
    check_derivatives(pk.correct(trained(pk.MLP(2, 6, 6, 1), pk.problem("heat"))), 1e-8)
    check_derivatives(pk.solve_lie(pk.problem("heat")), 1e-8)


def test_across_a_jump_of_the_coefficient():
    x, t = pk.coordinates("x t")
    u = pk.field("u", x, t)
    k = sp.Piecewise((1, x < 0.5), (2, True))
    ends = [pk.Initial(u, x * (1 - x)), pk.Dirichlet(u, 0, on="x")]
    problem = pk.Problem("bar", u, u.diff(t) - pk.divergence(k, u), pk.Box(x=(0, 1), t=(0, 1)), ends)
    check_derivatives(trained(pk.MLP(2, 6, 1), problem))


@pytest.mark.parametrize("name", ALL)
def test_traces_and_exports_hold_for_any_number_of_points(name):
    solution, names = ALL[name], "u u_x u_xx"
    X, more = places(solution), places(solution, 20, 5)
    expected = torch.stack(solution.jet(more, names), 1)
    made = solution.module(names)
    traced = torch.jit.trace(made, (X,))
    exported = torch.export.export(made, (X,), dynamic_shapes=({0: torch.export.Dim("n")},)).module()
    for call in (made, traced, exported):
        assert (call(more) - expected).abs().max() < 1e-11 * (1 + expected.abs().max())


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_a_trace_of_the_solution_itself_is_right():
    solution = ALL["tanh"]
    X, more = places(solution), places(solution, 20, 5)
    traced = torch.jit.trace(lambda X: solution(X), (X,), check_trace=False)
    assert (traced(more) - solution(more)).abs().max() < 1e-12


def test_training_goes_on_as_before_after_an_export():
    solution = ALL["tanh"]
    before = solution(places(solution))
    torch.export.export(solution.module("u_xx"), (places(solution),))
    assert torch.equal(pk.resume(solution, progress=False).theta, solution.theta)
    assert torch.equal(solution(places(solution)), before)
    assert torch.equal(trained(pk.MLP(2, 6, 6, 1)).theta, solution.theta)


def test_what_torch_cannot_follow_is_refused_with_the_cure():
    own = trained(module())
    X = places(own)
    with pytest.raises(TypeError, match="nor its derivatives in an export: torch.export takes its fields"):
        torch.export.export(own.module("u_x"), (X,))
    exported = torch.export.export(own.module(), (X,), dynamic_shapes=({0: torch.export.Dim("n")},)).module()
    assert (exported(places(own, 9)) - own(places(own, 9))).abs().max() < 1e-14
    closed = pk.solve_lie(pk.problem("heat"))
    with pytest.raises(TypeError, match="take its closed form"):
        torch.jit.trace(closed.module(), (places(closed),))


def test_an_evaluator_of_ones_own_says_what_it_lacks():
    solution = trained(Least())
    X = places(solution).requires_grad_()
    with pytest.raises(TypeError, match="give its evaluator a method followed"):
        solution(X)
    assert solution(X.detach()).shape == (7, 1)


def test_the_module_is_a_copy_with_a_gradient_by_theta():
    solution = ALL["tanh"]
    made = solution.module("u u_x")
    made.theta.requires_grad_()
    made(places(solution)).sum().backward()
    assert made.theta.grad is not None and made.theta.grad.abs().max() > 0
    with torch.no_grad():
        made.theta.zero_()
    assert solution.theta.abs().max() > 0
