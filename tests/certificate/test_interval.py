"""Intervals of elementary functions hold the true values, and are as narrow as the arithmetic allows."""

import mpmath
import numpy as np
import pytest

from pinnkit.certificate.validated.interval_arithmetic import EXTENDED, Interval

FUNCTIONS = {"exp": mpmath.exp, "log": mpmath.log, "tanh": mpmath.tanh}


@pytest.mark.portable
@pytest.mark.parametrize("name", FUNCTIONS)
def test_increasing_functions_are_held_to_60_digits(name: str) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(1e-3, 30, 400), 10.0 ** rng.uniform(-8, 2, 400)])
    x = x if name == "log" else np.concatenate([x, -x])
    found = getattr(Interval(x, x), name)()
    with mpmath.workdps(60):
        exact = [FUNCTIONS[name](mpmath.mpf(v)) for v in x.tolist()]
        for low, high, v in zip(found.low.tolist(), found.high.tolist(), exact, strict=True):
            assert mpmath.mpf(low) <= v <= mpmath.mpf(high)
    size = np.maximum(np.abs(found.low), np.abs(found.high))
    widest = np.max((found.high - found.low) / size)
    assert widest < (4 if EXTENDED else 40) * 2.0**-52
