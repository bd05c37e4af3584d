"""Types of SymPy that type checkers do not see through: applied functions u(x, t), and polynomials of a ring."""

from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import sympy as sp
from sympy.core import function

if TYPE_CHECKING:
    AppliedUndef: TypeAlias = sp.Expr  # its class is made at run time
    PolyElement: TypeAlias = Any  # an element of a ring, or one of its field of coefficients
else:
    from sympy.polys.rings import PolyElement

    AppliedUndef = function.AppliedUndef


def is_applied(e: Any) -> TypeGuard[AppliedUndef]:
    """Whether this is a function of coordinates such as u(x, t)."""
    return isinstance(e, function.AppliedUndef)


__all__ = ["AppliedUndef", "PolyElement", "is_applied"]
