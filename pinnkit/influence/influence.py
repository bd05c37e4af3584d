"""Influence: what removing, adding, replacing or moving training points does to any functional of a trained model."""

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from pinnkit.domain.point_set import PointSet
from pinnkit.model.curvature import Curvature
from pinnkit.model.quantity.base import Functional
from pinnkit.model.solution import Solution
from pinnkit.model.stack import Stack
from pinnkit.tools.checked import Count, Damping, Rows, checked

from .addition import added, moved, ranked, replaced
from .attribution import Attribution, Stationarity
from .quadratic_model import QuadraticModel
from .removal import removed_alone, removed_together

CONVENTIONS = ("fixed", "mean")


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

    solution: Solution

    def __init__(self, solution: Solution, curvature: str | Curvature = "auto", damping: Damping = "gcv") -> None:
        self.solution, self._model = solution, QuadraticModel(solution, curvature, damping)

    @property
    def curvature(self) -> Curvature:
        """The factored curvature; computed once."""
        return self._model.curvature

    @property
    def stack(self) -> Stack:
        """The rows that were trained on, with their weights (ones for the methods to compare with)."""
        return self._model.stack

    @property
    def described(self) -> str:
        """The curvature in a line."""
        return self._model.described

    @property
    def stationarity(self) -> Stationarity:
        """How far the model is from a minimum."""
        return self._model.stationarity

    @property
    def leverage(self) -> dict[str, Tensor]:
        """h_m = a_m J_m (C + damping)^-1 J_m^T of every row, by loss term, (N,): 0 superfluous, 1 fitted exactly."""
        return self._model.leverage

    def response(self, functional: Functional | Sequence[Functional]) -> tuple[Tensor, Tensor]:
        """Values f (K,) and responses S = (C + damping)^-1 df/dtheta^T.

        Args:
            functional: a number that depends on the solution (:func:`at`, :class:`Field`, :class:`Quadrature`,
                :class:`Loss`, ...), or several.

        Returns:
            f (K,) and S (P, K).
        """
        return self._model.response(functional)

    def attribute(
        self, functional: Functional | Sequence[Functional], *, convention: str = "fixed", correct: bool = True
    ) -> Attribution:
        """Effects f(without a point) - f(with it) of all training points, one at a time.

        Args:
            functional: a number that depends on the solution (:func:`at`, :class:`Field`, :class:`Quadrature`,
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
        return removed_alone(self._model, functional, convention, correct and not self._model.baseline)

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
            functional: a number that depends on the solution (:func:`at`, :class:`Field`, :class:`Quadrature`,
                :class:`Loss`, ...), or several.
            groups: for each group, numbers of points (or a mask) by point set.
            convention: "fixed" (default) or "mean": what becomes of 1/N, see the class.

        Returns:
            Effects (K, groups).

        Raises:
            ValueError: an unknown convention, point set or number, or a point that is twice in a group.
        """
        _check(convention)
        return removed_together(self._model, functional, groups, convention)

    def add(
        self, functional: Functional | Sequence[Functional], key: str, candidates: PointSet | Tensor, *,
        convention: str = "fixed", correct: bool = True,
    ) -> Tensor:  # fmt: skip
        """Effects -a r J S / (1 + h) of adding each candidate, with all terms of its set, to the training points.

        Args:
            functional: a number that depends on the solution (:func:`at`, :class:`Field`, :class:`Quadrature`,
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
        correct = correct and not self._model.baseline
        return added(self._model, functional, key, candidates, convention, correct)

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
        return ranked(self._model, functional, key, candidates, top)

    def replace(
        self, functional: Functional | Sequence[Functional], key: str, rows: Rows, candidates: PointSet | Tensor
    ) -> Tensor:
        """Effects of candidate i in the place of training point rows[i]; the number of points stays.

        The change of rank 2 R, for R terms of the set, counts to all orders of the quadratic model.

        Args:
            functional: a number that depends on the solution (:func:`at`, :class:`Field`, :class:`Quadrature`,
                :class:`Loss`, ...), or several.
            key: the point set.
            rows: numbers (n,) of the training points that leave.
            candidates: the n points that replace them, (n, d).

        Returns:
            Effects (K, n).

        Raises:
            ValueError: an unknown point set, or other than one candidate for every replaced point.
        """
        return replaced(self._model, functional, key, rows, candidates)

    def move(self, functional: Functional | Sequence[Functional], key: str = "pde") -> Tensor:
        """Derivatives -a (D_x r J + r J_x) S of f by every coordinate of every training point.

        Here D_x r is the total derivative of the residual, which is itself a residual of the same model.

        Args:
            functional: a number that depends on the solution (:func:`at`, :class:`Field`, :class:`Quadrature`,
                :class:`Loss`, ...), or several.
            key: the point set. Default: the interior.

        Returns:
            Derivatives (K, N, d).

        Raises:
            ValueError: points with an image, data or normals, which cannot move freely.
        """
        return moved(self._model, functional, key)


def _check(convention: str) -> None:
    if convention not in CONVENTIONS:
        raise ValueError(f"convention={convention!r}: choose one of {', '.join(CONVENTIONS)}")
