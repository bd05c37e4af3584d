"""Certificates in three space dimensions: they hold, and are not enclosed."""

import numpy as np
import pytest
import torch

import pinnkit as pk
from benchmarks.certificate.certificates import members, travelling
from pinnkit.certificate.misfits import sampled
from pinnkit.exact.superposition.superposition import Superposition


@pytest.mark.parametrize("kind, number", [("heat", 0.1), ("wave", 1.0)])
def test_bounds_hold_in_three_dimensions(kind, number, monkeypatch):
    monkeypatch.setattr(sampled, "POINTS", 4000)
    problem, rng = pk.problem(f"{kind}3d"), np.random.default_rng(0)
    family, theta = travelling(problem, members(rng, kind, 3, number, 3))
    model = Superposition((family,), tuple((0, tuple(row)) for row in theta.tolist()))
    a = torch.as_tensor(rng.normal(size=len(theta)))
    solution = pk.Solution(pk.Model(problem, model, False, frozenset({"pde"})), a, pk.Points({}))
    found = pk.certify(solution)
    assert {"L2(Q)", "L2(t)"} <= set(found.errors) and not found.violations
    with pytest.raises(ValueError, match="only two are enclosed"):
        pk.certify(solution, enclosed=True)
