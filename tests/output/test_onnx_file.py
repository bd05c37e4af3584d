"""ONNX files: onnxruntime gives fields and derivatives to rounding."""

import numpy as np
import pytest
import torch

import pinnkit as pk

BURGERS = pk.problem("burgers")


def trained(network, **more):
    return pk.solve(BURGERS, network, 50, stages=[pk.Adam(20)], progress=False, **more)


def test_without_the_packages_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'pinnkit\[onnx\]'"):
        pk.to_onnx(trained(pk.MLP(2, 4, 1)), tmp_path / "u.onnx")


@pytest.mark.extras
@pytest.mark.parametrize(
    ("network", "dtype", "far"),
    [
        (pk.MLP(2, 8, 8, 1), torch.float64, 1e-12),
        (pk.ModifiedMLP(2, 8, 8, 1, activation="silu"), torch.float64, 1e-12),
        (pk.MLP(2, 8, 1, activation="sin", features=pk.Fourier(4)), torch.float64, 1e-12),
        (pk.MLP(2, 8, 8, 1, activation="gelu"), torch.float32, 1e-6),
        (pk.MLP(2, 8, 8, 1), torch.float32, 1e-6),
    ],
)
def test_the_runtime_reproduces_fields_and_derivatives(network, dtype, far, tmp_path):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    solution, names = trained(network, dtype=dtype), "u u_x u_t u_xx"
    path = pk.to_onnx(solution, tmp_path / "u.onnx", names)
    X = BURGERS.domain.sample(33, method="random", seed=1).to(dtype)
    (found,) = runtime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"points": X.numpy()})
    expected = torch.stack(solution.jet(X, names), 1).numpy()
    assert found.dtype == expected.dtype
    assert (np.abs(found - expected).max(0) < far * (1 + np.abs(expected).max(0))).all()


@pytest.mark.extras
def test_erf_in_double_precision_is_refused(tmp_path):
    pytest.importorskip("onnxscript")
    with pytest.raises(ValueError, match="single precision only: solve with dtype=torch.float32"):
        pk.to_onnx(trained(pk.MLP(2, 4, 1, activation="gelu")), tmp_path / "u.onnx")
    assert not list(tmp_path.iterdir())
