"""How wrong is a solution, and where, without a reference: the linear problem for the error, solved on fresh points."""

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal, overload

import numpy as np
import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.data_misfit import missed_data
from pinnkit.model.march import March
from pinnkit.model.nan_cause import cause
from pinnkit.model.quantity.field import Field
from pinnkit.model.solution import Solution
from pinnkit.model.stack import Stack
from pinnkit.model.undetermined import open_inflow
from pinnkit.network.linearised import Linearised
from pinnkit.statement.symbolic.observations import Observations
from pinnkit.statement.well_posed import surplus
from pinnkit.tools.checked import Count, Positive, Whole, checked

from .amplification import ROWS, Amplification, amplification, stepped
from .error_map import ErrorMap
from .fresh_points import FreshPoints
from .march_error import MarchErrorMap, march_error_map
from .settings import USUAL, Settings
from .tangent_space import TangentSpace, mean_size, residual_size, uneven, wobbled
from .uncertainty import uncertainty
from .verdict import ErrorParts, Evidence, verdict


@overload
def error_map(
    solution: Solution,
    n: Count | None = None,
    seed: Whole = 0,
    damping: Positive | Literal["held-out"] = "held-out",
    thorough: bool = False,
) -> ErrorMap: ...


@overload
def error_map(
    solution: March,
    n: Count | None = None,
    seed: Whole = 0,
    damping: Positive | Literal["held-out"] = "held-out",
    thorough: bool = False,
) -> MarchErrorMap: ...


@checked
def error_map(
    solution: Solution | March,
    n: Count | None = None,
    seed: Whole = 0,
    damping: Positive | Literal["held-out"] = "held-out",
    thorough: bool = False,
) -> ErrorMap | MarchErrorMap:
    """The error e = u - u* implied by the residual r on fresh points: L'[u] e = r, solved in the tangent space of u.

    delta minimises |A^1/2 (r + J delta)|^2 + damping |delta|^2, by orthogonal transformations in double precision, with
    weights A that turn squares into absolute values. Points are drawn where the residual of the corrected fields is
    large, and more of them near singular places. If curvature matters the problem is linearised again at u + J_u delta:
    a Gauss-Newton method in function space. A set of points of its own judges the result.

    Cost: one SVD (P, P) and a few Jacobians a draw, 1 to 10 s of CPU for 1341 parameters. A thorough map costs twice
    that, and up to 80 s for 4000.

    Args:
        solution: a trained solution, or a march, whose errors are followed from window to window.
        n: number of interior points to use. Default None: up to 8 rows a parameter, fewer once the estimate is settled.
        seed: seed of the points.
        damping: a positive ridge, or "held-out" (default): the one with the least residual at other points.
        thorough: True: draw points until they help no more, and use up to 4500 parameters instead of 1500. It serves
            the best correction. Default False: the quickest estimate.

    Returns:
        The error map, with its estimate of |u - u*| / |u*|, an interval and a verdict.

    Raises:
        ValueError: n below 1, a damping that is neither positive nor "held-out", parameters or residuals that are not
            finite, residuals that do not depend on the parameters.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 100, stages=[pk.LevenbergMarquardt(20)], progress=False)
        >>> found, true = pk.error_map(u, n=300), u.errors()["u"]["relative_l2"]
        >>> 0.1 < found.relative_l2["u"] / true < 10
        True
    """
    if isinstance(solution, March):
        return march_error_map(solution, lambda s: error_map(s, n, seed, damping, thorough))
    if n is not None and n < 1:
        raise ValueError(f"n={n}: give the number of interior points to use, at least 1, or None")
    if not bool(torch.isfinite(solution.theta).all()):
        raise ValueError("the solution's parameters are not finite: it has diverged, train it again")
    if not bool(torch.isfinite(solution.stack.losses(solution.theta)).all()):
        reason = cause(solution.stack, solution.theta)
        raise ValueError(f"the solution's residuals are not finite{': ' * bool(reason)}{reason}")
    return _Search(TangentSpace(solution), seed, damping, thorough, USUAL).run(n)


