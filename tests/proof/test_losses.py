"""What the proofs of autoencoder losses do beyond calling our parts is right by itself."""

import math
from pathlib import Path

import pytest
import torch

from kineograph.checkpoints.public.open_sora_plan import discriminator_key_map
from kineograph.checkpoints.public.perceptual import lpips_key_map
from kineograph.nn.perceptual import LPIPS
from kineograph.proof import open_sora_2_losses as losses_2
from kineograph.proof import open_sora_plan_losses as losses_plan
from kineograph.proof.vector import Vector, read_vector

PLAN = Path(__file__).parent.parent / "golden" / "open_sora_plan"


def relative(ours, reference):
    return float((ours - reference).norm() / reference.norm())


def test_weights_by_formula_count_kernels_and_heads_and_not_biases():
    like = {
        "net.slice1.0.weight": torch.zeros(2, 3, 3, 3),
        "net.slice1.0.bias": torch.zeros(2),
        "lin0.model.1.weight": torch.zeros(1, 2, 1, 1),
    }
    made = losses_plan.procedural(like, 0.25)
    kernel, bias, head = (made[name].flatten() for name in like)
    assert float(kernel[5]) == pytest.approx(2 / 27**0.5 * math.sin(0.7 * 5 + 0.25), rel=1e-6)
    assert float(bias[1]) == pytest.approx(0.01 * math.sin(0.7 + 0.25 + 1), rel=1e-6)
    assert float(head[1]) == pytest.approx(0.5 + 0.5 * math.sin(0.7 + 0.25 + 1), rel=1e-6)
    assert {name: tensor.shape for name, tensor in made.items()} == {
        name: tensor.shape for name, tensor in like.items()
    }


def test_before_its_start_the_adversary_is_reported_and_does_not_count():
    vector = read_vector(PLAN / "wfvae.loss.json")
    vector.meta["config"]["disc_start"] = vector.config["global_step"] + 1
    found = losses_plan.autoencoder_loss(vector).outputs
    terms = found["g_nll_loss"] + vector.config["kl_weight"] * found["g_kl_loss"]
    terms = terms + vector.config["wavelet_weight"] * found["g_wl_loss"]
    assert torch.allclose(found["generator_loss"], terms)
    assert float(found["discriminator_loss"]) == float(found["g_disc_factor"]) == 0.0
    for name in ("g_d_weight", "g_g_loss", "d_logits_real"):
        assert relative(found[name], vector.outputs[name]) < 1e-4


@pytest.mark.parametrize(
    "name", ["disc_weight", "perceptual_weight", "kl_weight", "wavelet_weight"]
)
def test_each_weight_is_seen_in_the_generators_loss(name):
    vector = read_vector(PLAN / "wfvae.loss.json")
    vector.meta["config"][name] *= 1e5
    found = losses_plan.autoencoder_loss(vector).outputs
    assert relative(found["generator_loss"], vector.outputs["generator_loss"]) > 1e-3


@pytest.fixture
def vector():
    """A loss of Open-Sora 2.0 with weights of our own under public names."""
    torch.manual_seed(0)
    config = {"ndf": 2, "n_layers": 2, "input_nc": 3}
    judge = losses_2._config(config)
    state = discriminator_key_map(judge).dump(judge.build().state_dict())
    state = {f"discriminator/{name}": tensor for name, tensor in state.items()}
    metric = lpips_key_map().dump(LPIPS((2, 2, 3, 3, 3)).state_dict())
    state |= {f"lpips/{name}": tensor for name, tensor in metric.items()}
    state |= {"last/weight": torch.randn(3, 3, 1, 1, 1), "last/bias": torch.randn(3)}
    settings = {"perceptual_loss_weight": 0.5, "disc_weight": 0.05, "discriminator": config}
    inputs = {name: torch.rand(2, 3, 3, 16, 24) for name in ("hidden", "video")}
    return Vector(
        name="loss",
        kind="open_sora_2/loss/autoencoder",
        path=Path("loss"),
        meta={"config": settings},
        state=state,
        inputs=inputs,
    )


def test_the_autoencoders_loss_is_the_sum_of_its_named_parts(vector):
    results = losses_2.autoencoder_loss(vector)
    found = results.outputs
    assert torch.allclose(found["nll_loss"], found["recon_loss"] + 0.5 * found["perceptual_loss"])
    assert torch.allclose(found["g_loss"], -found["fake_logits"].mean())
    real, fake = found["real_logits"], found["fake_logits"]
    hinge = 0.5 * ((1 - real).relu().mean() + (1 + fake).relu().mean())
    assert torch.allclose(found["hinge_d_loss"], hinge)
    error = (found["reconstruction"] - vector.inputs["video"]).abs().sum() / 6
    assert torch.allclose(found["recon_loss"], error)


def test_every_public_weight_comes_back(vector):
    dumped = losses_2.autoencoder_loss(vector).dumped
    assert dumped is not None and dumped.keys() == vector.state.keys()
    assert all(torch.equal(dumped[name], tensor) for name, tensor in vector.state.items())
