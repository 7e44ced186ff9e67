"""Open-Sora Plan's losses of the autoencoder, and its discriminator, against stored vectors."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from kineograph.autoencoders import losses
from kineograph.autoencoders.coding import as_posterior
from kineograph.autoencoders.discriminator import PatchDiscriminator, PatchDiscriminatorConfig
from kineograph.autoencoders.losses_adversarial import (
    Adaptive,
    AdversarialConfig,
    Hinge,
    Vanilla,
)
from kineograph.autoencoders.losses_criterion import Criterion
from kineograph.autoencoders.losses_perceptual import Absolute, LikelihoodConfig, Squared
from kineograph.autoencoders.losses_terms import (
    Comparison,
    DivergenceConfig,
    Networks,
    WaveletConfig,
)
from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.manifest import Manifest, Shape, shapes
from kineograph.checkpoints.public.open_sora_plan import discriminator_key_map
from kineograph.checkpoints.public.perceptual import lpips_key_map
from kineograph.nn.perceptual import LPIPS
from kineograph.proof.vector import Results, Vector
from kineograph.types import Reconstruction

PREFIX = "discriminator."
RULES: Mapping[str, Hinge | Vanilla] = {"hinge": Hinge(), "vanilla": Vanilla()}
ERRORS: Mapping[str, Absolute | Squared] = {"l1": Absolute(), "l2": Squared()}


def autoencoder_loss(vector: Vector) -> Results:
    """One step of the generator and one of the discriminator on a stand-in decoder."""
    state = {
        name.removeprefix(PREFIX): tensor
        for name, tensor in vector.state.items()
        if name.startswith(PREFIX)
    }
    model, keys = load(discriminator_config(state), state)
    last_layer = vector.state["last_layer.weight"].float().clone().requires_grad_()
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
    bias = vector.state["last_layer.bias"].float()
    frames = functional.conv2d(given["features"], last_layer, bias, padding=1)
    made = rearrange(frames, "(b t) c y x -> b c t y x", b=len(given["video"]))
    found = Reconstruction(
        made,
        as_posterior(given["moments"]),
        {
            "encoder_outer": given["wavelet0"],
            "decoder_outer": given["wavelet1"],
            "encoder_inner": given["wavelet2"],
            "decoder_inner": given["wavelet3"],
        },
    )
    compared = Comparison(found, given["video"], step=settings["global_step"])
    criterion = _criterion(settings, model)
    total = criterion(compared, last_layer).total
    (gradient,) = torch.autograd.grad(total, last_layer, retain_graph=True)

    # The reference reports the adversary before it starts, too.
    likelihood = criterion.measures[0](compared)
    adversarial = RULES[settings["disc_loss"]].fool(model(made))
    balance = Adaptive().ratio(likelihood, adversarial, last_layer)
    hinge = criterion.judge(compared)
    started = torch.tensor(0.0 if hinge is None else 1.0)
    return {
        "generator_loss": total,
        "g_total_loss": total,
        "g_nll_loss": likelihood,
        "g_rec_loss": likelihood,
        "g_kl_loss": criterion.measures[1](compared),
        "g_wl_loss": criterion.measures[2](compared),
        "g_logvar": torch.tensor(settings["logvar"]),
        "g_g_loss": adversarial,
        "g_d_weight": settings["disc_weight"] * balance,
        "g_disc_factor": started,
        "grad_last_layer": gradient,
        "discriminator_loss": torch.tensor(0.0) if hinge is None else hinge,
        "d_disc_loss": torch.tensor(0.0) if hinge is None else hinge,
        "d_logits_real": model(given["video"]).mean(),
        "d_logits_fake": model(made.detach()).mean(),
    }


def _criterion(settings: Mapping[str, Any], model: PatchDiscriminator) -> Criterion:
    """The published loss, with a stand-in for the perceptual network and stored weights."""
    terms = (
        LikelihoodConfig(
            perceptual=settings["perceptual_weight"],
            logvar=settings["logvar"],
            error=ERRORS[settings.get("loss_type", "l1")],
        ),
        DivergenceConfig(weight=settings["kl_weight"]),
        WaveletConfig(weight=settings["wavelet_weight"]),
    )
    adversary = AdversarialConfig(
        weight=settings["disc_weight"],
        discriminator=model.config,
        rule=RULES[settings["disc_loss"]],
        start=settings["disc_start"],
    )
    criterion = Criterion(terms, adversary, Networks(lpips=_stand_in_distance)).eval()
    for own, given in zip(
        (parameter for _, parameter in criterion.adversaries()), model.parameters(), strict=True
    ):
        own.data = given
    return criterion


def _stand_in_distance(found: Tensor, picture: Tensor) -> Tensor:
    """What stands for the perceptual network in the vector, (N, 3, Y, X) twice -> (N,)."""
    return 3.0 * (found - picture).square().mean(dim=(1, 2, 3))


def lpips(vector: Vector) -> Results:
    """Distances of pictures under weights that a formula gives."""
    model = LPIPS().eval()
    keys = lpips_key_map(statistics=False)
    public = keys.dump(model.state_dict())
    state = procedural(
        {name: public[name] for name in vector.meta["parameter_order"]}, vector.config["phase"]
    )
    load_into(model, keys.load(state))
    outputs = {}
    for name in vector.outputs:
        distance = model(vector.inputs[f"{name}/a"], vector.inputs[f"{name}/b"])
        outputs[name] = distance.view(-1, 1, 1, 1)
    return Results(outputs)


def procedural(shapes: Mapping[str, Tensor], phase: float) -> dict[str, Tensor]:
    """Weights of these shapes, in this order, from sines of their flat index j.

    The i-th kernel is 2 / sqrt(fan in) * sin(0.7 j + phase + i), its bias, after i went on,
    a hundredth of such a sine; the i-th head is half of 1 plus one.
    """
    state, i = {}, 0
    for name, like in shapes.items():
        wave = torch.sin(0.7 * torch.arange(like.numel(), dtype=torch.float64) + phase + i)
        if name.startswith("lin"):
            wave, i = 0.5 + 0.5 * wave, i + 1
        elif name.endswith("bias"):
            wave = 0.01 * wave
        else:
            wave, i = 2.0 / like[0].numel() ** 0.5 * wave, i + 1
        state[name] = wave.float().view_as(like)
    return state


def discriminator(vector: Vector) -> Results:
    """Logits with running and with batch statistics, and two losses."""
    model, keys = load(discriminator_config(vector.state), vector.state)
    dumped = {name: tensor.clone() for name, tensor in keys.dump(model.state_dict()).items()}
    real, fake = model(vector.inputs["video"]), model(vector.inputs["video2"])
    outputs = {
        "logits_eval": real,
        "logits2_eval": fake,
        "hinge_d_loss": losses.hinge_loss(real, fake),
        "vanilla_d_loss": losses.logistic_loss(real, fake),
        "logits_train": loud(model)(vector.inputs["video"]),
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


def loud(model: PatchDiscriminator) -> PatchDiscriminator:
    """The model with the statistics of each batch, but nothing dropped."""
    for part in model.train().modules():
        if isinstance(part, nn.Dropout):
            part.eval()
    return model


def discriminator_config(state: Mapping[str, Tensor]) -> PatchDiscriminatorConfig:
    """As large as its weights; where layers drop, their numbers have gaps of four."""
    enter = state["main.0.weight"]
    layers = sum(name.endswith(".running_mean") for name in state)
    last = max(int(name.split(".")[1]) for name in state)
    return PatchDiscriminatorConfig(
        channels=enter.shape[1],
        width=len(enter),
        layers=layers,
        dropout=0.0 if last == 2 + 3 * layers else 0.3,
    )


def _config(public: Mapping[str, Any]) -> PatchDiscriminatorConfig:
    return PatchDiscriminatorConfig(
        channels=public.get("input_nc", 3),
        width=public["ndf"],
        layers=public["n_layers"],
        dropout=public.get("dropout", 0.0),
    )


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_plan/wfvae/loss": autoencoder_loss,
    "open_sora_plan/discriminator3d": discriminator,
    "open_sora_plan/lpips": lpips,
}
MANIFESTS: Mapping[str, Callable[[Manifest], Mapping[str, Shape]]] = {
    "open_sora_plan/discriminator3d": discriminator_manifest,
}
