"""Open-Sora 1.2's autoencoder, its stage over time and its losses against stored vectors."""

from collections.abc import Callable, Mapping

import torch
from einops import rearrange
from torch import Tensor

from kineograph.autoencoders import losses
from kineograph.autoencoders.coding import as_posterior
from kineograph.autoencoders.stacked import Stacked
from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.manifest import Manifest, Shape, shapes
from kineograph.checkpoints.public import open_sora_1_autoencoder as public
from kineograph.proof.image_kl import moments
from kineograph.proof.vector import Results, Vector
from kineograph.types import Draws, replayed


def stacked(vector: Vector) -> Results:
    """Coding with the stored draws and without noise; in training, without statistics."""
    model, keys = load(vector)
    video = vector.inputs["x"]
    code = trained if vector.config.get("cal_loss", False) else normalised
    noise = [
        rearrange(vector.inputs["noise_spatial"], "(b t) c h w -> b c t h w", b=len(video)),
        vector.inputs["noise_temporal"],
    ]
    outputs = code(model, video, replayed(noise))
    silent = code(model, video, replayed([torch.zeros_like(draw) for draw in noise]))
    return Results({**outputs, "z_mode": silent["z"]}, keys.dump(model.state_dict()))


def normalised(model: Stacked, video: Tensor, draws: Draws) -> dict[str, Tensor]:
    """Normalised latents, and the video (B, 3, T, Y, X) again."""
    latents = model.encode(video, draws)
    return {"z": latents, "x_rec": model.decode(latents, video.shape[2])}


def trained(model: Stacked, video: Tensor, draws: Draws) -> dict[str, Tensor]:
    """What training compares."""
    found = model.train_forward(video, draws)
    return {
        "z": found.parts["latents"],
        "x_rec": found.video,
        "x_z": found.parts["encoder_pictures"],
        "x_z_rec": found.parts["decoder_pictures"],
    }


def time_stage(vector: Vector) -> Results:
    """Moments, a sample, and decoding to several lengths."""
    keys = public.time_kl_key_map()
    model = public.time_kl_config(vector.config).build().eval()
    load_into(model, keys.load(vector.state))
    frames = vector.inputs["x"]
    posterior = model.posterior(frames)
    noise = vector.inputs.get("noise")
    outputs = {
        "moments": moments(posterior),
        "mean": posterior.mean,
        "z": posterior.sample(None if noise is None else replayed([noise])),
        "kl": posterior.kl(),
        "recon_from_mean": model.decode(posterior.mean, frames.shape[2]),
    }
    for name, latents in vector.inputs.items():
        if name.startswith("z_"):
            length = name.removeprefix("z_")
            outputs[f"decode_{length}"] = model.decode(latents, int(length))
    return Results(outputs, keys.dump(model.state_dict()))


def loss(vector: Vector) -> Results:
    """Likelihood, plain and weighted by frame, divergence, and the discriminator's hinge."""
    settings, given = vector.config, vector.inputs
    error = (given["video"] - given["recon"]).abs()
    logvar = torch.tensor(settings["logvar_init"])
    plain = losses.negative_log_likelihood(error, logvar)
    weight = rearrange(given["nll_weights"], "(b t) c y x -> b c t y x", b=len(error))
    weighted = losses.negative_log_likelihood(error, logvar, weight)
    divergence = losses.kl_divergence(as_posterior(given["posterior_parameters"]))
    outputs = {
        "nll": plain,
        "nll_w": plain,
        "weighted_nll": plain,
        "weighted_nll_w": weighted,
        "weighted_kl": settings["kl_loss_weight"] * divergence,
        "disc_hinge": losses.hinge_loss(given["logits_real"], given["logits_fake"]),
        "disc_nonsat": losses.logistic_loss(given["logits_real"], given["logits_fake"]),
    }
    unused = {"disc_lecam", "disc_nonsat"}  # no shipped training of this system has them
    return Results(outputs, informative=frozenset(unused))


def stacked_manifest(manifest: Manifest) -> Mapping[str, Shape]:
    """Public names and shapes of our full-size model."""
    config = public.stacked_config(manifest.config)
    with torch.device("meta"):
        state = config.build().state_dict()
    return shapes(public.stacked_key_map(config).dump(state))


def load(vector: Vector) -> tuple[Stacked, KeyMap]:
    """The model with the vector's weights, and the map they came through."""
    config = public.stacked_config(vector.config)
    keys = public.stacked_key_map(config, common=vector.state["scale"].ndim == 0)
    model = config.build().eval()
    load_into(model, keys.load(vector.state))
    return model, keys


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_1/vae": stacked,
    "open_sora_1/vae_temporal": time_stage,
    "open_sora_1/vae_loss": loss,
}
MANIFESTS: Mapping[str, Callable[[Manifest], Mapping[str, Shape]]] = {
    "open_sora_1/vae": stacked_manifest
}
