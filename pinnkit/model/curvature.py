"""The curvature of a trained loss: Gauss-Newton (primal, dual, low rank), exact, explicit; and its damping."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import torch
from torch import Tensor

from pinnkit.tools.checked import Damping, Matrix, Vector, checked
from pinnkit.tools.damped_solve import Dual, Factor, Path, Primal, Spectral, cholesky, conjugate_gradients, path
from pinnkit.tools.memory import afford
from pinnkit.tools.renamed import renamed

from .gauss_newton import GaussNewton
from .stack import Stack

DENSE = 6000  # the largest matrix that is factored; above it the curvature is approximated by its leading part
EXPLICIT = 500  # the largest P for which "auto" builds the Hessian itself
PRODUCTS = 30  # Hessian products that a solve by conjugate gradients takes, about
HELD = 2**27  # numbers of a Jacobian that the dual form may hold: 1 GB
FEWER = "use fewer points or a smaller network"

Refactor = Callable[[float], Factor]  # damping -> the factor with that damping


@renamed(freedom="effective_parameters", top="largest", lowest="smallest")
@checked
@dataclass(frozen=True, eq=False)
class Curvature:
    """C + damping I, with C the half Hessian of the loss sum_m a_m r_m^2 or its Gauss-Newton part J^T A J.

    Made by :func:`curvature`.

    Args:
        kind: which matrix, in words.
        factor: its factorisation.
        damping: the ridge.
        rule: how the ridge was chosen.
        effective_parameters: effective number of parameters, sum s / (s + damping) over the eigenvalues s.
        largest: the largest eigenvalue.
        rows: M, the number of residual rows.
        smallest: the smallest eigenvalue, where it is known. Default NaN.
        notes: what limits it.
    """

    kind: str
    factor: Factor
    damping: float
    rule: str
    effective_parameters: float
    largest: float
    rows: int
    smallest: float = math.nan
    notes: tuple[str, ...] = ()
    _path: Path | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The kind in a few words."""
        return self.kind

    def solve(self, B: Vector | Matrix) -> Tensor:
        """(C + damping I)^-1 B.

        Args:
            B: right-hand sides (P,) or (P, k).

        Returns:
            A tensor of the same shape.
        """
        return self.factor.solve(self._fitting(B, 0))

    def whiten(self, J: Matrix) -> Tensor:
        """E with E E^T = J (C + damping I)^-1 J^T.

        Args:
            J: rows (m, P).

        Returns:
            E, with m rows.
        """
        return self.factor.whiten(self._fitting(J, 1))

    def leverage(self, J: Matrix) -> Tensor:
        """The diagonal of J (C + damping I)^-1 J^T.

        Args:
            J: rows (m, P).

        Returns:
            A tensor (m,).
        """
        return self.factor.leverage(self._fitting(J, 1))

    def _fitting(self, numbers: Tensor, side: int) -> Tensor:
        like = self.factor.like
        if numbers.shape[side] != len(like) or numbers.dtype != like.dtype:
            raise ValueError(
                f"got {numbers.dtype} of shape {tuple(numbers.shape)}: expected {like.dtype} and {len(like)} "
                f"{'columns' if side else 'rows'}, one for every parameter"
            )
        return numbers

    def __str__(self) -> str:
        return (
            f"{self.kind}, {self.rows} rows, {self.effective_parameters:.0f} effective parameters, "
            f"damping {self.damping:.1e} ({self.rule}; {self.damping / self.largest:.0e} of the largest eigenvalue)"
        )


