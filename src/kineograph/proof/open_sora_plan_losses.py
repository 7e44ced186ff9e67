"""Open-Sora Plan's losses of the autoencoder, and its discriminator, against stored vectors."""

from collections.abc import Callable, Mapping

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from kineograph.autoencoders import losses
from kineograph.autoencoders.coding import as_posterior
from kineograph.autoencoders.discriminator import PatchDiscriminator, PatchDiscriminatorConfig
from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.manifest import Manifest, Shape, shapes
from kineograph.checkpoints.public.open_sora_plan import discriminator_key_map
from kineograph.proof.vector import Results, Vector

PREFIX = "discriminator."


def autoencoder_loss(vector: Vector) -> Results:
    """One step of the generator and one of the discriminator on a stand-in decoder."""
    state = {
        name.removeprefix(PREFIX): tensor
        for name, tensor in vector.state.items()
        if name.startswith(PREFIX)
    }
    config = PatchDiscriminatorConfig(width=len(state["main.0.weight"]), layers=2)
    model, keys = load(config, state)
    last_layer = vector.state["last_layer.weight"].clone().requires_grad_()
    with torch.enable_grad():
        outputs = _steps(vector, model, last_layer)
    dumped = {PREFIX + name: tensor for name, tensor in keys.dump(model.state_dict()).items()}
    dumped |= {
        "last_layer.weight": last_layer.detach(),
        "last_layer.bias": vector.state["last_layer.bias"],
    }
    return Results({name: tensor.detach() for name, tensor in outputs.items()}, dumped)


def _steps(vector: Vector, model: PatchDiscriminator, last_layer: Tensor) -> dict[str, Tensor]:
    settings, given = vector.config, vector.inputs
    video = given["video"]
    bias = vector.state["last_layer.bias"]
    frames = functional.conv2d(given["features"], last_layer, bias, padding=1)
    made = rearrange(frames, "(b t) c y x -> b c t y x", b=len(video))

    logvar = torch.tensor(settings["logvar"])
    error = (video - made).abs() + settings["perceptual_weight"] * _stand_in_distance(video, made)
    likelihood = losses.negative_log_likelihood(error, logvar)
    kl = losses.kl_divergence(as_posterior(given["moments"]))
    wavelet = losses.wavelet_loss(
        {
            "encoder_outer": given["wavelet0"],
            "decoder_outer": given["wavelet1"],
            "encoder_inner": given["wavelet2"],
            "decoder_inner": given["wavelet3"],
        }
    )
    fake = model(made)
    adversarial = -fake.mean()
    started = torch.tensor(float(settings["global_step"] >= settings["disc_start"]))
    share = settings["disc_weight"] * losses.adaptive_weight(likelihood, adversarial, last_layer)
    total = likelihood + settings["kl_weight"] * kl + share * started * adversarial
    total = total + settings["wavelet_weight"] * wavelet
    (gradient,) = torch.autograd.grad(total, last_layer)

    real, fake = model(video), model(made.detach())
    hinge = started * losses.hinge_loss(real, fake)
    return {
        "generator_loss": total,
        "g_total_loss": total,
        "g_nll_loss": likelihood,
        "g_rec_loss": likelihood,
        "g_kl_loss": kl,
        "g_wl_loss": wavelet,
        "g_logvar": logvar,
        "g_g_loss": adversarial,
        "g_d_weight": share,
        "g_disc_factor": started,
        "grad_last_layer": gradient,
        "discriminator_loss": hinge,
        "d_disc_loss": hinge,
        "d_logits_real": real.mean(),
        "d_logits_fake": fake.mean(),
    }


def _stand_in_distance(video: Tensor, made: Tensor) -> Tensor:
    """What stands for the perceptual network in the vector, (B, 1, T, 1, 1)."""
    return 3.0 * (video - made).square().mean(dim=(1, 3, 4), keepdim=True)


def discriminator(vector: Vector) -> Results:
    """Logits with running and with batch statistics, and two losses."""
    config = _config(vector.config)
    model, keys = load(config, vector.state)
    dumped = {name: tensor.clone() for name, tensor in keys.dump(model.state_dict()).items()}
    real, fake = model(vector.inputs["video"]), model(vector.inputs["video2"])
    outputs = {
        "logits_eval": real,
        "logits2_eval": fake,
        "hinge_d_loss": losses.hinge_loss(real, fake),
        "vanilla_d_loss": losses.logistic_loss(real, fake),
        "logits_train": model.train()(vector.inputs["video"]),
    }
    return Results(outputs, dumped)


def discriminator_manifest(manifest: Manifest) -> Mapping[str, Shape]:
    """Public names and shapes of our full-size discriminator."""
    config = _config(manifest.config)
    with torch.device("meta"):
        state = config.build().state_dict()
    return shapes(discriminator_key_map(config).dump(state))


def load(
    config: PatchDiscriminatorConfig, state: Mapping[str, Tensor]
) -> tuple[PatchDiscriminator, KeyMap]:
    """A discriminator with public weights, and the map they came through."""
    keys = discriminator_key_map(config)
    model = config.build().eval()
    load_into(model, keys.load(state))
    return model, keys


def _config(public: Mapping[str, int]) -> PatchDiscriminatorConfig:
    return PatchDiscriminatorConfig(width=public["ndf"], layers=public["n_layers"])


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_plan/wfvae/loss": autoencoder_loss,
    "open_sora_plan/discriminator3d": discriminator,
}
MANIFESTS: Mapping[str, Callable[[Manifest], Mapping[str, Shape]]] = {
    "open_sora_plan/discriminator3d": discriminator_manifest,
}
