"""Small trained models, each trained once, with dense references of their curvature and functionals to ask."""

from functools import cache

import sympy as sp
import torch

import pinnkit as pk


@cache
def burgers():
    """A small trained model with three terms."""
    return pk.solve(
        pk.problem("burgers"), pk.MLP(2, 6, 6, 1), {"pde": 60, "initial": 20, "x": 20}, hard=False,
        stages=[pk.Adam(100, lr=1e-2), pk.SSBroyden(150)], resample=None, progress=False, validation=50,
    )  # fmt: skip


@cache
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