@checked
def curvature(
    stack: Stack, theta: Vector, kind: str = "auto", damping: Damping = "gcv", *, centre: Tensor | None = None
) -> Curvature:
    """The curvature C + damping I of a loss sum_m a_m r_m^2 at parameters theta, factored.

    Args:
        stack: the rows r with their weights a.
        theta: parameters (P,).
        kind: "gauss-newton": J^T A J, in its cheapest form. "exact": the Hessian, by conjugate gradients preconditioned
            with Gauss-Newton. "explicit": the Hessian as a matrix. "auto" (default): the cheaper of the last two.
        damping: a positive ridge (the weight of a proximal term), or the rule "gcv" (default) or "evidence" that
            chooses the best ridge of the model linearised at theta.
        centre: mean (P,) of the prior behind the ridge. Default None: 0.

    Returns:
        The curvature, which solves systems.

    Raises:
        ValueError: an unknown kind or rule, a damping that is not positive, a curvature that is not finite.
        MemoryError: a matrix needs more memory than there is.

    Source:
        Golub, Heath, Wahba, Technometrics 21 (1979) for "gcv"; MacKay, Neural Comput. 4 (1992) for "evidence".

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.LevenbergMarquardt(10)], progress=False)
        >>> C = pk.curvature(u.stack, u.theta, "gauss-newton")
        >>> C.solve(u.theta).shape
        torch.Size([33])
    """
    kinds = ("auto", "gauss-newton", "exact", "explicit")
    if kind not in kinds:
        raise ValueError(f"curvature={kind!r}: choose one of {', '.join(kinds)}")
    if not isinstance(damping, str) and not damping > 0:
        raise ValueError(f"damping={damping}: give a positive number, 'gcv' or 'evidence'")
    base, again = _gauss_newton(stack, theta, damping, theta if centre is None else theta - centre)
    if kind == "gauss-newton":
        return base
    if kind == "explicit" or (kind == "auto" and len(theta) <= EXPLICIT):
        return _explicit(stack, theta, base)
    return _exact(stack, theta, base, again)


def _gauss_newton(stack: Stack, theta: Tensor, damping: float | str, d: Tensor) -> tuple[Curvature, Refactor]:
    """The Gauss-Newton curvature, and how to factor it with another damping."""
    M, P = stack.rows, len(theta)
    if min(M, P) > DENSE or (M < P and M * P > HELD):
        return _low_rank(stack, theta, damping, d)
    numbers = M * P + 4 * M * M if M < P else 4 * P * P
    _claim(theta, numbers, f"the Gauss-Newton curvature of {M} rows and {P} parameters", FEWER)
    root = stack.row_weights.sqrt()
    rho = root * stack.values(theta)
    factor: Refactor
    if M < P:
        W = stack.jacobian(theta).mul_(root[:, None])
        K = W @ W.T
        line = path(W, K, d, rho, True)
        kind, factor = "Gauss-Newton (dual)", lambda lam: Dual.of(W, K, lam)
    else:
        found = GaussNewton.of(stack, theta)
        line = path(None, found.matrix, d, rho, False, found.gradient)
        kind, factor = "Gauss-Newton (primal)", found.factor
    return _settled(kind, line, damping, factor, M), factor


def _settled(kind: str, line: Path, damping: float | str, factor: Refactor, M: int) -> Curvature:
    lam, rule = (line.choose(damping), damping) if isinstance(damping, str) else (float(damping), "given")
    notes: tuple[str, ...] = ()
    if lam < 2 * line.floor:
        notes = (f"the damping {lam:.1e} is at the limit of rounding: the rows alone do not fix all parameters",)
        lam = max(lam, line.floor)
    s = line.s
    lowest = float(s.min()) if "primal" in kind else math.nan
    return Curvature(kind, factor(lam), lam, rule, line.freedom(lam), float(s.max()), M, lowest, notes, line)


