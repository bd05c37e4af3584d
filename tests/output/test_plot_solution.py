"""Pictures: they show the numbers that the solution has, on the Axes that were given, and leave no global state."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

import pinnkit as pk
import problems
from pinnkit import plot
from pinnkit.output.plot.slice import plane
from pinnkit.output.plot.summary import _row, equation_text

SETTINGS = {"stages": [pk.Adam(4), pk.SSBroyden(8)], "resample": None, "log_every": 2, "validation": 50}


@pytest.fixture(scope="module")
def burgers() -> pk.Solution:
    settings = SETTINGS | {"resample": pk.rad(every=5, candidates=200)}
    return pk.solve(pk.problem("burgers"), pk.MLP(2, 6, 1), 60, progress=False, **settings)


def heat(names: str, **bounds: tuple[float, float]) -> pk.Solution:
    """A solution in any number of coordinates, with a closed form to compare with."""
    variables = pk.coordinates(names)
    u = pk.field("u", *variables)
    space = [v for v in variables if v.name != "t"]
    exact = sp.Mul(*(sp.sin(sp.pi * v) for v in space))
    rate = sp.Symbol("t", real=True) if "t" in bounds else 0
    exact = exact * sp.exp(-rate)
    pde = u.diff(variables[-1]) if "t" in bounds else 0
    pde = pde - sum(u.diff(v, 2) for v in space) + (0 if "t" in bounds else u)
    conditions = [pk.Dirichlet(u, 0)] + ([pk.Initial(u, exact.subs(rate, 0))] if "t" in bounds else [])
    problem = pk.Problem("heat", u, pde, pk.Box(**bounds), conditions, reference=pk.Exact({u: exact}, {}))
    return pk.solve(problem, pk.MLP(len(variables), 5, 1), 40, progress=False, **SETTINGS)


def mesh(ax: Axes) -> np.ndarray:
    return np.asarray(ax.collections[0].get_array())


def test_a_field_is_drawn_as_it_is_with_time_to_the_right(burgers: pk.Solution) -> None:
    given = Figure().add_subplot()
    ax = plot.plot_field(burgers, "u", given)
    assert ax is given and (ax.get_xlabel(), ax.get_ylabel()) == ("t", "x")
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 1), (-1, 1))
    values = mesh(ax)  # (x, t)
    n = len(values)
    X = torch.tensor([[-1 + 2 * i / (n - 1), j / (n - 1)] for i, j in ((3, 7), (100, 200))], dtype=torch.float64)
    assert np.allclose(values[[3, 100], [7, 200]], burgers(X)[:, 0], rtol=0, atol=1e-14)
    assert len(ax.child_axes) == 1  # the colour bar


def test_derivatives_are_fields_too(burgers: pk.Solution) -> None:
    ax = plot.plot_field(burgers, "u_xx")
    X = torch.tensor([[-1.0, 0.0]], dtype=torch.float64)
    assert mesh(ax)[0, 0] == pytest.approx(float(burgers.jet(X, "u_xx")), abs=1e-12)
    with pytest.raises(ValueError, match="the fields are u"):
        plot.plot_field(burgers, "w")


def test_an_error_is_drawn_on_the_references_nodes_with_its_floor(burgers: pk.Solution) -> None:
    ax = plot.plot_error(burgers)
    _, u, v = burgers.on_grid()
    gap = (u - v)[..., 0].abs().numpy()
    image = ax.collections[0]
    assert isinstance(image.norm, LogNorm) and image.norm.vmax == gap.max()
    assert np.array_equal(mesh(ax), np.maximum(gap, image.norm.vmin))
    error, own = burgers.errors()["u"]["relative_l2"], burgers.problem.reference.error
    assert f"{error:.1e}" in ax.get_title() and f"{own:.0e}" in ax.get_title()
    with pytest.raises(ValueError, match="'w' is not a field: choose one of u"):
        plot.plot_error(burgers, "w")


def test_points_are_where_they_were(burgers: pk.Solution) -> None:
    ax = plot.plot_points(burgers)
    drawn = np.asarray(ax.collections[-1].get_offsets())
    assert np.array_equal(drawn, burgers.points["pde"].X.numpy()[:, ::-1])  # (t, x)
    assert "after 2 rounds of resampling" in ax.get_title()
    settings = SETTINGS | {"resample": pk.rad(every=5, candidates=200), "progress": False}
    soft = pk.solve(pk.problem("burgers"), pk.MLP(2, 4, 1), {"pde": 30, "initial": 9, "x": 8}, hard=False, **settings)
    assert plot.plot_points(soft, key="initial").get_title() == "9 points 'initial'"  # these were not drawn again
    with pytest.raises(ValueError, match="no points 'x' were trained on: the sets are pde"):
        plot.plot_points(burgers, key="x")


def test_history_shows_losses_errors_stages_and_rounds(burgers: pk.Solution) -> None:
    ax = plot.plot_history(burgers)
    lines = {line.get_label(): line for line in ax.lines}
    assert np.array_equal(lines["loss, training points"].get_ydata(), burgers.history["loss"])
    assert np.array_equal(lines["relative L2 error of u"].get_ydata(), burgers.history["error:u"])
    assert list(lines["new points"].get_xdata()) == [6, 12] and ax.get_yscale() == "log"
    assert [t.get_text() for t in ax.texts] == ["Adam", "SSBroyden"]
    further = pk.solve(start=burgers, stages=[pk.LBFGS(4)], log_every=2, progress=False)
    assert [t.get_text() for t in plot.plot_history(further).texts] == ["LBFGS"]


def test_the_history_of_a_march_names_its_windows_clear_of_the_legend() -> None:
    stages = [pk.Adam(10), pk.SSBroyden(5)]
    march = pk.march(pk.problem("heat"), 3, pk.MLP(2, 4, 1), 30, stages=stages, log_every=5, progress=False)
    ax = plot.plot_history(march)
    assert [(t.get_text(), t.xy[0]) for t in ax.texts] == [("window 1", 0), ("window 2", 15), ("window 3", 30)]
    assert [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == "--"] == [10, 15, 25, 30, 40]
    ax.figure.draw_without_rendering()
    legend = ax.get_legend().get_window_extent()
    assert not any(legend.overlaps(seen.get_window_extent()) for seen in (*ax.texts, ax.xaxis.label, ax.patch))


def test_a_solution_without_history_says_so(burgers: pk.Solution) -> None:
    untrained = pk.Solution(burgers.model, burgers.theta, burgers.points)
    assert "no history" in plot.plot_history(untrained).get_title()
    assert len(plot.plot_summary(untrained).axes) >= 4


def test_the_networks_of_a_climb_are_named_and_corrected_models_marked():
    stages = [pk.Adam(20), pk.Correct(), pk.Restart(pk.MLP(2, 6, 6, 1)), pk.Adam(30), pk.Restart(pk.MLP(2, 5, 7, 1))]
    found = pk.solve(
        problems.diffusion(), pk.MLP(2, 8, 1), 60, stages=[*stages, pk.Adam(50), pk.Correct()], validation=50,
        log_every=10, resample=None, progress=False,
    )  # fmt: skip
    ax = plot.plot_history(found)
    assert [t.get_text() for t in ax.texts] == ["2 x 6", "5 7"]
    (dots,) = [line for line in ax.lines if "corrected" in str(line.get_label())]
    assert dots.get_xdata().tolist() == [21.0, 104.0]


def test_slices_cut_at_the_times_asked_for(burgers: pk.Solution) -> None:
    ax = plot.plot_slices(burgers, at=[0.0, 0.5])
    shown = [line for line in ax.lines if line.get_label().startswith("t =")]
    assert [line.get_label() for line in shown] == ["t = 0", "t = 0.5"] and ax.get_xlabel() == "x"
    x = shown[0].get_xdata()
    assert np.allclose(shown[0].get_ydata(), -np.sin(np.pi * x), atol=1e-12)  # the initial condition holds exactly
    assert len(ax.lines) == 4  # the reference beneath


def test_a_reference_is_cut_where_the_solution_is() -> None:
    """Between the nodes of the reference, where its nearest one is not."""
    solution = heat("x t", x=(0, 1), t=(0, 1))
    ax = plot.plot_slices(solution, at=[0.1234])
    beneath, line = ax.lines
    x, y = beneath.get_data()
    assert np.abs(y - np.exp(-0.1234) * np.sin(np.pi * x)).max() < 1e-3
    X = torch.tensor([[line.get_xdata()[60], 0.1234]], dtype=torch.float64)
    assert line.get_ydata()[60] == pytest.approx(float(solution(X)), abs=1e-13)
    for at in ([1.1], []):
        with pytest.raises(ValueError, match="give values of t from 0 to 1"):
            plot.plot_slices(solution, at=at)
    moving = heat("x y t", x=(0, 1), y=(0, 1), t=(0, 1))
    with pytest.raises(ValueError, match="t=2: expected a time from 0 to 1"):
        plot.plot_field(moving, t=2)


def test_the_error_of_a_closed_form_is_known_everywhere() -> None:
    solution = heat("x y t", x=(0, 1), y=(0, 1), t=(0, 1))
    ax = plot.plot_error(solution, t=0.3)
    drawn = mesh(ax)
    assert drawn.shape == (256, 256) and "t = 0.3" in ax.get_title()
    X = torch.tensor([[100 / 255, 70 / 255, 0.3]], dtype=torch.float64)
    exact = np.exp(-0.3) * np.sin(np.pi * 100 / 255) * np.sin(np.pi * 70 / 255)
    assert drawn[70, 100] == pytest.approx(abs(float(solution(X)) - exact), rel=1e-9)
    assert len(plot.plot_slices(solution).lines) == 10  # the reference beneath each


@pytest.mark.parametrize("height", [0.2, 5.0])
def test_panels_have_the_shape_of_the_domain(height: float) -> None:
    """Pictures fill most of their figure, and bars are as high as they are."""
    solution = heat("x y", x=(0, 1), y=(0, height))
    summary = plot.plot_summary(solution)
    three = _row(("u", "u_x", "u_y"), lambda n, ax: plot.plot_field(solution, n, ax), height)
    for figure, pictures in ((summary, summary.axes[:3]), (three, three.axes)):
        figure.draw_without_rendering()
        for ax in pictures:
            box = ax.get_window_extent()
            assert box.height / box.width == pytest.approx(height, rel=1e-6)
            for bar in ax.child_axes:
                beside = bar.get_window_extent()
                assert (beside.y0, beside.height) == pytest.approx((box.y0, box.height)) and beside.x0 > box.x1
                assert beside.width == pytest.approx(0.12 * figure.dpi)
    filled = sum(ax.get_window_extent().width * ax.get_window_extent().height for ax in three.axes)
    assert filled > 0.4 * three.bbox.width * three.bbox.height
    across = len({round(ax.get_position().x0, 3) for ax in three.axes})
    assert across == (1 if height < 0.5 else 3)
    nodes = [len(a) for a in plane(solution, lambda X: X[:, 0]).axes]
    assert nodes[0] * nodes[1] == pytest.approx(256**2, rel=0.01) and nodes[1] / nodes[0] == pytest.approx(
        height, rel=0.01
    )


def test_a_body_is_drawn_over_the_solution() -> None:
    disk = pk.solve(pk.problem("poisson_disk"), pk.MLP(2, 4, 1), 30, progress=False, **SETTINGS)
    for ax in (plot.plot_field(disk), plot.plot_error(disk), plot.plot_points(disk)):
        circles = [c for c in ax.collections if len(c.get_paths()) and len(c.get_paths()[0].vertices) > 300]
        assert circles


@pytest.mark.parametrize(
    "names, bounds, title, labels",
    [
        ("x", {"x": (0, 1)}, "solution u", ("x", "")),
        ("x y", {"x": (0, 1), "y": (0, 2)}, "solution u", ("x", "y")),
        ("x y t", {"x": (0, 1), "y": (0, 2), "t": (0, 3)}, "solution u, t = 3", ("x", "y")),
        ("x y z", {"x": (0, 1), "y": (0, 2), "z": (0, 3)}, "solution u, z = 1.5", ("x", "y")),
    ],
)
def test_any_number_of_coordinates(
    names: str, bounds: dict[str, tuple[float, float]], title: str, labels: tuple[str, str]
) -> None:
    solution = heat(names, **bounds)
    ax = plot.plot_field(solution)
    assert ax.get_title() == title and (ax.get_xlabel(), ax.get_ylabel()) == labels
    for name, figure in plot.figures(solution).items():
        figure.canvas.draw()
        assert figure.axes, name
    if "t" in bounds and len(bounds) > 2:
        assert "t = 0.25" in plot.plot_field(solution, t=0.25).get_title()


def test_outside_a_disk_nothing_is_drawn() -> None:
    disk = pk.solve(pk.problem("poisson_disk"), pk.MLP(2, 5, 1), 40, progress=False, **SETTINGS)
    values = mesh(plot.plot_field(disk))
    assert np.ma.getmaskarray(np.ma.masked_invalid(values))[0, 0] and np.isfinite(np.ma.filled(values, 0.0)[128, 128])
    figures = plot.figures(disk)
    assert set(figures) == {"summary", "solution", "error", "points", "rounds", "slices", "history"}


def test_equations_are_set_as_in_a_paper() -> None:
    assert equation_text(pk.problem("burgers")) == r"$u_{t} + u u_{x} - \nu u_{xx} = 0$"
    assert equation_text(pk.problem("kovasznay")) == ""


def test_nothing_global_is_touched() -> None:
    code = (
        "import sys, matplotlib\n"
        "raw = lambda: str(list(dict.items(matplotlib.rcParams)))  # a look at the backend would load pyplot\n"
        "before = raw(); import pinnkit as pk; from pinnkit import plot\n"
        "s = pk.solve(pk.problem('burgers'), pk.MLP(2, 4, 1), 20, stages=[pk.Adam(2)], progress=False)\n"
        "assert len(plot.figures(s)) == 7 and 'matplotlib.pyplot' not in sys.modules and raw() == before\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_fields_that_the_reference_does_not_hold() -> None:
    """The cavity's stream function is compared by u and v; all pictures are drawn, and psi has no error."""
    problem = pk.problem("cavity", form="stream")
    few = {"stages": [pk.Adam(5)], "resample": None, "progress": False}
    solution = pk.solve(problem, pk.MLP(2, 5, 2), 50, hard=False, **few)  # soft: lids' ansatz takes long to derive
    drawn = plot.figures(solution)
    assert [ax.get_title()[:3] for ax in drawn["error"].axes if ax.get_title()] == ["|p ", "|u ", "|v "]
    with pytest.raises(ValueError, match="the reference does not hold psi: choose one of p, u, v"):
        plot.plot_error(solution, "psi")
    assert plot.error_figure(pk.error_map(solution)).axes


def test_a_summary_of_curves_shows_two_fields() -> None:
    (t,) = pk.coordinates("t")
    y, z = pk.field("y", t), pk.field("z", t)
    start = [pk.Initial(y, 1), pk.Initial(z, 0)]
    problem = pk.Problem("turn", [y, z], {"a": y.diff(t) + z, "b": z.diff(t) - y}, pk.Box(t=(0, 1)), start)
    solution = pk.solve(problem, pk.MLP(1, 4, 2), 20, stages=[pk.Adam(2)], resample=None, progress=False)
    assert [ax.get_title() for ax in plot.plot_summary(solution).axes][:2] == ["solution y", "solution z"]
