"""LTX-Video's transformer and its rotation against stored vectors."""

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor

from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.manifest import Manifest, Shape, shapes
from kineograph.checkpoints.public import ltx_video as public
from kineograph.denoisers.ltx import LTX
from kineograph.errors import CheckpointError
from kineograph.nn.rotary import FractionalPositions, grid_positions
from kineograph.proof.vector import Results, Vector, read_vector
from kineograph.types import Skip, TextEmbedding

# "Residual" is not here: the reference's attention has no residual path, so it does nothing.
SKIPS: Mapping[str, Literal["values", "attention", "block"]] = {
    "AttentionValues": "values",
    "AttentionSkip": "attention",
    "TransformerBlock": "block",
}
DIFFUSERS_TIME = 1000.0  # that library's callers multiply time, the original does it inside


def transformer(vector: Vector) -> Results:
    """Velocities of token lists, by the name of the output: which mask, time, disturbance."""
    model, keys = load(vector)
    source = vector.meta.get("state_from")
    shared = read_vector(vector.path.with_name(f"{source}.json")).inputs if source else {}
    given = {**shared, **vector.inputs}
    scale = DIFFUSERS_TIME if public.transformer_layout(vector.state) == "diffusers" else 1.0
    outputs = {}
    for name in vector.outputs:
        time = given["timestep_per_token" if name.endswith("per_token") else "timestep"] / scale
        skip = Skip(given["skip_layer_mask"], SKIPS[name]) if name in SKIPS else None
        outputs[name] = model.tokens(
            given["hidden_states"],
            positions(given),
            time.view(len(time), -1),
            TextEmbedding(given["encoder_hidden_states"], _mask(name, given)),
            skip,
        )
    return Results(outputs, keys.dump(model.state_dict()))


def rotation(vector: Vector) -> Results:
    """The tables of several widths; their names end in the width."""
    config = vector.config
    if config.get("spacing", "exp") != "exp":
        raise CheckpointError(
            f"spacing = {config['spacing']!r}: expected 'exp', as published; nearest: 'exp'"
        )
    places = FractionalPositions(largest=tuple(config["max_pos"]), theta=config["theta"])
    outputs = {}
    for name in vector.outputs:
        part, width = name.split("_")
        table = places(vector.inputs["indices_grid"], 1, int(width))
        one = table.cos if part == "cos" else table.sin
        outputs[name] = one.flatten(2).repeat_interleave(2, -1)  # public pairs lie side by side
    return Results(outputs)


def transformer_manifest(manifest: Manifest) -> Mapping[str, Shape]:
    """Public names and shapes of our full-size model."""
    config = public.transformer_config(manifest.config)
    with torch.device("meta"):
        state = config.build().state_dict()
    layout = public.transformer_layout(manifest.tensors)
    return shapes(public.transformer_key_map(config, layout).dump(state))


def load(vector: Vector) -> tuple[LTX, KeyMap]:
    """The model with the vector's weights, and the map they came through."""
    config = public.transformer_config(vector.config)
    keys = public.transformer_key_map(config, public.transformer_layout(vector.state))
    model = config.build().eval()
    load_into(model, keys.load(vector.state))
    return model, keys


def positions(given: Mapping[str, Tensor]) -> Tensor:
    """Seconds, pixel row and pixel column, (B or 1, 3, N), as stored or from a latent grid."""
    if "indices_grid" in given:
        return given["indices_grid"]
    sizes, scales = given["grid"].tolist(), given["rope_interpolation_scale"]
    starts = [
        torch.arange(size, dtype=torch.float32) * scale
        for size, scale in zip(sizes, scales, strict=True)
    ]
    return grid_positions(starts, 1)


def _mask(name: str, given: Mapping[str, Tensor]) -> Tensor | None:
    if name.endswith("nomask"):
        return None
    return given.get("mask_row0_zero" if "row0" in name else "encoder_attention_mask")


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "ltx_video/rope": rotation,
    "ltx_video/transformer": transformer,
}
MANIFESTS: Mapping[str, Callable[[Manifest], Mapping[str, Shape]]] = {
    "ltx_video/transformer": transformer_manifest,
}
