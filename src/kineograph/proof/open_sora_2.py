"""Open-Sora 2.0's denoiser against stored vectors."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.manifest import Manifest, Shape, shapes
from kineograph.checkpoints.public import open_sora_2 as public
from kineograph.checkpoints.public.flux import flux_config, flux_key_map
from kineograph.denoisers.mmdit import MMDiT, MMDiTConfig, Tokens
from kineograph.proof.vector import Results, Vector
from kineograph.types import Condition, TextEmbedding


def mmdit(vector: Vector) -> Results:
    """The velocity of packed tokens."""
    model, keys = load(vector.config, vector.state)
    given, patch = vector.inputs, model.config.patch
    positions = torch.cat((given["txt_ids"], given["img_ids"]), 1).transpose(1, 2)
    if vector.config.get("use_liger_rope", False):
        positions = positions[:1]  # the reference's kernel reads the first sample's only
    cond = given.get("cond")
    tokens = Tokens(
        inward(given["img"], patch), None if cond is None else inward(cond, patch), positions
    )
    text = TextEmbedding(given["txt"], pooled=given["y_vec"])
    facts = {"guidance": given["guidance"]} if "guidance" in given else {}
    time = model.vector(given["timesteps"], Condition(text, facts=facts))
    velocity = outward(model.tokens(tokens, time, text), patch)
    return Results({"velocity": velocity}, keys.dump(model.state_dict()))


def mmdit_manifest(manifest: Manifest) -> Mapping[str, Shape]:
    """Public names and shapes of our full-size model."""
    config, keys = described(manifest.config)
    with torch.device("meta"):
        state = config.build().state_dict()
    return shapes(keys.dump(state))


def described(config: Mapping[str, Any]) -> tuple[MMDiTConfig, KeyMap]:
    """Our config and the names of its weights, in the authors' words or in diffusers'."""
    if "num_single_layers" in config:
        flux = flux_config(config)
        return flux, flux_key_map(flux)
    ours = public.mmdit_config(config)
    return ours, public.mmdit_key_map(ours, public.mmdit_layout(config))


def load(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> tuple[MMDiT, KeyMap]:
    """The model with public weights, and the map they came through."""
    ours, keys = described(config)
    model = ours.build().eval()
    load_into(model, keys.load(state))
    return model, keys


def inward(x: Tensor, patch: int) -> Tensor:
    """Public tokens have their channels outermost, ours innermost: (B, N, C * p * p)."""
    return rearrange(x, "b n (c p q) -> b n (p q c)", p=patch, q=patch)


def outward(x: Tensor, patch: int) -> Tensor:
    """The inverse of `inward`."""
    return rearrange(x, "b n (p q c) -> b n (c p q)", p=patch, q=patch)


def pack(x: Tensor, patch: int) -> Tensor:
    """Latents (B, C, F, H, W) -> public tokens (B, N, C * p * p)."""
    return rearrange(x, "b c f (h p) (w q) -> b (f h w) (c p q)", p=patch, q=patch)


def unpack(x: Tensor, patch: int, like: Tensor) -> Tensor:
    """Public tokens (B, N, C * p * p) -> latents of the frames, rows and columns of `like`."""
    sizes = {"f": like.shape[2], "h": like.shape[3] // patch, "p": patch, "q": patch}
    return rearrange(x, "b (f h w) (c p q) -> b c f (h p) (w q)", **sizes)


VECTORS: Mapping[str, Callable[[Vector], Results]] = {"open_sora_2/mmdit": mmdit}
MANIFESTS: Mapping[str, Callable[[Manifest], Mapping[str, Shape]]] = {
    "open_sora_2/mmdit": mmdit_manifest
}
