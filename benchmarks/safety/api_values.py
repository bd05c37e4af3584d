"""Good values for every argument of the public functions, on problems of 8 points and networks of two layers of 4."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import sympy as sp
import torch

import pinnkit as pk
from pinnkit import scores

from .api_world import COUNTS, STEPS, World, instances

Arguments = dict[str, Callable[[], Any]]  # how the good value of each argument is made


def _common(w: World) -> Mapping[str, Callable[[], Any]]:
    """Good values by the argument's name, wherever it stands."""
    return {
        "problem": lambda: w.problem, "solution": lambda: w.solution, "network": lambda: w.network,
        "model": lambda: w.influence, "functional": lambda: w.at, "of": lambda: w.at, "theta": lambda: w.theta,
        "v": lambda: w.theta, "w": lambda: torch.ones(w.rows.rows, dtype=torch.float64), "flat": lambda:
        torch.ones(w.rows.rows, dtype=torch.float64), "X": lambda: w.X, "key": lambda: "pde", "seed": lambda: 3,
        "n": lambda: 8, "domain": lambda: w.box, "u": lambda: w.u, "value": lambda: 0.0, "on": lambda: "x_min",
        "weight": lambda: 2.0, "order": lambda: 1, "name": lambda: "some", "names": lambda: "u", "candidates": lambda:
        w.candidates(), "points": lambda: w.solution.points, "weights": lambda: {"pde": 1.0}, "stages": lambda: STEPS,
        "resample": lambda: None, "balance": lambda: None, "hard": lambda: True, "dtype": lambda: torch.float64,
        "device": lambda: "cpu", "validation": lambda: 8, "log_every": lambda: 1, "time_limit": lambda: 5.0,
        "checkpoint": lambda: w.fresh(".h5"), "checkpoint_every": lambda: 60.0, "progress": lambda: False,
        "observe": lambda: lambda s: None, "start": lambda: w.solution, "path": lambda: w.saved("run"),
        "method": lambda: "random", "damping": lambda: 1e-3, "curvature": lambda: "auto", "convention": lambda: "fixed",
        "correct": lambda: True, "iterations": lambda: 3, "lr": lambda: 0.01, "tolerance": lambda: 1e-8, "every":
        lambda: 10, "after": lambda: 0, "keys": lambda: ("pde",), "scale": lambda: 2.0, "line": lambda:
        ((0.1, 0.5), (0.9, 0.5)), "direction": lambda: (1.0, 0.0), "viscosity": lambda: 1.0, "a": lambda: (0.2, 0.5),
        "b": lambda: (0.8, 0.5), "expression": lambda: "u", "field": lambda: "u", "coordinate": lambda: "x",
        "time": lambda: None, "coordinates": lambda: {"x": (0, 1)}, "equations": lambda: w.equation, "fields": lambda:
        w.u, "expressions": lambda: [w.u], "stack": lambda: w.rows, "notes": lambda: (), "domain_": lambda: w.box,
        "conditions": lambda: [pk.Initial(w.u, 0), pk.Dirichlet(w.u)], "objective": lambda: w.rows, "found": lambda:
        None, "columns": lambda: {}, "image": lambda: None, "like": lambda: torch.zeros(1), "J": lambda:
        torch.ones(3, len(w.theta), dtype=torch.float64), "B": lambda: torch.ones(len(w.theta), 2, dtype=torch.float64),
        "activation": lambda: "tanh", "features": lambda: None, "count": lambda: 2, "sizes": lambda:
        (2, 4, 4, 1), "degree": lambda: 2, "field_": lambda: 0, "steps": lambda: 2, "k": lambda: 1.0, "c": lambda: 1.0,
        "how": lambda: "random", "functionals": lambda: w.at, "label": lambda: "trust", "text": lambda: "yes",
        "level": lambda: 0.9, "functional_index": lambda: 0, "along": lambda: lambda X: X, "size": lambda: 4,
    }  # fmt: skip


