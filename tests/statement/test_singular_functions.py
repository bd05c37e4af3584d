"""Integrals of the heat kernel and of the logarithm, against quadrature, mpmath and the equations they solve."""

import mpmath
import pytest
import sympy as sp
import torch

from pinnkit.statement.singular.functions import corner, heat_ramp, ramp
from pinnkit.statement.singular.heat_series import DEPTH, LocalEvolution, heat_series
from pinnkit.statement.symbolic.torch_program import Program

x, t, s = sp.symbols("x t s", real=True)


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("n", range(-3, 5))
def test_heat_ramps_are_ramps_smoothed_by_the_kernel(n):
    for at, late in ((0.3, 0.1), (-0.7, 0.05), (-0.1, 1e-3)):

        def kernel(v, late=late):
            return mpmath.exp(-(v**2) / (4 * late)) / mpmath.sqrt(4 * mpmath.pi * late)

        if n < 0:
            expected = mpmath.diff(kernel, at, -1 - n)
        else:
            ends = [0, max(at, 0) + 4 * late**0.5, max(at, 0) + 40 * late**0.5]
            expected = mpmath.quad(lambda v, a=at, k=kernel: v**n / mpmath.factorial(n) * k(a - v), ends)
        found = float(heat_ramp(n).call(tensor(at), tensor(late)))
        assert abs(found - float(expected)) < 1e-12 * max(1, abs(float(expected)))
    start = heat_ramp(n).call(tensor(-0.5, 0.0, 0.5), tensor(0.0, 0.0, 0.0))
    assert torch.isfinite(start).all() and float(start[0]) == 0
    assert n < 0 or float(start[2]) == float(ramp(n, sp.S.Half))


@pytest.mark.parametrize("n", range(-3, 4))
def test_corners_are_integrals_of_the_logarithm(n):
    for p, q in ((0.3, 0.2), (-0.4, 0.5), (-0.4, 0.0), (0.3, 0.0)):
        z = mpmath.mpc(p, q)
        if n >= 0:
            harmonic = sum(mpmath.mpf(1) / k for k in range(1, n + 1))
            expected = z**n * (mpmath.log(z) - harmonic) / mpmath.factorial(n)
        else:
            expected = mpmath.diff(mpmath.log, z, -n)
        found = [float(corner(n, part).call(tensor(p), tensor(q))) for part in (False, True)]
        assert abs(complex(*found) - complex(expected)) < 1e-10 * max(1, abs(complex(expected)))
    assert float(corner(n).call(tensor(0.0), tensor(0.0))) == 0


def test_they_know_their_equations():
    for n in (0, 1, 2):
        E, L = heat_ramp(n)(x - 2 * t, 3 * t), corner(n)(x, s)
        assert sp.expand(E.diff(t) + 2 * E.diff(x) - 3 * E.diff(x, 2)) == 0
        assert L.diff(x, 2) + L.diff(s, 2) == 0 and L.diff(x) == corner(n - 1)(x, s)


def residual(flow, S, scale):
    """The largest |S_time - sum terms D S| over points at a distance of about ``scale`` from the place."""
    e = flow.forward * S.diff(t) - sum(c * (S.diff(x, index[0]) if index[0] else S) for index, c in flow.terms.items())
    X = float(flow.a) + scale * torch.linspace(-2, 2, 41, dtype=torch.float64)
    T = float(flow.t0) + flow.forward * scale**2 * torch.full_like(X, 0.7)
    return float(torch.as_tensor(Program([e], (x, t))({x: X, t: T})[0]).abs().max())


@pytest.mark.parametrize(("n", "forward", "held"), [(0, 1, None), (1, -1, None), (0, -1, 0), (1, 1, 0), (1, 1, 1)])
def test_a_series_solves_the_equation_to_its_order(n, forward, held):
    a, t0, turn = sp.Rational(1, 3), sp.S.One, 1 if held is None else -1
    terms = {(2, 0): (1 + x + t / 2) / 3, (1, 0): (x**2 + t) / 2, (0, 0): 1 - t}
    kappa = terms[2, 0].subs({x: a, t: t0})
    flow = LocalEvolution((x, t), terms, x, a, t, t0, forward, turn, kappa)
    S = heat_series(flow, {(0, n): sp.S(2)}, held)
    sizes = [residual(flow, S, scale) for scale in (0.1, 0.05)]
    assert sizes[0] < 0.05 and sizes[0] / sizes[1] > 0.8 * 2 ** (DEPTH - 1)
    if held is not None:  # the place is a wall: there values or slopes are those of the first term, at all times
        late = float(t0) + forward * torch.linspace(0.05, 0.4, 5, dtype=torch.float64)
        first = 2 * heat_ramp(n)(turn * (x - a), flow.s)
        wall = Program([(e.diff(x) if held else e) for e in (S, first)], (x, t))({x: late * 0 + float(a), t: late})
        assert float((wall[0] - wall[1]).abs().max()) < 1e-13
