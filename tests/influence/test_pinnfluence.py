"""The published method gives captum's scores, spans what it should, and says what it cuts off."""

import pytest
import torch
from published_scores import published_scores

import pinnkit as pk
from benchmarks.influence import captum_influence as captum
from benchmarks.speed.loss_gradient import burgers_rows, kovasznay_rows, slopes
from pinnkit.influence.identity_curvature import IdentityCurvature
from pinnkit.model.published_curvature import PublishedCurvature, published_curvature, unweighted
from pinnkit.model.solution import Solution
from pinnkit.tools.arnoldi import ritz, start_vector
from problems.burgers import burgers
from problems.heat import heat
from problems.kovasznay import kovasznay

pytestmark = pytest.mark.filterwarnings("ignore:To copy construct from a tensor:UserWarning:captum")


def untrained(problem: pk.Problem, *sizes: int, n: int, hard: bool | None = None) -> Solution:
    """A network as it starts, which is as good as any to compare with."""
    model = pk.Model(problem, pk.MLP(2, *sizes), hard)
    points = pk.sample(problem, {"pde": n})
    return Solution(model, model.initial(3), points, {name: 7.0 for name in ("pde",) if name in problem.equations})


def near(a: torch.Tensor, b: torch.Tensor, tolerance: float) -> None:
    assert a.shape == b.shape
    assert float((a - b).abs().max()) <= tolerance * float(b.abs().max())


@pytest.fixture(scope="module")
def flow() -> tuple[Solution, captum.Squares, torch.Tensor, torch.Tensor]:
    solution = untrained(burgers(), 8, 6, 1, n=40)
    module = captum.Squares(solution.model, solution.theta, burgers_rows)
    return solution, module, solution.points["pde"].X, solution.problem.sample("pde", 7, seed=5).X


def captum_scores(module, X, T, **settings):
    function = captum.arnoldi(module, X, **settings)
    return function.influence((T, torch.zeros(len(T)))), function


@pytest.mark.parametrize("settings", [{}, {"dim": 30, "keep": 5, "tol": 1e-4}])
def test_scores_are_captums(flow, settings):
    solution, module, X, T = flow
    names = {"dim": "arnoldi_dim", "keep": "projection_dim", "tol": "arnoldi_tol"}
    expected, _ = captum_scores(module, X, T, **{names[k]: v for k, v in settings.items()})
    curvature = published_curvature(solution, **settings, start=captum.start(module))
    near(published_scores(solution, T, curvature=curvature), expected, 1e-6)


def test_scores_are_captums_where_all_is_spanned(flow):
    """With every direction and a definite Hessian the random start does not matter."""
    solution, module, X, T = flow
    P = len(solution.theta)
    ours = {"dim": P + 1, "tol": 0.0, "keep": P, "damping": 1e3}
    theirs = {"arnoldi_dim": P + 1, "arnoldi_tol": 0.0, "projection_dim": P, "hessian_reg": 1e3}
    expected, _ = captum_scores(module, X, T, **theirs)
    scores = published_scores(solution, T, curvature=published_curvature(solution, **ours))
    near(scores, expected, 1e-6)
    stack = unweighted(solution)
    H = torch.stack([stack.hvp(solution.theta, e) for e in torch.eye(P, dtype=torch.float64)])
    assert float(torch.linalg.eigvalsh(H)[0]) > -900
    G, F = captum.gradients(module, X), captum.gradients(module, T)
    near(scores, F @ torch.linalg.solve(H + 1e3 * torch.eye(P, dtype=torch.float64), G.T), 1e-6)


def test_gradient_dot_is_captums(flow):
    solution, module, X, T = flow
    expected = captum.gradients(module, T) @ captum.gradients(module, X).T
    near(published_scores(solution, T, curvature=IdentityCurvature()), expected, 1e-10)


def test_systems_and_terms():
    solution = untrained(kovasznay(), 6, 5, 3, n=11, hard=False)
    X, T = solution.points["pde"].X, solution.problem.sample("pde", 4, seed=5).X
    dot = IdentityCurvature()
    momentum = ("x momentum", "y momentum")
    module = captum.Squares(solution.model, solution.theta, kovasznay_rows)
    G, F = captum.gradients(module, X), captum.gradients(module, T)
    near(published_scores(solution, T, {"pde": solution.points["pde"]}, curvature=dot), F @ G.T, 1e-10)
    parts = [published_scores(solution, T, X, through=name, curvature=dot) for name in (*momentum, "continuity")]
    near(sum(parts), F @ G.T, 1e-10)
    both = published_scores(solution, T, X, of=momentum, curvature=dot)
    near(both + published_scores(solution, T, X, of="continuity", curvature=dot), F @ G.T, 1e-10)
    everywhere = published_scores(solution, T, through="continuity", curvature=dot)
    assert everywhere.shape[1] == sum(len(s) for s in solution.points.values())
    assert not everywhere[:, 11:].any()  # the boundary's points have no continuity
    with pytest.raises(ValueError, match="no loss term 'energy': kovasznay has x momentum"):
        published_scores(solution, T, through="energy", curvature=dot)


