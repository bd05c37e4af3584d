"""Pairs of floats: exact halves, sums of products within the bound that is proved, functions to 30 digits."""

from collections.abc import Callable
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import torch

from pinnkit.certificate.validated import balls, pairs
from pinnkit.certificate.validated.balls import Ball

U = Fraction(1, 2**53)
pytestmark = pytest.mark.portable


def wild(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    """Numbers of all sizes and signs."""
    return torch.as_tensor(rng.normal(size=shape) * 10.0 ** rng.integers(-9, 9, shape))


def exactly(pair: pairs.Pair) -> list[Fraction]:
    """h + l, number by number."""
    return [Fraction(a) + Fraction(b) for a, b in zip(*(v.ravel().tolist() for v in pair), strict=True)]


def paired(rng: np.random.Generator, *shape: int) -> pairs.Pair:
    """Random normal pairs."""
    h = wild(rng, *shape)
    return pairs.two_sum(h, h * 2.0**-54 * torch.as_tensor(rng.uniform(-1, 1, shape)))


def test_sums_and_products_lose_nothing() -> None:
    a, b = (wild(np.random.default_rng(k), 300) for k in range(2))
    for pair, of in ((pairs.two_sum(a, b), Fraction.__add__), (pairs.two_product(a, b), Fraction.__mul__)):
        assert exactly(pair) == [of(Fraction(p), Fraction(q)) for p, q in zip(a.tolist(), b.tolist(), strict=True)]


def test_operations_err_by_less_than_is_proved() -> None:
    rng = np.random.default_rng(0)
    a, b = paired(rng, 400), paired(rng, 400)
    x, y = exactly(a), exactly(b)
    d = wild(rng, 400)
    sums, products = ([(of(p, q), of(abs(p), abs(q))) for p, q in zip(x, y, strict=True)]
                      for of in (Fraction.__add__, Fraction.__mul__))  # fmt: skip
    quotients = [(p / Fraction(v), abs(p / Fraction(v))) for p, v in zip(x, d.tolist(), strict=True)]
    for found, expected in ((pairs.add(a, b), sums), (pairs.multiply(a, b), products), (pairs.divide(a, d), quotients)):
        exact, size = zip(*expected, strict=True)
        assert all(abs(f - e) <= Fraction(pairs.EPS) * s for f, e, s in zip(exactly(found), exact, size, strict=True))
        assert all(abs(low) <= float(U) * abs(high) for high, low in zip(*(v.tolist() for v in found), strict=True))


@pytest.mark.parametrize("compiled", [True, False])
def test_sums_of_products_err_by_less_than_is_proved(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of N products of both signs: (N + 4)^2 u^2 of the sum of their sizes, compiled or not."""
    if not compiled:
        monkeypatch.setattr(pairs, "_kernels", lambda: None)
    rng = np.random.default_rng(1)
    n, cells = 7, 5
    a, b = paired(rng, n, cells), paired(rng, n, cells)
    target = torch.arange(n)[:, None] + torch.arange(n)[None, :]
    total = torch.zeros(2 * n - 1, cells).double(), torch.zeros(2 * n - 1, cells).double()
    pairs.convolve(total, a, b, target)
    pairs.normalise(total)
    x, y = (np.array(exactly(v), dtype=object).reshape(n, cells) for v in (a, b))
    found = np.array(exactly(total), dtype=object).reshape(2 * n - 1, cells)
    for k in range(2 * n - 1):
        products = [x[i] * y[k - i] for i in range(n) if 0 <= k - i < n]
        error, size = abs(sum(products) - found[k]), sum(abs(p) for p in products)
        assert all(e <= (len(products) + 4) ** 2 * U**2 * s for e, s in zip(error, size, strict=True))
    W, z = wild(rng, 3, n), paired(rng, 2, n, cells)
    product = pairs.linear(W, z)
    pairs.normalise(product)
    v, w = np.array(exactly(z), dtype=object).reshape(2, n, cells), [[Fraction(q) for q in row] for row in W.tolist()]
    found = np.array(exactly(product), dtype=object).reshape(2, 3, cells)
    for t in range(2):
        for o in range(3):
            products = [w[o][i] * v[t, i] for i in range(n)]
            error, size = abs(sum(products) - found[t, o]), sum(abs(p) for p in products)
            assert all(e <= (n + 4) ** 2 * U**2 * s for e, s in zip(error, size, strict=True))


FUNCTIONS: dict[str, tuple[Callable[[Ball], Ball], Callable]] = {
    "exp": (balls.exp, mpmath.exp), "sin": (balls.sin, mpmath.sin), "cos": (balls.cos, mpmath.cos),
    "tanh": (balls.tanh, mpmath.tanh), "log": (balls.log, mpmath.log), "1/z": (Ball.reciprocal, lambda z: 1 / z),
    "sigmoid": (balls.sigmoid, lambda z: 1 / (1 + mpmath.exp(-z))),
    "softplus": (balls.softplus, lambda z: mpmath.log(1 + mpmath.exp(z))),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_held_to_30_digits(name: str) -> None:
    f, exact = FUNCTIONS[name]
    rng = np.random.default_rng(2)
    z = torch.as_tensor(10.0 ** rng.uniform(-8, 1.4, 120) * (1 if name == "log" else rng.choice([-1, 1], 120)))
    z, low = pairs.two_sum(z, z * 2.0**-54 * torch.as_tensor(rng.uniform(-1, 1, 120)))
    for wide in (0.0, 1e-27):
        radius = wide * z.abs()
        found = f(Ball(z, low, radius))
        with mpmath.workdps(70):
            for i in range(len(z)):
                middle = mpmath.mpf(float(found.high[i])) + mpmath.mpf(float(found.low[i]))
                for side in (-1, 0, 1):
                    at = mpmath.mpf(float(z[i])) + mpmath.mpf(float(low[i])) + side * mpmath.mpf(float(radius[i]))
                    assert abs(exact(at) - middle) <= float(found.radius[i])
        assert (found.radius <= (1e-24 if wide else 1e-27) * (found.high.abs() + 1)).all()


def test_functions_far_from_zero_know_that_they_know_little() -> None:
    z = torch.tensor([-1e3, 1e3, 700.0, torch.inf]).double()
    zero = torch.zeros_like(z)
    found = balls.exp(Ball(z, zero, zero))
    assert 0 < found.radius[0] < 1e-200 and torch.isinf(found.radius[1:]).all()
    assert (balls.sin(Ball(z * 1e6, zero, zero)).radius >= 1).all()
    assert not torch.isfinite(Ball(zero, zero, zero + 1e-3).reciprocal().radius).any()
    assert not torch.isfinite(balls.log(Ball(zero - 1, zero, zero)).radius).any()
