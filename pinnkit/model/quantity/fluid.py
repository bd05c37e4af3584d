"""What engineers ask of a flow: forces, pressure differences, fluxes, vorticity, dissipation.

Each takes the problem's own names: velocity components u, v (and w), pressure p, be they fields or derived quantities,
and the viscosity, 1 / Re where the problem has a parameter Re, or nu.
"""

from collections.abc import Sequence
from typing import TypeAlias

import sympy as sp
import torch

from pinnkit.domain.base import On
from pinnkit.domain.boundary_quadrature import along_boundary, along_line
from pinnkit.domain.point_set import PointSet
from pinnkit.model.solution import Solution
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.boundary_conditions import normals
from pinnkit.statement.symbolic.expression import as_expression
from pinnkit.tools.checked import Count, Finite, checked

from .base import Functional
from .integral import Quadrature

VELOCITY, PRESSURE = ("u", "v", "w"), "p"
Viscosity: TypeAlias = sp.Expr | float | None
Line = tuple[Sequence[Finite], Sequence[Finite]]  # from one point to another


@checked
def force(
    problem: Problem, on: On, direction: Sequence[Finite] = (1.0, 0.0), *, n: Count = 256, scale: Finite = 1.0,
    viscosity: Viscosity = None, name: str = "",
) -> Quadrature:  # fmt: skip
    """The force of a plane flow on a body: scale * e . int (-p I + nu (grad u + grad u^T)) m ds.

    m is the normal from the body into the fluid, e a unit vector. Drag is along the flow, lift across it. With scale =
    2 / (U^2 D) they are the coefficients c_D and c_L.

    Args:
        problem: a problem with a plane flow: velocities u, v and, for forces, a pressure p.
        on: the part or parts of the boundary that are the body.
        direction: e, scaled to length 1. Default: along x.
        n: number of quadrature points.
        scale: a factor. Default 1.
        viscosity: nu. Default None: the parameter of the problem.
        name: name of the result. Default "": made from the rest.

    Returns:
        A functional, for :func:`measure`, :class:`Influence` or :func:`uncertainty`.

    Raises:
        ValueError: no velocity, pressure or viscosity, an unknown part of the boundary, a direction of length 0.

    Example:
        >>> import pinnkit as pk
        >>> pk.force(pk.problem("cylinder"), "cylinder", (0.0, 1.0)).names
        ('force on cylinder along (0, 1)',)
    """
    e = [float(c) for c in direction]
    length = sum(c * c for c in e) ** 0.5
    if len(e) != 2 or not length:
        raise ValueError(f"direction={tuple(direction)}: give the two components of a direction of the plane")
    u, x, m = velocity(problem), problem.variables, normals(*problem.variables)
    nu, p = _viscosity(problem, viscosity), _output(problem, PRESSURE)
    traction = [-p * m[i] + nu * sum((u[i].diff(x[j]) + u[j].diff(x[i])) * m[j] for j in range(2)) for i in range(2)]
    # The domain's normals point out of the fluid, into the body.
    points, q = along_boundary(problem.domain, on, n)
    expression = -sum(c / length * t for c, t in zip(e, traction, strict=True))
    return Quadrature(expression, points, scale * q, name or f"force on {_label(on)} along ({e[0]:g}, {e[1]:g})")


@checked
def drag(problem: Problem, on: On, *, scale: Finite = 1.0, n: Count = 256) -> Quadrature:
    """The force of a plane flow on a body along x, see :func:`force`.

    Args:
        problem: a problem with a plane flow: velocities u, v and, for forces, a pressure p.
        on: the part or parts of the boundary that are the body.
        scale: a factor, as 2 / (U^2 D) for c_D. Default 1.
        n: number of quadrature points.

    Returns:
        A functional.

    Example:
        >>> import pinnkit as pk
        >>> pk.drag(pk.problem("cavity"), "y_max").names
        ('drag',)
    """
    return force(problem, on, (1.0, 0.0), n=n, scale=scale, name="drag")


@checked
def lift(problem: Problem, on: On, *, scale: Finite = 1.0, n: Count = 256) -> Quadrature:
    """The force of a plane flow on a body along y, see :func:`force`.

    Args:
        problem: as in :func:`drag`.
        on: as there.
        scale: a factor, as 2 / (U^2 D) for c_L. Default 1.
        n: as there.

    Returns:
        A functional.

    Example:
        >>> import pinnkit as pk
        >>> pk.lift(pk.problem("cylinder"), "cylinder").names
        ('lift',)
    """
    return force(problem, on, (0.0, 1.0), n=n, scale=scale, name="lift")


@checked
def pressure_difference(
    problem: Problem, a: Sequence[Finite], b: Sequence[Finite], *, scale: Finite = 1.0
) -> Quadrature:
    """The pressure difference scale * (p(a) - p(b)).

    Args:
        problem: a problem with a plane flow: velocities u, v and, for forces, a pressure p.
        a: the first point.
        b: the second point.
        scale: a factor. Default 1.

    Returns:
        A functional.

    Raises:
        ValueError: no pressure, or a point outside the domain.

    Example:
        >>> import pinnkit as pk
        >>> ends = pk.pressure_difference(pk.problem("cylinder"), (1.5, 2.0), (2.5, 2.0))
        >>> ends.q.tolist()
        [1.0, -1.0]
    """
    if len(a) != len(b):
        raise ValueError(f"{tuple(a)} and {tuple(b)}: expected two points of the domain")
    X = torch.tensor([list(a), list(b)], dtype=torch.float64)
    if not problem.domain.inside(X).all():
        raise ValueError(f"{tuple(a)} and {tuple(b)}: expected two points of the domain")
    q = torch.tensor([scale, -scale], dtype=torch.float64)
    return Quadrature(_output(problem, PRESSURE), PointSet(X), q, "pressure difference")


