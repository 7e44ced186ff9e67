"""Open-Sora 2.0's training against stored vectors: times, conditions, objective."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from kineograph.conditioning.channels import GivenChannels
from kineograph.conditioning.dropout import TextDropout
from kineograph.diffusion.objective import Objective
from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.prediction import Velocity
from kineograph.diffusion.process import Process
from kineograph.diffusion.times import AreaShift, LogitNormal
from kineograph.proof.open_sora_2 import load, pack, unpack
from kineograph.proof.vector import Results, Vector
from kineograph.types import (
    Condition,
    Denoiser,
    Draws,
    Given,
    Grid,
    Known,
    Legal,
    Posterior,
    TextEmbedding,
    replayed,
)

DISTILLED = 4.0  # what the reference's training says to models that read the guidance
SHORT, LONG = 8, 16  # latent frames of a continued clip, besides a causal autoencoder's first


def training_t(vector: Vector) -> Results:
    """Times from stored normal numbers, for latents of several sizes."""
    times = LogitNormal(shift=AreaShift())
    outputs = {}
    for index, case in enumerate(vector.config["cases"]):
        normal = vector.inputs[f"normal_{index}"]
        grid = Grid(*case["latent_shape"])
        outputs[f"t_{index}"] = times.sample(len(normal), replayed([normal]), grid)
    return Results(outputs)


@dataclass(eq=False)
class _Watched:
    """A denoiser that keeps what it saw and said, (B, C, F, H, W) each."""

    denoiser: Denoiser
    x: list[Tensor] = field(default_factory=list)
    output: list[Tensor] = field(default_factory=list)
    clock: Literal["sample", "frame", "token"] = "sample"

    def __call__(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """As the denoiser."""
        output = self.denoiser(x, time, condition)
        self.x.append(x)
        self.output.append(output)
        return output


def objective(vector: Vector) -> Results:
    """One step of training: what the denoiser sees, says and should say, and gradients."""
    given = vector.inputs
    model, keys = load(vector.config["model"], vector.state)
    patch, latents = model.config.patch, given["x0"]
    noise = unpack(given["noise_packed"], patch, latents)
    process = Process(
        path=RectifiedFlow(least=vector.config["sigma_min"]),
        prediction=Velocity(),
        injection=GivenChannels(),
    )
    facts = {"guidance": given.get("guidance", torch.full((len(latents),), DISTILLED))}
    text = TextEmbedding(given["txt"], pooled=given["y_vec"])
    known = Known(given["reference"], given["mask"]) if model.config.given else None
    error = Objective(times=LogitNormal(shift=AreaShift()), count_known=True)
    watched = _Watched(model)
    with torch.enable_grad():
        loss = error(
            watched,
            process,
            latents,
            Condition(text, known=known, facts=facts),
            replayed([given["normal"], noise]),
        )
        loss.mean.backward()  # type: ignore[no-untyped-call]
    c = process.path.at(loss.time.view(-1, 1, 1, 1, 1))
    zero = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    learned = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    gradients = keys.dump({**zero, **learned})
    return Results(
        {
            "t": loss.time,
            "loss": loss.mean,
            "x_t_packed": pack(watched.x[0], patch),
            "prediction_packed": pack(watched.output[0], patch),
            "target_packed": pack(process.prediction.target(latents, noise, c), patch),
            **{name: gradients[name.removeprefix("grad/")] for name in _gradients(vector)},
        },
        keys.dump(model.state_dict()),
    )


def _gradients(vector: Vector) -> list[str]:
    return [name for name in vector.outputs if name.startswith("grad/")]


@dataclass(eq=False)
class _Says:
    """A denoiser that says something stored, (B, C, F, H, W)."""

    output: Tensor
    clock: Literal["sample", "frame", "token"] = "sample"

    def __call__(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """The stored output."""
        return self.output


def small_functions(vector: Vector) -> Results:
    """Caption dropout, the loss with and without given frames, a moving average."""
    given, config = vector.inputs, vector.config
    normal = torch.special.ndtri(given["uniform"].double())  # our chances come from these
    dropped = TextDropout(probability=config["dropout"])(
        TextEmbedding(given["txt"]), TextEmbedding(given["null"]), replayed([normal])
    )
    masks = given["masks"][:, None]  # (B, 1, F, H, W)
    frames, height, width = masks.shape[2:]
    patch = round((frames * height * width / given["pred"].shape[1]) ** 0.5)
    wanted, said = (unpack(given[name], patch, masks) for name in ("target", "pred"))
    process = Process(path=RectifiedFlow(), prediction=Velocity(), injection=GivenChannels())
    condition = Condition(TextEmbedding(given["txt"]), known=Known(wanted, _lone(masks)))
    nothing = torch.zeros_like(wanted)
    losses = [
        Objective(count_known=counted)(
            _Says(said), process, -wanted, condition, replayed([nothing[:, 0, 0, 0, 0], nothing])
        ).mean
        for counted in (False, True)
    ]
    return Results(
        {
            "dropped": dropped.tokens,
            "masked_loss": losses[0],
            "plain_loss": losses[1],
            "ema_after": torch.lerp(given["ema_before"], given["param"], 1 - config["ema_decay"]),
        },
        note="the average is written out here; training's own begins faster",
    )


def _lone(masks: Tensor) -> Tensor:
    """The first and the last frame (B, 1, F, H, W), where no frame between them is masked."""
    lone = masks.clone()
    lone[:, :, 1:-1] = 0.0
    between = masks[:, :, 1:-1].flatten(1).any(1)
    return lone * ~between.view(-1, 1, 1, 1, 1)


@dataclass(frozen=True)
class _Sampled:
    """An autoencoder that takes every k-th pixel and adds half the mean over frames."""

    time: int
    space: int

    def nearest(self, frames: int, height: int, width: int) -> Legal:
        """Every clip."""
        return Legal(frames, height, width, "every clip")

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Sizes rounded up."""
        return 3, -(-frames // self.time), -(-height // self.space), -(-width // self.space)

    def encode(self, video: Tensor, draws: Draws | None = None) -> Tensor:
        """(B, 3, T, Y, X) -> (B, 3, F, H, W)."""
        small = video[..., :: self.space, :: self.space]
        return small[:, :, :: self.time] + 0.5 * small.mean(2, keepdim=True)

    def decode(
        self, latents: Tensor, frames: int | None = None, draws: Draws | None = None
    ) -> Tensor:
        """Every pixel is repeated."""
        times = latents.repeat_interleave(self.time, 2)[:, :, :frames]
        return times.repeat_interleave(self.space, 3).repeat_interleave(self.space, 4)

    def posterior(self, video: Tensor, draws: Draws | None = None) -> Posterior:
        """Without variance."""
        return Posterior(self.encode(video))

    def normalise(self, latents: Tensor) -> Tensor:
        """As they are."""
        return latents

    def denormalise(self, latents: Tensor) -> Tensor:
        """As they are."""
        return latents


def visual_condition(vector: Vector) -> Results:
    """Mask and given latents of clips, for one way of giving frames after the other."""
    config = vector.config
    autoencoder = _Sampled(config["time_compression"], config["spatial_compression"])
    injection = GivenChannels(cut=not config["causal"])
    outputs = {}
    for mode in config["modes"]:
        video = vector.inputs[f"x_{mode}"]
        strength = torch.zeros_like(video[:, :1])
        head, tail = given_frames(mode, config["time_compression"], config["causal"])
        strength[:, :, :head] = 1.0
        strength[:, :, video.shape[2] - tail :] = 1.0
        known = injection.known(Given(video, strength), autoencoder, None)
        outputs[f"cond_{mode}"] = torch.cat((known.strength, known.latents), 1)
        outputs[f"x0_{mode}"] = autoencoder.encode(video)
    return Results(outputs)


def given_frames(mode: str, time: int, causal: bool) -> tuple[int, int]:
    """How many pixel frames are given at the start and at the end."""
    kind, _, place = mode.partition("_")
    count = (LONG if place.endswith("easy") else SHORT) * time + causal
    length = {"t2v": 0, "i2v": 1, "v2v": count}[kind]
    head = length if place.startswith(("head", "loop")) else 0
    return head, length if place.startswith(("tail", "loop")) else 0


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_2/scheduler/training_t": training_t,
    "open_sora_2/training/objective": objective,
    "open_sora_2/training/small_functions": small_functions,
    "open_sora_2/training/visual_condition": visual_condition,
}
