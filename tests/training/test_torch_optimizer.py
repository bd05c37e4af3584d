"""Torch's own optimisers as stages."""

import pytest
import torch
from objectives import small, vector

import pinnkit as pk

pytestmark = pytest.mark.portable


def test_soap_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pytorch_optimizer", None)
    with pytest.raises(ImportError, match="pinnkit\\[soap\\]"):
        pk.SOAP(1).start(vector(1, 2), None)


@pytest.mark.parametrize(
    ("optimizer", "settings", "schedule", "more"),
    [
        ("SGD", {"momentum": 0.9, "nesterov": True}, "ExponentialLR", {"gamma": 0.9}),
        ("AdamW", {"weight_decay": 0.1}, "CosineAnnealingLR", {}),
        ("Rprop", {}, "ReduceLROnPlateau", {"patience": 0}),
        ("LBFGS", {"max_iter": 5, "line_search_fn": "strong_wolfe"}, None, {}),
    ],
)
def test_steps_are_those_of_torch(optimizer, settings, schedule, more):
    """A network's parameters as a torch module has them, trained by the same classes without pinnkit's stage."""
    model, theta = small()
    stack = model.stack(pk.sample(model.problem, {"pde": 40}))
    stage = pk.Torch(optimizer, 8, lr=1e-2, settings=settings, schedule=schedule, schedule_settings=more)
    pieces = [torch.nn.Parameter(p.clone()) for p in stack.parameter_groups(theta)]
    assert sum(p.numel() for p in pieces) == len(theta)
    twin = getattr(torch.optim, optimizer)(pieces, lr=1e-2, **settings)
    lengths = {"T_max": 8} if schedule == "CosineAnnealingLR" else {}
    plan = getattr(torch.optim.lr_scheduler, schedule)(twin, **lengths, **more) if schedule else None

    def closure():
        at = torch.cat([p.detach().reshape(-1) for p in pieces])
        losses, g = stack.loss_and_gradient(at)
        for p, slope in zip(pieces, stack.parameter_groups(g), strict=True):
            p.grad = slope.clone()
        return losses.sum()

    state = stage.start(theta, stack)
    for _ in range(8):
        theta, state, step = stage.step(theta, state, stack)
        loss = twin.step(closure)
        assert float(loss) == float(step.losses.sum())
        if plan is not None:
            plan.step(*([loss] if schedule == "ReduceLROnPlateau" else []))
    assert torch.equal(theta, torch.cat([p.detach().reshape(-1) for p in pieces]))


def test_what_torch_does_not_have_is_refused():
    for wrong, said in (
        ({"optimizer": "Adman"}, "torch.optim has no optimizer 'Adman': choose one of .*AdamW"),
        ({"settings": {"momentum": 0.9}}, "AdamW.*does not take these settings"),
        ({"schedule": "LambdaLR"}, "there is no schedule 'LambdaLR'"),
        ({"schedule": "StepLR"}, "StepLR does not take these settings.*step_size"),
    ):
        with pytest.raises(ValueError, match=said):
            pk.Torch(**wrong)
    with pytest.raises(ValueError, match="Muon"):
        pk.Torch("Muon").start(torch.zeros(3, dtype=torch.float64), None)