@checked
def flux(
    problem: Problem,
    on: On | None = None,
    *,
    line: Line | None = None,
    n: Count = 128,
) -> Quadrature:
    """The flux int u . m ds out of a part of the boundary, or across a line, to its right.

    Args:
        problem: a problem with a plane flow: velocities u, v and, for forces, a pressure p.
        on: a part or parts of the boundary. Default None: the line is given.
        line: both end points of a line. Default None: the boundary is given.
        n: number of quadrature points.

    Returns:
        A functional.

    Raises:
        ValueError: both or neither of boundary and line, no velocity, an unknown part of the boundary.

    Example:
        >>> import pinnkit as pk
        >>> pk.flux(pk.problem("cavity"), line=[(0.5, 0.0), (0.5, 1.0)]).q.shape
        torch.Size([128])
    """
    u, m = velocity(problem), normals(*problem.variables)
    if on is not None and line is None:
        (points, q), where = along_boundary(problem.domain, on, n), _label(on)
    elif line is not None and on is None:
        start, end = line
        (points, q), where = along_line(start, end, problem.domain.names, n), f"the line from {(*start,)} to {(*end,)}"
    else:
        raise ValueError("flux needs a part of the boundary, or a line=((x0, y0), (x1, y1)): give one of the two")
    return Quadrature(sum(a * b for a, b in zip(u, m, strict=True)), points, q, f"flux through {where}")


@checked
def vorticity(problem: Problem) -> sp.Expr | tuple[sp.Expr, ...]:
    """The vorticity v_x - u_y of a plane flow, or the three components of curl u, as expressions.

    Args:
        problem: a problem with velocities.

    Returns:
        One expression, or three.

    Example:
        >>> import pinnkit as pk
        >>> pk.vorticity(pk.problem("kovasznay"))
        -Derivative(u(x, y), y) + Derivative(v(x, y), x)
    """
    u, x = velocity(problem), _space(problem)
    if len(u) == 2:
        return u[1].diff(x[0]) - u[0].diff(x[1])
    return tuple(u[k].diff(x[j]) - u[j].diff(x[k]) for j, k in ((1, 2), (2, 0), (0, 1)))


@checked
def dissipation(problem: Problem, viscosity: Viscosity = None) -> sp.Expr:
    """nu / 2 sum_ij (du_i/dx_j + du_j/dx_i)^2, the power lost to friction at a point, as an expression.

    Args:
        problem: a problem with velocities.
        viscosity: nu. Default None: the parameter of the problem.

    Returns:
        An expression in the velocities.

    Raises:
        ValueError: no velocity or viscosity.

    Example:
        >>> import pinnkit as pk
        >>> x, y = pk.coordinates("x y")
        >>> pk.dissipation(pk.problem("kovasznay"), viscosity=0.1).has(pk.field("u", x, y).diff(x))
        True
    """
    u, x = velocity(problem), _space(problem)
    d = range(len(u))
    rates = sum((u[i].diff(x[j]) + u[j].diff(x[i])) ** 2 for i in d for j in d)
    return _viscosity(problem, viscosity) * rates / 2


@checked
def measure(solution: Solution, *of: Functional) -> dict[str, float]:
    """The values of functionals of a solution.

    Args:
        solution: the solution.
        of: the functionals.

    Returns:
        Numbers by name.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> list(pk.measure(u, pk.at("u", x=0.5, t=0.05), pk.Error()))
        ['u at x=0.5, t=0.05', 'relative L2 error']
    """
    return {name: float(v) for part in of for name, v in zip(part.names, part.linearise(solution)[0], strict=True)}


def velocity(problem: Problem) -> tuple[sp.Expr, ...]:
    """The components of the velocity: as many of u, v, w as the domain has space coordinates; else ValueError."""
    if len(problem.domain.space) not in (2, 3):
        names = ", ".join(problem.domain.space)
        raise ValueError(f"{problem.name} has the space coordinates {names}: flows are two- or three-dimensional")
    return tuple(_output(problem, name) for name in VELOCITY[: len(problem.domain.space)])


def is_plane_flow(problem: Problem) -> bool:
    """Whether a problem with two space coordinates has a velocity u, v and a pressure p, as fields or derived."""
    return len(problem.domain.space) == 2 and {"u", "v", PRESSURE} <= set(problem.outputs)


def _label(on: On) -> str:
    return on if isinstance(on, str) else "+".join(on)


def _output(problem: Problem, name: str) -> sp.Expr:
    if name not in problem.outputs:
        raise ValueError(f"{problem.name} has no {name}: expected a field or derived quantity of that name")
    return problem.outputs[name]


def _space(problem: Problem) -> list[sp.Symbol]:
    return [x for x in problem.variables if x.name != problem.domain.time]


def _viscosity(problem: Problem, given: Viscosity) -> sp.Expr:
    if given is not None:
        return as_expression(given, "the viscosity")
    if "Re" in problem.parameters:
        return 1 / sp.Symbol("Re", real=True)
    if "nu" in problem.parameters:
        return sp.Symbol("nu", real=True)
    raise ValueError(f"{problem.name} has neither a parameter Re nor nu: give the viscosity")
