"""Greedy choice of solutions by the orthogonalised score, from a fixed dictionary and from families with parameters."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .boundary_rows import BoundaryRows
from .columns import Columns
from .family import Family
from .variable_projection import fit, jacobian

DEAD = 1e-10  # a column of which less than this is left lies in the span of the others
SPAN = 1e-13  # the square of the same, where squares are subtracted
CLEAN = 0.7  # of a column's length: where more is left, it is orthogonal to the others after one pass
HUGE = 1e100  # a solution with such values does not exist for our purposes
TOP = 6  # candidates of a family that are refined before the choice
STALL = 0.5  # greedy choice ends when that many of the misfit remain after PATIENCE choices
PATIENCE = 3
CLEAR = 0.01  # misfit, relative to the data, with which one family has shown that it suits them
TRIAL = 6  # coefficients after which the most promising families are chosen
BATCH = 8  # columns of the dictionary that are chosen at once beside families


@dataclass(frozen=True)
class Choice:
    """Columns chosen from a dictionary, atoms (family number, scaled parameters), and the misfit that they leave."""

    fixed: tuple[int, ...] = ()
    atoms: tuple[tuple[int, tuple[float, ...]], ...] = ()
    misfit: float = np.inf

    @property
    def coefficients(self) -> int:
        """The number of amplitudes and parameters that were fitted."""
        return len(self.fixed) + sum(1 + len(z) for _, z in self.atoms)


@dataclass
class Search:
    """What a greedy search works on: rows, a dictionary's columns D (M, K), families, the target (M,)."""

    rows: BoundaryRows
    D: Columns
    families: Sequence[Family]
    target: np.ndarray
    goal: float  # the misfit to be reached
    seed: int = 0
    pool: int = 200  # candidates of each family
    deadline: float = np.inf
    tell: Callable[[Choice], None] = field(default=lambda choice: None)

    def columns(self, choice: Choice) -> np.ndarray:
        """F (M, K) of a choice: the dictionary's columns, then the atoms."""
        return np.concatenate([self.D.take(choice.fixed), self.atom_columns(choice.atoms)], 1)

    def atom_columns(self, atoms: Sequence[tuple[int, tuple[float, ...]]]) -> np.ndarray:
        """The columns of atoms, shape (M, K)."""
        out = np.empty((len(self.target), len(atoms)))
        for f, numbers, theta in self._grouped(atoms):
            out[:, numbers] = self.members(f, theta)
        return out

    def members(self, f: int, theta: np.ndarray) -> np.ndarray:
        """The columns of members of a family, 0 for those that do not exist everywhere on the boundary."""
        V = self.rows.columns(self.families[f], theta)
        return np.where((np.abs(V) < HUGE).all(0), V, 0.0)

    def atom_slopes(self, atoms: Sequence[tuple[int, tuple[float, ...]]]) -> np.ndarray:
        """d columns / d scaled parameters, shape (p, M, K), p the most parameters of a family (0 beyond its own)."""
        p = max(self.families[f].count for f, _ in atoms)
        out = np.zeros((p, len(self.target), len(atoms)))
        for f, numbers, theta in self._grouped(atoms):
            family = self.families[f]
            slopes = self.slopes(f, theta)
            out[: family.count, :, numbers] = slopes
        return out

    def slopes(self, f: int, theta: np.ndarray) -> np.ndarray:
        """d columns / d scaled parameters of members of a family, shape (p, M, K)."""
        family = self.families[f]
        slopes = self.rows.slopes(family, theta) * family.slope_of_scale(theta).T[:, None, :]
        return np.where((np.abs(slopes) < HUGE).all((0, 1)), slopes, 0.0)

    def _grouped(self, atoms):
        for f in sorted({f for f, _ in atoms}):
            numbers = [k for k, (g, _) in enumerate(atoms) if g == f]
            yield f, numbers, self.families[f].from_scale(np.array([atoms[k][1] for k in numbers]))

    @property
    def late(self) -> bool:
        """Whether the time is used up."""
        return time.perf_counter() > self.deadline


