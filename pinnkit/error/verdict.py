"""From what a search for the error has seen to an estimate, an interval and a verdict in words."""

import math
from dataclasses import dataclass

# Set on the first problems of benchmarks/error/calibration.py; the later ones say how often they hold.
REACH = 2.0  # times what is not seen, by which the interval goes beyond what is seen
LEAST = 6.0  # by how much the interval's lower end may fall below the estimate, at most
LUCK = 0.1  # share of noise in the estimate from which the error may be as small as it likes
LARGE = 0.05  # relative error from which linearisation is not taken for granted
TOO_LARGE = 0.5  # relative error from which it says nothing of equations that are not linear
UNSEEN = 0.5  # share of the residual left from which a small change of the model does not explain it
BENT = 0.25  # the same where equations are not linear: what is left may be a front that no small change moves
MOSTLY = 0.1  # the same for errors that are large
OFF = 10.0  # mean |residual| on fresh points over that on the training points, from which a wrong basin is feared
AGREE = 3.0  # by how much estimates from two sets of points may differ


@dataclass(frozen=True)
class ErrorParts:
    """What is known of one field's error, each a share of the field's own size |u| (rms over the domain).

    ``seen`` is the error found in the tangent space, ``left`` the typical amplification times the residual that this
    leaves, ``again`` what other points ask for once more, ``missed`` the data missed by construction, ``noise`` the
    standard deviation that measurements leave, ``blind`` the change along which the residual does not bring u back,
    ``uneven`` how far points between the grid's nodes see another error, ``rounded`` what the rounding of an evaluation
    does to u.
    """

    seen: float
    left: float
    again: float = 0.0
    missed: float = 0.0
    noise: float = 0.0
    blind: float = 0.0
    uneven: float = 0.0
    rounded: float = 0.0

    @property
    def estimate(self) -> float:
        """The relative L2 error: what is seen, and what is not, as independent."""
        return math.hypot(self.seen, self.left, self.missed, self.noise, self.rounded)

    @property
    def unseen(self) -> float:
        """The part of the error that is not seen but inferred."""
        return math.hypot(max(self.left, self.again), self.missed, self.noise, self.rounded)

    @property
    def interval(self) -> tuple[float, float]:
        """What the relative L2 error lies between."""
        reach = REACH * (self.unseen + self.uneven)
        least = max(0.0, self.estimate - self.uneven) / LEAST if self.noise < LUCK * self.estimate else 0.0
        low = min(max(self.seen - reach, least), self.seen)  # what is inferred says how large it may be, not must
        return (0.0 if self.blind > low else low), self.seen + reach + self.blind


@dataclass(frozen=True)
class Evidence:
    """What a search has seen beside the signs: shares of the residual, ratios, and how its points were chosen."""

    rows: float  # for every parameter
    left: float  # share of the mean |residual| that the corrected function has
    nonlinear: float  # share of the square of what is left that linearising missed
    moves: float  # by how much the prediction moves with the damping
    rounding: float  # share of the residual that is rounding
    off: float  # mean |residual| on fresh points over that on the training points
    noise_unknown: str = ""  # why the measurements' noise cannot be estimated, if so
    nothing: tuple[str, ...] = ()  # fields that cannot be told from 0
    undetermined: tuple[str, ...] = ()  # fields that a finite step along the blind direction leaves where it ends
    ill_posed: str = ""  # what the statement itself leaves open
    surplus: str = ""  # that it has more conditions than it asks for, if so
    given: bool = False  # whether the damping was given, and not chosen on held-out points
    linear: bool = True  # whether equations and conditions are linear in the fields
    inverse: bool = False  # whether there are unknown coefficients beside them
    corrected: bool = False  # whether the model was moved in its tangent space before, which can remove little more

    @property
    def most_left(self) -> float:
        """The share of the residual that may be left: of what a correction leaves, another one removes little."""
        if self.corrected or self.rounding > UNSEEN:
            return 1.0
        return UNSEEN if self.linear else BENT


def verdict(signs: dict[str, ErrorParts], seen: Evidence) -> str:
    """ "trust", or "doubtful because ..." or "not to be trusted because ..." with the reason that weighs most."""
    name, worst = max(signs.items(), key=lambda pair: pair[1].estimate)
    never, perhaps = "not to be trusted because", "doubtful because"
    if seen.ill_posed:
        return f"{never} {seen.ill_posed}"
    if seen.rows < 1.5:
        return f"{never} {seen.rows:.1f} rows for every parameter are too few: give more points n"
    if seen.nothing:
        return f"{never} {', '.join(seen.nothing)} cannot be told from 0: there is no relative error to be estimated"
    if seen.undetermined:
        blind = max(sign.blind for sign in signs.values())
        return (
            f"{never} equations and conditions leave {', '.join(seen.undetermined)} undetermined: moved by "
            f"{blind:.1%} of its size, the model stays there and meets them all the same (the map's unseen(X) is "
            "the change); a condition may be missing, stand where it has no effect, or weigh too little"
        )
    share = f"no small change of the model removes more than {max(0.0, 1 - seen.left):.0%} of its residual"
    if seen.surplus and seen.left > UNSEEN:
        return f"{never} {seen.surplus}, and {share}"
    if seen.off >= OFF and seen.left > 0.2:
        return (
            f"{never} {share}; the residual off the training points is {seen.off:.0e} times that on them, as in a "
            "wrong basin"
        )
    if seen.given and seen.left > UNSEEN:
        return f"{never} {share} with the damping that was given"
    if (not seen.linear or seen.inverse) and worst.estimate > LARGE:
        large = f"an error of about {worst.estimate:.0%} is too large for a linearisation"
        if seen.left > MOSTLY:
            return f"{never} {share}, and {large}"
        if worst.estimate > TOO_LARGE:
            return f"{never} {large}"
    if seen.left > (seen.most_left if worst.estimate <= LARGE else UNSEEN):
        return f"{never} {share}"
    if seen.noise_unknown:
        return f"{perhaps} the estimate is against the fit: {seen.noise_unknown}"
    for field, sign in signs.items():
        if sign.again > AGREE * sign.estimate:
            return (
                f"{never} other points find another error of {field}, {sign.again / sign.estimate:.0f} times the "
                f"estimate; the prediction moves by {seen.moves:.0%} with the damping"
            )
    if seen.rounding > UNSEEN and worst.unseen > worst.seen:
        return f"{perhaps} {seen.rounding:.0%} of the residual is rounding: double precision gives no more"
    return "trust"
