"""STIV's frame replacement, joint guidance and sampling against vectors made from its equations.

The paper counts time from noise (0) to data (1) and velocity that way, too; here both are
turned round.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from kineograph.conditioning.replacement import ReplacedFrames
from kineograph.diffusion.joint import AsGuided, FreeLength, Joint, Renormalise, WantedLength
from kineograph.diffusion.objective import Objective
from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.prediction import Velocity
from kineograph.diffusion.process import Process
from kineograph.diffusion.samplers import Euler
from kineograph.diffusion.sampling import Look, sample
from kineograph.diffusion.times import Even, LogitNormal
from kineograph.proof.vector import Results, Vector
from kineograph.types import Condition, Grid, Known, Step, TextEmbedding, replayed

PROCESS = Process(path=RectifiedFlow(), prediction=Velocity(), injection=ReplacedFrames())
LENGTHS: Mapping[str, Renormalise] = {
    "F_hat": AsGuided(),
    "renorm_per_sample": WantedLength(),
    "renorm_per_sample_free_frames": FreeLength(),
}
OTHERS: Mapping[str, tuple[int, ...]] = {  # other readings, for comparison: one length for each
    "renorm_per_frame": (1, 3, 4),
    "renorm_per_token": (1,),
}


@dataclass(eq=False)
class _Stored:
    """A denoiser that answers with a stored velocity and remembers what it saw."""

    velocity: Tensor
    seen: list[Tensor] = field(default_factory=list)
    clock: Literal["sample", "frame", "token"] = "sample"

    def __call__(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """(B, C, F, H, W) -> the same shape."""
        self.seen.append(x)
        return -self.velocity


def replacement(vector: Vector) -> Results:
    """What the denoiser sees, and the loss, for several sets of given frames."""
    given = vector.inputs
    data, noise = given["x1"], given["eps"]
    time = 1.0 - given["t"]
    c = PROCESS.path.at(time.view(-1, 1, 1, 1, 1))
    outputs = {
        "x_t": c.alpha * data + c.sigma * noise,
        "velocity_target": -PROCESS.prediction.target(data, noise, c),
    }
    dropped = given["image_condition_dropped"].bool()
    for case, frames in vector.config["condition_frames"].items():
        strength = torch.zeros(len(data), 1, data.shape[2], 1, 1)
        strength[:, :, frames] = 1.0
        strength[dropped] = 0.0
        denoiser = _Stored(given["prediction"])
        loss = Objective(times=LogitNormal(), cells_alike=True)(
            denoiser,
            PROCESS,
            data,
            Condition(
                TextEmbedding(torch.zeros(len(data), 1, 1)),
                Known(data, strength.expand(-1, -1, -1, *data.shape[3:])),
            ),
            replayed([torch.logit(time), noise]),
        )
        outputs |= {
            f"{case}/model_input": denoiser.seen[0],
            f"{case}/loss_mask": 1.0 - strength,
            f"{case}/loss": loss.mean.view(1),
            f"{case}/loss_per_sample": loss.per_sample,
        }
    return Results(outputs)


def guidance(vector: Vector) -> Results:
    """Both passes as one, for the lengths that guidance may have."""
    given = vector.inputs
    strength = 1.0 - given["free_frame_mask"]
    known = Known(torch.zeros_like(given["F_cond"]), strength)
    condition = Condition(TextEmbedding(torch.zeros(len(strength), 1, 1)), known)
    step = Step(0, 1, torch.ones(1), torch.zeros(1))
    outputs = {}
    for name, length in LENGTHS.items():
        joint = Joint(scale=vector.config["guidance_scale"], renormalise=length)
        outputs[name] = joint.combine((given["F_null"], given["F_cond"]), step, condition)
    guided, wanted = outputs["F_hat"], given["F_cond"]
    for name, axes in OTHERS.items():
        outputs[name] = guided * _lengths(wanted, axes) / _lengths(guided, axes)
    return Results(outputs, informative=frozenset(OTHERS))


@dataclass(eq=False)
class _Toy:
    """A linear velocity; what the equations call bc is the text, and known latents shift it."""

    mix: Tensor
    drift: Tensor
    clock: Literal["sample", "frame", "token"] = "sample"

    def __call__(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """(B, C, F, H, W) -> the same shape."""
        velocity = torch.einsum("ij,bjfhw->bifhw", self.mix, x)
        velocity = velocity + condition.text.tokens[:, 0, :, None, None, None]
        velocity = velocity + (1.0 - time) * self.drift
        if condition.known is not None:
            velocity = velocity + 0.2 * condition.known.latents[:, :, :1]
        return -velocity


def trajectory(vector: Vector) -> Results:
    """A whole sample with the first frame given."""
    given, settings = vector.inputs, vector.config
    noise = given["noise"]
    strength = torch.zeros(len(noise), 1, *noise.shape[2:])
    strength[:, :, 0] = 1.0
    tokens = given["bc"].flatten(2).mT
    look = Look(
        denoiser=_Toy(given["A"], given["u"]),
        process=PROCESS,
        guidance=Joint(scale=settings["guidance_scale"], renormalise=WantedLength()),
        condition=Condition(
            TextEmbedding(tokens), Known(given["image_latent"] * strength, strength)
        ),
        empty=TextEmbedding(torch.zeros_like(tokens)),
    )
    times = Even()(settings["steps"], Grid(*noise.shape[2:]))
    outputs = {"final": sample(look, Euler(), noise, times, replayed([])), "t_grid": 1.0 - times}
    return Results(outputs)


def _lengths(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(x, dim=axes, keepdim=True)
    return lengths


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "stiv/frame_replacement": replacement,
    "stiv/jit_cfg": guidance,
    "stiv/sampling_toy": trajectory,
}
