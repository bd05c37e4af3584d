"""Burgers' equation solved through the map of Cole and Hopf by a sum of spreading Gaussians."""

import math
import time

import numpy as np
import sympy as sp
import torch

from pinnkit.model.history import History
from pinnkit.model.model import Model
from pinnkit.model.solution import Solution
from pinnkit.statement.points import Points
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.boundary_conditions import Dirichlet
from pinnkit.statement.symbolic.conditions import Initial
from pinnkit.statement.symbolic.torch_program import Program
from pinnkit.statement.well_posed import faces
from pinnkit.tools.gauss_panels import gauss_panels
from pinnkit.tools.versions import versions
from pinnkit.training.recipe import Plan, Progress

from .boundary_points import quadrature
from .boundary_rows import conditions
from .cole_hopf import ColeHopf
from .family import Family, Range
from .superposition import Superposition
from .variable_projection import fit

OVERLAP = 1.8  # widths of a kernel to the spacing: what a row of kernels misses is 2 exp(-pi^2 OVERLAP^2)
SHARP = 0.5  # width of a kernel to the width of the narrowest bell in phi
FAR = 3  # images on either side
SAMPLES = 4000


def solve(problem: Problem, nu: float, tolerance: float, most: int) -> Solution:
    """Burgers' equation with u = 0 at both ends: phi = exp(-int u0 / 2 nu) as a sum of spreading Gaussians.

    phi spans many orders of magnitude, and u needs it relative to itself: rows are divided by phi, and the amplitudes
    come out positive, so that nothing cancels later. The kernels' width follows from how sharply phi bends.

    Raises:
        ValueError: other conditions, or more than ``most`` kernels.
    """
    clock = time.perf_counter(), time.process_time()
    box, (x, t) = problem.domain, problem.variables
    start = next((c for c in problem.conditions if isinstance(c, Initial)), None)
    held = [c for c in problem.conditions if isinstance(c, Dirichlet) and c.value == 0]
    if (
        start is None
        or {f for c in held for f in faces(problem, c)} != set(box.faces)
        or len(held) + 1 < len(problem.conditions)
    ):
        raise ValueError(f"{problem.name}: the Cole-Hopf map is for u = 0 at both ends and no other condition")
    (low, t0), (high, t1) = box.bounds.tolist()
    same = {s: sp.Symbol(s.name, real=True) for s in start.value.free_symbols if s.name in problem.parameters}
    data = Program([start.value.xreplace(same).subs(problem.exact_parameters)], (x, t))

    def u0(s: np.ndarray) -> np.ndarray:
        X = torch.as_tensor(s)
        return torch.as_tensor(data({x: X, t: torch.full_like(X, t0)})[0], dtype=X.dtype).expand(X.shape).numpy()

    edges = np.linspace(low, high, SAMPLES // 16 + 1)
    nodes, weights = gauss_panels(edges)
    slope = -u0(nodes) / (2 * nu)  # (ln phi)_x
    bend = float(np.abs(np.gradient(slope, nodes)).max())
    width = min(SHARP * math.sqrt(2 / max(bend, 1e-300)), (high - low) / 8)
    tau = width**2 / (4 * nu)
    count = math.ceil((high - low) / (width / OVERLAP)) + 1
    if count > most:
        raise ValueError(f"{problem.name}: the data need {count} kernels: allow as many with max_parameters={count}")
    before = np.concatenate([[0.0], np.cumsum((weights * slope).reshape(-1, 16).sum(1))])
    log_phi = _cumulative(edges, before, slope)
    kernel = _kernel(x, t, nu, t0, low, high, tau)
    a = np.linspace(low, high, count)
    theta = np.stack([a, np.full(count, tau)], 1)
    X = torch.as_tensor(np.stack([nodes, np.full(len(nodes), t0)], 1))
    values, slopes = kernel.values(theta, X, [(0, 0), (1, 0)]).numpy()
    phi = np.exp(log_phi - log_phi.max())
    root = np.sqrt(weights)
    # Relative rows of phi, and of phi_x + u0 phi / 2 nu in units of a kernel's width.
    F = np.concatenate([values / phi * root, width * (slopes - slope * values) / phi * root], 1).T
    y = np.concatenate([root, np.zeros_like(root)])
    solved = fit(F, y, 1e-14)
    network = ColeHopf(Superposition((kernel,), tuple((0, tuple(row)) for row in theta.tolist())), nu)
    misfit = solved.misfit / float(np.linalg.norm(y))
    model = Model(problem, network, False, frozenset(problem.equations))
    found = quadrature(problem, conditions(problem), {box.names[0]: 200.0, box.names[1]: 30.0})
    points = Points({key: n.points for key, n in found.items()})
    wall, cpu = time.perf_counter() - clock[0], time.process_time() - clock[1]
    verdict = "within" if misfit <= tolerance else "the tolerance was"
    stop = f"phi and its slope are met to {misfit:.1e}, relative, by {count} kernels ({verdict} {tolerance:.1e})"
    loss = misfit**2
    row = {"iteration": count, "stage": 0, "round": 0, "wall_s": wall, "cpu_s": cpu, "loss": loss, "validation": loss}
    return Solution(
        model,
        torch.as_tensor(solved.a),
        points,
        {},
        History().append(**row),
        (stop,),
        progress=Progress(Plan(()), total=count, wall_s=wall, cpu_s=cpu),
        versions=versions(),
    )


def _kernel(x: sp.Symbol, t: sp.Symbol, nu: float, t0: float, low: float, high: float, tau: float) -> Family:
    """The spreading Gaussian with images that keep its slope at both ends zero."""
    a, shift = sp.Symbol("a", real=True), sp.Symbol("tau", real=True)
    age = t - sp.Float(t0, 17) + shift
    phi = sp.sqrt(shift / age) * sp.exp(-((x - a) ** 2) / (4 * sp.Float(nu, 17) * age))
    L = high - low
    images = [(1.0, 1, 2 * j * L) for j in range(-FAR, FAR + 1)]
    images += [(1.0, -1, 2 * low + 2 * j * L) for j in range(-FAR, FAR + 1)]
    return Family("spreading Gaussian", phi, (x, t), (Range("a", low, high), Range("tau", tau, tau)), tuple(images))


def _cumulative(edges: np.ndarray, before: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """The integral of a function given at the Gauss nodes of panels, at those nodes."""
    node, _ = np.polynomial.legendre.leggauss(16)
    V = np.polynomial.legendre.legvander(node, 15)
    C = np.linalg.solve(V, slope.reshape(-1, 16).T)  # Legendre coefficients, a column a panel
    inside = np.stack([np.polynomial.legendre.legval(node, np.polynomial.legendre.legint(c, lbnd=-1)) for c in C.T])
    return (before[:-1, None] + inside * np.diff(edges)[:, None] / 2).ravel()
