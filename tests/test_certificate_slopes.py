"""Bounds of slopes hold: true errors of derivatives, by closed forms, over random problems."""

import pytest

from benchmarks.certificates import beam, compared, heat_or_wave, klein_gordon, other, telegraph
from pinnkit.certificate import sampled


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [beam, klein_gordon, telegraph, "superposition", "network"])
def test_bounds_of_slopes_hold(make, seed, monkeypatch):
    monkeypatch.setattr(sampled, "POINTS", 5_000)
    solution = heat_or_wave("wave", 1, make, seed) if isinstance(make, str) else other(make, seed)
    found = compared(solution)
    norm = "H2(t)" if make is beam else "H1(t)"
    bound, true = found[norm]
    assert 0 < true <= bound
