"""KL autoencoders of pictures, frame by frame, against stored vectors."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from kineograph.autoencoders.image_kl import ImageKL
from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.manifest import Manifest, Shape, shapes
from kineograph.checkpoints.public import image_kl as public
from kineograph.nn.resample import fold_frames
from kineograph.proof.vector import Results, Vector
from kineograph.types import Posterior, replayed


def frame_by_frame(vector: Vector) -> Results:
    """Moments of every frame, normalised latents without and with a draw, and decoding."""
    model, keys = load(vector)
    given, outputs = vector.inputs, dict[str, Tensor]()
    if "x" in given:
        posterior = model.posterior(given["x"])
        outputs["moments_per_frame"] = fold_frames(moments(posterior))
        outputs["latent_mode"] = model.normalise(posterior.mean)
        if "posterior_noise" in given:
            sampled = posterior.sample(replayed([given["posterior_noise"]]))
            outputs["latent_sample"] = model.normalise(sampled)
    if "z" in given:
        outputs["decoded"] = model.decode(given["z"])
    return Results(outputs, keys.dump(model.state_dict()))


def image_manifest(manifest: Manifest) -> Mapping[str, Shape]:
    """Public names and shapes of our full-size model."""
    config = public.image_kl_config(manifest.config)
    with torch.device("meta"):
        state = config.build().state_dict()
    return shapes(
        public.image_kl_key_map(config, public.image_kl_layout(manifest.tensors)).dump(state)
    )


def load(vector: Vector) -> tuple[ImageKL, KeyMap]:
    """The model with the vector's weights, and the map they came through."""
    config = public.image_kl_config(vector.config)
    keys = public.image_kl_key_map(config, public.image_kl_layout(vector.state))
    model = config.build().eval()
    load_into(model, keys.load(vector.state))
    return model, keys


def moments(posterior: Posterior) -> Tensor:
    """Mean and log-variance, stacked along the channels."""
    assert posterior.logvar is not None
    return torch.cat((posterior.mean, posterior.logvar), dim=1)


VECTORS: Mapping[str, Callable[[Vector], Results]] = {"open_sora_2/flux_ae2d": frame_by_frame}
MANIFESTS: Mapping[str, Callable[[Manifest], Mapping[str, Shape]]] = {
    "open_sora_2/flux_ae2d": image_manifest
}
