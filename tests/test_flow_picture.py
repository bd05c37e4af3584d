"""Pictures of a flow show its numbers, the body drawn over them."""

import numpy as np
import pytest
import torch
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure

import pinnkit as pk
from pinnkit.flow_picture import plot_flow, plot_pressure, plot_streamlines, plot_vorticity
from pinnkit.outline import draw_body
from problems import cylinder


@pytest.fixture(scope="module")
def solution() -> pk.Solution:
    settings = {"stages": [pk.Adam(2)], "resample": None, "progress": False, "validation": 20}
    return pk.solve(cylinder(), pk.MLP(2, 6, 3), {"pde": 20, "outflow": 5}, **settings)


def test_values_stand_where_they_belong(solution: pk.Solution) -> None:
    given = Figure().add_subplot()
    ax = plot_pressure(solution, given, ((1, 4), (1, 3)))
    assert ax is given and ax.get_xlim() == (1, 4) and ax.get_ylim() == (1, 3)
    mesh = ax.collections[0]
    values = np.ma.filled(mesh.get_array(), np.nan)
    x, y = (np.linspace(*ends, n) for ends, n in zip(((1, 4), (1, 3)), values.shape[::-1], strict=True))
    i, j = 10, len(x) - 5
    assert values[i, j] == pytest.approx(float(solution.jet(torch.tensor([[x[j], y[i]]]), "p")))
    body = np.isnan(values)
    inside = (x[None] - 2) ** 2 + (y[:, None] - 2) ** 2 < 0.25 - 1e-9
    assert (body == inside).all() and body.any()


def test_vorticity_and_streamlines(solution: pk.Solution) -> None:
    ax = plot_vorticity(solution, region=((1, 4), (1, 3)))
    assert isinstance(ax.collections[0].norm, SymLogNorm) and ax.get_title() == "vorticity"
    ax = plot_streamlines(solution, region=((1, 4), (1, 3)))
    assert ax.patches and ax.get_title() == "speed and streamlines"


def test_one_figure(solution: pk.Solution) -> None:
    titles = ["speed and streamlines", "pressure", "vorticity"]
    for region in (None, ((1, 3), (1, 3))):
        axes = [ax for ax in plot_flow(solution, region).axes if ax.get_title()]
        assert [ax.get_title() for ax in axes] == titles


def test_only_bodies_are_drawn() -> None:
    assert not draw_body(Figure().add_subplot(), pk.Box(x=(0, 1), y=(0, 1))).collections
    ax = draw_body(Figure().add_subplot(), cylinder().domain)
    shade = ax.collections[0].get_paths()[0].vertices
    assert np.abs(np.linalg.norm(shade - [2, 2], axis=1) - 0.5).max() < 0.01


def test_one_sentence(solution: pk.Solution) -> None:
    with pytest.raises(ValueError, match="lower ends first"):
        plot_flow(solution, ((3, 1), (0, 1)))
    settings = {"stages": [pk.Adam(1)], "resample": None, "progress": False, "validation": 20}
    wave = pk.solve(pk.problem("burgers"), pk.MLP(2, 3, 1), 20, **settings)
    with pytest.raises(ValueError, match="expected a steady plane flow"):
        plot_streamlines(wave)
