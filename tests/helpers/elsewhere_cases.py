"""Problems whose rows look at other points, each with its rows once more in plain torch: for the tests of the stack."""

import numpy as np
import sympy as sp
import torch

import pinnkit as pk

x, t, s, r = pk.coordinates("x t s r")
u, v = pk.field("u", x, t), pk.field("v", x, t)
k = sp.Symbol("k")
BOX, N = pk.Box(x=(-1, 1), t=(0, 1)), 3
NODES, WEIGHTS = (torch.from_numpy(a / 2) for a in np.polynomial.legendre.leggauss(N))
NODES = NODES + 0.5


def d(f, X, *axes):
    """The derivative of f (B,) by coordinates of X, which it was computed from."""
    for i in axes:
        f = torch.autograd.grad(f.sum(), X, create_graph=True)[0][:, i]
    return f


def at(f, X, moved, axes=(), index=0):
    """A field's derivative with some coordinates replaced, by number."""
    columns = [torch.as_tensor(moved.get(i, X[:, i])).to(X).expand(len(X)) for i in range(2)]
    Y = torch.stack(columns, 1).detach().requires_grad_()
    return d(f(Y)[:, index], Y, *axes)


def quadrature(low, high, value):
    """The integral of value(s) (B,) from low to high (B,)."""
    length = high - low
    return sum(length * w * value(low + length * z) for z, w in zip(NODES, WEIGHTS, strict=True))


def memory(f, X, points, c):
    """u_t - u_xx + u int_-1^1 u^2 ds + k int_0^t e^(s - t) v_x(x, s) ds - u(-1, t)."""
    a = f(X)[:, 0]
    end = torch.ones(len(X)).double()
    energy = quadrature(-end, end, lambda z: at(f, X, {0: z}) ** 2)
    past = quadrature(0 * X[:, 1], X[:, 1], lambda z: torch.exp(z - X[:, 1]) * at(f, X, {1: z}, (0,), 1))
    return d(a, X, 1) - d(a, X, 0, 0) + a * energy + c[0] * past - at(f, X, {0: -end})


def shared(f, X, points, c):
    """v - int_-1^1 int_0^1 sin(x s) u(s, r) v(s, r) dr ds - v_x(1, 1/2)."""
    total, one = torch.zeros(len(X)).double(), torch.ones(len(X)).double()
    for z, w in zip(NODES, WEIGHTS, strict=True):
        for y, q in zip(NODES, WEIGHTS, strict=True):
            place = {0: (2 * z - 1) * one, 1: y * one}
            part = at(f, X, place) * at(f, X, place, (), 1)
            total = total + 2 * w * q * torch.sin(X[:, 0] * (2 * z - 1)) * part
    return f(X)[:, 1] - total - at(f, X, {0: one, 1: 0.5 * one}, (0,), 1)


def mass(f, X, points, c):
    one = torch.ones(len(X)).double()
    return quadrature(-one, one, lambda z: at(f, X, {0: z}, (), 1)) - 1


us, vt = u.subs(x, s), v.diff(x).subs(t, s)
EQUATIONS = {
    "memory": u.diff(t) - u.diff(x, 2) + u * pk.Integral(us**2, (s, -1, 1), nodes=N)
    + k * pk.Integral(sp.exp(s - t) * vt, (s, 0, t), nodes=N) - u.subs(x, -1),
    "shared": v - pk.Integral(sp.sin(x * s) * us.subs(t, r) * v.subs({x: s, t: r}), (s, -1, 1), (r, 0, 1), nodes=N)
    - v.diff(x).subs(x, 1).subs(t, sp.Rational(1, 2)),
}  # fmt: skip
CONDITIONS = [
    pk.Initial(u, sp.sin(sp.pi * x)),
    pk.Dirichlet(u, 0, on="x"),
    pk.Operator("mass", pk.Integral(v, (x, -1, 1), nodes=N) - 1),
    pk.Observations(u, torch.tensor([[0.2, 0.3]]), [0.1]),
]
CASES = {
    "elsewhere": (
        pk.Problem("elsewhere", (u, v), EQUATIONS, BOX, CONDITIONS, unknowns={"k": 0.7}),
        {"memory": memory, "shared": shared, "mass": mass,
         "data": lambda f, X, p, c: f(X)[:, 0] - p.columns["data_value"]},
        lambda M, X: torch.stack([torch.sin(torch.pi * X[:, 0]) + X[:, 1] * (1 - X[:, 0] ** 2) * M[:, 0], M[:, 1]], 1),
    )
}  # fmt: skip
