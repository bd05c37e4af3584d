"""The cavity benchmark: the vortex of a flow in closed form, files and the table."""

import math

import pytest
import torch

import pinnkit as pk
from benchmarks.flow import cavity


def test_the_vortex_of_a_stream_function() -> None:
    """psi = 16 x^2 (1 - x)^2 (y^3 - y^2), the ansatz alone: its vortex is at (1/2, 2/3)."""
    problem = pk.problem("cavity", reynolds=10, lid="regularised")
    model = pk.Model(problem, pk.MLP(2, 4, 3))
    still = pk.Solution(model, torch.zeros_like(model.initial(0)), pk.sample(problem, 20))
    found = cavity.vortex(still, (0.45, 0.7))
    exact = {"vortex x": 1 / 2, "vortex y": 2 / 3, "vortex stream function": 4 / 27, "vortex vorticity": 64 / 27 + 2}
    assert found.keys() == exact.keys()
    assert all(math.isclose(found[name], exact[name], abs_tol=1e-10) for name in exact)


def test_the_table_has_a_row_for_every_reynolds_number(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cavity, "RUNS", tmp_path)
    soft = cavity.files("regularised, soft walls", 1)
    assert soft == {100.0: [tmp_path / "cavity_regularised-soft_walls_100_1.h5"]}
    up = cavity.files("sharp, continuation", 0)
    assert list(up) == [100.0, 400.0, 1000.0] and up[1000.0][1].stem == "cavity_sharp-continuation_1000_0_corrected"
    assert not cavity.finished("sharp, direct", 0)
    error = {"vortex x": 3e-3, "vortex y": 4e-3, "vortex stream function": 1e-3, "vortex vorticity": 1.0}
    step = {"errors": {"u": 0.1, "v": 0.2, "p": 0.3}, "vortex error": error}
    step |= {"cpu_s": 9.4, "wall_s": 20, "iterations": 7}
    after = step | {"corrected": {"u": 0.01, "v": 0.02, "p": 0.03}, "corrected_cpu_s": 12.0, "notes": []}
    text = cavity.table({"sharp, direct": {"100": after, "400": step, "1000": after | {"notes": ["not corrected"]}}})
    row = "| 1.0e-01 | 2.0e-01 | 3.0e-01 | 5.0e-03 | 1.0e-03 | 9 / 20 | 7 |"
    assert [line.partition(row)[2] for line in text.splitlines()[2:]] == [
        " 1.0e-02, 2.0e-02, 3.0e-02 | 12 |", "  |  |", " refused | 12 |"
    ]  # fmt: skip
