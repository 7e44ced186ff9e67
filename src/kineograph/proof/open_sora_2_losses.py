"""Open-Sora 2.0's autoencoder losses, LPIPS and discriminator against stored vectors."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from kineograph.autoencoders import losses
from kineograph.autoencoders.discriminator import PatchDiscriminator, PatchDiscriminatorConfig
from kineograph.autoencoders.losses_adversarial import Adversarial, AdversarialConfig, Vanilla
from kineograph.autoencoders.losses_criterion import Criterion
from kineograph.autoencoders.losses_perceptual import LikelihoodConfig, frame_distances
from kineograph.autoencoders.losses_terms import Comparison, Networks
from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.manifest import Manifest, Shape, shapes
from kineograph.checkpoints.public.open_sora_plan import discriminator_key_map
from kineograph.checkpoints.public.perceptual import lpips_key_map, lpips_widths
from kineograph.nn.perceptual import LPIPS
from kineograph.proof.vector import Results, Vector
from kineograph.types import Posterior, Reconstruction


def lpips(vector: Vector) -> Results:
    """Distances of pictures under stored weights."""
    model, keys = load_lpips(vector.state)
    distance = model(vector.inputs["input"], vector.inputs["target"])
    return Results({"distance": distance.view(-1, 1, 1, 1)}, keys.dump(model.state_dict()))


def discriminator(vector: Vector) -> Results:
    """Logits with running statistics and with those of the batch."""
    model, keys = load_discriminator(_config(vector.config), vector.state)
    dumped = {name: tensor.clone() for name, tensor in keys.dump(model.state_dict()).items()}
    clips = vector.inputs["x"]
    outputs = {"logits_eval": model(clips), "logits_train_no_dropout": model.train()(clips)}
    return Results(outputs, dumped)


def autoencoder_loss(vector: Vector) -> Results:
    """The generator's loss with its adaptive weight, and the discriminator's."""
    groups = {name: _below(vector.state, f"{name}/") for name in ("lpips", "discriminator", "last")}
    metric, metric_keys = load_lpips(groups["lpips"])
    config = _config(vector.config["discriminator"])
    judge, judge_keys = load_discriminator(config, groups["discriminator"])
    last_layer = groups["last"]["weight"].float().clone().requires_grad_()
    with torch.enable_grad():
        outputs = _steps(vector, metric, judge, (last_layer, groups["last"]["bias"].float()))
    dumped = {
        "lpips": metric_keys.dump(metric.state_dict()),
        "discriminator": judge_keys.dump(judge.state_dict()),
        "last": {"weight": last_layer.detach(), "bias": groups["last"]["bias"]},
    }
    written = {f"{group}/{n}": t for group, state in dumped.items() for n, t in state.items()}
    # The shipped training has the hinge only.
    return Results(
        {name: tensor.detach() for name, tensor in outputs.items()},
        written,
        informative=frozenset({"vanilla_d_loss", "wgan_d_loss"}),
    )


def _steps(
    vector: Vector, metric: LPIPS, judge: PatchDiscriminator, last: tuple[Tensor, Tensor]
) -> dict[str, Tensor]:
    settings, video = vector.config, vector.inputs["video"]
    found = functional.conv3d(vector.inputs["hidden"], *last)
    compared = Comparison(Reconstruction(found, Posterior(found)), video)
    terms = [LikelihoodConfig(perceptual=settings["perceptual_loss_weight"])]
    adversary = AdversarialConfig(weight=settings["disc_weight"], discriminator=judge.config)
    criterion = Criterion(terms, adversary, Networks(lpips=metric)).eval()
    opponent = criterion.opponent
    assert isinstance(opponent, Adversarial)
    opponent.discriminator = judge
    judged = criterion(compared, last[0])
    hinge = criterion.judge(compared)
    assert hinge is not None
    distances = frame_distances(metric, found, video)
    real, fake = judge(video), judge(found.detach())
    return {
        "reconstruction": found,
        "recon_loss": losses.frame_sum((found - video).abs()),
        "perceptual_loss": losses.frame_sum(distances.expand_as(video)),
        "nll_loss": judged.terms["likelihood"],
        "g_loss": judged.terms["adversarial"],
        "adaptive_weight": judged.terms["share"],
        "weighted_generator_loss": judged.terms["share"] * judged.terms["adversarial"],
        "hinge_d_loss": hinge,
        "vanilla_d_loss": Vanilla().tell(real, fake),
        "wgan_d_loss": 0.5 * (fake.mean() - real.mean()),
        "real_logits": real,
        "fake_logits": fake,
    }


def lpips_manifest(manifest: Manifest) -> Mapping[str, Shape]:
    """Public names and shapes of the full-size metric."""
    with torch.device("meta"):
        state = LPIPS(tuple(manifest.config["channels"])).state_dict()
    return shapes(lpips_key_map().dump(state))


def discriminator_manifest(manifest: Manifest) -> Mapping[str, Shape]:
    """Public names and shapes of the full-size discriminator."""
    config = _config(manifest.config)
    with torch.device("meta"):
        state = config.build().state_dict()
    return shapes(discriminator_key_map(config).dump(state))


def load_lpips(state: Mapping[str, Tensor]) -> tuple[LPIPS, KeyMap]:
    """The metric with public weights, as wide as they are, and the map they came through."""
    keys = lpips_key_map()
    model = LPIPS(lpips_widths(state)).eval()
    load_into(model, keys.load(state))
    return model, keys


def load_discriminator(
    config: PatchDiscriminatorConfig, state: Mapping[str, Tensor]
) -> tuple[PatchDiscriminator, KeyMap]:
    """A discriminator without dropout, with public weights, and the map they came through."""
    keys = discriminator_key_map(config)
    model = replace(config, dropout=0.0).build().eval()
    load_into(model, keys.load(state))
    return model, keys


def _config(public: Mapping[str, float]) -> PatchDiscriminatorConfig:
    """As published: dropout always has a place in the list of layers."""
    return PatchDiscriminatorConfig(
        channels=int(public["input_nc"]),
        width=int(public["ndf"]),
        layers=int(public["n_layers"]),
        dropout=public.get("dropout", 0.3),
    )


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_2/discriminator_3d": discriminator,
    "open_sora_2/loss/lpips": lpips,
    "open_sora_2/loss/autoencoder": autoencoder_loss,
}
MANIFESTS: Mapping[str, Callable[[Manifest], Mapping[str, Shape]]] = {
    "open_sora_2/discriminator_3d": discriminator_manifest,
    "open_sora_2/loss/lpips": lpips_manifest,
}
