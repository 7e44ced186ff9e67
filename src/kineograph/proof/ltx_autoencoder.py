"""LTX-Video's autoencoder against stored vectors."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from kineograph.autoencoders.denoising import Denoising, DenoisingConfig
from kineograph.autoencoders.tiled import Tiling
from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.manifest import Manifest, Shape, shapes
from kineograph.checkpoints.public import ltx_video
from kineograph.checkpoints.public import ltx_video_autoencoder as public
from kineograph.proof.vector import Results, Vector
from kineograph.types import Draws, Posterior, replayed

NOISE = "spatial_noise/"


def autoencoder(vector: Vector) -> Results:
    """Encode a clip and its first frame; decode."""
    model, keys = load(vector, public.autoencoder_config(vector.config))
    given, outputs = vector.inputs, dict[str, Tensor]()
    if "video" in given:
        video = given["video"].float()
        posterior = model.posterior(video)
        outputs |= {
            "moments": model.moments(video),
            "latent_mean": posterior.mean,
            "latent_logvar": variance(posterior),
            "latent_mean_normalized": model.normalise(posterior.mean),
            "first_frame_latent_mean": model.posterior(video[:, :, :1]).mean,
        }
    if "latents_normalized" in given:
        latents, time = given["latents_normalized"], given.get("decode_timestep")
        draws = noise_maps(given, len(latents))
        outputs["decoded"] = model.decode_raw(model.denormalise(latents), draws, time)
    return Results(outputs, keys.dump(model.state_dict()))


def tiled(vector: Vector) -> Results:
    """Encode and decode in tiles, late ones as the reference has them."""
    settings = vector.config
    config = public.autoencoder_config(settings["vae"])
    sizes = {
        ours: (settings[f"tile_sample_min_{theirs}"], settings[f"tile_sample_stride_{theirs}"])
        for ours, theirs in (("rows", "height"), ("columns", "width"), ("frames", "num_frames"))
    }
    model, keys = load(vector, replace(config, tiling=Tiling(**sizes, late=True)))
    whole, _ = load(vector, config)
    time = vector.meta["decode_timestep"]
    time = None if time is None else torch.tensor(time)
    outputs: dict[str, Tensor] = {}
    for name in vector.outputs:
        cut, way = name.split("_")[0], name.split("_")[1]
        if name.endswith("encode_moments"):
            outputs[name] = model.moments(vector.inputs[f"video_{cut}"].float())
        elif cut == "untiled":
            outputs[name] = whole.decode_raw(vector.inputs[f"latent_{way}"], time=time)
        else:
            outputs[name] = model.decode_raw(vector.inputs[f"latent_{cut}"], time=time)
    informative = frozenset(name for name in outputs if name.startswith("untiled"))
    return Results(outputs, keys.dump(model.state_dict()), informative=informative)


def autoencoder_manifest(manifest: Manifest) -> Mapping[str, Shape]:
    """Public names and shapes of our full-size model."""
    config = public.autoencoder_config(manifest.config)
    with torch.device("meta"):
        state = config.build().state_dict()
    layout = public.autoencoder_layout(manifest.tensors)
    return shapes(public.autoencoder_key_map(config, layout).dump(state))


def single_file_manifest(manifest: Manifest) -> Mapping[str, Shape]:
    """Public names and shapes of our full-size transformer and autoencoder in one file."""
    transformer = ltx_video.transformer_config(manifest.config["transformer"])
    coder = public.autoencoder_config(manifest.config["vae"])
    with torch.device("meta"):
        denoiser, autoencoder = transformer.build().state_dict(), coder.build().state_dict()
    return {
        **shapes(ltx_video.transformer_key_map(transformer, "single_file").dump(denoiser)),
        **shapes(public.autoencoder_key_map(coder, "single_file").dump(autoencoder)),
    }


def load(vector: Vector, config: DenoisingConfig) -> tuple[Denoising, KeyMap]:
    """The model with the vector's weights, and the map they came through."""
    keys = public.autoencoder_key_map(config, public.autoencoder_layout(vector.state))
    model = config.build().eval()
    load_into(model, keys.load(vector.state))
    return model, keys


def noise_maps(given: Mapping[str, Tensor], clips: int) -> Draws | None:
    """The stored noise maps (Y, X) in the order of use; the reference shares each by all clips."""
    names = sorted((name for name in given if name.startswith(NOISE)), key=_order)
    return replayed([given[name].expand(clips, -1, -1) for name in names]) if names else None


def _order(name: str) -> tuple[bool, list[int]]:
    """The middle, which one layout has, comes first; then numbers as numbers.

    That layout also has a block's entrance, which comes before its numbered ones.
    """
    numbers = re.findall(r"-?\d+", name.replace("conv_in", "-1"))
    return "mid_block" not in name, [int(number) for number in numbers]


def variance(posterior: Posterior) -> Tensor:
    """The log-variance, which this autoencoder always has."""
    assert posterior.logvar is not None
    return posterior.logvar


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "ltx_video/vae": autoencoder,
    "ltx_video/vae/tiled": tiled,
}
MANIFESTS: Mapping[str, Callable[[Manifest], Mapping[str, Shape]]] = {
    "ltx_video/single_file": single_file_manifest,
    "ltx_video/vae": autoencoder_manifest,
}
