"""What a user of DeepXDE, PINA or jaxpi types first: it works where nothing is lost, else a sentence helps."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch

import pinnkit as pk
from benchmarks.safety.api_calls import is_sentence

x, t = pk.coordinates("x t")
u = pk.field("u", x, t)
u_t, u_xx = pk.derivatives(u, "t", "xx")
BOX, EQUATION, NET, COUNTS = pk.Box(x=(0, 1), t=(0, 1)), u_t - u_xx / 10, pk.MLP(2, 4, 1), {"pde": 20}
STAGES = (pk.Adam(1),)
START, WALLS = pk.Initial(u, sp.sin(sp.pi * x)), pk.Dirichlet(u, 0, on="x")
X = np.array([[0.2, 0.5], [0.3, 0.1]])


@cache
def rod() -> pk.Problem:
    return stated()


def stated(equation: Any = EQUATION, conditions: Any = (START, WALLS), **more: Any) -> pk.Problem:
    return pk.Problem("rod", u, equation, BOX, conditions, **more)


def solve(points: Any = COUNTS, network: Any = NET, stages: Any = STAGES, **more: Any) -> pk.Solution:
    return pk.solve(rod(), network, points, **{"stages": stages, "resample": None, "progress": False} | more)


@cache
def solved() -> pk.Solution:
    return solve()


@cache
def influence() -> pk.Influence:
    return pk.Influence(solved())


def at() -> pk.Field:
    return pk.at("u", x=0.2, t=0.5)


WORKS: list[Callable[[], Any]] = [
    lambda: solved()(X), lambda: solved()([[0.2, 0.5]]), lambda: solved()(torch.tensor(X).float()),
    lambda: solved().jet(np.float32(X), "u u_x"), lambda: solved().evaluate((u**2, 1), X),
    lambda: solved().evaluate([u], np.zeros((0, 2))), lambda: solved().stack.values(solved().theta.numpy()),
    lambda: solve(np.int64(20)), lambda: solve({"pde": np.int64(20)}), lambda: solve({"pde": X}),
    lambda: solve({"pde": rod().sample("pde", 9)}), lambda: solve(solved().points), lambda: solve(stages=pk.Adam(1)),
    lambda: solve(stages=[pk.Adam(np.int64(1), lr=np.float32(0.1), decay=sp.Rational(1, 2))]),
    lambda: solve(seed=np.int64(3), weights={"pde": np.float32(2)}, device=torch.device("cpu")),
    lambda: pk.Box(x=[0, 1], t=np.array([0.0, 1.0])), lambda: pk.Dirichlet(u, np.float64(0), on=["x_min", "x_max"]),
    lambda: stated(conditions=[pk.Initial(u, 0, order=np.int64(0)), pk.Dirichlet(u, 0, "x")]),
    lambda: pk.Observations(u, [[0.2, 0.5]], [0.1]), lambda: pk.Observations(u, X, torch.tensor([1, 2])),
    lambda: pk.PointSet(X), lambda: pk.draw(X, np.array([0.1, 0.2]), np.int64(1)), lambda: BOX.inside([[0.1, 0.2]]),
    lambda: pk.residual_score(solved(), "pde", X), lambda: pk.at("u", x=np.float64(0.2), t=np.array([0.1, 0.5])),
    lambda: influence().remove(at(), [{"pde": [0, 1]}, {"pde": np.array([2])}]),
    lambda: influence().add(at(), "pde", X),
    lambda: pk.Harmonics(["x"]), lambda: pk.LogDistance(["x_min"]), lambda: pk.Inversion(np.array([3.0, 3.0])),
]  # fmt: skip

REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: pk.solve(NET, rod()), "solve: problem is MLP"),
    (lambda: pk.solve(rod(), COUNTS, NET), "solve: points is MLP"),
    (lambda: solve(stages="adam"), "solve: stages is 'adam'"),
    (lambda: solve(stages=["adam"]), r"stages\[0\] is 'adam'"),
    (lambda: solve(stages=[pk.Adam]), "stages"),
    (lambda: solve(epochs=10), "there is no argument 'epochs'"),
    (lambda: solve(weight={"pde": 1}), "there is no argument 'weight'.*did you mean 'weights'"),
    (lambda: solve(network=[2, 20, 1]), "network is"),
    (lambda: solve(network=pk.MLP(2, 4, 2)), "the network gives 2 numbers at a point and rod has 1 field"),
    (lambda: solve(network=pk.MLP(3, 4, 1)), "the network takes 3 inputs, the domain has 2 coordinates"),
    (lambda: solve({"pdee": 20}), "no point set 'pdee': its sets are pde.*did you mean 'pde'"),
    (lambda: solve({"pde": 0}), r"points\['pde'\] is 0: expected a whole number of at least 1"),
    (lambda: solve(2.5), "points is 2.5"),
    (lambda: solve(solved().points.replace(pd=X)), "no point set 'pd'"),
    (lambda: solve({"pde": X + 9}), "2 of 2 points 'pde' do not lie in the domain"),
    (lambda: solve(weights={"pdee": 2}), "weights are given for 'pdee'.*did you mean 'pde'"),
    (lambda: solve(weights=[1, 2]), "weights is"),
    (lambda: solve(weights={"pde": -1}), r"weights\['pde'\] is -1: expected a finite number of at least 0"),
    (lambda: solve(weights={"pde": math.nan}), r"weights\['pde'\] is nan"),
    (lambda: solve(resample="rad"), "resample is 'rad'"),
    (lambda: solve(balance="ntk"), "balance is 'ntk'"),
    (lambda: solve(dtype="float32"), "dtype is 'float32'"),
    (lambda: solve(device="gpu"), "device is 'gpu'"),
    (lambda: solve(seed=-1), "seed is -1"),
    (lambda: solve(time_limit="1h"), "time_limit is '1h'"),
    (lambda: solve(observe=lambda: None), "expected a function of 1 argument"),
    (lambda: solved()(np.zeros((2, 5))), "expected points of shape"),
    (lambda: solved()(torch.zeros(5)), r"expected points \(n, d\)"),
    (lambda: solved().jet("u", X), "names is a ndarray"),
    (lambda: solved().jet(X), "names is missing"),
    (lambda: solved().jet(X, ""), "names is '': expected text that is not empty"),
    (lambda: solved().jet(X, "v"), "the fields are u"),
    (lambda: solved().rows("boundary", pk.PointSet(X)), "no term is trained on points 'boundary'"),
    (lambda: pk.Adam(1e-3), "iterations is 0.001: expected a whole number"),
    (lambda: pk.Adam(learning_rate=1e-3), "there is no argument 'learning_rate': it has iterations, lr"),
    (lambda: pk.Adam(lr="1e-3"), "lr is '1e-3': expected a positive number"),
    (lambda: pk.Adam(lr=math.nan), "lr is nan"),
    (lambda: pk.Adam(lr=math.inf), "lr is inf"),
    (lambda: pk.rad(c=math.nan), "c is nan"),
    (lambda: pk.rad(period=100), "there is no argument 'period'"),
    (lambda: pk.MLP([2, 20, 1]), r"MLP: sizes is \[2, 20, 1\]"),
    (lambda: pk.Box((0, 1), (0, 1)), "too many arguments by place: it takes none by place"),
    (lambda: pk.Dirichlet(0, u), "expected a field such as"),
    (lambda: pk.Dirichlet(u, 0, weight=math.nan), "is nan: expected a finite number of at least 0"),
    (lambda: pk.Neumann(u, 0, on=3), "on is 3"),
    (lambda: stated(conditions=[START, pk.Dirichlet(u, 0, on="left")]), "'left' is not on the domain's boundary"),
    (lambda: stated(conditions=["initial"]), "initial"),
    (lambda: stated(parameters=[0.1]), "parameters is"),
    (lambda: stated(u_t + sp.Symbol("a") * u_xx, parameters={"a": 1}), "ill-posed"),
    (lambda: pk.Problem("rod", u, EQUATION, [START], BOX), "conditions is Box"),
    (lambda: pk.Observations(u, X, np.array([1 + 1j, 2])), "the numbers are complex"),
    (lambda: stated(conditions=[START, WALLS, pk.Observations(u, X + 5, [1, 2])]), "lie outside the domain"),
    (lambda: pk.at(u), "give the point's coordinates"),
    (lambda: influence().attribute(pk.at("u", x=5.0, t=0.5)), "lies outside the domain"),
    (lambda: influence().attribute(pk.at("u", x=0.2, y=0.5)), "a point of rod has x, t: got x, y"),
    (lambda: influence().attribute("u"), "functional"),
    (lambda: influence().remove(at(), [{"pde": [0, 0]}]), "chosen 2 times"),
    (lambda: pk.coordinates(""), "give different names"),
    (lambda: pk.save("run.h5", solved()), "save: solution is 'run.h5'"),
    (lambda: pk.error_map(rod()), "error_map: solution is"),
    (lambda: pk.derivatives(u), "say by what"),
]  # fmt: skip


@pytest.mark.parametrize("i", range(len(WORKS)))
def test_what_loses_nothing_works(i: int) -> None:
    WORKS[i]()


@pytest.mark.parametrize("i", range(len(REFUSED)))
def test_one_sentence_says_what_to_do(i: int) -> None:
    call, said = REFUSED[i]
    with pytest.raises((TypeError, ValueError), match=said) as caught:
        call()
    assert is_sentence(caught.value)


def test_an_empty_set_of_points_has_values() -> None:
    assert solved().evaluate([u], torch.zeros(0, 2)).shape == (0, 1)
