"""Old names of public attributes work once more, with a warning."""

import pytest
import torch

import pinnkit as pk


def test_old_names_give_the_same_and_warn() -> None:
    settings = {"stages": [pk.Adam(2)], "resample": None, "progress": False, "validation": 20}
    problem = pk.problem("heat")
    solution = pk.solve(problem, pk.MLP(2, 4, 1), 20, **settings)
    residual = next(r for r in solution.model.programs.values())
    with pytest.warns(DeprecationWarning, match=r"Model\.readouts is called programs now"):
        assert next(iter(solution.model.readouts.values())) is residual
    with pytest.warns(DeprecationWarning, match=r"Stack\.readouts is called programs now"):
        assert solution.stack.readouts.keys() == solution.stack.programs.keys()
    found = pk.error_map(solution)
    with pytest.warns(DeprecationWarning, match=r"ErrorMap\.doubt is called estimate_error now"):
        assert found.doubt == found.estimate_error
    bars = pk.uncertainty(pk.solve(pk.problem("heat_inverse"), pk.MLP(2, 4, 1), 40, **settings), n=50)
    with pytest.warns(DeprecationWarning, match=r"Uncertainty\.doubt is called sensitivity now"):
        assert torch.equal(bars.doubt, bars.sensitivity)
