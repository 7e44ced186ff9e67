"""Open-Sora 2.0's Video DC-AE against stored vectors."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.manifest import Manifest, Shape, shapes
from kineograph.checkpoints.public import deep_compression as public
from kineograph.proof.vector import Results, Vector


def coding(vector: Vector) -> Results:
    """Every stored clip encoded, every stored latent decoded; suffixes name further cases."""
    keys = public.deep_compression_key_map()
    config = replace(public.deep_compression_config(vector.config), short_ends=True)
    model = config.build().eval()
    load_into(model, keys.load(vector.state))
    outputs = {}
    for name, value in vector.inputs.items():
        letter, _, case = name.partition("_")
        result, run = ("latent", model.encode) if letter == "x" else ("decoded", model.decode)
        outputs["_".join(filter(None, (result, case)))] = run(value)
    return Results(outputs, keys.dump(model.state_dict()))


def manifest(stored: Manifest) -> Mapping[str, Shape]:
    """Public names and shapes of our full-size model."""
    with torch.device("meta"):
        state = public.deep_compression_config(stored.config).build().state_dict()
    return shapes(public.deep_compression_key_map().dump(state))


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_2/video_dc_ae": coding,
    "open_sora_2/video_dc_ae/tiled": coding,
}
MANIFESTS: Mapping[str, Callable[[Manifest], Mapping[str, Shape]]] = {
    "open_sora_2/video_dc_ae": manifest
}
