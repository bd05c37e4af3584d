"""Small problems, on 8 points and networks of two layers of 4, and an object of every public class made of them."""

import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import sympy as sp
import torch
from torch import Tensor

import pinnkit as pk
from pinnkit import scores

COUNTS = {"pde": 8, "initial": 4, "boundary": 4}
STEPS = (pk.Adam(2),)


class World:
    """Small problems and what follows from them, each made once, at its first use."""

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder or tempfile.mkdtemp())
        self.x, self.t = pk.coordinates("x t")
        self.u = pk.field("u", self.x, self.t)
        self.box = pk.Box(x=(0, 1), t=(0, 1))
        self.flat = pk.Box(x=(0, 1), y=(0, 1))
        self.network = pk.MLP(2, 4, 4, 1)

    @cached_property
    def equation(self) -> sp.Expr:
        """The heat equation."""
        return self.u.diff(self.t) - sp.Rational(1, 10) * self.u.diff(self.x, 2)

    @cached_property
    def problem(self) -> pk.Problem:
        """A rod that cools, with its closed form."""
        shape = sp.sin(sp.pi * self.x)
        return pk.Problem(
            "rod", self.u, self.equation, self.box, [pk.Initial(self.u, shape), pk.Dirichlet(self.u)],
            reference=shape * sp.exp(-sp.pi**2 * self.t / 10), recipe=pk.Recipe(self.network, COUNTS, STEPS, None),
        )  # fmt: skip

    @cached_property
    def solution(self) -> pk.Solution:
        """The rod after two steps."""
        return pk.solve(self.problem, self.network, COUNTS, stages=STEPS, resample=None, progress=False)

    @cached_property
    def inverse(self) -> pk.Solution:
        """The rod with an unknown coefficient and observations."""
        k = sp.Symbol("k")
        X = self.box.sample(6, seed=3)
        data = pk.Observations(self.u, X, torch.sin(torch.pi * X[:, 0]))
        equation = self.u.diff(self.t) - k * self.u.diff(self.x, 2)
        conditions = [pk.Initial(self.u, sp.sin(sp.pi * self.x)), pk.Dirichlet(self.u), data]
        problem = pk.Problem("inverse", self.u, equation, self.box, conditions, unknowns={"k": 0.2})
        return pk.solve(problem, self.network, COUNTS, stages=STEPS, resample=None, hard=False, progress=False)

    @cached_property
    def fluid(self) -> pk.Problem:
        """Stokes flow in a square."""
        x, y = pk.coordinates("x y")
        u, v, p = (pk.field(n, x, y) for n in "uvp")
        nu = sp.Symbol("nu")
        stokes = {
            "x momentum": p.diff(x) - nu * (u.diff(x, 2) + u.diff(y, 2)),
            "y momentum": p.diff(y) - nu * (v.diff(x, 2) + v.diff(y, 2)),
            "continuity": u.diff(x) + v.diff(y),
        }
        walls = [pk.Dirichlet(u, x * (1 - x), on="y_max"), pk.Dirichlet(u, 0, on=("y_min", "x_min", "x_max"))]
        walls += [pk.Dirichlet(v, 0), pk.Dirichlet(p, 0, on="y_min")]
        return pk.Problem("square", (u, v, p), stokes, self.flat, walls, parameters={"nu": 1.0})

    @cached_property
    def flow(self) -> pk.Solution:
        """The Stokes flow, untrained."""
        counts = {"pde": 8}
        return pk.solve(self.fluid, pk.MLP(2, 4, 4, 3), counts, stages=STEPS, resample=None, hard=False, progress=False)

    @cached_property
    def disk(self) -> pk.Problem:
        """A steady equation in a disk."""
        return pk.problem("poisson_disk")

    def deepxde_disk(self) -> Any:
        """DeepXDE's unit disk."""
        from deepxde.geometry import Disk  # slow to load, and says so

        return Disk([0, 0], 1)

    @cached_property
    def influence(self) -> pk.Influence:
        """The influence of the rod's points."""
        return pk.Influence(self.solution)

    @cached_property
    def found(self) -> pk.Attribution:
        """What the rod's points did to one value."""
        return self.influence.attribute(self.at)

    @cached_property
    def map(self) -> pk.ErrorMap:
        """The rod's error map."""
        return pk.error_map(self.solution)

    @cached_property
    def symmetries(self) -> pk.Symmetries:
        """The symmetries of the rod's equation."""
        return pk.symmetries(self.problem)

    @cached_property
    def generator(self) -> pk.Generator:
        """x d/dx + 2 t d/dt."""
        w = sp.Symbol("u")
        return pk.Generator((self.x, self.t), (w,), (self.x, 2 * self.t), (sp.Integer(0),))

    @cached_property
    def orbit(self) -> pk.Orbit:
        """The first orbit of the rod's equation."""
        return pk.orbits(self.problem, self.symmetries)[0]

    @cached_property
    def march(self) -> pk.March:
        """The rod in two windows."""
        return pk.march(self.problem, 2, self.network, COUNTS, stages=STEPS, resample=None, progress=False)

    @cached_property
    def indicators(self) -> pk.Indicators:
        """The rod's indicators at four places."""
        return pk.indicators(self.influence, X=4)

    @property
    def at(self) -> pk.Field:
        """One value asked about."""
        return pk.at("u", x=0.3, t=0.4)

    @property
    def theta(self) -> Tensor:
        """The rod's parameters."""
        return self.solution.theta.clone()

    @property
    def rows(self) -> pk.Stack:
        """The rod's rows."""
        return self.solution.stack

    @property
    def X(self) -> Tensor:
        """Five places on the rod."""
        return self.box.sample(5, seed=1)

    def candidates(self) -> Any:
        """Five points as a set."""
        return pk.PointSet(self.X)

    def saved(self, what: str) -> Path:
        """A run file, a map file or a wake's name."""
        path = self.folder / f"{what}.h5"
        if not path.exists():
            writers = {
                "run": lambda: pk.save(self.solution, path),
                "map": lambda: pk.save_map(self.found, path),
                "error": lambda: self.map.save(path),
            }
            writers[what]()
        return path

    def fresh(self, ending: str) -> Path:
        """A file that does not exist yet."""
        path = self.folder / f"new{ending}"
        path.unlink(missing_ok=True)
        return path

    def module_file(self) -> Path:
        """A file that states the catalogue's diffusion problem."""
        path = self.folder / "own.py"
        path.write_text("import pinnkit as pk\n\ndef own():\n    return pk.problem('diffusion')\n")
        return path


