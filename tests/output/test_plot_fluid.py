"""Pictures of a flow show its numbers, the body drawn over them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure

import pinnkit as pk
from pinnkit.cli import main
from pinnkit.model.quantity.fluid import is_plane_flow
from pinnkit.output.plot.body import draw_body
from pinnkit.output.plot.fluid import plot_flow, plot_pressure, plot_streamlines, plot_vorticity
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


def test_an_unsteady_flow_is_drawn_at_a_time() -> None:
    settings = {"stages": [pk.Adam(1)], "resample": None, "progress": False, "validation": 20}
    vortices = pk.solve(pk.problem("taylor_green"), pk.MLP(3, 4, 3), 20, **settings)
    ax = plot_pressure(vortices, t=0.25)
    values = np.asarray(ax.collections[0].get_array())
    x, y = (np.linspace(*ends, n) for ends, n in zip((ax.get_xlim(), ax.get_ylim()), values.shape[::-1], strict=True))
    place = torch.tensor([[x[7], y[20], 0.25]], dtype=torch.float64)
    assert values[20, 7] == pytest.approx(float(vortices.jet(place, "p"))) and ax.get_title() == "pressure, t = 0.25"
    assert plot_vorticity(vortices).get_title() == "vorticity, t = 1"
    with pytest.raises(ValueError, match="expected a time from 0 to 1"):
        plot_flow(vortices, t=2)


def test_a_fluid_at_rest_is_drawn() -> None:
    x, y = pk.coordinates("x y")
    u, v, p = (pk.field(name, x, y) for name in "uvp")
    equations = {"a": u.diff(x) + v.diff(y), "b": u - p.diff(x), "c": v}
    rest = pk.Problem("rest", (u, v, p), equations, pk.Box(x=(0, 1), y=(0, 1)), [pk.Dirichlet(p, 0)])
    still = pk.solve(rest, pk.MLP(2, 3, 3), 20, stages=[], resample=None, progress=False, validation=20)
    still = replace(still, theta=torch.zeros_like(still.theta))
    figure = plot_flow(still)
    figure.draw_without_rendering()
    assert len(figure.axes) == 3


def test_what_a_plane_flow_is() -> None:
    flows = [name for name in ("cavity", "cylinder", "kovasznay", "wake") if is_plane_flow(pk.problem(name))]
    assert flows == ["cavity", "cylinder", "kovasznay", "wake"]
    assert is_plane_flow(pk.problem("kovasznay", form="stream"))
    assert not any(is_plane_flow(pk.problem(name)) for name in ("beltrami", "schroedinger", "poisson_disk", "wave2d"))


def test_the_shell_draws_a_flow_as_one(solution: pk.Solution, tmp_path: Path) -> None:
    run = pk.save(solution, tmp_path / "run.h5")
    with pytest.raises(SystemExit) as stop:
        main(["plot", str(run)])
    assert stop.value.code == 0 and (tmp_path / "run-flow.png").stat().st_size > 10_000


def test_only_bodies_are_drawn() -> None:
    assert not draw_body(Figure().add_subplot(), pk.Box(x=(0, 1), y=(0, 1))).collections
    ax = draw_body(Figure().add_subplot(), cylinder().domain)
    shade = ax.collections[0].get_paths()[0].vertices
    assert np.abs(np.linalg.norm(shade - [2, 2], axis=1) - 0.5).max() < 0.01


def test_one_sentence(solution: pk.Solution) -> None:
    with pytest.raises(ValueError, match="lower ends first"):
        plot_flow(solution, ((3, 1), (0, 1)))
    for region in (((30, 31), (0, 1)), ((1.9, 2.1), (1.9, 2.1))):  # beyond the channel, within the cylinder
        with pytest.raises(ValueError, match="it lies outside the domain, which spans"):
            plot_flow(solution, region)
    with pytest.raises(ValueError, match="t=1: cylinder is steady, leave t out"):
        plot_pressure(solution, t=1)
    settings = {"stages": [pk.Adam(1)], "resample": None, "progress": False, "validation": 20}
    wave = pk.solve(pk.problem("burgers"), pk.MLP(2, 3, 1), 20, **settings)
    with pytest.raises(ValueError, match="expected a plane flow"):
        plot_streamlines(wave)
