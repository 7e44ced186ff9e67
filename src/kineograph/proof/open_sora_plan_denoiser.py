"""Open-Sora Plan's denoisers against stored vectors."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.manifest import Manifest, Shape, shapes
from kineograph.checkpoints.public import open_sora_plan_denoiser as public
from kineograph.denoisers.skiparse import Skiparse, SkiparseConfig
from kineograph.proof.open_sora_plan import first_of_a_length
from kineograph.proof.vector import Results, Vector
from kineograph.types import Condition, Known, Layout, TextEmbedding

STEPS = 1000  # entry n of the reference's noise table is our time (n + 1) / 1000


def denoiser(vector: Vector) -> Results:
    """One batch, with or without what is given."""
    given = vector.inputs
    config = public.denoiser_config(vector.config)
    x = given["hidden_states"]
    config = collided(config, (x.shape[2], x.shape[3], x.shape[4]))
    model, keys = load(config, vector.state)
    channels = config.in_channels
    condition = Condition(
        text=TextEmbedding(
            given["encoder_hidden_states"][:, 0],
            given["encoder_attention_mask"].flatten(1).bool(),
        ),
        known=known(x, channels) if config.mask_channels else None,
        layout=Layout(valid=given["attention_mask"].bool()[:, None]),
    )
    sample = model(x[:, :channels], time(given["timestep"]), condition)
    return Results({"sample": sample}, keys.dump(model.state_dict()))


def time(timestep: Tensor) -> Tensor:
    """Entries of the noise table (B,) -> our time (B, 1, 1, 1, 1), in float64: it comes back."""
    return ((timestep.double() + 1) / STEPS).view(-1, 1, 1, 1, 1)


def known(channels: Tensor, latents: int) -> Known:
    """Stored channels: noisy latents, latents of what is given, mask of what is missing."""
    return Known(channels[:, latents : 2 * latents], 1 - channels[:, 2 * latents :])


def collided(config: SkiparseConfig, size: tuple[int, int, int]) -> SkiparseConfig:
    """The scales of positions that the reference uses for latents of a size."""
    sides = (size[0], size[1] // config.patch, size[2] // config.patch)
    frames, rows, columns = first_of_a_length(sides, config.units)
    return replace(config, units=(frames, rows, columns))


def load(config: SkiparseConfig, state: Mapping[str, Tensor]) -> tuple[Skiparse, KeyMap]:
    """The model with public weights, and the map they came through."""
    keys = public.denoiser_key_map(config)
    model = config.build().eval()
    load_into(model, keys.load(state))
    return model, keys


def manifest(found: Manifest) -> Mapping[str, Shape]:
    """Public names and shapes of our full-size model."""
    config = public.denoiser_config(found.config)
    with torch.device("meta"):
        state = config.build().state_dict()
    return shapes(public.denoiser_key_map(config).dump(state))


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_plan/denoiser/t2v": denoiser,
    "open_sora_plan/denoiser/inpaint": denoiser,
}
MANIFESTS: Mapping[str, Callable[[Manifest], Mapping[str, Shape]]] = {
    "open_sora_plan/denoiser/t2v": manifest,
    "open_sora_plan/denoiser/inpaint": manifest,
}
