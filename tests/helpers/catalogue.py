"""Every problem of the catalogue, with every choice that changes its mathematics, for tests to run over."""

from collections.abc import Callable

import problems
from pinnkit import Problem

CASES: dict[str, Callable[[], Problem]] = {
    name: getattr(problems, name)
    for name in ("burgers", "diffusion", "allen_cahn", "standing_wave", "drift_diffusion", "poisson_disk", "kovasznay",
                 "taylor_green", "beltrami")
}  # fmt: skip
CASES |= {"heat_inverse": problems.heat_inverse, "heat_inverse noise": lambda: problems.heat_inverse(noise=0.01)}
CASES |= {"cylinder": problems.cylinder, "cylinder convection": lambda: problems.cylinder(convection=0)}
CASES |= {"wake": lambda: problems.wake(500)}
CASES |= {
    f"{n} stream": lambda n=n: getattr(problems, n)(form="stream") for n in ("kovasznay", "taylor_green", "cylinder")
}
CASES |= {
    f"cavity {lid} {form}": lambda lid=lid, form=form: problems.cavity(lid=lid, form=form)
    for lid in ("sharp", "regularised")
    for form in ("velocity", "stream")
}
for _initial in ("poly", "gauss", "sine", "sine_mix", "step"):
    CASES[f"heat {_initial}"] = lambda i=_initial: problems.heat(i)
for _initial in ("gauss", "gauss_mix", "sine", "sine_mix", "step"):
    CASES[f"wave1d {_initial}"] = lambda i=_initial: problems.wave1d(i)
LINEAR = (
    "advection", "advection_diffusion", "airy", "beam", "black_scholes", "heat2d", "heat3d", "helmholtz",
    "klein_gordon", "laplace", "ornstein_uhlenbeck", "schroedinger", "telegraph", "wave2d", "wave3d",
)  # fmt: skip
CASES |= {name: getattr(problems, name) for name in LINEAR}