def from_dictionary(search: Search, start: Choice, most: int) -> Choice:
    """Add columns of the dictionary, each the one of largest |<r, P phi>| / |P phi|, up to ``most`` coefficients.

    The misfit is that of `fit`, larger than the orthonormal basis leaves where the columns are nearly dependent.
    """
    D, Q = search.D, _orthonormal(search.columns(start))
    r = search.target - Q @ (Q.T @ search.target)
    r -= Q @ (Q.T @ r)
    basis = np.empty((Q.shape[1] + max(0, min(most, D.shape[1])), len(r)))  # in rows
    basis[: Q.shape[1]], n = Q.T, Q.shape[1]
    size = np.maximum(D.squares(), 1e-300)
    left, along = size - (D.dot(Q) ** 2).sum(1), D.dot(r)  # |P phi|^2 and <r, P phi>
    fixed, misfit = list(start.fixed), float(np.linalg.norm(r))
    alive = left > SPAN * size
    alive[fixed] = False
    while misfit > search.goal and n < len(basis) and not search.late:
        if start.coefficients + len(fixed) - len(start.fixed) >= most or not alive.any():
            break
        gain = np.where(alive, along**2 / np.where(alive, left, 1.0), 0.0)
        j = int(gain.argmax())
        if gain[j] <= 1e-28 * (search.target @ search.target):
            break
        q = D.take([j])[:, 0]
        q /= np.linalg.norm(q)
        for _ in range(2):
            q -= (basis[:n] @ q) @ basis[:n]
            length = np.linalg.norm(q)
            q /= length
            if length > CLEAN:
                break
        basis[n], n = q, n + 1
        shared, part = D.dot(q), q @ r
        left, along, r = left - shared**2, along - part * shared, r - part * q
        alive &= left > SPAN * size
        alive[j] = False
        fixed.append(j)
        misfit = float(np.linalg.norm(r))
    found = replace(start, fixed=tuple(fixed))
    return replace(found, misfit=fit(search.columns(found), search.target).misfit)


def from_families(search: Search, most: int, start: Choice) -> Choice:
    """The best of several greedy choices with atoms: from every family alone, and from all with the dictionary.

    Alone, a family is not led astray by what another explains at first sight. All get a few coefficients; the best is
    then continued.
    """
    alone = [[f] for f in range(len(search.families))]
    trials = [*alone, range(len(search.families))] if len(alone) > 1 else alone
    few = min(most, start.coefficients + TRIAL)
    found = []
    for wanted in trials:
        found.append((_grow(search, few, start, wanted, len(wanted) == len(alone)), wanted))
        least = min(choice.misfit for choice, _ in found)
        if least <= search.goal or search.late or (len(found) >= len(alone) and least < CLEAR * _norm(search)):
            break
    choice, wanted = min(found, key=lambda pair: pair[0].misfit)
    return _grow(search, most, choice, wanted, len(wanted) == len(alone))


def _norm(search: Search) -> float:
    return float(np.linalg.norm(search.target))


def _grow(search: Search, most: int, choice: Choice, wanted: Sequence[int], mixed: bool) -> Choice:
    """Add atoms of the wanted families, and where ``mixed`` columns of the dictionary, by squared score a coefficient.

    The atoms' parameters are refined after every choice.
    """
    choice = replace(choice, misfit=fit(search.columns(choice), search.target).misfit)
    generator = np.random.default_rng(search.seed)
    history, best = [choice.misfit], choice
    while choice.misfit > search.goal and not search.late:
        found = _candidate(search, choice, wanted, mixed, generator)
        if found is None or found.coefficients > most:
            break
        choice = refine(search, found, 8)
        history.append(choice.misfit)
        search.tell(choice)
        if choice.misfit < best.misfit:
            best = choice
        if len(history) > PATIENCE and history[-1] > STALL * history[-1 - PATIENCE]:
            break
    return refine(search, best, 30) if best.misfit > search.goal else best


