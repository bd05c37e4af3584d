"""What a problem holds and what follows from that at once: the value that its checks look at."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy as sp

from pinnkit.domain.box import Domain
from pinnkit.domain.point_set import PointSet
from pinnkit.tools.sympy_types import AppliedUndef

from .complex_fields import pairs_among
from .conditions import Condition
from .fewer import held_at
from .lowering import Ansatz
from .reference import Reference
from .residual import Residual
from .singular_memory import Memory, memories


@dataclass(frozen=True, eq=False)
class Record(ABC):
    """The parts of a statement, its coordinates, fields and outputs; `problem.Problem` makes and checks them."""

    name: str
    fields: tuple[AppliedUndef, ...]
    equations: Mapping[str, sp.Expr]
    domain: Domain
    conditions: tuple[Condition, ...] = ()
    parameters: dict[str, float] = field(default_factory=dict)
    unknowns: dict[str, float] = field(default_factory=dict)
    reference: Reference | None = None
    derived: Mapping[str, sp.Expr] = field(default_factory=dict)
    ansatz: Ansatz = field(default_factory=dict)
    weight: sp.Expr | None = None
    recipe: Any = None
    arguments: Mapping[str, Any] = field(default_factory=dict)  # what the problem's function was called with

    @property
    def variables(self) -> tuple[sp.Symbol, ...]:
        """The coordinates as symbols, in the domain's order."""
        return self.fields[0].args

    @property
    def field_names(self) -> tuple[str, ...]:
        """The names of the fields."""
        return tuple(str(u.func) for u in self.fields)

    @property
    def outputs(self) -> dict[str, sp.Expr]:
        """What is reported and compared with the reference: the fields, then the derived quantities, by name."""
        own = dict(zip(self.field_names, self.fields, strict=True))
        for name, u in own.items():
            own[name] = held_at(u, list(self.equations.values()), self.fields) or u
        return own | dict(self.derived)

    @property
    def exact_parameters(self) -> dict[sp.Symbol, sp.Rational]:
        """The parameters as a substitution by the rational numbers that the floats are."""
        return {sp.Symbol(name, real=True): sp.Rational(value) for name, value in self.parameters.items()}

    @property
    def complex_fields(self) -> Mapping[AppliedUndef, tuple[AppliedUndef, AppliedUndef]]:
        """The complex fields with their real and imaginary parts, which are among the fields: psi_re and psi_im."""
        return pairs_among(self.fields)

    @property
    def memories(self) -> tuple[Memory, ...]:
        """Where memories with singular kernels begin."""
        return memories(self.equations.values(), self.variables)

    @property
    @abstractmethod
    def interior(self) -> Mapping[str, sp.Expr]:
        """The equations off their delta functions and jumps."""

    @property
    @abstractmethod
    def residuals(self) -> tuple[Residual, ...]:
        """All residuals: of equations, conditions and interfaces."""

    @abstractmethod
    def sample(self, key: str, n: int, *, method: str = "sobol", seed: int = 0) -> PointSet:
        """n points for the point set ``key``."""
