"""The fuzzer's right arguments are right: what it calls with them returns, or says in a sentence why not."""

from benchmarks.api_calls import run

CHEAP = ("Adam", "Balance", "Box.measure", "Fourier", "LBFGS", "PointSet", "Resample", "SSBroyden", "draw")


def test_calls_with_right_arguments_return() -> None:
    found = [o for o in run(200, seed=1, names=CHEAP, cpu_s=5.0) if o.argument is None]
    assert len(found) >= 100 and all(o.end == "returned" for o in found), [str(o) for o in found if o.end != "returned"]
