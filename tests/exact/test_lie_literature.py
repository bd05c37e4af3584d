"""Dimensions of symmetry algebras against those that the literature prints."""

import pytest

import pinnkit as pk
from benchmarks.lie.lie_literature import LITERATURE, u, w

SLOW = {"u_t = div(grad u / u)", "u_t = (u^(-4/3) u_x)_x + a u^(-1/3)"}  # more than half a second
LOGARITHMS = {"spherical Burgers", "spherical KdV"}  # their last generator has log(t): counted, not listed


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in LITERATURE]
)
def test_dimension(name: str) -> None:
    equation, dimension, _ = LITERATURE[name]
    found = pk.symmetries(equation, w if equation.has(w) else u)
    assert found.dimension == dimension
    if dimension is not None:
        assert len(found) == dimension - (name in LOGARITHMS)
        assert found.complete or "1 more" in found.notes[-1]
