"""Programs of residuals are compiled once a process, but for what holds a caller's own function."""

import gc
import weakref

import pytest
import sympy as sp
import torch

import pinnkit as pk

x, t = pk.coordinates("x t")
u = pk.field("u", x, t)


def programs(source: object, k: float = 0.1) -> dict:
    """The compiled residuals of a diffusion with a source."""
    conditions = [pk.Initial(u, 0), pk.Dirichlet(u, 0, on="x")]
    problem = pk.Problem("rod", u, u.diff(t) - k * u.diff(x, 2) - source, pk.Box(x=(0, 1), t=(0, 1)), conditions)
    return pk.Model(problem, pk.MLP(2, 4, 1)).programs


def test_the_same_statement_has_the_same_program_and_another_one_has_not() -> None:
    assert programs(x * t)["pde"] is programs(x * t)["pde"]
    assert programs(x * t)["pde"] is not programs(x * t, k=0.2)["pde"]
    assert programs(x * t)["pde"] is not programs(x + t)["pde"]


def test_a_callers_function_is_not_kept_alive() -> None:
    def wave(x: torch.Tensor) -> torch.Tensor:
        return torch.sin(x)

    source = pk.function(wave, "q")(x)
    first, second = programs(source)["pde"], programs(source)["pde"]
    assert first is not second
    alive = weakref.ref(first)
    del first
    gc.collect()
    assert alive() is None


def test_parameters_of_another_shape_are_refused_and_unknowns_stand_as_they_are() -> None:
    k = sp.Symbol("k")
    read = pk.Observations(u, torch.rand(9, 2), torch.zeros(9))
    conditions = [pk.Initial(u, 0), pk.Dirichlet(u, 0, on="x"), read]
    problem = pk.Problem("rod", u, u.diff(t) - k * u.diff(x, 2), pk.Box(x=(0, 1), t=(0, 1)), conditions,
                         unknowns={"k": 0.7})  # fmt: skip
    model = pk.Model(problem, pk.MLP(2, 4, 1))
    theta = model.initial(0)
    assert float(theta[-1]) == 0.7 and float(model.coefficients(theta)) == 0.7  # nothing to scale without units
    assert len(model.split(theta)[1]) == 1
    for wrong in (theta[:-1], torch.cat([theta, theta[:1]])):
        with pytest.raises(ValueError, match=r"the parameters of this model are \d+, \(P,\)"):
            model.split(wrong)
