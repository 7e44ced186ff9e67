"""The adapter of Open-Sora Plan's steps finds what diffusers' schedulers find, for every option."""

import pytest
import torch

from kineograph.proof.open_sora_plan_scheduler import inference
from kineograph.proof.vector import Vector

oracle = pytest.importorskip("diffusers", reason="diffusers is in the extra 'test'")


@pytest.mark.parametrize("rule", ["EulerAncestralDiscrete", "DDIM"])
@pytest.mark.parametrize("schedule", ["linear", "scaled_linear"])
@pytest.mark.parametrize("spacing", ["trailing", "leading"])
def test_every_option_of_a_published_scheduler_is_matched(tmp_path, rule, schedule, spacing):
    steps, case = 6, f"{rule}_6"
    config = {
        "prediction_type": "epsilon" if spacing == "leading" else "v_prediction",
        "rescale_betas_zero_snr": schedule == "linear" and rule != "DDIM",
        "timestep_spacing": spacing,
        "beta_start": 0.0005,
        "beta_end": 0.015,
        "beta_schedule": schedule,
    }
    own = {"clip_sample": False} if rule == "DDIM" else {}
    theirs = getattr(oracle, f"{rule}Scheduler")(**config, **own)
    theirs.set_timesteps(steps)
    torch.manual_seed(0)
    x = torch.randn(1, 2, 1, 2, 2) * theirs.init_noise_sigma
    said, fresh = torch.randn(2, steps, *x.shape)
    inputs = {"initial": x, "predictions": said, "step_noises": fresh}
    seen, found = [], []
    for index, time in enumerate(theirs.timesteps):
        seen.append(theirs.scale_model_input(x, time))
        if rule == "DDIM":
            x = theirs.step(said[index], time, x).prev_sample
        else:
            theirs_noise = torch.Generator().manual_seed(index)
            inputs["step_noises"][index] = torch.randn(x.shape, generator=theirs_noise)
            again = torch.Generator().manual_seed(index)
            x = theirs.step(said[index], time, x, generator=again).prev_sample
        found.append(x)
    outputs = {"model_inputs": torch.stack(seen), "samples": torch.stack(found)}
    vector = Vector(
        name="scheduler",
        kind="open_sora_plan/scheduler/inference",
        path=tmp_path,
        meta={"config": config, "cases": [{"case": case}]},
        inputs={f"{case}/{name}": one for name, one in inputs.items()},
        outputs={f"{case}/{name}": one for name, one in outputs.items()},
    )
    ours = inference(vector).outputs
    assert ours.keys() == vector.outputs.keys()
    for name, expected in vector.outputs.items():
        assert (ours[name] - expected).norm() < 1e-4 * expected.norm(), name
