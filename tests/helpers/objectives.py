"""Objectives whose minimum is known, and a small problem, for optimisers to run on."""

import math

import torch

import pinnkit as pk


class Function:
    """f with its gradient as an objective of one term."""

    def __init__(self, f):
        self.f, self.evaluations = f, 0

    def loss_and_gradient(self, theta):
        self.evaluations += 1
        leaf = theta.clone().requires_grad_()
        value = self.f(leaf)
        return value.detach()[None], torch.autograd.grad(value, leaf)[0]

    def parameter_groups(self, theta):
        return []


class Rows:
    """sum of squares of r(theta), as a row stack offers it."""

    def __init__(self, r):
        self.r = r

    def values(self, theta):
        return self.r(theta)

    def losses(self, theta):
        return (self.r(theta) ** 2).sum()[None]

    def jacobian(self, theta):
        return torch.func.jacrev(self.r)(theta)

    def normal(self, theta):
        J = self.jacobian(theta)
        return J.T @ J, J.T @ self.r(theta)

    def fit(self, theta):
        """The row count and weights for these parameters."""
        self.rows = len(self.r(theta))
        self.row_weights = torch.ones(self.rows, dtype=theta.dtype)
        return self


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def powell(x):
    a, b, c, d = x
    return (a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4


def matrix(n: int, condition: float) -> torch.Tensor:
    Q, _ = torch.linalg.qr(torch.randn(n, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    return Q @ torch.diag(torch.logspace(0, math.log10(condition), n, dtype=torch.float64)) @ Q.T


STEEP = matrix(12, 1e6)


def quadratic(x):
    return 0.5 * x @ (STEEP @ x)


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def run(stage, objective, theta, steps):
    """The last parameters, all states in between, and the reason to stop (None if all steps were made)."""
    objective = Function(objective) if callable(objective) else objective
    state, reason, states = stage.start(theta, objective), None, []
    for _ in range(steps):
        theta, state, step = stage.step(theta, state, objective)
        states.append(state)
        reason = step.stop
        if reason is not None:
            break
    return theta, states, reason


SSBROYDEN, LBFGS = pk.SSBroyden(tolerance=1e-9), pk.LBFGS(tolerance=1e-9)
BFGS = pk.SSBroyden(tolerance=1e-9, scaled=False)
NEWTON_LIKE = [SSBROYDEN, BFGS, LBFGS]


def small():
    problem = pk.problem("diffusion")
    model = pk.Model(problem, pk.MLP(2, 6, 6, 1))
    return model, model.initial(0)
