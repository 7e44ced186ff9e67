"""HunyuanVideo's autoencoder against stored vectors, whole and in tiles."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from kineograph.autoencoders.causal_kl import CausalKL, CausalKLConfig
from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.manifest import Manifest, Shape, shapes
from kineograph.checkpoints.public import causal_kl as public
from kineograph.proof.image_kl import moments
from kineograph.proof.vector import Results, Vector
from kineograph.types import replayed


def coding(vector: Vector) -> Results:
    """All cases of a vector: each has a suffix, the first of some vectors has none."""
    config = public.causal_kl_config(vector.config)
    model, keys = load(vector, config)
    whole, _ = load(vector, replace(config, tiling=None))
    outputs: dict[str, Tensor] = {}
    for name in vector.inputs:
        if name.startswith("x"):
            outputs |= _encoded(model, vector, name.removeprefix("x"))
        elif name.startswith("z"):
            case, latents = name.removeprefix("z"), vector.inputs[name]
            outputs[f"decoded{case}"] = model.decode(latents)
            outputs[f"untiled_decoded{case}"] = whole.decode(latents)
    outputs = {name: outputs[name] for name in outputs if name in vector.outputs}
    informative = frozenset(name for name in outputs if name.startswith("untiled_"))
    return Results(outputs, keys.dump(model.state_dict()), informative=informative)


def causal_manifest(manifest: Manifest) -> Mapping[str, Shape]:
    """Public names and shapes of our full-size model."""
    with torch.device("meta"):
        state = public.causal_kl_config(manifest.config).build().state_dict()
    return shapes(public.causal_kl_key_map().dump(state))


def load(vector: Vector, config: CausalKLConfig) -> tuple[CausalKL, KeyMap]:
    """The model with the vector's weights, and the map they came through."""
    keys = public.causal_kl_key_map()
    model = config.build().eval()
    load_into(model, keys.load(vector.state))
    return model, keys


def _encoded(model: CausalKL, vector: Vector, case: str) -> dict[str, Tensor]:
    """Moments, divergence, and latents without and with the stored draw."""
    posterior = model.posterior(vector.inputs[f"x{case}"])
    outputs = {
        f"moments{case}": moments(posterior),
        f"kl{case}": posterior.kl(),
        f"latent_mode{case}": model.normalise(posterior.mean),
    }
    if f"posterior_noise{case}" in vector.inputs:
        draws = replayed([vector.inputs[f"posterior_noise{case}"]])
        outputs[f"latent_sample{case}"] = model.normalise(posterior.sample(draws))
    return outputs


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_2/hunyuan_vae": coding,
    "open_sora_2/hunyuan_vae/tiled": coding,
}
MANIFESTS: Mapping[str, Callable[[Manifest], Mapping[str, Shape]]] = {
    "open_sora_2/hunyuan_vae": causal_manifest
}
