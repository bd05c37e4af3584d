"""Pictures of influence: they show the numbers of the attribution, on the Axes that were given."""

import math

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, SymLogNorm
from matplotlib.figure import Figure

import pinnkit as pk
from pinnkit import plot
from pinnkit.output.plot import influence as picture

SETTINGS = {"stages": [pk.Adam(20), pk.SSBroyden(20)], "resample": None, "progress": False, "validation": 50}
SETS = {"pde": 60, "initial": 15, "x": 15}


@pytest.fixture(scope="module")
def model() -> pk.Influence:
    solution = pk.solve(pk.problem("burgers"), pk.MLP(2, 5, 1), SETS, hard=False, **SETTINGS)
    return pk.Influence(solution, "gauss-newton")


@pytest.fixture(scope="module")
def found(model: pk.Influence) -> pk.Attribution:
    return model.attribute([pk.at("u", t=0.5, x=0.2), pk.test_loss(model.solution.problem, 200)])


def dots(ax: Axes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Where the points of every set are drawn, and their values."""
    drawn = [c for c in ax.collections if c.get_label() in (*SETS, "boundary")]
    return {c.get_label(): (np.asarray(c.get_offsets()), np.asarray(c.get_array())) for c in drawn}


def test_every_point_is_drawn_where_it_is_with_its_effect(model: pk.Influence, found: pk.Attribution) -> None:
    given = Figure().add_subplot()
    ax = picture.plot_influence(model.solution, found, 0, given)
    assert ax is given and (ax.get_xlabel(), ax.get_ylabel()) == ("t", "x")
    for key, (where, effects) in dots(ax).items():
        order = found.joint[key][0].abs().argsort()
        assert np.array_equal(effects, found.joint[key][0][order].numpy())  # the largest on top
        assert np.array_equal(where, model.solution.points[key].X[order].numpy()[:, ::-1])  # (t, x)
    assert set(dots(ax)) == set(SETS)
    norm = ax.collections[-1].norm
    largest = max(float(e[0].abs().max()) for e in found.joint.values())
    assert isinstance(norm, SymLogNorm) and norm.vmax == -norm.vmin == largest
    star = ax.lines[-1]
    assert (list(star.get_xdata()), list(star.get_ydata())) == ([0.5], [0.2])
    assert "u at t=0.5, x=0.2" in ax.get_title()
    low, high = ax.get_ylim()
    assert low < -1 and high > 1  # boundary points are seen


def test_a_functional_that_is_nowhere_gets_no_star(model: pk.Influence, found: pk.Attribution) -> None:
    ax = picture.plot_influence(model.solution, found, 1)
    assert not ax.lines and "loss on fresh points" in ax.get_title()
    with pytest.raises(ValueError, match="there is no functional 2: there are 2, counted from 0"):
        picture.plot_influence(model.solution, found, 2)


def test_terms_share_one_scale(model: pk.Influence, found: pk.Attribution) -> None:
    figure = picture.plot_terms(model.solution, found)
    panels = [ax for ax in figure.axes if dots(ax)]
    assert len(panels) == 3 and len({ax.collections[-1].norm.vmax for ax in panels}) == 1
    term = picture.plot_influence(model.solution, found, 0, term="u on x")
    assert set(dots(term)) == {"x"} and "u on x" in term.get_title()
    with pytest.raises(ValueError, match="there is no term 'v': the terms are pde, u initial, u on x"):
        picture.plot_influence(model.solution, found, 0, term="v")


def test_leverage_and_self_influence_of_all_points(model: pk.Influence) -> None:
    ax = picture.plot_leverage(model)
    where, h = dots(ax)["pde"]
    assert np.array_equal(h, np.sort(model.leverage["pde"].numpy())) and len(where) == 60
    assert (ax.collections[-1].norm.vmin, ax.collections[-1].norm.vmax) == (0, 1)
    ax = picture.plot_self_influence(model)
    norm, shown = ax.collections[-1].norm, dots(ax)["initial"][1]
    own = model.self_influence()["u initial"].numpy()
    assert isinstance(norm, LogNorm) and np.array_equal(shown, np.maximum(np.sort(own), norm.vmin))


def test_scales_span_what_is_there() -> None:
    def decades(values: list[float]) -> float:
        top, low = picture._range([torch.tensor(values, dtype=torch.float64)])
        return math.log10(top / low)

    assert decades([1.0, 1e-3, 1e-3]) == pytest.approx(3)
    assert decades([1.0, 1e-20, 1e-20]) == pytest.approx(picture.DECADES)
    assert decades([2.0, 2.0, 2.0]) == pytest.approx(1)
    assert decades([1.0, math.inf, 1e-2, 1e-2]) == pytest.approx(2)  # a leverage of 1 to rounding
    assert math.isfinite(decades([0.0, 0.0])) and math.isfinite(decades([math.inf]))


def test_indicators_along_the_time(model: pk.Influence) -> None:
    known = pk.indicators(model, X=40)
    ax = plot.plot_directionality({"good": known, "poor": known})
    assert np.array_equal(ax.lines[0].get_ydata(), known.directionality.numpy())
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["good", "poor", "equal influence"]
    assert "influence on u" in plot.plot_directionality(known).get_legend().get_texts()[0].get_text()
    stack = plot.plot_term_fractions(known).collections
    tops = [band.get_paths()[0].vertices[:, 1].max() for band in stack]
    assert len(tops) == 3 and tops[-1] == pytest.approx(1)
    assert plot.plot_participation(known).get_yscale() == "log"
    for what in ("directionality", "proximity", "participation", "tension", "share of pde"):
        ax = plot.plot_indicator(model.solution, known, what)
        assert what in ax.get_title()
    assert np.array_equal(np.asarray(ax.collections[-1].get_array()), known.terms["pde"].numpy())
    with pytest.raises(ValueError, match="there is no indicator 'foo': choose one of directionality"):
        plot.plot_indicator(model.solution, known, "foo")


def test_a_page_of_good_and_poor_models(model: pk.Influence) -> None:
    hard = pk.Influence(pk.solve(pk.problem("burgers"), pk.MLP(2, 5, 1), 50, **SETTINGS), "gauss-newton")
    known = {name: pk.indicators(m, X=20) for name, m in (("good", model), ("poor", hard))}
    figure = plot.plot_comparison({"good": model, "poor": hard}, {"x": 0.1, "t": 0.3}, found=known)
    figure.canvas.draw()
    labels = [ax.get_ylabel() for ax in figure.axes if "relative L2 error" in ax.get_ylabel()]
    assert [label.partition("\n")[0] for label in labels] == ["good", "poor"]


@pytest.mark.parametrize("names, bounds", [("x", {"x": (0, 1)}), ("x y t", {"x": (0, 1), "y": (0, 2), "t": (0, 3)})])
def test_any_number_of_coordinates(names: str, bounds: dict[str, tuple[float, float]]) -> None:
    variables = pk.coordinates(names)
    u = pk.field("u", *variables)
    pde = sum(u.diff(v, 2) for v in variables if v.name != "t") + 1 - (u.diff(variables[2]) if "t" in bounds else 0)
    conditions = [pk.Dirichlet(u, 0)] + ([pk.Initial(u, 0)] if "t" in bounds else [])
    problem = pk.Problem("heat", u, pde, pk.Box(**bounds), conditions)
    model = pk.Influence(pk.solve(problem, pk.MLP(len(variables), 4, 1), 30, hard=False, **SETTINGS), "gauss-newton")
    place = {name: 0.5 for name in names.split()}
    found = model.attribute([pk.at("u", **place), pk.at("u_x", **place)])
    figure = picture.plot_map(model, found)
    figure.canvas.draw()
    assert len([ax for ax in figure.axes if ax.get_title()]) == 4
    known = pk.indicators(model, X=10)
    plot.plot_comparison({"a": model}, place, found={"a": known}).canvas.draw()
    plot.plot_indicator(model.solution, known).figure.canvas.draw()


def test_maps_of_a_long_domain_stand_one_below_the_other() -> None:
    x, y = pk.coordinates("x y")
    u = pk.field("u", x, y)
    problem = pk.Problem("strip", u, u.diff(x, 2) + u.diff(y, 2) + 1, pk.Box(x=(0, 5), y=(0, 1)), [pk.Dirichlet(u, 0)])
    model = pk.Influence(pk.solve(problem, pk.MLP(2, 4, 1), 30, hard=False, **SETTINGS), "gauss-newton")
    known = pk.indicators(model, X=10)
    figure = plot.plot_comparison({"a": model, "b": model}, {"x": 1, "y": 0.5}, found={"a": known, "b": known})
    figure.draw_without_rendering()
    axes = [ax for ax in figure.axes if ax.get_title()]
    assert len(axes) == 8
    influence, leverage, direction = (ax.get_position() for ax in axes[:3])
    assert influence.x0 == pytest.approx(leverage.x0) and influence.y0 > leverage.y1 and direction.x0 > influence.x1
    assert direction.height > 2 * influence.height
    assert (
        len(
            {
                round(ax.get_position().x0, 2)
                for ax in picture.plot_map(model, model.attribute(pk.at("u", x=1, y=0.5))).axes
            }
        )
        == 1
    )


def test_a_map_of_published_influence_has_no_leverage(model: pk.Influence) -> None:
    dot = pk.Influence(model.solution, "gradient-dot")
    figure = picture.plot_map(dot, dot.attribute(pk.at("u", x=0.2, t=0.5)))
    assert len([ax for ax in figure.axes if ax.get_title()]) == 1