def _candidate(
    search: Search, choice: Choice, wanted: Sequence[int], mixed: bool, generator: np.random.Generator
) -> Choice | None:
    Q = _orthonormal(search.columns(choice))
    r = search.target - Q @ (Q.T @ search.target)
    r -= Q @ (Q.T @ r)
    best, gain = None, 0.0
    if mixed and search.D.shape[1]:
        size = np.maximum(search.D.squares(), 1e-300)
        left = size - (search.D.dot(Q) ** 2).sum(1)
        scores = np.where(left > SPAN * size, np.abs(search.D.dot(r)) / np.sqrt(np.maximum(left, 1e-300)), 0.0)
        scores[list(choice.fixed)] = 0
        gain = float(np.sort(scores)[-BATCH:] @ np.sort(scores)[-BATCH:]) / BATCH
        best = from_dictionary(search, choice, choice.coefficients + BATCH) if gain > 0 else None
    for f in wanted:
        family = search.families[f]
        lower, upper = family.bounds
        z = lower + (upper - lower) * generator.random((search.pool, family.count))
        scores = _scores(search.members(f, family.from_scale(z)), Q, r)
        z = _climb(search, f, z[np.argsort(-scores)[:TOP]], Q, r)
        scores = _scores(search.members(f, family.from_scale(z)), Q, r)
        k = int(scores.argmax())
        if scores[k] ** 2 / (1 + family.count) > gain:
            gain = scores[k] ** 2 / (1 + family.count)
            best = replace(choice, atoms=(*choice.atoms, (f, tuple(z[k].tolist()))))
    return best if gain > 0 else None


def _climb(search: Search, f: int, z: np.ndarray, Q: np.ndarray, r: np.ndarray, steps: int = 6) -> np.ndarray:
    """Candidates z (K, p) moved by damped Gauss-Newton steps so that each alone explains more of r."""
    family = search.families[f]
    lower, upper = family.bounds
    damping = np.full(len(z), 1e-2)

    def project(V: np.ndarray) -> np.ndarray:
        return V - Q @ (Q.T @ V)

    V = project(search.members(f, family.from_scale(z)))
    for _ in range(steps):
        theta = family.from_scale(z)
        dV = search.slopes(f, theta)
        dV = dV - np.einsum("mq,qpk->pmk", Q, np.einsum("mq,pmk->qpk", Q, dV, optimize=True), optimize=True)
        size = np.maximum((V * V).sum(0), 1e-300)
        a = (r @ V) / size
        left = r[:, None] - a * V
        J = dV - V * (np.einsum("mk,pmk->pk", V, dV) / size)[:, None, :]  # of a V, to leading order
        J = J * a
        A = np.einsum("pmk,qmk->kpq", J, J)
        g = np.einsum("pmk,mk->kp", J, left)
        diagonal = np.einsum("kpp->kp", A)
        A = A + damping[:, None, None] * (np.eye(A.shape[1]) * (diagonal + 1e-300)[:, None, :])
        trial = np.clip(z + np.linalg.solve(A + 1e-300 * np.eye(A.shape[1]), g[..., None])[..., 0], lower, upper)
        W = project(search.members(f, family.from_scale(trial)))
        better = _score_of(W, r) > _score_of(V, r)
        z, V = np.where(better[:, None], trial, z), np.where(better, W, V)
        damping = np.where(better, damping / 5, damping * 10)
    return z


def _scores(V: np.ndarray, Q: np.ndarray, r: np.ndarray) -> np.ndarray:
    size = np.linalg.norm(V, axis=0)
    W = V - Q @ (Q.T @ V)
    return np.where(np.linalg.norm(W, axis=0) > DEAD * size, _score_of(W, r), 0.0)


def _score_of(W: np.ndarray, r: np.ndarray) -> np.ndarray:
    return np.abs(r @ W) / np.maximum(np.linalg.norm(W, axis=0), 1e-300)


