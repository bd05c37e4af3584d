"""Lie point symmetries found from the equations: dimensions against known ones, closed flows, time, exactness."""

import time
from collections.abc import Sequence

from benchmarks.common import BLUE, figure, options, publish, table
from pinnkit.exact.lie.flow import flow
from pinnkit.exact.lie.generator import Generator
from pinnkit.exact.lie.symmetries import symmetries

from .lie_defects import BOX, NUMERICAL, PAIRS, POINTS, REACH, TRIED, defects
from .lie_equations import EQUATIONS, SOURCES, system
from .lie_literature import LITERATURE, u, w

QUICK = ("heat 1D", "Burgers", "Black-Scholes", "wave 1D")


def once(name: str) -> dict:
    """Symmetries and flows of one equation with CPU seconds, then how exact the flows are in double precision."""
    equations, fields = system(name)
    start = time.process_time()
    found = symmetries(equations, fields)
    middle = time.process_time()
    closed = [flow(v) is not None for v in found if v.projectable]
    return {
        "dimension": found.dimension, "listed": len(found), "families": len(found.families),
        "closed_flows": sum(closed), "flows": len(closed),
        "symmetries_s": middle - start, "flows_s": time.process_time() - middle, **exactness(name, found),
    }  # fmt: skip


def published(name: str) -> dict:
    """The size of the algebra of one equation of the literature, with CPU seconds."""
    equation, dimension, source = LITERATURE[name]
    start = time.process_time()
    found = symmetries(equation, w if equation.has(w) else u)
    return {
        "dimension": found.dimension, "listed": len(found), "published": dimension, "source": source,
        "symmetries_s": time.process_time() - start,
    }  # fmt: skip


def exactness(name: str, generators: Sequence[Generator]) -> dict:
    """The largest defects of one equation's flows, which are numerical, and which were never inside their domain."""
    found = defects(name, generators)
    return {
        "residual": max((d.residual for *_, d in found), default=0.0),
        "law": max((d.law for *_, d in found), default=0.0),
        "worst": str(max(found, key=lambda each: each[2].residual)[0]) if found else "",
        "numerical": [str(v) for v, f, _ in found if f is None],
        "untried": [str(v) for v, _, d in found if not d.inside],
    }


def main() -> None:
    """Every equation once; what is wrong is said."""
    quick = options(__doc__).quick
    names = QUICK if quick else tuple(EQUATIONS)
    once(names[0])
    found = {name: once(name) for name in names}
    report(found, {name: published(name) for name in list(LITERATURE)[: 5 if quick else None]}, quick)


def report(found: dict[str, dict], literature: dict[str, dict], quick: bool) -> None:
    """Write and print the page."""
    rows, wrong = [], []
    for name, r in found.items():
        _, dimension, listed = EQUATIONS[name]
        if (r["dimension"], r["listed"]) != (dimension, listed):
            wrong.append(f"- {name}: MISSED, {dimension} known, {listed} listed")
        if r["untried"]:
            wrong.append(f"- {name}: MISSED, no parameter inside the domain of {'; '.join(r['untried'])}")
        size = "infinite" if r["dimension"] is None else r["dimension"]
        rows.append([
            name, size, r["listed"], r["families"], r["closed_flows"], r["flows"] - r["closed_flows"],
            f"{r['residual']:.0e}", f"{r['law']:.0e}", f"{r['symmetries_s']:.2f}", f"{r['flows_s']:.2f}",
        ])  # fmt: skip
    head = [
        "equation", "dimension", "listed", "with f", "closed flows", "numerical", "residual on moved seeds",
        "group law", "symmetries, CPU s", "flows, CPU s",
    ]  # fmt: skip
    text = "\n\n".join([
        table(head, rows),
        "u d/du is counted, the superposition of linear equations is not. Parameters stay symbols. \"with f\" are "
        "generators with an arbitrary function. Every generator is verified by its prolongation, every closed flow by "
        "the group law at 40 digits; both are in the times.",
        _doubles(found), _numerical(found),
        "\n".join(wrong) or "All of these dimensions are the expected ones.",
        _sources(found), _literature(literature),
    ])  # fmt: skip
    drawing, ax = figure(size=(6.4, 0.22 * len(found) + 0.8))
    ax.barh(list(found), [r["symmetries_s"] for r in found.values()], color=BLUE)
    ax.set(xlabel="seconds of CPU", xscale="log")
    ax.margins(y=0.01)
    ax.invert_yaxis()
    publish(
        "lie_symmetries", "Lie point symmetries", text, {"results": found, "literature": literature}, drawing, quick
    )


def _doubles(found: dict[str, dict]) -> str:
    flows, closed = (sum(r[key] for r in found.values()) for key in ("flows", "closed_flows"))
    largest = {key: max(found, key=lambda name, key=key: found[name][key]) for key in ("residual", "law")}
    low, high = BOX
    return (
        f'"Residual on moved seeds" and "group law" are in double precision, the largest over an equation\'s flows: a '
        f"known solution, or two seeds of a linear equation, is moved by T^a at {POINTS} random points of the box "
        f"[{low}, {high}]^d, with parameters of the equation 0.7, 0.8, ...; up to {PAIRS} random (a, b) reach "
        f"{REACH:g} of the largest |a| <= 1 that the domain allows on the whole box. The residual is max |sum of the "
        "equation's terms| / max sum |terms|, the group law max |T^a T^b u - T^(a+b) u| / max |u|, both maxima over "
        "the points, since where all terms vanish together only rounding is left. "
        f"{closed} of {flows} flows are closed. The largest residual is {found[largest['residual']]['residual']:.1e} "
        f"({largest['residual']}), the largest defect of the group law {found[largest['law']]['law']:.1e} "
        f"({largest['law']})."
    )


def _sources(found: dict[str, dict]) -> str:
    named = [f"{name} ({SOURCES[name]})" for name in found if name in SOURCES]
    others = [name for name in found if name not in SOURCES]
    text = f"Where they are printed: {'; '.join(named)}."
    return f"{text} Well known, without a source named here: {', '.join(others)}." if others else text


def _literature(found: dict[str, dict]) -> str:
    """The equations of which only the size of the algebra is compared."""
    rows = [
        [f"`{name}`", *("infinite" if r[key] is None else r[key] for key in ("published", "dimension")), r["listed"],
         f"{r['symmetries_s']:.2f}", r["source"]]
        for name, r in found.items()
    ]  # fmt: skip
    agree = sum(r["dimension"] == r["published"] for r in found.values())
    short = [f"`{name}`" for name, r in found.items() if r["dimension"] is not None and r["listed"] < r["dimension"]]
    text = f"Of {len(found)} more equations the dimension is compared with the printed one: {agree} agree."
    if short:
        text += f" Not all generators are listed, which is said, for {', '.join(short)}."
    head = ["equation", "published", "dimension", "listed", "CPU s", "source"]
    return f"## Published classifications\n\n{text}\n\n{table(head, rows)}"


def _numerical(found: dict[str, dict]) -> str:
    named = [f"- {name}: {v}" for name, r in found.items() for v in r["numerical"]]
    if not named:
        return "No flow is numerical."
    return (
        "Without a closed form, since every one known is 0/0 in places where the flow itself is smooth; integrated "
        f"by extrapolation (pinnkit.exact.lie.numerical_flow), {TRIED} pairs with |a|, |b| <= {NUMERICAL:g}:\n\n"
    ) + "\n".join(named)


if __name__ == "__main__":
    main()
