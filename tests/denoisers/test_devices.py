"""Every denoiser computes on one device alone, and there what it computes on a CPU."""

from dataclasses import replace

import pytest
import torch
from tests.denoisers.test_structure import CASES, SIZE, TIME, Case, condition, random, shaken
from tests.pretended import Pretended

from kineograph.types import Condition


def moved(told: Condition, device: torch.device) -> Condition:
    text = replace(
        told.text, tokens=told.text.tokens.to(device), pooled=told.text.pooled.to(device)
    )
    facts = {name: value.to(device) for name, value in told.facts.items()}
    return replace(told, text=text, facts=facts)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@torch.inference_mode()
def test_a_forward_pass_elsewhere(case: Case) -> None:
    model, x = shaken(case.config.build()), random(2, 4, *SIZE)
    expected = model(x, TIME, condition())
    with Pretended() as pretended:
        device = pretended.device
        found = model.to(device)(x.to(device), TIME.to(device), moved(condition(), device))
        assert found.device == device
        there = found.cpu()
    torch.testing.assert_close(there, expected, rtol=1e-4, atol=1e-4)