def _orthonormal(F: np.ndarray) -> np.ndarray:
    scale = np.linalg.norm(F, axis=0)
    return np.linalg.qr(F / np.where(scale == 0, 1.0, scale))[0]


def refine(search: Search, choice: Choice, steps: int) -> Choice:
    """Move the atoms' parameters by Levenberg-Marquardt on the projected problem, inside their ranges."""
    if not choice.atoms:
        return replace(choice, misfit=fit(search.columns(choice), search.target).misfit)
    Q = _orthonormal(search.D.take(choice.fixed))

    def project(V: np.ndarray) -> np.ndarray:
        return V - Q @ (Q.T @ V)

    y = project(search.target)
    lower, upper = (np.concatenate([search.families[f].bounds[k] for f, _ in choice.atoms]) for k in (0, 1))
    p = max(search.families[f].count for f, _ in choice.atoms)
    own = np.concatenate([np.arange(p) < search.families[f].count for f, _ in choice.atoms])
    z, atoms, damping = np.concatenate([z for _, z in choice.atoms]), choice.atoms, 1e-3
    F = project(search.atom_columns(atoms))
    solved = fit(F, y)
    for _ in range(steps):
        if search.late or solved.misfit <= 0.3 * search.goal:
            break
        slopes = search.atom_slopes(atoms)
        slopes = slopes - np.stack([Q @ (Q.T @ s) for s in slopes])
        J = jacobian(F, slopes, y, solved)[:, own]
        A, g = J.T @ J, J.T @ solved.residual
        before = solved.misfit
        for _ in range(6):
            step = np.linalg.solve(A + damping * np.diag(np.diag(A) + 1e-300), -g)
            trial = _split(choice.atoms, np.clip(z + step, lower, upper))
            F1 = project(search.atom_columns(trial))
            new = fit(F1, y)
            if new.misfit < solved.misfit:
                z, atoms, F, solved = np.concatenate([v for _, v in trial]), trial, F1, new
                damping = max(damping / 10, 1e-12)
                break
            damping *= 10
        else:
            break
        if solved.misfit > before * (1 - 1e-3):
            break
    return replace(choice, atoms=atoms, misfit=fit(search.columns(replace(choice, atoms=atoms)), search.target).misfit)


def _split(atoms, z: np.ndarray):
    found, start = [], 0
    for f, old in atoms:
        found.append((f, tuple(z[start : start + len(old)].tolist())))
        start += len(old)
    return tuple(found)


def prune(search: Search, choice: Choice, allowed: float) -> Choice:
    """Drop, one after the other, the members whose loss costs least, while the misfit stays within ``allowed``."""
    F = search.columns(choice)
    if F.shape[1] < 2:
        return choice
    Q, R = np.linalg.qr(F)
    y = Q.T @ search.target
    beyond = float(np.square(search.target - Q @ y).sum())
    kept, solved, bold = np.arange(F.shape[1]), fit(R, y), F.shape[1] // 8
    while len(kept) > 1:
        spare = allowed**2 - beyond - solved.misfit**2
        cost = (solved.a / np.maximum(np.linalg.norm(solved.inverse, axis=0), 1e-300)) ** 2
        order = np.argsort(cost)
        many = int((np.cumsum(cost[order]) <= spare / 4).sum())  # several at once, where they are nearly orthogonal
        for number in sorted({max(many, 1), max(bold, 1), 1}, reverse=True):
            fewer = np.delete(kept, order[:number]) if number < len(kept) else kept[:0]
            trial = fit(R[:, fewer], y) if len(fewer) else None
            if trial is not None and np.sqrt(beyond + trial.misfit**2) <= allowed:
                break
            bold = min(bold, number) // 2
        else:
            break
        kept, solved = fewer, trial
    n = len(choice.fixed)
    fixed = tuple(choice.fixed[k] for k in kept if k < n)
    pruned = replace(choice, fixed=fixed, atoms=tuple(choice.atoms[k - n] for k in kept if k >= n))
    return replace(pruned, misfit=fit(search.columns(pruned), search.target).misfit)