def test_a_field_is_taken_as_it_is(flow):
    solution, module, X, T = flow
    scores = published_scores(solution, T, X, of="u_x", curvature=IdentityCurvature())
    step = 1e-6
    G = captum.gradients(module, X)
    for j in (0, 5):
        forth, back = (
            Solution(solution.model, solution.theta + s * step * G[j], solution.points).jet(T, "u_x") for s in (1, -1)
        )
        near(scores[:, j], (forth - back) / (2 * step), 1e-6)


def test_captum_must_be_helped_where_a_parameter_is_unused():
    problem = heat()
    solution = untrained(problem, 5, 1, n=6, hard=False)
    X = solution.points["pde"].X

    def rows(X, u):
        (u_x, u_t), k = slopes(u, X), problem.parameters
        return [u_t - next(iter(k.values()), 1.0) * slopes(u_x, X)[0]]

    with pytest.raises(RuntimeError, match="unused|not have been used"):
        captum.gradients(captum.Squares(solution.model, solution.theta, rows), X)
    G = captum.gradients(captum.Squares(solution.model, solution.theta, rows, helped=True), X)
    name = next(iter(problem.equations))
    near(published_scores(solution, X, X, of=name, through=name, curvature=IdentityCurvature()), G @ G.T, 1e-10)


def arnoldi(product, n, *, dim=200, tol=0.1, damping=1e-3, keep=50, smallest=1e-4, like=None):
    """The leading eigenpairs of a symmetric matrix (n, n), from noise of seed 0."""
    return ritz(product, start_vector(n, None, 0, like), dim, tol, damping, keep, smallest)[:2]


def test_arnoldi_finds_the_leading_part():
    generator = torch.Generator().manual_seed(0)
    Q, _ = torch.linalg.qr(torch.randn(40, 40, generator=generator, dtype=torch.float64))
    s = torch.logspace(3, -8, 40, dtype=torch.float64)
    A = (Q * s) @ Q.T
    V, eigenvalues = arnoldi(lambda v: A @ v, 40, tol=1e-9, keep=5, damping=0.01)
    assert torch.allclose(eigenvalues.flip(0), s[:5] + 0.01, rtol=1e-8)
    assert torch.allclose(V.T @ V, torch.eye(5, dtype=torch.float64), atol=1e-8)
    near(A @ V, V * (eigenvalues - 0.01), 1e-8)
    again = arnoldi(lambda v: A @ v, 40, tol=1e-9, keep=5, damping=0.01)
    assert torch.equal(V, again[0]) and torch.equal(eigenvalues, again[1])
    single, _ = arnoldi(lambda v: A.float() @ v, 40, keep=3, like=A.float())
    assert single.dtype == torch.float32
    with pytest.raises(ValueError, match="no eigenvalue of the projected Hessian is above 0.0001"):
        arnoldi(lambda v: -(A @ v), 40, tol=1e-9, damping=0.0)
    with pytest.raises(ValueError, match="stopped at its first vector"):
        arnoldi(lambda v: 0 * v, 40)


def test_the_interface_of_a_curvature(flow):
    solution, *_ = flow
    P = len(solution.theta)
    J = torch.randn(9, P, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for curvature in (published_curvature(solution), IdentityCurvature()):
        E, K = curvature.whiten(J), J @ curvature.solve(J.T)
        near(E @ E.T, K, 1e-12)
        near(curvature.leverage(J), K.diagonal(), 1e-12)
        near(curvature.solve(J[0]), curvature.solve(J.T)[:, 0], 1e-12)
        assert isinstance(curvature.name, str) and all(isinstance(note, str) for note in curvature.notes)
    found = published_curvature(solution)
    assert (
        isinstance(found, PublishedCurvature)
        and found.damping == 5e-4
        and found.name.startswith("published (Arnoldi, rank")
    )
    near(found.solve(J.T) / 2, found.V @ torch.diag(1 / found.eigenvalues) @ found.V.T @ J.T, 1e-12)


def test_notes_say_what_is_cut_off(flow):
    solution, *_ = flow
    notes = published_curvature(solution, keep=3).notes
    assert notes[0].startswith(f"3 of {len(solution.theta)} directions are kept")
    assert "which was not trained: its gradient here is" in notes[1]
    with pytest.raises(ValueError, match="no residuals at the points wall"):
        published_curvature(solution, {"wall": solution.points["pde"]})


def test_no_weights_and_no_means():
    """The objective is sum r^2, whatever was trained."""
    solution = untrained(burgers(), 4, 1, n=9)
    heavy = solution.points.replace(pde=solution.points["pde"].weighted(torch.linspace(0.5, 1.5, 9)))
    weighted = Solution(solution.model, solution.theta, heavy, solution.weights)
    r = unweighted(weighted).values(solution.theta)
    assert torch.allclose(unweighted(weighted).losses(solution.theta).sum(), (r * r).sum())
