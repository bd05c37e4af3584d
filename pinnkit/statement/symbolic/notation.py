"""The notation of a statement: coordinates, fields, and derivatives by name."""

import re
from collections.abc import Sequence

import sympy as sp

from pinnkit.tools.checked import Named, checked, checked_but
from pinnkit.tools.sympy_types import AppliedUndef

from .channels import Index


@checked
def coordinates(names: str) -> tuple[sp.Symbol, ...]:
    """Real symbols for coordinates: ``x, t = coordinates("x t")``.

    Args:
        names: names, with spaces between them.

    Returns:
        The symbols.

    Raises:
        ValueError: no names, or one that comes twice.

    Example:
        >>> import pinnkit as pk
        >>> pk.coordinates("x t")
        (x, t)
    """
    found = names.replace(",", " ").split()
    if not found or len(set(found)) < len(found):
        raise ValueError(f"coordinates({names!r}): give different names with spaces between them, as in 'x t'")
    return tuple(sp.Symbol(name, real=True) for name in found)


@checked_but("variables")
def field(name: str, *variables: sp.Symbol, complex: bool = False) -> AppliedUndef:
    """An unknown function of coordinates: ``u = field("u", x, t)``.

    Args:
        name: its name.
        variables: the coordinates.
        complex: True: a complex field psi. A problem takes it, its equations (with ``sp.I``) and its conditions for
            those of two real fields, psi_re and psi_im. Default False.

    Returns:
        The field, as a SymPy expression.

    Raises:
        ValueError: no coordinates, one twice, or something other than a symbol.

    Example:
        >>> import pinnkit as pk
        >>> pk.field("u", *pk.coordinates("x t"))
        u(x, t)
    """
    distinct = {v for v in variables if isinstance(v, sp.Symbol)}
    if not variables or len(distinct) < len(variables):
        raise ValueError(
            f"field({name!r}) is given ({', '.join(map(str, variables))}): expected different coordinates, "
            f'as in x, t = pk.coordinates("x t"); {name} = pk.field("{name}", x, t)'
        )
    return sp.Function(name, **({"complex": True} if complex else {"real": True}))(*variables)


def parse_index(suffix: str, names: Sequence[str]) -> Index:
    """The multi-index of a derivative's suffix: "xxt" by coordinates (x, t) is (2, 1).

    Raises:
        ValueError: a suffix that is not a row of coordinates.
    """
    count = [0] * len(names)
    pattern = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    if not re.fullmatch(f"({pattern})*", suffix):
        raise ValueError(
            f"the derivative {suffix!r} is by something that is not a coordinate: expected the names "
            f"{', '.join(names)} in a row, such as {names[0] * 2!r}"
        )
    for name in re.findall(pattern, suffix):
        count[list(names).index(name)] += 1
    return tuple(count)


@checked
def derivatives(u: AppliedUndef, *suffixes: Named) -> tuple[sp.Expr, ...] | sp.Expr:
    """Derivatives of a field by name: ``u_t, u_xx = derivatives(u, "t", "xx")``.

    Args:
        u: the field.
        suffixes: coordinates by which it is differentiated.

    Returns:
        An expression for every suffix; a single one for one suffix.

    Raises:
        ValueError: a suffix that is no product of the coordinates of u.

    Example:
        >>> import pinnkit as pk
        >>> x, t = pk.coordinates("x t")
        >>> pk.derivatives(pk.field("u", x, t), "xx")
        Derivative(u(x, t), (x, 2))
    """
    names = [s.name for s in u.args]
    if not suffixes:
        raise ValueError(f"derivatives({u}): say by what, as in derivatives(u, '{names[0]}', '{names[0] * 2}')")
    found = tuple(differentiate(u, parse_index(s, names)) for s in suffixes)
    return found if len(found) > 1 else found[0]


def differentiate(expression: sp.Expr, index: Index, variables: Sequence[sp.Symbol] | None = None) -> sp.Expr:
    """D^index of an expression by the coordinates (those of an applied field, unless given), almost everywhere."""
    for variable, times in zip(variables or expression.args, index, strict=True):
        if times:
            expression = sp.diff(expression, variable, times)
    return expression.replace(sp.DiracDelta, lambda *_: sp.S.Zero) if expression.has(sp.DiracDelta) else expression
