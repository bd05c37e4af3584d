"""The model: a problem joined with a network, and its rows at points."""

from collections.abc import Mapping
from dataclasses import dataclass

from pinnkit.domain.point_set import PointSet
from pinnkit.statement.points import Points
from pinnkit.statement.residual_program import ResidualProgram
from pinnkit.tools.checked import NotNegative, checked

from .compiled import Compiled
from .stack import Stack


@checked
@dataclass(frozen=True, eq=False)
class Model(Compiled):
    """A problem with a network: fields u = g + d N, and the residuals as functions of theta (P,).

    theta holds the parameters of the network, then the unknown coefficients.

    Args:
        problem: the problem.
        network: the network N; None where there is none to train.
        hard: True: initial and Dirichlet conditions hold by construction. False: none does. Default None: each where
            possible, and notes name the others.
        satisfied: conditions that the network meets whatever its parameters. Default: none.
        units: scales of fields, terms and coefficients. Default None: 1.

    Example:
        >>> import pinnkit as pk
        >>> pk.Model(pk.problem("heat"), pk.MLP(2, 8, 1)).count
        33
    """

    def stack(self, points: Points, weights: Mapping[str, NotNegative] | None = None) -> Stack:
        """The residual rows at points.

        Args:
            points: points of every set.
            weights: weights of the loss by term. Default None: 1.
        """
        return Stack(self, points, weights)

    def rows(self, points: Mapping[str, PointSet], programs: Mapping[str, ResidualProgram] | None = None) -> Stack:
        """The residual rows of some point sets only, or of other expressions, with unit weights.

        Args:
            points: points by set.
            programs: compiled expressions by set. Default None: the residuals of the problem.
        """
        own = {key: self.program_of(key) for key in points} if programs is None else programs
        return Stack(self, points, programs=own)
