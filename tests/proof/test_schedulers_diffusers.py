"""The adapters of steps and schedules find what diffusers' schedulers find, for every option."""

import pytest
import torch

from kineograph.errors import CheckpointError
from kineograph.proof.ltx_schedule import diffusers_schedule, diffusers_timesteps
from kineograph.proof.open_sora_plan_scheduler import inference
from kineograph.proof.vector import Vector

oracle = pytest.importorskip("diffusers", reason="diffusers is in the extra 'test'")

# Numbers that numpy reads from a tensor, inside diffusers' schedulers.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


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


@pytest.mark.parametrize("rule", ["none", "use_karras_sigmas", "use_exponential_sigmas"])
@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.parametrize("terminal", [None, 0.1])
def test_every_option_of_the_flow_scheduler_is_matched(tmp_path, rule, dynamic, terminal):
    config = {
        "num_train_timesteps": 1000,
        "shift": 3.0,
        "use_dynamic_shifting": dynamic,
        "base_shift": 0.95,
        "max_shift": 2.05,
        "base_image_seq_len": 1024,
        "max_image_seq_len": 4096,
        "shift_terminal": terminal,
    }
    config |= {name: rule == name for name in ("use_karras_sigmas", "use_exponential_sigmas")}
    theirs, steps = oracle.FlowMatchEulerDiscreteScheduler(**config), 5
    even = torch.linspace(1, 1 / steps, steps).numpy()
    cells = 2 * 2 * 3  # of 9 frames of 64 x 96
    mu = 0.95 + (cells - 1024) * 1.1 / 3072
    theirs.set_timesteps(steps, sigmas=even, mu=mu if dynamic else None)
    outputs = {
        f"sigmas/9x64x96/steps{steps}": theirs.sigmas,
        f"timesteps/9x64x96/steps{steps}": theirs.timesteps.float(),
    }
    vector = Vector(
        name="scheduler",
        kind="ltx_video/scheduler/diffusers_timesteps",
        path=tmp_path,
        meta={"config": config},
        outputs=outputs,
    )
    ours = diffusers_timesteps(vector).outputs
    for name, expected in outputs.items():
        torch.testing.assert_close(ours[name], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "change", [{"invert_sigmas": True}, {"use_beta_sigmas": True}, {"time_shift_type": "linear"}]
)
def test_what_no_published_model_asks_for_is_refused(change):
    (name,) = change
    with pytest.raises(CheckpointError, match=name):
        diffusers_schedule(change)
