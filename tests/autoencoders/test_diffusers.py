"""With the same weights, our autoencoders and those of diffusers code alike.

Weights go through the key map in diffusers' layout, and must fill both sides completely.
"""

import pytest
import torch
from torch import Tensor, nn

from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.public.causal_kl import causal_kl_config, causal_kl_key_map
from kineograph.checkpoints.public.image_kl import image_kl_config, image_kl_key_map
from kineograph.checkpoints.public.ltx_video_autoencoder import (
    autoencoder_config,
    autoencoder_key_map,
)

oracle = pytest.importorskip(
    "diffusers.models.autoencoders", reason="diffusers is in the extra 'test'"
)

PICTURES = {
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
    "block_out_channels": (4, 8, 8),
    "layers_per_block": 2,
    "norm_num_groups": 2,
    "latent_channels": 3,
}
IMAGE_KL = {
    "Stable Diffusion": PICTURES,
    "Flux": {
        **PICTURES,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
        "shift_factor": 0.1,
    },
    "no attention": {**PICTURES, "mid_block_add_attention": False},
}
HUNYUAN = {
    "block_out_channels": (4, 8, 8, 8),
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "latent_channels": 3,
}
CAUSAL_KL = {
    "published": HUNYUAN,
    "4 in space, no attention": {
        **HUNYUAN,
        "spatial_compression_ratio": 4,
        "mid_block_add_attention": False,
    },
}
LTX = {
    "0.9.0": {
        "block_out_channels": (4, 8, 12, 12),
        "decoder_block_out_channels": (4, 8, 12, 12),
        "layers_per_block": (2, 1, 1, 1, 1),
        "decoder_layers_per_block": (2, 1, 1, 1, 1),
    },
    "0.9.1": {
        "block_out_channels": (4, 8, 12, 12),
        "decoder_block_out_channels": (8, 16, 32),
        "layers_per_block": (2, 1, 1, 1, 1),
        "decoder_layers_per_block": (1, 2, 1, 1),
        "decoder_spatio_temporal_scaling": (True, True, True),
        "decoder_inject_noise": (True, True, True, False),
        "upsample_residual": (True, True, True),
        "upsample_factor": (2, 2, 2),
        "timestep_conditioning": True,
    },
    "0.9.5": {
        "down_block_types": ("LTXVideo095DownBlock3D",) * 4,
        "block_out_channels": (4, 8, 16, 16, 32),
        "decoder_block_out_channels": (8, 16, 32),
        "layers_per_block": (1, 2, 1, 1, 1),
        "decoder_layers_per_block": (1, 2, 1, 1),
        "spatio_temporal_scaling": (True, True, True, True),
        "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
        "decoder_spatio_temporal_scaling": (True, True, True),
        "decoder_inject_noise": (False, False, False, False),
        "upsample_residual": (True, True, True),
        "upsample_factor": (2, 2, 2),
        "timestep_conditioning": True,
        "spatial_compression_ratio": 32,
        "temporal_compression_ratio": 8,
    },
}


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def random(model: nn.Module) -> nn.Module:
    """With weights that let every layer matter, biases and norms included."""
    torch.manual_seed(0)
    for name, weight in model.state_dict().items():
        if name.endswith("latents_std"):
            weight.uniform_(0.5, 2)
        elif not name.endswith("timestep_scale_multiplier"):
            fan = weight[0].numel() if weight.ndim > 1 else 4
            weight.normal_(std=1.5 / fan**0.5)
    return model.eval()


def clip(*size: int) -> Tensor:
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def noise(shape: tuple[int, ...]) -> Tensor:
    """Draws of the global generator, a map without its batch at a time, as diffusers makes them."""
    return torch.randn(shape[1:]).unsqueeze(0)


def agree(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert expected.std() > 0.01  # neither constant nor vanished
    assert (found - expected).norm() < 2e-5 * expected.norm()


def as_moments(posterior) -> Tensor:
    return torch.cat((posterior.mean, posterior.logvar), 1)


@pytest.mark.parametrize("sizes", IMAGE_KL.values(), ids=IMAGE_KL)
@pytest.mark.parametrize("frames", [1, 3])
def test_pictures(sizes, frames):
    theirs = random(oracle.AutoencoderKL(**sizes))
    config = image_kl_config(theirs.config)
    ours, keys = config.build().eval(), image_kl_key_map(config, "diffusers")
    load_into(ours, keys.load(theirs.state_dict()))
    video, latents = clip(frames, 16, 24), torch.randn(1, 3, frames, 4, 6)
    expected = theirs.encode(video[0].movedim(1, 0)).latent_dist
    agree(as_moments(ours.posterior(video)), as_moments(expected).movedim(0, 1)[None])
    decoded = theirs.decode(ours.denormalise(latents)[0].movedim(1, 0)).sample
    agree(ours.decode(latents), decoded.movedim(0, 1)[None])


@pytest.mark.parametrize("sizes", CAUSAL_KL.values(), ids=CAUSAL_KL)
@pytest.mark.parametrize("frames", [1, 9])
def test_causal_video(sizes, frames):
    theirs = random(oracle.AutoencoderKLHunyuanVideo(**sizes))
    config = causal_kl_config(theirs.config)
    ours = config.build().eval()
    load_into(ours, causal_kl_key_map().load(theirs.state_dict()))
    video = clip(frames, 16, 24)
    agree(as_moments(ours.posterior(video)), as_moments(theirs.encode(video).latent_dist))
    latents = torch.randn(1, *ours.latent_shape(frames, 16, 24))
    agree(ours.decode_raw(latents), theirs.decode(latents).sample)


@pytest.mark.parametrize("sizes", LTX.values(), ids=LTX)
@pytest.mark.parametrize("frames", [1, 17])
def test_denoising(sizes, frames):
    theirs = random(oracle.AutoencoderKLLTXVideo(latent_channels=6, **sizes))
    config = autoencoder_config(theirs.config)
    ours = config.build().eval()
    load_into(ours, autoencoder_key_map(config, "diffusers").load(theirs.state_dict()))
    video = clip(frames, 32, 64)
    agree(as_moments(ours.posterior(video)), as_moments(theirs.encode(video).latent_dist))
    latents = torch.randn(1, *ours.latent_shape(frames, 32, 64))
    time = torch.tensor([0.3]) if config.timed else None
    torch.manual_seed(2)
    expected = theirs.decode(latents, time).sample
    torch.manual_seed(2)
    agree(ours.decode_raw(latents, noise, time), expected)
    mean, std = (theirs.get_buffer(f"latents_{name}").view(-1, 1, 1, 1) for name in ("mean", "std"))
    agree(ours.normalise(latents), (latents - mean) / std)
