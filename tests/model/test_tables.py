"""Tables and labelled arrays: fields on their grid, histories, attributions."""

import numpy as np
import pytest
import torch

import pinnkit as pk

ENDS = {"pde": 40, "initial": 10, "x_min": 5, "x_max": 5}


@pytest.fixture(scope="module")
def trained():
    return pk.solve(
        pk.problem("heat"), pk.MLP(2, 6, 1), ENDS, hard=False, stages=[pk.LevenbergMarquardt(20)], log_every=5,
        progress=False,
    )  # fmt: skip


def test_without_the_package_the_extra_is_named(trained, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match=r"History.to_pandas needs pandas.*pip install 'pinnkit\[tables\]'"):
        trained.history.to_pandas()


@pytest.mark.extras
def test_fields_on_their_grid(trained):
    xarray, _ = pytest.importorskip("xarray"), pytest.importorskip("pandas")
    axes, predicted, values = trained.on_grid()
    found = trained.to_xarray()
    assert isinstance(found, xarray.Dataset) and found.u.dims == ("x", "t")
    assert np.array_equal(found.u, predicted[..., 0]) and np.array_equal(found.u_reference, values[..., 0])
    assert np.allclose(found.u.sel(t=0.1), trained(x=axes["x"], t=0.1)[:, 0], atol=1e-14)
    table = trained.to_pandas()
    assert list(table) == ["x", "t", "u", "u_reference"] and len(table) == predicted.numel()
    assert np.allclose(table.u, trained(x=table.x.to_numpy(), t=table.t.to_numpy())[:, 0], atol=1e-14)


@pytest.mark.extras
def test_rows_of_a_history_and_of_an_attribution(trained):
    pytest.importorskip("pandas"), pytest.importorskip("xarray")
    history = trained.history.to_pandas()
    assert len(history) == len(trained.history) and np.array_equal(history.loss, trained.history["loss"])
    assert trained.history.to_xarray().loss.shape == (len(history),)
    found = pk.Influence(trained).attribute([pk.at("u", x=0.5, t=0.05), pk.at("u", x=0.2, t=0.05)])
    table = found.to_pandas()
    assert len(table) == 2 * sum(ENDS.values())
    walls = table[(table.functional == found.names[1]) & (table.set == "x_max")]
    assert np.array_equal(walls.effect, found.joint["x_max"][1]) and np.allclose(walls.x, 1)
    assert np.array_equal(walls["effect:u on x_max"], found.effects["u on x_max"][1])
    assert torch.isnan(torch.tensor(walls["effect:pde"].to_numpy())).all()