def _low_rank(
    stack: Stack, theta: Tensor, damping: float | str, d: Tensor, block: int = 64, most: int = 1024
) -> tuple[Curvature, Refactor]:
    """The Nystroem approximation C Q (Q^T C Q)^-1 Q^T C on random Q, widened until its spectrum reaches the damping.

    Martinsson, Tropp 2020, section 14; Frangella, Tropp, Udell 2023. One jvp and one vjp for every column.
    """
    M, P = stack.rows, len(theta)
    k = min(P, most)
    _claim(theta, 6 * P * k, f"the curvature of rank {k} for {P} parameters", FEWER)
    root = stack.row_weights.sqrt()
    rho = root * stack.values(theta)
    y = root * stack.jvp(theta, d) - rho
    noise = torch.Generator().manual_seed(0)
    Q, CQ = theta.new_empty(P, 0), theta.new_empty(P, 0)
    while True:
        fresh = torch.randn(P, min(block, P - Q.shape[1], most - Q.shape[1]), generator=noise, dtype=torch.float64)
        fresh = _orthonormal(fresh.to(theta), Q)
        a = stack.row_weights
        CQ = torch.cat(
            [CQ, torch.stack([stack.vjp(theta, a * stack.jvp(theta, q)) for q in fresh.T.contiguous()], 1)], 1
        )
        Q = torch.cat([Q, fresh], 1)
        s, V = _nystroem(Q, CQ)
        line = _projected(s, V.T @ stack.vjp(theta, root * y), y, M)
        lam = line.choose(damping) if isinstance(damping, str) else float(damping)
        last = Q.shape[1] >= min(P, most)
        if last or float(s[0]) < 0.1 * lam:
            factor: Refactor = partial(Spectral, s, V)
            found = _settled(f"Gauss-Newton (rank {len(s)})", line, damping, factor, M)
            if last and len(s) < P and float(s[0]) > found.damping:
                note = f"the smallest of {len(s)} eigenvalues, {float(s[0]):.1e}, exceeds the damping: some are missing"
                found = replace(found, notes=(*found.notes, note))
            return found, factor


def _orthonormal(fresh: Tensor, Q: Tensor) -> Tensor:
    """An orthonormal basis of ``fresh`` without its parts along Q, twice for rounding."""
    for _ in range(2):
        fresh = torch.linalg.qr(fresh - Q @ (Q.T @ fresh))[0]
    return fresh