def instances(w: World) -> dict[type, Callable[[], Any]]:
    """An object of every public class whose methods are called, by the class."""
    family = pk.Family("mode", sp.exp(-w.t) * sp.sin(w.x), (w.x, w.t))
    return {
        pk.Box: lambda: w.box, pk.Solution: lambda: w.solution, pk.Stack: lambda: w.rows, pk.Model: lambda:
        w.solution.model, pk.Points: lambda: w.solution.points, pk.PointSet: w.candidates, pk.Problem: lambda:
        w.problem, pk.Influence: lambda: w.influence, pk.Curvature: lambda: w.influence.curvature, pk.ErrorMap: lambda:
        w.map, pk.Attribution: lambda: w.found, pk.March: lambda: w.march, pk.Symmetries: lambda: w.symmetries,
        pk.Generator: lambda: w.generator, pk.Flow: lambda: pk.flow(w.generator), pk.Orbit: lambda: w.orbit,
        pk.Exact: lambda: w.problem.reference, pk.Table: lambda: pk.problem("heat").reference, pk.Computed: lambda:
        pk.Computed(lambda X: X[:, :1] * 0, 0.0), pk.Dirichlet: lambda: pk.Dirichlet(w.u), pk.Neumann: lambda:
        pk.Neumann(w.u), pk.Initial: lambda: pk.Initial(w.u, 0), pk.Robin: lambda: pk.Robin(w.u, 1, 1), pk.Periodic:
        lambda: pk.Periodic(w.u, "x"), pk.Operator: lambda: pk.Operator("wall", w.u), pk.Observations: lambda:
        pk.Observations(w.u, w.X, torch.zeros(5)), pk.Geometry: lambda: w.disk.domain, pk.MLP: lambda: w.network,
        pk.ModifiedMLP: lambda: pk.ModifiedMLP(2, 4, 4, 1), pk.Fourier: lambda: pk.Fourier(2), pk.Harmonics: lambda:
        pk.Harmonics(("x",)), pk.Oscillation: lambda: pk.Oscillation("t", 0.5), pk.Inversion: lambda:
        pk.Inversion((3.0, 3.0)), pk.LogDistance: lambda: pk.LogDistance(("x_min",)), pk.Linearised: lambda:
        pk.Linearised(w.network, w.theta), pk.Module: lambda: pk.Module(torch.nn.Linear(2, 1)), pk.Adam: lambda:
        pk.Adam(2), pk.SOAP: lambda: pk.SOAP(2), pk.LBFGS: lambda: pk.LBFGS(2), pk.SSBroyden: lambda: pk.SSBroyden(2),
        pk.LevenbergMarquardt: lambda: pk.LevenbergMarquardt(2), pk.Field: lambda: w.at, pk.Error: lambda: pk.Error(),
        pk.Loss: lambda: pk.Loss(), pk.Quadrature: lambda: pk.integral(w.problem, "u", n=8), pk.Unknown: lambda:
        pk.Unknown("k"), pk.Function: lambda: pk.Function("double", lambda g: 2 * g.sum(), [w.at]), pk.Family: lambda:
        family, pk.NormalForm: lambda: pk.NormalForm((w.x, w.t), w.x, w.t, sp.Integer(1)), pk.NumericalFlow: lambda:
        pk.NumericalFlow(w.generator), pk.Comparison: lambda: pk.compare({"a": w.indicators}), pk.Response: lambda:
        pk.response(w.influence, places=8, points=32), pk.Report: lambda: pk.report(w.solution), pk.Certificate: lambda:
        pk.certify(w.solution), pk.Uncertainty: lambda: pk.uncertainty(w.inverse), pk.Indicators: lambda: w.indicators,
        scores.ReducibleResidual: scores.ReducibleResidual,
    }  # fmt: skip