@dataclass(frozen=True, eq=False)
class _Fit:
    """One solution of the least-squares problem, and what it is worth at the points that it is judged by."""

    delta: Tensor
    damping: float
    left: float  # mean |residual| of the corrected solution over that of the solution
    nonlinear: float  # share of the square of what is left that linearising missed
    spread: Tensor  # (fields,) relative change of e as the damping moves

    @property
    def moves(self) -> float:
        return float(self.spread.max())

    @property
    def estimate_error(self) -> float:
        return max(self.left, self.moves)


class _Search:
    """Rows drawn in rounds, the damping chosen, the outcome judged."""

    def __init__(
        self, space: TangentSpace, seed: int, damping: float | str, thorough: bool, settings: Settings
    ) -> None:
        self.settings = settings
        self.space, self.damping, self.problem, self.thorough = space, damping, space.model.problem, thorough
        self.points = FreshPoints(space, seed, settings)
        self.zero = torch.zeros_like(space.theta)
        self.keys = space.model.keys
        self.linear = all(program.linear for program in space.model.programs.values())
        self.choose, self.check = (
            {key: self.points.pool(key, self.points.count(key, n), self.zero) for key in self.keys}
            for n in (settings.choose, settings.check)
        )
        self.start = self._mean(self.check, self.zero)
        self.nodes, self.X = self._nodes()
        self.columns = self._columns(settings.columns)

    def _nodes(self) -> tuple[Tensor, Tensor]:
        """Nodes of the solution's grid, on which its true error is measured where there is a reference; and some."""
        axes, u, _ = self.space.solution.on_grid()
        X = torch.as_tensor(np.stack([m.ravel() for m in np.meshgrid(*axes.values(), indexing="ij")], 1))
        X = X[torch.isfinite(u).all(-1).reshape(-1)]
        order = torch.randperm(len(X), generator=torch.Generator().manual_seed(self.points.seed()))
        return X.to(self.zero), X[order[: self.settings.nodes]].to(self.zero)

    def _columns(self, most: int) -> Tensor:
        """The parameters whose tangents are used: all, or a random part with all unknown coefficients."""
        P, U = len(self.zero), len(self.problem.unknowns)
        kept = torch.randperm(P - U, generator=torch.Generator().manual_seed(self.points.seed()))[: max(1, most - U)]
        return torch.cat([kept.sort().values, torch.arange(P - U, P)]).to(self.zero.device)

    def _mean(self, points: Mapping[str, PointSet], d: Tensor) -> float:
        """The mean size of the residuals of the function u + J_u d."""
        stack, at = self.space.stack(points, d)
        return mean_size(stack, stack.values(at))

    def run(self, n: int | None) -> ErrorMap:
        """Rounds with some columns, and where more are wanted further ones with all."""
        began = time.process_time()
        fit, rows = self._rounds(n, self.zero, self.settings.first, 9)
        P = len(self.zero)
        if self.thorough and len(self.columns) < P and 0.1 * self.settings.enough < fit.left < 1:
            some = self.columns
            self.columns = self._columns(self.settings.all_columns)
            best, more = self._rounds(n, fit.delta, self.settings.first + self.settings.more, 1)
            if best.left < fit.left:
                fit, rows = best, more
            else:
                self.columns = some
        return self._map(fit, rows, began)

    def _rounds(self, n: int | None, base: Tensor, first: int, most_rounds: int) -> tuple[_Fit, int]:
        """Rounds of drawing and fitting, until the estimate is good, stays, or points are used up: the best fit."""
        per, K = len(self.space.model.programs[self.keys[0]].names), len(self.columns)
        most = math.ceil(self.settings.last * K / per) if n is None else n
        R, now, best = None, base, None
        last: _Fit | None = None
        used = rows = rounds = 0
        while True:
            m = min(math.ceil((first if R is None else self.settings.more) * K / per), max(most - used, 1))
            W = self._rows(m, base, now)
            R = torch.linalg.qr(W if R is None else torch.cat([R, W]), mode="r")[1]
            before = last
            used, rows, rounds = used + m, rows + len(W), rounds + 1
            last = self._fit(R, base)
            now = last.delta
            if best is None or self._rank(last) < self._rank(best[0]):
                best = last, rows
            if used >= most or rounds >= most_rounds or self._enough(last, before, rounds):
                return best
            if last.nonlinear > self.settings.nonlinear and last.left < 0.5:
                base, R, used, rows = last.delta, None, 0, 0

    def _rank(self, fit: _Fit) -> float:
        return fit.left if self.thorough else fit.estimate_error

    def _enough(self, fit: _Fit, before: _Fit | None, rounds: int) -> bool:
        if self.thorough:
            return before is not None and rounds > 2 and fit.left > self.settings.little * before.left
        return fit.estimate_error < (self.settings.enough if rounds > 1 else 0.1 * self.settings.enough) or (
            before is not None and rounds > 3 and fit.estimate_error > self.settings.stuck * before.estimate_error
        )

    def _rows(self, n: int, base: Tensor, now: Tensor) -> Tensor:
        """Weighted rows [J, r - J base] (M, K + 1) linearised at u + J_u base, drawn where u + J_u now is bad."""
        sets = self._drawn(n, now)
        stack, at = self.space.stack(sets, base)
        root = (stack.row_weights * self._robust(stack, sets, now)).sqrt()
        stack.check_memory(at, stack.rows, 4 * len(self.columns) + 4, "the error map's matrices")
        out = at.new_empty(stack.rows, len(self.columns) + 1)
        for numbers, r, J in stack.jacobian_blocks(at):
            out[numbers, :-1] = J[:, self.columns] * root[numbers, None]
            out[numbers, -1] = (r - J @ base) * root[numbers]
        return out

    def _drawn(self, n: int, now: Tensor) -> dict[str, PointSet]:
        """Points of all sets, n in the interior, more of them where u + J_u now is bad."""
        sets = {}
        for key in self.keys:
            m = self.points.count(key, n)
            pool = self.points.pool(key, max(self.settings.candidates, 2 * m), now)
            sets[key] = self.points.drawn(key, pool, m, now) if len(pool) > m else pool
        return sets

    def _robust(self, stack: Stack, points: Mapping[str, PointSet], now: Tensor) -> Tensor:
        """Weights ~ 1 / (|r| + mean / 10), with which least squares minimise the mean |r|."""
        weights = self.space.residual(points, now).abs()
        for row in stack.by_term(weights).values():
            mean = row.mean().clamp_min(1e-300)
            row.copy_(1.1 * mean / (row + 0.1 * mean))
        return weights

    def _fit(self, R: Tensor, base: Tensor) -> _Fit:
        """The best damping for the triangular factor R (., K + 1) of the rows, and its outcome."""
        K = len(self.columns)
        U, s, V = torch.linalg.svd(R[:K, :K], full_matrices=False)
        if not bool(s[0] > 0):
            raise ValueError("the residuals do not depend on the parameters: there is nothing to estimate")
        z, b, top = U.T @ R[: len(U), K], V @ base[self.columns], float(s[0]) ** 2

        def solve(decades: float) -> Tensor:
            lam, d = top * 10.0**-decades, self.zero.clone()
            d[self.columns] = V.T @ ((lam * b - s * z) / (s * s + lam))
            return d

        if self.damping == "held-out":
            scores = {k: self._mean(self.choose, solve(k)) for k in range(0, 33, 4)}
            best = min(scores, key=scores.__getitem__)
            scores |= {k: self._mean(self.choose, solve(k)) for k in (best - 2, best + 2) if 0 <= k <= 32}
            decades: float = min(scores, key=scores.__getitem__)
        else:
            decades = -math.log10(float(self.damping) / top)
        return self._judge(solve(decades), base, top * 10.0**-decades, [solve(decades - 2), solve(decades + 2)])

    def _judge(self, delta: Tensor, base: Tensor, damping: float, others: list[Tensor]) -> _Fit:
        """What a solution leaves of the residual at points of its own, and how much e moves with the damping."""
        stack, at = self.space.stack(self.check, base)
        r0, slope = stack.values_and_jvp(at, delta - base)
        r, a = self.space.residual(self.check, delta), stack.row_weights
        nonlinear = float((a * (r - r0 - slope).square()).sum() / (a * r * r).sum().clamp_min(1e-300))
        moved = self.space.fields(self.X, delta)[1]
        norm = moved.norm(dim=0).clamp_min(1e-300)
        spread = torch.stack([(self.space.fields(self.X, d)[1] - moved).norm(dim=0) / norm for d in others]).amax(0)
        return _Fit(delta, damping, mean_size(stack, r) / max(self.start, 1e-300), nonlinear, spread)

    def _map(self, fit: _Fit, rows: int, began: float) -> ErrorMap:
        """The figures: what is seen, what is left, and what the rows cannot see."""
        u, moved = self.space.fields(self.nodes, fit.delta)
        seen, size = (v.norm(dim=0) / math.sqrt(len(u)) for v in (moved, u + moved))
        look = self._second_look(fit.delta, size.clamp_min(1e-300))
        stack, at = self.space.stack(self.check, fit.delta)
        left = max(residual_size(stack, stack.values(at)), look.left)
        missed = missed_data(self.space.model, self.space.theta)
        blind, stays = self._blind(fit, look) if self._is_blind(fit, look) else (torch.zeros_like(seen), seen < 0)
        noise, unknown, notes = self._noise()
        stays = stays & (blind > noise)  # what the readings' noise leaves open anyhow is no news
        unseen = torch.maximum(look.typical * left + missed, self.settings.lost * seen)
        scale = torch.where(size > unseen, size, torch.maximum(size, seen)).clamp_min(1e-300)  # where u may be 0
        between = uneven(self.space, fit.delta, seen / size) * size
        other = wobbled(self.space)
        rounded = (self.space.fields(self.X, self.zero)[0] - other.fields(self.X, self.zero)[0]).norm(dim=0)
        rounded = rounded / math.sqrt(len(self.X))
        columns = (seen, look.typical * left, look.again, missed, noise, blind, between, rounded)
        values = (torch.stack(columns) / scale).T.tolist()
        signs = {name: ErrorParts(*row) for name, row in zip(self.problem.field_names, values, strict=True)}
        K, P = len(self.columns), len(self.zero)
        if K < P and bool(fit.delta.any()):
            notes = (f"{K} of {P} parameters, drawn at random, span the corrections", *notes)
        rounding = self._rounding(other)
        nothing, undetermined = (
            tuple(n for n, z in zip(signs, true.tolist(), strict=True) if z) for true in (size <= unseen, stays)
        )
        evidence = Evidence(
            rows / K, fit.left, fit.nonlinear, fit.moves, rounding, self._off(), unknown, nothing, undetermined,
            given=self.damping != "held-out", ill_posed=next(iter(open_inflow(self.space.solution)), ""),
            surplus=surplus(self.problem), corrected=isinstance(self.space.model.network, Linearised),
            linear=self.linear, inverse=bool(self.problem.unknowns),
        )  # fmt: skip
        return ErrorMap(
            solution=self.space.solution,
            delta=fit.delta,
            relative_l2={name: sign.estimate for name, sign in signs.items()},
            interval={name: sign.interval for name, sign in signs.items()},
            explained=max(0.0, 1 - fit.left),
            estimate_error=max(fit.estimate_error, rounding),
            damping=fit.damping,
            rows=rows,
            verdict=verdict(signs, evidence),
            notes=notes,
            parts={name: asdict(sign) for name, sign in signs.items()},
            blind=look.blind,
            cpu_s=time.process_time() - began,
        )

    def _second_look(self, delta: Tensor, scale: Tensor) -> Amplification:
        """Amplifications, and the same correction once more, by points that nothing has seen yet.

        They are graded as well: the rows of few uniform points know nothing of a front, where u is open to them.
        """
        P, most = len(self.zero), self.settings.look
        columns = self._columns(most) if P > most else torch.arange(P, device=self.zero.device)
        n = math.ceil(ROWS * len(columns) / len(self.space.model.programs[self.keys[0]].names))
        sets = self._drawn(max(n, self.settings.least), delta)
        return amplification(self.space, sets, self.X, columns, delta, scale)

    def _is_blind(self, fit: _Fit, look: Amplification) -> bool:
        """Whether residuals hardly notice a change of u, also at points that are graded towards where they would."""
        least = self.settings.spread if self.linear else self.settings.bent
        if look.spread <= least:
            return False
        there = fit.delta + self.settings.step * look.blind
        sets = {key: self.points.pool(key, self.points.count(key, self.settings.check), there) for key in self.keys}
        stack, at = self.space.stack(sets, fit.delta)
        noticed = float((stack.row_weights * stack.jvp(at, look.blind).square()).sum().sqrt())
        change = self.space.fields(self.X, look.blind)[1].norm(dim=0) / math.sqrt(len(self.X))
        return bool((change / look.least > least * noticed).any())

    def _blind(self, fit: _Fit, look: Amplification) -> tuple[Tensor, Tensor]:
        """How far u stays away by field (F,), if the network takes a step along the blind direction, and if it stays.

        The step is one of the network itself, since the tangent space may hold u but not its neighbours (interfaces
        that have moved), and is corrected as u was. A model that the correction brings back is determined: then the
        distance that is left counts as the residual that is left would have it.
        """
        moved, size = stepped(self.space.solution, look.blind, self.X, self.settings.step)
        other = _Search(TangentSpace(moved), self.points.seed(), "held-out", False, self.settings)
        again, _ = other._rounds(None, other.zero, self.settings.first, 2)
        found = (space.fields(self.X, d) for space, d in ((self.space, fit.delta), (other.space, again.delta)))
        u, v = (there + moves for there, moves in found)
        away = (v - u).norm(dim=0) / math.sqrt(len(u))
        residuals = (search._mean(self.check, d) for search, d in ((self, fit.delta), (other, again.delta)))
        here, reached = (max(r, 1e-300) for r in residuals)
        stays = away > self.settings.stays * size * u.norm(dim=0) / math.sqrt(len(u))
        return torch.where(stays, away, away * min(1.0, here / reached)), stays

    def _noise(self) -> tuple[Tensor, str, tuple[str, ...]]:
        """The rms of u's standard deviation by the noise of readings (F,), or why it is unknown; and what is odd."""
        names, none = self.problem.field_names, torch.zeros_like(self.X[0, :1]).expand(len(self.problem.fields))
        if not any(isinstance(c, Observations) for c in self.problem.conditions):
            return none, "", ()
        try:
            points = PointSet(self.X[: self.settings.probes])
            found = uncertainty(self.space.solution, of=[Field(name, points) for name in names])
        except ValueError as error:
            return none, str(error), ()
        seen = replace(found, ridge_share=None)  # what nothing determines is found along the blind directions
        spread = seen.half_width(self.settings.level).to(none).view(len(names), -1)
        return spread.square().mean(1).sqrt(), "", found.notes

    def _off(self) -> float:
        """The mean |residual| on fresh points over that on the training points."""
        points = self.space.solution.points.to(torch.float64, self.zero.device)
        trained = {key: points[key] for key in self.keys if key in points}
        if set(trained) != set(self.keys):
            return 1.0
        return self.start / max(self._mean(trained, self.zero), 1e-300)

    def _rounding(self, other: TangentSpace) -> float:
        """The share of the residual that comes with rounding the parameters."""
        stack, _ = self.space.stack(self.choose, self.zero)
        r = self.space.residual(self.choose, self.zero)
        change = r - other.residual(self.choose, self.zero)
        return min(1.0, mean_size(stack, change) / max(mean_size(stack, r), 1e-300))