def _nystroem(Q: Tensor, CQ: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (k,), ascending, and vectors (P, k) of the Nystroem approximation, with a shift against rounding."""
    shift = float(CQ.norm()) * len(CQ) ** 0.5 * torch.finfo(CQ.dtype).eps
    shifted = CQ + shift * Q
    inner = Q.T @ shifted
    B = torch.linalg.solve_triangular(cholesky((inner + inner.T) / 2, 0.0), shifted.T, upper=False)
    V, sigma, _ = torch.linalg.svd(B.T, full_matrices=False)
    return (sigma.square() - shift).clamp_min(0).flip(0), V.flip(1)


def _projected(s: Tensor, b: Tensor, y: Tensor, rows: int) -> Path:
    """The damping path in an eigenbasis: b = V^T W^T y (k,)."""
    s, b, yy = s.cpu().double(), b.cpu().double(), float(y @ y)
    c = b.square() / s.clamp_min(1e-300)  # the squared parts of y along W V
    c[s <= 0] = 0.0
    outside = max(yy - float(c.sum()), 0.0)

    def fit(damping: float) -> tuple[float, float]:
        shrink = damping / (s + damping)
        return float((shrink.square() * c).sum()) + outside, float((shrink * c).sum()) + outside

    return Path(s, rows, fit)


# ------------------------------------------------------------------------------------------------- exact


@dataclass(frozen=True, eq=False)
class Newton(Factor):
    """(H + damping I)^-1 for the exact half Hessian H: conjugate gradients on top of a Gauss-Newton factor.

    What needs all of the inverse at once (``whiten``, ``leverage``) is Gauss-Newton's.
    """

    stack: Stack
    theta: Tensor
    base: Factor
    damping: float
    tolerance: float = 1e-10

    @property
    def like(self) -> Tensor:
        """theta."""
        return self.theta

    @property
    def definite(self) -> Factor:
        """Gauss-Newton's."""
        return self.base

    def product(self, v: Tensor) -> Tensor:
        """(H + damping I) v."""
        return self.stack.hvp(self.theta, v) / 2 + self.damping * v

    @cached_property
    def _dense(self) -> Primal:
        """The Cholesky factor of the whole matrix: P products, as many as some dozen columns need."""
        P = len(self.theta)
        _claim(self.theta, 5 * P * P, f"the Hessian of {P} parameters", "ask about fewer things at once")
        eye = torch.eye(P, dtype=self.theta.dtype, device=self.theta.device)
        C = torch.stack([self.stack.hvp(self.theta, e) for e in eye]) / 2
        return Primal.of((C + C.T) / 2, self.damping)

    def solve(self, B: Tensor) -> Tensor:
        """(H + damping I)^-1 B, of many columns by a matrix; raises ValueError where H + damping I is not definite."""
        if B.ndim == 2:
            P, k = B.shape
            if "_dense" in self.__dict__ or (k * PRODUCTS > P and P <= DENSE):
                return self._dense.solve(B)
            return torch.stack([self.solve(b) for b in B.T], 1)
        found = conjugate_gradients(self.product, B, self.base.solve, self.tolerance)
        if found.negative:
            raise ValueError(
                f"the Hessian with damping {self.damping:.1e} has a direction of negative curvature: give a larger "
                "damping, or use curvature='gauss-newton'"
            )
        return found.x

    def whiten(self, J: Tensor) -> Tensor:
        """Gauss-Newton's E, shape (m, k)."""
        return self.base.whiten(J)

    def leverage(self, J: Tensor) -> Tensor:
        """Gauss-Newton's leverage, shape (m,)."""
        return self.base.leverage(J)


def _exact(stack: Stack, theta: Tensor, base: Curvature, again: Refactor) -> Curvature:
    """Raise the damping until no direction of negative curvature is met from two random starts."""
    lam, factor, notes = base.damping, base.factor, base.notes
    noise = torch.Generator().manual_seed(0)
    starts = [torch.randn(len(theta), generator=noise, dtype=torch.float64).to(theta) for _ in range(2)]
    while True:
        newton = Newton(stack, theta, factor, lam)
        if not any(conjugate_gradients(newton.product, b, factor.solve, 1e-6).negative for b in starts):
            break
        lam *= 10
        if lam > 1e3 * base.largest:
            raise ValueError(
                "the Hessian is indefinite at every damping: the model is far from a minimum, train it further"
            )
        factor = again(lam)
    if lam > base.damping:
        notes += (_raised(base.damping, lam),)
        base = replace(base, rule=f"{base.rule}, raised")
    assert base._path is not None  # it is a Gauss-Newton curvature
    freedom = base._path.freedom(lam)
    return replace(
        base, kind=f"exact Hessian (conjugate gradients on {base.kind})", factor=newton, damping=lam,
        effective_parameters=freedom, smallest=math.nan, notes=notes,
    )  # fmt: skip


def _explicit(stack: Stack, theta: Tensor, base: Curvature) -> Curvature:
    """The Hessian column by column, and its spectrum."""
    P = len(theta)
    _claim(theta, 6 * P * P, f"the explicit Hessian of {P} parameters", "use curvature='exact' or 'gauss-newton'")
    eye = torch.eye(P, dtype=theta.dtype, device=theta.device)
    H = torch.stack([stack.hvp(theta, e) for e in eye]) / 2
    s, V = torch.linalg.eigh((H + H.T) / 2)
    lam, lowest, notes = base.damping, float(s.min()), base.notes
    if lowest + lam <= 0.1 * lam:  # the smallest damping with a minimum, with room to spare
        lam = max(10 * base.damping, -2 * lowest)
        notes += (f"the Hessian's smallest eigenvalue is {lowest:.1e}", _raised(base.damping, lam))
        base = replace(base, rule=f"{base.rule}, raised")
    freedom = float((s / (s + lam)).sum())
    return replace(
        base, kind="exact Hessian (explicit)", factor=Spectral(s, V, lam), damping=lam, effective_parameters=freedom,
        largest=float(s.max()), smallest=lowest, notes=notes,
    )  # fmt: skip


def _claim(theta: Tensor, numbers: int, what: str, instead: str) -> None:
    afford(theta.element_size() * numbers, what, instead, theta.device)


def _raised(old: float, new: float) -> str:
    return (
        f"the Hessian is indefinite: the damping was raised from {old:.1e} to {new:.1e}, where the proximal loss has a "
        "minimum; effects hold for a model that stays near this one"
    )
