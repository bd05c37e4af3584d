"""Pickle and copy: solutions and what belongs to them, for pools of processes."""

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest
import sympy as sp
import torch

import pinnkit as pk

HEAT, STAGES = pk.problem("heat"), [pk.LevenbergMarquardt(10)]
X = HEAT.domain.sample(5)


def train(problem=HEAT, **more):
    return pk.solve(problem, pk.MLP(2, 6, 1), 30, stages=STAGES, progress=False, **more)


@pytest.fixture(scope="module")
def trained():
    return train()


def taken(value):
    return pickle.loads(pickle.dumps(value))


def source(x):
    return torch.sin(x)


@pytest.mark.parametrize("again", [taken, copy.copy, copy.deepcopy])
def test_a_solution_comes_back_the_same(trained, again):
    trained(X)  # what it has found stays behind
    back = again(trained)
    assert torch.equal(back(X), trained(X)) and torch.equal(
        back.stack.values(back.theta), trained.stack.values(back.theta)
    )
    assert back.errors() == trained.errors() and back.notes == trained.notes


def test_and_is_resumed_bit_for_bit(trained):
    stopped = taken(train(time_limit=0))
    assert torch.equal(pk.resume(stopped, time_limit=60, progress=False).theta, trained.theta)


def test_so_do_marches_corrections_maps_and_closed_forms(trained):
    march = pk.march(HEAT, 2, pk.MLP(2, 6, 1), 30, stages=STAGES, progress=False)
    for solution in (march, pk.correct(trained), pk.solve_lie(HEAT)):
        solution(X)
        assert torch.equal(taken(solution)(X), solution(X))
    found = pk.error_map(trained)
    assert taken(found).relative_l2 == found.relative_l2
    one = pk.Influence(trained).attribute(pk.at("u", x=0.5, t=0.05))
    assert torch.equal(taken(one).joint["pde"], one.joint["pde"])


def test_a_callable_of_the_statement_goes_along_with_its_derivatives():
    x, t = pk.coordinates("x t")
    u, q = pk.field("u", x, t), pk.function(source, "q")
    start = q(x) * x * (1 - x)
    box = pk.Box(x=(0, 1), t=(0, 1))
    problem = pk.Problem(
        "own", u, u.diff(t) - u.diff(x, 2) - q(x), box, [pk.Initial(u, start), pk.Dirichlet(u, 0, on="x")]
    )
    solution = train(problem)
    assert torch.equal(taken(solution)(X), solution(X))
    slope, value = taken((q(x).diff(x), q(x)))
    assert value.diff(x) == slope and value.func is not q
    assert float(sp.Integer(1)) == 1.0


def test_a_body_goes_along():
    with pk.deepxde_precision():
        import deepxde as dde

        body = dde.geometry.Rectangle([0, 0], [1, 1]) - dde.geometry.Disk([0.5, 0.5], 0.2)
    domain = pk.Geometry(body, parts={"hole": dde.geometry.Disk([0.5, 0.5], 0.2)})
    back = taken(domain)
    assert back.faces == domain.faces and torch.equal(back.sample(9), domain.sample(9))


@pytest.mark.slow
def test_a_pool_of_processes_evaluates(trained):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert torch.equal(pool.submit(trained, X).result(), trained(X))
