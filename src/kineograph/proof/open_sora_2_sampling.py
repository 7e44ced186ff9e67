"""Open-Sora 2.0's schedule, guidance and whole samplings against stored vectors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kineograph.conditioning.channels import GivenChannels
from kineograph.denoisers.mmdit import MMDiT
from kineograph.diffusion.guidance import Off
from kineograph.diffusion.negatives import Steady, Swinging, TwoNegatives
from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.prediction import Velocity
from kineograph.diffusion.process import Process
from kineograph.diffusion.samplers import Euler
from kineograph.diffusion.sampling import Look, sample
from kineograph.diffusion.times import AreaShift, ConstantShift, Even, Shift
from kineograph.proof.open_sora_2 import load
from kineograph.proof.open_sora_2_training import given_frames
from kineograph.proof.vector import Results, Vector
from kineograph.types import Condition, Grid, Known, Step, TextEmbedding, replayed


def timesteps(vector: Vector) -> Results:
    """Schedules by number of steps, tokens per frame and latent frames."""
    outputs = {}
    for index, case in enumerate(vector.config["cases"]):
        schedule = Even(shift=_shift(case, case.get("shift_alpha"), 1))
        grid = Grid(case["num_frames"], 1, case["image_seq_len"])
        outputs[f"timesteps_{index}"] = schedule(case["num_steps"], grid)
    return Results(outputs)


def _shift(case: Mapping[str, Any], factor: float | None, cells: int) -> Shift:
    """The shift that a case asks for, in the reference's words."""
    if not case.get("shift", True):
        return ConstantShift()
    if factor is not None:
        return ConstantShift(factor=factor)
    low, high = (256, case.get("base_shift", 1.0)), (4096, case.get("max_shift", 3.0))
    return AreaShift(low=low, high=high, cells=cells)


def schedule(vector: Vector) -> Results:
    """The scale of the given frames at every step: swinging, rising, both."""
    config = vector.config
    scale, count, frames = config["guidance"], config["num_steps"], config["latent_frames"]
    swinging = Swinging(value=scale, settle=config["force_num"])
    nothing = torch.zeros(1, 1, frames, 1, 1)
    known, zero = Known(nothing, nothing), torch.zeros(())

    def table(guidance: TwoNegatives) -> Tensor:
        rows = [guidance.frames(Step(i, count, zero, zero), known) for i in range(count)]
        return torch.stack([row.flatten() for row in rows])

    return Results(
        {
            "oscillation": torch.tensor([swinging.at(index) for index in range(count)]),
            "dynamic": table(TwoNegatives(given=Steady(value=scale))),
            "oscillation_and_dynamic": table(TwoNegatives(given=swinging)),
        }
    )


def sampling(vector: Vector) -> Results:
    """From noise to latents, and the given frames put back."""
    config, given = vector.config, vector.inputs
    model, keys = load(config["model"], vector.state)
    text = TextEmbedding(given["txt"], pooled=given["y_vec"])
    known = reference(vector)
    empty = None
    if "neg_txt" in given:
        empty = TextEmbedding(given["neg_txt"], pooled=given["neg_y_vec"])
    latents = sampled(model, config, given["z"], Captions(text, empty), known)
    outputs = {"latent": latents}
    if "latent_after_reference_paste" in vector.outputs:
        pasted = GivenChannels(pasted="first").leave(latents, known)
        outputs["latent_after_reference_paste"] = pasted
    return Results(outputs, keys.dump(model.state_dict()))


@dataclass(frozen=True, eq=False)
class Captions:
    """What is wanted, and what is not; None: there is no guidance."""

    wanted: TextEmbedding
    negative: TextEmbedding | None


def sampled(
    model: MMDiT, config: Mapping[str, Any], start: Tensor, text: Captions, known: Known | None
) -> Tensor:
    """Latents (B, C, F, H, W) from noise of that shape; nothing is put back yet."""
    facts = {"guidance": torch.full((len(start),), config["guidance"])}
    look = Look(
        denoiser=model,
        process=Process(
            path=RectifiedFlow(), prediction=Velocity(), injection=GivenChannels(pasted="none")
        ),
        guidance=Off() if text.negative is None else _guidance(config),
        condition=Condition(text.wanted, known=known, facts=facts),
        empty=text.negative or text.wanted,
    )
    shift = _shift(config, config.get("flow_shift"), model.config.patch**2)
    times = Even(shift=shift)(config["num_steps"], Grid(*start.shape[2:]))
    return sample(look, Euler(), start, times, replayed([]))


def _guidance(config: Mapping[str, Any]) -> TwoNegatives:
    text, given = config["guidance"], config.get("guidance_img") or config["guidance"]
    return TwoNegatives(
        text=Swinging(value=text) if config.get("text_osci", True) else Steady(value=text),
        given=Swinging(value=given) if config.get("image_osci", True) else Steady(value=given),
        rising=config.get("scale_temporal_osci", True),
    )


def reference(vector: Vector) -> Known | None:
    """The stored references, where the mode puts them; None: nothing is given."""
    start, config = vector.inputs["z"], vector.config
    head, tail = given_frames(config.get("mode", "t2v"), 1, config.get("is_causal_vae", True))
    if head + tail == 0 or start.shape[2] == 1:
        return None
    latents, strength = torch.zeros_like(start), torch.zeros_like(start[:, :1])
    for row in range(len(start)):
        stored = [vector.inputs[n] for n in sorted(vector.inputs) if n.startswith(f"ref_{row}_")]
        if not stored:
            continue
        if head:
            latents[row, :, :head] = stored[0][:, :head]
            strength[row, :, :head] = 1.0
        if tail:
            latents[row, :, -tail:] = stored[-1][:, -tail:]
            strength[row, :, -tail:] = 1.0
    return Known(latents, strength)


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_2/guidance/schedule": schedule,
    "open_sora_2/sampling": sampling,
    "open_sora_2/scheduler/timesteps": timesteps,
}
