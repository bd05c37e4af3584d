"""How many conditions each wall of a single evolution equation asks for, as its highest derivatives decide.

With u = e^(s t + k x), s > 0 large, the highest derivatives a u_t..t + b u_x..x give k^m = -a s^p / b. Waves with
Re k < 0 decay from the lower wall inwards, so they are fixed there; those with Re k > 0 at the upper wall (Kreiss,
Lorenz 1989, ch. 7). Order 2 asks for one condition at each wall, u_t + u_xxx = 0 for one below and two above.
"""

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.domain.box import Box
from pinnkit.statement.symbolic.boundary_conditions import Boundary
from pinnkit.statement.symbolic.conditions import Periodic
from pinnkit.statement.symbolic.lowering import Lowered
from pinnkit.statement.symbolic.record import Record

from .checks import PROBES, faces
from .orders import coefficients, order

STILL = 1e-6  # of |k|: below, a wave neither grows nor decays


def check_walls(problem: Record, rows: list[Lowered]) -> None:
    """Whether each wall has the conditions that it asks for, where the highest derivatives decide it.

    Raises:
        ValueError: a wall with too few conditions, the other having more than it asks for.
    """
    if len(rows) != 1 or not isinstance(problem.domain, Box) or problem.domain.time is None:
        return
    for name in problem.domain.space:
        if any(isinstance(c, Periodic) and c.coordinate == name for c in problem.conditions):
            continue
        for face, needed in _needed(problem, rows[0], name).items():
            given = sum(isinstance(c, Boundary) and face in faces(problem, c) for c in problem.conditions)
            if given < needed:
                raise ValueError(
                    f"{problem.name} is ill-posed: {needed} condition{'s' * (needed > 1)} must stand on {face}, as the "
                    f"highest derivatives decide, got {given}: move conditions there from the opposite wall"
                )


def _needed(problem: Record, row: Lowered, name: str) -> dict[str, int]:
    """Conditions by face; none where the highest derivatives vanish, change their signs or are mixed."""
    domain, slots = problem.domain, row.slots.items()
    i, t = domain.names.index(name), domain.names.index(domain.time)
    m, p = order([row], 0, i), order([row], 0, t)
    indices = [slot.channel[0][1] for slot in row.slots.values()]
    if m < 2 or p not in (1, 2) or any(index[i] and (index[t] or sum(index) > m) for index in indices):
        return {}
    ends = [domain.sample_boundary(PROBES, f"{name}_{end}", method="random", seed=1)[0] for end in ("min", "max")]
    X = torch.cat([domain.sample(PROBES, method="random", seed=1), *ends])
    driving = [s for s, slot in slots if slot.channel[0][1][t] == p]
    leading = [s for s, slot in slots if slot.channel[0][1][i] == m]
    if len(driving) != 1 or len(leading) != 1:
        return {}
    a, b = _sign(problem, row, driving, X), _sign(problem, row, leading, X)
    k = np.roots([b, *[0.0] * (m - 1), a]).real if a and b else np.zeros(m)
    below, above = int((k < -STILL).sum()), int((k > STILL).sum())
    return {f"{name}_min": below, f"{name}_max": above} if below + above == m else {}


def _sign(problem: Record, row: Lowered, slots: list[sp.Symbol], X: Tensor) -> float:
    """The sign of a coefficient at all points and for fields of either sign; 0 where it changes or vanishes."""
    found = {float(s) for sense in (1.0, -1.0) for c in coefficients(problem, row, slots, X, sense) for s in c.sign()}
    return found.pop() if len(found) == 1 else 0.0
