"""Influence: what removing, adding, replacing or moving training points does to any functional of a trained model."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.curvature import Curvature, curvature
from pinnkit.model.fits import check_points
from pinnkit.model.published_curvature import published_curvature, unweighted
from pinnkit.model.quantity.base import Functional, curve_of, several
from pinnkit.model.quantity.field import places
from pinnkit.model.solution import Solution
from pinnkit.model.stack import Stack
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.tools.checked import Count, Damping, Rows, checked
from pinnkit.tools.memory import afford

from .attribution import Attribution, Stationarity
from .chosen import group_of
from .pinnfluence import GradientDot
from .second_order import SecondOrder

BASELINES = ("published", "gradient-dot")  # methods to compare with: their own objective, nothing corrected
CONVENTIONS = ("fixed", "mean")
MANY = 8  # from this number of functionals on, rows and one matrix product cost less than a tangent pass for each


@checked
class Influence:
    """Influence by the implicit function theorem: removing row m moves f by df/dtheta (C + damping)^-1 g_m / (1 - h_m).

    The objective is the loss sum_m a_m r_m^2 of the training, a = w_k / N_k, plus damping |theta - theta*|^2. Here g_m
    = a_m r_m J_m is a half gradient, C the half Hessian, and h_m = a_m J_m (C + damping)^-1 J_m^T the leverage. The
    denominator makes removals exact for models that are linear in their parameters.

    Methods take a ``convention`` for the mean over the N points of a set. "fixed": other points keep their weight w /
    N. "mean": they share the weight of a removed point, w / (N - 1), and give to an added one, w / (N + 1).

    Args:
        solution: a trained solution.
        curvature: "auto", "gauss-newton", "exact", "explicit" (see :func:`curvature`), or a :class:`Curvature` that is
            known already. "published" and "gradient-dot" are methods from the literature, for comparison: the plain sum
            of squares, without weights, means or leverage. Default "auto": the exact Hessian.
        damping: a positive number, or the rule "gcv" or "evidence" that chooses it. Default "gcv".

    Source:
        Cook, Technometrics 19 (1977); Koh, Liang, ICML (2017); arXiv:2409.08958 for "published".

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.LevenbergMarquardt(10)], progress=False)
        >>> influence = pk.Influence(u, "gauss-newton")
        >>> found = influence.attribute(pk.at("u", x=0.5, t=0.05))
        >>> len(found.strongest(3))
        3
    """

    def __init__(
        self, solution: Solution, curvature: str | Curvature = "auto", damping: Damping = "gcv"
    ) -> None:  # fmt: skip
        self.solution, self._kind, self._damping = solution, curvature, damping

    @cached_property
    def curvature(self) -> Curvature:
        """The factored curvature; computed once."""
        if not isinstance(self._kind, str):
            return self._kind
        if self._kind in BASELINES:
            own = published_curvature(self.solution) if self._kind == "published" else GradientDot()
            return own  # type: ignore[return-value]  # what is only compared with has no leverage and no rule
        return curvature(self.stack, self.solution.theta, self._kind, self._damping)

    @cached_property
    def stack(self) -> Stack:
        """The rows that were trained on, with their weights (ones for the methods to compare with)."""
        return unweighted(self.solution) if self._baseline else self.solution.stack

    @property
    def _baseline(self) -> bool:
        return isinstance(self._kind, str) and self._kind in BASELINES

    @property
    def described(self) -> str:
        """The curvature in a line."""
        return str(self.curvature) if isinstance(self.curvature, Curvature) else self.curvature.name

    @cached_property
    def stationarity(self) -> Stationarity:
        """How far the model is from a minimum."""
        losses, gradient = self.stack.loss_and_gradient(self.solution.theta)
        loss, half = float(losses.sum()), gradient / 2
        gain = float(half @ self.curvature.solve(half)) / max(loss, 1e-300)
        return Stationarity(float(gradient.norm()), loss, gain)

    def response(self, functional: Functional | Sequence[Functional]) -> tuple[Tensor, Tensor]:
        """Values f (K,) and responses S = (C + damping)^-1 df/dtheta^T.

        Args:
            functional: a number that depends on the solution (:func:`at`, :class:`Field`, :class:`Integral`,
                :class:`Loss`, ...), or several.

        Returns:
            f (K,) and S (P, K).
        """
        values, gradients = several(functional).linearise(self.solution)
        return values, self.curvature.solve(gradients.T.contiguous())

    # ------------------------------------------------------------------------------------------------- removal

    def attribute(
        self, functional: Functional | Sequence[Functional], *, convention: str = "fixed", correct: bool = True
    ) -> Attribution:
        """Effects f(without a point) - f(with it) of all training points, one at a time.

        Args:
            functional: a number that depends on the solution (:func:`at`, :class:`Field`, :class:`Integral`,
                :class:`Loss`, ...), or several.
            convention: "fixed" (default) or "mean": what becomes of 1/N, see the class.
            correct: True (default): with the leverage, and for losses and errors with the square of the parameters'
                change, which dominates near their minimum. False: to first order.

        Returns:
            The effects by loss term and by point set, (K, N) each.

        Raises:
            ValueError: an unknown convention.
            MemoryError: the effects need more memory than there is.
        """
        _check(convention)
        correct = correct and not self._baseline
        one = several(functional)
        values, S = self.response(one)
        stack, K = self.stack, S.shape[1]
        what = f"the effects of {stack.rows} rows on {K} numbers"
        afford(4 * S.element_size() * K * stack.rows, what, "ask about fewer at once", S.device)
        first, own = S.new_zeros(K, stack.rows), S.new_zeros(K, stack.rows)
        curve = curve_of(one, self.solution) if correct else None
        totals = self.totals if curve is not None and convention == "mean" else None
        second = None if curve is None else SecondOrder(curve, self.curvature.factor, self.stack, totals)
        more: dict[str, list[tuple[Tensor, Tensor]]] = {key: [] for key in stack.readouts}
        joint: dict[str, list[Tensor]] = {key: [] for key in stack.readouts}
        tangents = not correct and K < MANY  # rows are not needed
        if tangents:
            for k, s in enumerate(S.T):
                r, Js = stack.values_and_jvp(self.solution.theta, s.contiguous())
                first[k] = stack.row_weights * r * Js
            own = first.clone()
            joint = {key: [e.sum(1)] for key, e in stack.by_key(first).items()}
        for key, numbers, r, J in () if tangents else self._by_point(stack):
            a, JS = stack.row_weights[numbers], torch.einsum("rmp,pk->rmk", J, S)
            e = a * r * JS.movedim(-1, 0)  # (K, R, m)
            first[:, numbers] = e
            own[:, numbers] = e
            together = r
            if correct:
                B = self._coupling(J, a)
                own[:, numbers] /= 1 - B.diagonal(dim1=1, dim2=2).T
                together = _solve_each(B, a, r, -1.0)
            joint[key].append((a * together * JS.movedim(-1, 0)).sum(1))
            if second is not None:
                more[key].append(second.of(key, J, a * r / (1 - B.diagonal(dim1=1, dim2=2).T), a * together))
        both = {key: torch.cat(parts, 1) for key, parts in joint.items()}
        if convention == "mean":
            own, both = self._shared(first, own, both)
        for key, pairs in more.items():
            if pairs:
                alone, whole = (torch.cat(p, -1) for p in zip(*pairs, strict=True))
                stack.by_key(own)[key].add_(alone)
                both[key] = both[key] + whole
        return Attribution(
            one.names, values, stack.by_columns(own), both, self.solution.points, stack.keys, convention,
            self.described, (*self.curvature.notes, str(self.stationarity), *(self._forced if correct else ())),
            self.solution.problem.domain.names, places(one, self.solution.problem),
        )  # fmt: skip

    @cached_property
    def _forced(self) -> tuple[str, ...]:
        """What to know of points that no others can stand in for."""
        count = sum(int((h > 0.99).sum()) for h in self.leverage.values())
        if not count:
            return ()
        return (
            f"{count} rows have a leverage above 0.99: nothing else fixes what they fix, removal is a large change",
        )

    def _shared(self, first: Tensor, own: Tensor, joint: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Effects when the remaining N - 1 points take over the weight of the removed one."""
        stack, own = self.stack, own.clone()
        sums = {name: e.sum(1) for name, e in stack.by_columns(first).items()}
        for name, e in stack.by_columns(own).items():
            N = e.shape[1]
            e.mul_(N).sub_(sums[name][:, None]).div_(max(N - 1, 1))
        shared = {}
        for key, e in joint.items():
            N, total = e.shape[1], sum((sums[name] for name in stack.names(key)), torch.zeros(()))
            shared[key] = (N * e - total[:, None]) / max(N - 1, 1)
        return own, shared

    def _by_point(self, stack: Stack) -> Iterator[tuple[str, Tensor, Tensor, Tensor]]:
        """Point set, row numbers (R, m), r (R, m) and J (R, m, P) of blocks of points."""
        for key, numbers, r, rows in stack.jacobian_by_point(self.solution.theta):
            yield key, numbers, r, torch.stack(list(rows))

    def _coupling(self, J: Tensor, a: Tensor, present: bool = True) -> Tensor:
        """A_z^1/2 J_z (C + damping)^-1 J_z^T A_z^1/2 of the R rows of each point, shape (m, R, R).

        For ``present`` points, where all others have curvature of their own, it is at most t / (t + damping),
        t = tr A J J^T. An indefinite Hessian can break this bound, and with it the sign of a removal: it is enforced.
        """
        most = (a * J.square().sum(2)).sum(0)
        most = most / (most + self.curvature.damping) if present else torch.full_like(most, torch.inf)
        if len(J) == 1:
            return (self.curvature.leverage(J[0]) * a[0]).clamp(max=most)[:, None, None]
        solved = torch.stack([self.curvature.solve(rows.T.contiguous()).T for rows in J])
        root = a.T.sqrt()
        B = torch.einsum("rmp,smp->mrs", J, solved) * root[:, :, None] * root[:, None, :]
        s, U = torch.linalg.eigh((B + B.mT) / 2)
        return (U * s.clamp(max=most[:, None])[:, None, :]) @ U.mT

    @cached_property
    def leverage(self) -> dict[str, Tensor]:
        """h_m = a_m J_m (C + damping)^-1 J_m^T of every row, by loss term, (N,): 0 superfluous, 1 fitted exactly."""
        h = torch.empty_like(self.stack.row_weights)
        for numbers, _, J in self.stack.jacobian_blocks(self.solution.theta):
            a = self.stack.row_weights[numbers][None]
            h[numbers] = self._coupling(J[None], a)[:, 0, 0]
        return self.stack.by_term(h)

    def self_influence(self) -> dict[str, Tensor]:
        """Growth 2 a r^2 h / (1 - h) of a row's own weighted squared residual when the row is removed.

        Returns:
            By loss term, (N,).
        """
        r = self.stack.values(self.solution.theta)
        loss = self.stack.by_term(self.stack.row_weights * r * r)
        return {name: 2 * loss[name] * h / (1 - h) for name, h in self.leverage.items()}

    def remove(
        self, functional: Functional | Sequence[Functional], groups: Sequence[Mapping[str, Tensor]], *,
        convention: str = "fixed",
    ) -> Tensor:  # fmt: skip
        """Effects of removing groups of points: delta theta = C^-1 J_S^T A (I - J_S C^-1 J_S^T A)^-1 r_S for a group S.

        The interaction within a group counts to all orders of the quadratic model. For losses and errors its square
        counts too.

        Args:
            functional: a number that depends on the solution (:func:`at`, :class:`Field`, :class:`Integral`,
                :class:`Loss`, ...), or several.
            groups: for each group, numbers of points (or a mask) by point set.
            convention: "fixed" (default) or "mean": what becomes of 1/N, see the class.

        Returns:
            Effects (K, groups).

        Raises:
            ValueError: an unknown convention, point set or number, or a point that is twice in a group.
        """
        _check(convention)
        sizes = {key: len(self.stack.points[key]) for key in self.stack.readouts}
        groups = [group_of(group, sizes) for group in groups]
        _, S = self.response(functional)
        curve = None if self._baseline else curve_of(several(functional), self.solution)
        shared = self.totals if curve is not None and convention == "mean" else {}
        out = S.new_zeros(S.shape[1], len(groups))
        totals = self._first_order_totals(S) if convention == "mean" else {}
        for i, group in enumerate(groups):
            a, r, J = self._rows_at({key: (self.stack.points[key][rows], rows) for key, rows in group.items()})
            U = self.curvature.solve(J.T.contiguous())
            B = J @ U * a
            moved = torch.linalg.solve(torch.eye(len(B)).to(B) - B, r)
            JS = J @ S
            if convention == "fixed":
                out[:, i] = JS.T @ (a * moved)
                if curve is not None:
                    out[:, i] += curve((U @ (a * moved))[:, None])[:, 0]
                continue
            start, step = 0, torch.zeros_like(U[:, 0])
            for key, rows in group.items():
                N, n, R = len(self.stack.points[key]), len(rows), len(self.stack.names(key))
                part = slice(start, start + n * R)
                start += n * R
                out[:, i] += (N * (JS[part].T @ (a * moved)[part]) - n * totals[key]) / max(N - n, 1)
                if curve is not None:
                    total = sum(shared[name] for name in self.stack.names(key))
                    step += (N * (U[:, part] @ (a * moved)[part]) - n * total) / max(N - n, 1)
            if curve is not None:
                out[:, i] += curve(step[:, None])[:, 0]
        return out

    @cached_property
    def totals(self) -> dict[str, Tensor]:
        """(C + damping)^-1 of the half gradient of every term, (P,)."""
        theta = self.solution.theta
        g, found = self.stack.row_weights * self.stack.values(theta), {}
        for name in self.stack.terms:
            alone = torch.zeros_like(g)
            self.stack.by_term(alone)[name].copy_(self.stack.by_term(g)[name])
            found[name] = self.curvature.solve(self.stack.vjp(theta, alone))
        return found

    def _first_order_totals(self, S: Tensor) -> dict[str, Tensor]:
        """The sum of all first-order effects by point set, (K,)."""
        theta = self.solution.theta
        ar = self.stack.row_weights * self.stack.values(theta)
        moved = torch.stack([self.stack.jvp(theta, s.contiguous()) for s in S.T])
        none = torch.zeros(())
        return {
            key: sum((e.sum(1) for e in rows.unbind(1)), none) for key, rows in self.stack.by_key(ar * moved).items()
        }

    def _rows_at(self, chosen: Mapping[str, tuple[PointSet, Tensor | None]]) -> tuple[Tensor, Tensor, Tensor]:
        """a, r and J of some points; with their numbers they have their training weights, without w / N."""
        parts = []
        for key, (points, rows) in chosen.items():
            sub = self.solution.model.rows({key: points.to(self.solution.theta)})
            R, n = len(sub.names(key)), len(points)
            if rows is None:
                w = [self.stack.weights[name] / len(self.stack.points[key]) for name in sub.names(key)]
                a = sub.like.new_tensor(w)[:, None].expand(R, n)
            else:
                a = self.stack.rows_of(key, self.stack.row_weights)[:, rows]
            parts.append((a.reshape(-1), sub.values(self.solution.theta), sub.jacobian(self.solution.theta)))
        a, r, J = (torch.cat(p) for p in zip(*parts, strict=True))
        return a, r, J

    # ------------------------------------------------------------------------------- adding, replacing, moving

    def add(
        self, functional: Functional | Sequence[Functional], key: str, candidates: PointSet | Tensor, *,
        convention: str = "fixed", correct: bool = True,
    ) -> Tensor:  # fmt: skip
        """Effects -a r J S / (1 + h) of adding each candidate, with all terms of its set, to the training points.

        Args:
            functional: a number that depends on the solution (:func:`at`, :class:`Field`, :class:`Integral`,
                :class:`Loss`, ...), or several.
            key: the point set that the candidates join, such as "pde".
            candidates: n points, (n, d).
            convention: "fixed" (default) or "mean": what becomes of 1/N, see the class.
            correct: True (default): with the leverage h, which bounds what a new point can do. False: first order,
                which needs no rows of J and is cheaper.

        Returns:
            Effects (K, n).

        Raises:
            ValueError: an unknown convention or point set.
        """
        _check(convention)
        correct = correct and not self._baseline
        points = self._candidates(key, candidates)
        _, S = self.response(functional)
        N = len(self.stack.points[key])
        out = self._added(key, points, S, correct)
        if convention == "mean":
            out = (N * out + self._first_order_totals(S)[key][:, None]) / (N + 1)
        return out

    def _candidates(self, key: str, candidates: PointSet | Tensor) -> PointSet:
        if key not in self.stack.readouts:
            raise ValueError(f"there is no point set {key!r} in the loss: it has {', '.join(self.stack.readouts)}")
        points = candidates if isinstance(candidates, PointSet) else PointSet(candidates)
        check_points(self.solution.problem, {key: points})
        return points.to(self.solution.theta)

    def _added(self, key: str, points: PointSet, S: Tensor, correct: bool) -> Tensor:
        rows, theta = self.solution.model.rows({key: points}), self.solution.theta
        names = rows.names(key)
        w = [self.stack.weights[name] / len(self.stack.points[key]) for name in names]
        a = rows.like.new_tensor(w)[:, None]
        if not correct and S.shape[1] < MANY:
            parts = []
            for s in S.T:
                r, Js = rows.values_and_jvp(theta, s.contiguous())
                parts.append(-(a * (r * Js).view(len(names), -1)).sum(0))
            return torch.stack(parts)
        out = S.new_empty(S.shape[1], len(points))
        for _, numbers, r, J in self._by_point(rows):
            JS = torch.einsum("rmp,pk->krm", J, S)
            if correct:
                r = _solve_each(self._coupling(J, a.expand_as(r), present=False), a.expand_as(r), r, 1.0)
            out[:, numbers[0]] = -(a * r * JS).sum(1)
        return out

    def rank(
        self, functional: Functional, key: str, candidates: Iterable[PointSet | Tensor], top: Count = 1000
    ) -> tuple[Tensor, PointSet]:
        """The candidates with the largest first-order effect when added, from a stream of any length.

        Args:
            functional: one functional.
            key: the point set that the candidates join.
            candidates: an iterable of chunks of points; the chunks bound the memory.
            top: how many candidates are kept. Default 1000.

        Returns:
            Effects (top,), largest |effect| first, and their points.

        Raises:
            ValueError: several functionals, no candidates, or an unknown point set.
        """
        _, S = self.response(functional)
        if S.shape[1] != 1:
            raise ValueError(f"candidates are ranked by one functional: got {S.shape[1]}, use a Function of them")
        effects, kept = S.new_empty(0), None
        for chunk in candidates:
            points = self._candidates(key, chunk)
            e = self._added(key, points, S, False)[0]
            best = e.abs().topk(min(top, len(e))).indices
            effects, kept = torch.cat([effects, e[best]]), points[best] if kept is None else kept.join(points[best])
            best = effects.abs().topk(min(top, len(effects))).indices
            effects, kept = effects[best], kept[best]
        if kept is None:
            raise ValueError("no candidates were given")
        return effects, kept

    def replace(
        self, functional: Functional | Sequence[Functional], key: str, rows: Rows, candidates: PointSet | Tensor
    ) -> Tensor:
        """Effects of candidate i in the place of training point rows[i]; the number of points stays.

        The change of rank 2 R, for R terms of the set, counts to all orders of the quadratic model.

        Args:
            functional: a number that depends on the solution (:func:`at`, :class:`Field`, :class:`Integral`,
                :class:`Loss`, ...), or several.
            key: the point set.
            rows: numbers (n,) of the training points that leave.
            candidates: the n points that replace them, (n, d).

        Returns:
            Effects (K, n).

        Raises:
            ValueError: an unknown point set, or other than one candidate for every replaced point.
        """
        new = self._candidates(key, candidates)
        if len(new) != len(rows):
            raise ValueError(f"every replaced point needs one candidate: got {len(rows)} and {len(new)}")
        _, S = self.response(functional)
        out = S.new_empty(S.shape[1], len(new))
        for i in range(len(new)):
            old = self.stack.points[key][rows[i : i + 1]]
            a0, r0, J0 = self._rows_at({key: (old, rows[i : i + 1])})
            _, r1, J1 = self._rows_at({key: (new[i : i + 1], None)})
            J, r, a = torch.cat([J0, J1]), torch.cat([r0, r1]), torch.cat([-a0, a0])
            B = J @ self.curvature.solve(J.T.contiguous()) * a
            out[:, i] = -(J @ S).T @ (a * torch.linalg.solve(torch.eye(len(B)).to(B) + B, r))
        return out

    def move(self, functional: Functional | Sequence[Functional], key: str = "pde") -> Tensor:
        """Derivatives -a (D_x r J + r J_x) S of f by every coordinate of every training point.

        Here D_x r is the total derivative of the residual, which is itself a residual of the same model.

        Args:
            functional: a number that depends on the solution (:func:`at`, :class:`Field`, :class:`Integral`,
                :class:`Loss`, ...), or several.
            key: the point set. Default: the interior.

        Returns:
            Derivatives (K, N, d).

        Raises:
            ValueError: points with an image, data or normals, which cannot move freely.
        """
        names, points = self.stack.names(key), self.stack.points[key]
        if points.image is not None or points.columns:
            raise ValueError(f"the points {key!r} carry normals, data or images: they cannot be moved by themselves")
        problem, theta = self.solution.problem, self.solution.theta
        _, S = self.response(functional)
        rows = self.solution.model.rows({key: points})
        a = self.stack.rows_of(key, self.stack.row_weights)
        stated = {r.name: r.expression for r in problem.residuals if r.name in names}
        out = S.new_zeros(S.shape[1], len(points), points.X.shape[1])
        for i, x in enumerate(problem.variables):
            slope = self.solution.model.readout([Residual(n, stated[n].diff(x), problem.places[key]) for n in names])
            moved = self.solution.model.rows({key: points}, {key: slope})
            for k, s in enumerate(S.T):
                r, Js = (v.view(len(names), -1) for v in rows.values_and_jvp(theta, s.contiguous()))
                dr, dJs = (v.view(len(names), -1) for v in moved.values_and_jvp(theta, s.contiguous()))
                out[k, :, i] = -(a * (dr * Js + r * dJs)).sum(0)
        return out


def _solve_each(B: Tensor, a: Tensor, r: Tensor, sign: float) -> Tensor:
    """(I + sign A^-1/2 B A^1/2)^-1 r for every point: r (R, m), B (m, R, R)."""
    root = a.T.sqrt()
    moved = torch.linalg.solve(torch.eye(len(r)).to(B) + sign * B, (root * r.T)[:, :, None])[..., 0]
    return (moved / root.clamp_min(1e-300)).T


def _check(convention: str) -> None:
    if convention not in CONVENTIONS:
        raise ValueError(f"convention={convention!r}: choose one of {', '.join(CONVENTIONS)}")
