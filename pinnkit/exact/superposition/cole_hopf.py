"""Burgers' equation by the map of Cole and Hopf, as a network: u = -2 nu phi_x / phi with phi_t = nu phi_xx."""

from dataclasses import dataclass

import sympy as sp
import torch
from torch import Tensor
from typing_extensions import override

from pinnkit.certificate.theorem.closed_form import ClosedForm
from pinnkit.domain.box import Domain
from pinnkit.network.autodiff import AutogradPass, evaluated, moving
from pinnkit.network.base import Evaluator, Pool
from pinnkit.statement.symbolic.channels import Channels
from pinnkit.tools.serialise import register

from .superposition import Superposition, SuperpositionTape, closed_form_instead, superposition


@dataclass(frozen=True)
class ColeHopf(ClosedForm):
    """u = -2 nu phi_x / phi with phi = sum_k a_k phi_k, a superposition of solutions of the heat equation."""

    phi: Superposition
    nu: float

    def build(self, domain: Domain) -> "ColeHopfTape":
        """The evaluator on that domain."""
        return ColeHopfTape(self.phi.build(domain), self.nu)

    def initial(self, domain: Domain, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Amplitudes 1, shape (K,)."""
        del domain, seed
        return torch.ones(len(self.phi.members), dtype=dtype)

    def expression(self, amplitudes: list[float]) -> sp.Expr:
        """The closed form with these amplitudes, in SymPy."""
        phi = sp.sympify(self.phi.expression(amplitudes), strict=True)
        return -2 * sp.Float(self.nu, 17) * phi.diff(self.phi.families[0].coordinates[0]) / phi

    def to_json(self) -> dict:
        """All of it as lists, text and numbers."""
        return {"phi": self.phi.to_json(), "nu": self.nu}

    def __str__(self) -> str:
        return f"Cole-Hopf map of a {self.phi}"


class ColeHopfTape(Evaluator):
    """The evaluator of the map: ``count`` amplitudes; derivatives by nested autograd."""

    def __init__(self, phi: SuperpositionTape, nu: float) -> None:
        self._phi, self._nu = phi, nu
        self.count: int = phi.count
        self._jet = Channels.closed(2, [((1.0, (1, 0)),)])

    @property
    def width(self) -> int:
        """The numbers that a point makes in one channel."""
        return 8 * self.count

    def fields(self, theta: Tensor, X: Tensor) -> Tensor:
        """u at points X (B, 2), shape (B, 1)."""
        basis = self._phi.basis(X, self._jet)
        value, slope = (theta @ basis[self._jet.position(((1.0, J),))] for J in ((0, 0), (1, 0)))
        return (-2 * self._nu * slope / value)[:, None]

    def run(self, theta: Tensor, X: Tensor, channels: Channels, pool: Pool | None = None) -> AutogradPass:
        """Evaluate the channels at points X (B, 2); the pool is for passes that manage their memory."""
        del pool
        return AutogradPass(self.fields, theta, X.to(theta), channels)

    @override
    def followed(
        self, theta: Tensor, X: Tensor, channels: Channels, v: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        closed_form_instead()  # forward mode of torch.func does the rest, nested
        return moving(lambda at: evaluated(self.fields, at, X.to(theta), channels), theta, v)


def cole_hopf(phi: dict, nu: float) -> ColeHopf:
    """The map that ``to_json`` was asked for."""
    return ColeHopf(superposition(**phi), nu)


register(ColeHopf, cole_hopf)