def _own(w: World) -> dict[str, Arguments]:
    """Good values where a name means something else than elsewhere, by callable."""
    x, t, u = w.x, w.t, w.u
    state = {"Adam": pk.Adam(2), "SOAP": pk.SOAP(2), "LBFGS": pk.LBFGS(2), "SSBroyden": pk.SSBroyden(2),
             "LevenbergMarquardt": pk.LevenbergMarquardt(2)}  # fmt: skip
    stages = {f"{n}.{m}": {"state": lambda s=s: s.start(w.theta, w.rows)} for n, s in state.items()
              for m in ("step", "renew")}  # fmt: skip
    on_flow = {f: {"problem": lambda: w.fluid} for f in ("drag", "lift", "force", "flux", "vorticity", "dissipation",
                                                        "pressure_difference")}  # fmt: skip
    by_name = {"flat": lambda: torch.ones(2, w.rows.rows, dtype=torch.float64)}
    rows_of = torch.tensor([0, 1])
    family = {
        "theta": lambda: np.zeros((1, 0)),
        "indices": lambda: [(0, 0)],
        "field": lambda: 0,
        "z": lambda: np.zeros((1, 0)),
    }
    balance: Arguments = {"keep": lambda: 0.5, "stages": lambda: 1, "points": lambda: 8, "max_ratio": lambda: 10.0}
    resample: Arguments = {"score": lambda: pk.residual_score, "add": lambda: 2, "growth": lambda: 1.5,
                           "max_points": lambda: 20, "candidates": lambda: 16, "warm_up": lambda: 0}  # fmt: skip
    return stages | on_flow | {
        "Adam": {"decay": lambda: 0.5, "beta1": lambda: 0.8, "beta2": lambda: 0.99, "epsilon": lambda: 1e-8},
        "SOAP": {"precondition_frequency": lambda: 2, "weight_decay": lambda: 0.0, "decay": lambda: 0.5},
        "LBFGS": {"memory": lambda: 5}, "SSBroyden": {"scaled": lambda: False},
        "Balance": balance | {"kind": lambda: "ntk"}, "ntk_balance": balance, "gradient_balance": balance,
        "Resample": resample | {"weights": lambda: True}, "rad": resample | {"weights": lambda: True},
        "uniform": resample, "rar_d": resample, "rar_g": resample | {"weights": lambda: False},
        "draw": {"score": lambda: torch.rand(5), "n": lambda: 3, "weights": lambda: True},
        "problem": {"name": lambda: "diffusion"}, "from_file": {"path": w.module_file},
        "coordinates": {"names": lambda: "x y"}, "derivatives": {"suffixes": lambda: ("xx", "t")},
        "field": {"variables": lambda: (x, t)}, "normals": {"variables": lambda: (x, t)},
        "divergence": {"k": lambda: 2.0, "u": lambda: u, "coordinates": lambda: (x,)},
        "function": {"call": lambda: lambda x, t: x + t},
        "certify": {"enclosed": lambda: False, "slopes": lambda: False, "corrected": lambda: False},
        "Dirichlet": {"value": lambda: x * 2}, "Robin": {"a": lambda: 1.0, "b": lambda: 2.0},
        "Operator": {"expression": lambda: u.diff(x)}, "Observations": {"values": lambda: torch.zeros(5)},
        "PointSet": {"weights": lambda: torch.ones(5), "columns": lambda: {"g": torch.zeros(5)},
                     "image": lambda: w.X},
        "PointSet.join": {"other": w.candidates}, "PointSet.weighted": {"weights": lambda: torch.ones(5)},
        "Box": {"coordinates": lambda: {"x": (0, 1), "t": (0, 2)}}, "Box.face_pair": {"name": lambda: "x"},
        "Box.face": {"name": lambda: "x_min"},
        "Box.grid": {"shape": lambda: 3}, "Geometry.grid": {"shape": lambda: 3},
        **{f"{kind}.{hook}": {"x": lambda n=n: np.full((3, n), 0.5), "margin": lambda: 0.0, "tol": lambda: 1e-9,
                              "on": lambda: "boundary"}
           for kind, n in (("Box", 1), ("Geometry", 2)) for hook in ("contains", "touches", "patches", "faces_on")},
        "Geometry": {"geometry": w.deepxde_disk, "names": lambda: ("x", "y"), "time_name": lambda: "t",
                     "parts": lambda: None},
        "error_map": {"n": lambda: 32, "thorough": lambda: False},
        "correct": {"found": lambda: w.map}, "ErrorMap.load": {"path": lambda: w.saved("error")},
        "ErrorMap.save": {"path": lambda: w.fresh(".h5")}, "measure": {"solution": lambda: w.flow,
        "of": lambda: (pk.Quadrature("u", w.candidates(), torch.ones(5)),)},
        "Influence.rank": {"candidates": lambda: [w.candidates()], "top": lambda: 3},
        "Influence.remove": {"groups": lambda: [{"pde": rows_of}]}, "Influence.replace": {"rows": lambda: rows_of,
                             "candidates": lambda: pk.PointSet(w.X[:2])},
        "curvature": {"kind": lambda: "gauss-newton", "centre": lambda: None},
        "Error": {"field": lambda: "u"}, "Field": {"X": lambda: w.X},
        "Function": {"F": lambda: lambda g: g.sum(), "of": lambda: [w.at]},
        "Quadrature": {"points": w.candidates, "q": lambda: torch.ones(5)}, "Loss": {"term": lambda: "pde"},
        "Unknown": {"coefficient": lambda: "k"}, "Unknown.linearise": {"solution": lambda: w.inverse},
        "at": {"coordinates": lambda: {"x": 0.5, "t": [0.1, 0.2]}},
        "integral": {"over": lambda: "domain", "fixed": lambda: {"t": 0.5}}, "test_loss": {"term": lambda: "pde"},
        "load_map": {"path": lambda: w.saved("map")}, "save_map": {"found": lambda: w.found, "path": lambda:
                                                                  w.fresh(".h5")},
        "response": {"equation": lambda: "pde", "places": lambda: 8, "width": lambda: 0.1, "points": lambda: 32},
        "retrain": {"removed": lambda: {"pde": rows_of}, "damping": lambda: 1e-2, "start": lambda: w.theta,
                    "precondition": lambda: lambda v: v},
        "compare": {"models": lambda: {"a": w.indicators}}, "Comparison": {"models": lambda: {"a": (w.indicators,)}},
        "indicators": {"X": lambda: 4, "sigma": lambda: 0.5, "kernel": lambda: "distance", "response": lambda: False,
                       "correct": lambda: False, "along": lambda: "x"},
        "Response.directionality": {"along": lambda: "x"}, "Attribution.strongest": {"functional": lambda: 0},
        "validate": {"points": lambda: 2, "groups": lambda: 0, "corruptions": lambda: 0},
        "deepxde_precision": {}, "to_deepxde": {"num": lambda: {"pde": 8}, "distribution": lambda: "Hammersley",
                                                "points": lambda: None},
        "Inversion": {"centre": lambda: (3.0, 3.0), "radius": lambda: 1.0, "names": lambda: ("x",)},
        "Flow.renamed": {"symbol": lambda: sp.Symbol("b", real=True)}, "Flow.subs": {"values": lambda: {}},
        "Flow.interval": {"bounds": lambda: {x: (0.0, 1.0), t: (0.0, 1.0)}, "most": lambda: 10.0},
        "flow": {"v": lambda: w.generator}, "Generator.apply": {"e": lambda: x * t},
        "Generator": {"coordinates": lambda: (x, t), "fields": lambda: (sp.Symbol("u"),), "xi": lambda: (x, 2 * t),
                      "phi": lambda: (sp.Integer(0),)},
        "Generator.bracket": {"other": lambda: w.generator}, "Generator.on": {"solution": lambda: (x * t,)},
        "Generator.subs": {"values": lambda: {x: t}},
        "NormalForm": {"coordinates": lambda: (x, t), "space": lambda: x, "time": lambda: t, "gauge": lambda:
                       sp.Integer(1)},
        "NormalForm.defects": {"a": lambda: sp.Integer(1), "b": lambda: sp.Integer(0), "c": lambda: sp.Integer(0)},
        "NumericalFlow": {"generator": lambda: w.generator, "values": lambda: {}},
        "NumericalFlow.point": {"X": lambda: torch.rand(5, 3, dtype=torch.float64), "a": lambda: 0.5},
        "Orbit.defined": {"theta": lambda: torch.zeros(len(w.orbit.parameters), dtype=torch.float64)},
        "Orbit.residual": {"equations": lambda: [w.equation], "theta": lambda: torch.full(
            (len(w.orbit.parameters),), 0.5, dtype=torch.float64)},
        "Orbit.moved": {"by": lambda: pk.flow(w.generator)}, "Orbit.put": {"e": lambda: w.equation},
        "Seed": {"solution": lambda: (x * t,)}, "Orbit.ranges": {"bounds": lambda: {x: (0.0, 1.0), t: (0.0, 1.0)}},
        "Orbit.rows": {"jacobian": lambda: False}, "orbits": {"found": lambda: w.symmetries},
        "seeds": {"equations": lambda: [w.equation], "fields": lambda: [u]},
        "Linearised": {"at": lambda: w.theta}, "LogDistance": {"faces": lambda: ("x_min",), "width": lambda: 0.1},
        "Mesh": {"X": lambda: np.zeros((3, 2)), "cells": lambda: np.array([[0, 1, 2]]), "kind": lambda: "triangle"},
        "Module": {"module": lambda: torch.nn.Linear(2, 1), "scaled": lambda: True, "backend": lambda: None,
                   "fresh": lambda: False},
        "Fourier": {"scale": lambda: 1.0}, "Harmonics": {"names": lambda: ("x",)},
        "Oscillation": {"name": lambda: "t", "period": lambda: 0.5},
        "LevenbergMarquardt": {"damping": lambda: 1e-3}, "Recipe": {"points": lambda: COUNTS, "weights": lambda: {}},
        "Points": {"sets": lambda: {"pde": w.candidates()}}, "Points.add": {"sets": lambda: {"pde": w.candidates()}},
        "Points.replace": {"sets": lambda: {"pde": w.X}}, "sample": {"counts": lambda: 8, "method": lambda: "sobol"},
        "Problem": {"reference": lambda: None, "parameters": lambda: {}, "unknowns": lambda: {}, "derived": lambda:
                    {"twice": 2 * u}, "ansatz": lambda: {}, "weight": lambda: x, "recipe": lambda: None, "arguments":
                    lambda: {}},
        "Problem.everywhere": {"what": lambda: "it does"},
        "Computed": {"function": lambda: lambda X: X[:, :1], "error": lambda: 0.0},
        "Exact": {"solution": lambda: {u: x * t}, "parameters": lambda: {}, "error": lambda: 0.0},
        **{f"scores.{n}": {"points": lambda: 8} for n in scores.__all__},
        "Computed.on_grid": {"names": lambda: ("u",)}, "Exact.on_grid": {"names": lambda: ("u",)},
        "Table.on_grid": {"names": lambda: ("u",)}, "Table": {"file": lambda: "heat_poly.h5"},
         "report": {"estimate": lambda: False},
        "Model": {"satisfied": lambda: frozenset(), "units": lambda: None},
        "Model.program": {"residuals": lambda: list(w.problem.residuals[:1])},
        "Model.rows": {"points": lambda: w.solution.points, "programs": lambda: None},
        "Stack.by_columns": by_name, "Stack.by_key": by_name,
        "Stack": {"model": lambda: w.solution.model, "programs": lambda: None},
        "load": {"problem": lambda: w.problem}, "save": {"path": lambda: w.fresh(".h5"), "small": lambda: True},
        "Solution": {"model": lambda: w.solution.model}, "Solution.derivative": {"name": lambda: "u_x"},
        "Solution.rows": {"points": w.candidates}, "Family": {"expression": lambda: sp.exp(-t) * sp.sin(x),
            "coordinates": lambda: (x, t), "ranges": lambda: (), "images": lambda: ((1.0, 1, 0.0),), "axis": lambda: 0,
            "form": lambda: None},
        "Family.values": family, "Family.slopes": family, "Family.at": family, "Family.from_scale": family,
        "Family.slope_of_scale": family, "data_response": {"solution": lambda: w.solution},
        "solve_lie": {"families": lambda: (), "max_parameters": lambda: 5, "modes": lambda: 2, "pool": lambda: 8},
        "closed_form": {}, "resume": {}, "uncertainty": {"solution": lambda: w.inverse, "of": lambda: None, "noise":
                                                         lambda: 0.1, "n": lambda: 32, "damping": lambda: None},
        "export_vtk": {"path": lambda: w.fresh(".vtu"), "vectors": lambda: None, "times": lambda: 2, "nodes": lambda: 9,
                       "error": lambda: False, "on": lambda: None},
        "export_points": {"path": lambda: w.fresh(".vtu"), "found": lambda: w.found},
        "load_wake": {"path": lambda: None}, "March": {"windows": lambda: w.march.windows},
        "March.derivative": {"name": lambda: "u_x"},
        "march": {"windows": lambda: 2, "points": lambda: COUNTS, "folder": lambda: None},
        "solve": {"points": lambda: COUNTS, "start": lambda: None}, "from_deepxde": {},
        "Certificate.at": {},


        "Wake": {k: lambda: np.zeros(3) for k in ("X", "t", "u", "v", "p")}, "LogDistance.build": {},
        "Inversion.build": {"domain": lambda: w.flat},
    }  # fmt: skip


def _from_instance(thing: Any) -> Arguments:
    """The fields of a value, as arguments of its class."""
    names = getattr(type(thing), "__dataclass_fields__", {})
    return {name: partial(getattr, thing, name) for name, f in names.items() if f.init}


class Goods:
    """Looks up how the good value of an argument is made."""

    def __init__(self, world: World) -> None:
        self.common, self.own, self.things = _common(world), _own(world), instances(world)
        self._made: dict[type, Any] = {}

    def instance(self, kind: type) -> Any:
        """An object of a class, always the same one."""
        if kind not in self._made:
            self._made[kind] = self.things[kind]()
        return self._made[kind]

    def of(self, callable_name: str, parameter: str, kind: type | None = None) -> Callable[[], Any] | None:
        """How a good value is made; None where none is known."""
        own = self.own.get(callable_name, {})
        if parameter in own:
            return own[parameter]
        if kind in self.things:
            found = _from_instance(self.instance(kind))
            if parameter in found:
                return found[parameter]
        return self.common.get(parameter)
