"""Losses of autoencoders: pixels, their edges, latents, wavelets, and an adversary.

Letters: B clips, T frames of Y x X pixels, C x F x H x W latents. Every loss is one number;
`weight` (B, 1, T, Y, X) says how much each pixel counts and has mean 1.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from kineograph.nn.wavelet import VOLUME_GAIN, haar_3d
from kineograph.types import Posterior


def pixel_weight(
    video: Tensor, mask: Tensor, *, on_mask: float, on_motion: float, on_path: float = 0.0
) -> Tensor:
    """Count objects, where they come by and what moves more than the rest.

    Args:
        video: (B, 3, T, Y, X) in [-1, 1].
        mask: (B, 1, T, Y, X), 1 on objects; it is widened by one pixel.
        on_mask: added weight on objects.
        on_motion: added weight per difference between a frame and its neighbours.
        on_path: added weight, in all frames, where there is an object in any frame.

    Returns:
        (B, 1, T, Y, X), positive, with mean 1 in every clip.
    """
    wide = functional.max_pool3d(mask, (1, 3, 3), stride=1, padding=(0, 1, 1))
    step = video.diff(dim=2).abs().mean(1, keepdim=True)  # empty for a single frame
    moved = functional.pad(step, (0, 0, 0, 0, 1, 0)) + functional.pad(step, (0, 0, 0, 0, 0, 1))
    weight = 1.0 + on_mask * wide + on_motion * moved + on_path * wide.amax(2, keepdim=True)
    return weight / weight.mean(dim=(1, 2, 3, 4), keepdim=True)


def squared_error(found: Tensor, video: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean squared difference of two clips (B, 3, T, Y, X)."""
    return _mean((found - video).square(), weight)


def absolute_error(found: Tensor, video: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean absolute difference of two clips (B, 3, T, Y, X)."""
    return _mean((found - video).abs(), weight)


def squared_edge_error(found: Tensor, video: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean squared difference of the steps between neighbouring pixels: sharpens edges."""
    across, down = _edges(found - video, weight)
    return _mean(across[0].square(), across[1]) + _mean(down[0].square(), down[1])


def absolute_edge_error(found: Tensor, video: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean absolute difference of the steps between neighbouring pixels."""
    across, down = _edges(found - video, weight)
    return _mean(across[0].abs(), across[1]) + _mean(down[0].abs(), down[1])


def temporal_difference_error(found: Tensor, video: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean absolute difference of the steps from frame to frame; 0 for a single frame."""
    steps = (found - video).diff(dim=2).abs()
    if not steps.numel():
        return steps.sum()
    return _mean(steps, None if weight is None else weight[:, :, 1:])


def negative_log_likelihood(error: Tensor, logvar: Tensor, weight: Tensor | None = None) -> Tensor:
    """Of a Laplace-like pixel model (VQGAN's code), summed over each frame's pixels.

    Args:
        error: what a pixel is off, (B, 3, T, Y, X): the absolute difference, plus a
            perceptual distance of its frame.
        logvar: one number for all pixels, ().
        weight: how much each pixel counts, broadcastable to `error`; None: 1.

    Returns:
        The mean over B x T frames, ().
    """
    terms = error / logvar.exp() + logvar
    return frame_sum(terms if weight is None else terms * weight)


def frame_sum(error: Tensor) -> Tensor:
    """(B, C, T, Y, X) -> the sum over a frame, the mean over B x T frames, ()."""
    return error.sum() / (error.shape[0] * error.shape[2])


def kl_divergence(posterior: Posterior) -> Tensor:
    """Divergence from the standard normal, the mean over B of sums over (C, F, H, W)."""
    return posterior.kl().mean()


def wavelet_loss(parts: Mapping[str, Tensor]) -> Tensor:
    """Keeps both energy flows of WF-VAE alike (2411.17459, eq. 7): sums, the mean over B.

    Args:
        parts: of a `Reconstruction`: each `encoder_<level>` has its `decoder_<level>`.
    """
    return torch.stack([(a - b).abs().sum() / len(a) for a, b in _levels(parts)]).sum()


def wavelet_difference(parts: Mapping[str, Tensor]) -> Tensor:
    """The same with the mean of each level, so that it does not grow with the clip."""
    return torch.stack([(a.float() - b.float()).abs().mean() for a, b in _levels(parts)]).sum()


def video_wavelet_difference(found: Tensor, video: Tensor) -> Tensor:
    """Mean absolute difference of the eight bands of a wavelet level (LTX-Video, 2.1.5).

    The paper names neither family nor levels: one orthonormal Haar level is the natural
    transform with eight bands. What does not fill a cell of 2 x 2 x 2 is repeated, in time
    the first frame, so that a picture is a clip at rest.

    Args:
        found: (B, 3, T, Y, X).
        video: the truth, in the same shape.
    """
    error = found - video
    if error.shape[2] % 2:
        error = torch.cat((error[:, :, :1], error), dim=2)
    down, right = error.shape[3] % 2, error.shape[4] % 2
    bands = haar_3d(functional.pad(error, (0, right, 0, down, 0, 0), mode="replicate"))
    return bands.abs().mean() * (8**-0.5 / VOLUME_GAIN)


def hinge_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Of a discriminator: its logits above 1 for real clips, below -1 for made ones."""
    return 0.5 * (functional.relu(1.0 - real).mean() + functional.relu(1.0 + fake).mean())


def logistic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Of a discriminator, as in the first GANs: logits (...) as log-odds of being real."""
    return 0.5 * (functional.softplus(-real).mean() + functional.softplus(fake).mean())


def adaptive_weight(
    reconstruction: Tensor,
    adversarial: Tensor,
    last_layer: Tensor,
    *,
    epsilon: float = 1e-4,
    most: float = 1e4,
) -> Tensor:
    """What makes an adversarial loss pull as hard on the last layer as the reconstruction.

    Args:
        reconstruction: loss, ().
        adversarial: loss, ().
        last_layer: the decoder's last weight.
        epsilon: keeps the ratio finite; WF-VAE's paper has 1e-6.
        most: the largest weight.

    Returns:
        The ratio of gradient norms, detached, ().
    """
    (pull,) = torch.autograd.grad(reconstruction, last_layer, retain_graph=True)
    (push,) = torch.autograd.grad(adversarial, last_layer, retain_graph=True)
    ratio: Tensor = pull.norm() / (push.norm() + epsilon)
    return ratio.clamp(0.0, most).detach()


def _levels(parts: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    names = [name.removeprefix("encoder_") for name in parts if name.startswith("encoder_")]
    return [(parts[f"encoder_{name}"], parts[f"decoder_{name}"]) for name in names]


def _mean(terms: Tensor, weight: Tensor | None) -> Tensor:
    return terms.mean() if weight is None else (terms * weight).mean()


def _edges(
    error: Tensor, weight: Tensor | None
) -> tuple[tuple[Tensor, Tensor | None], tuple[Tensor, Tensor | None]]:
    """Steps to the right and down, each with the weight of the pixel it leads to."""
    across, down = error.diff(dim=-1), error.diff(dim=-2)
    if weight is None:
        return (across, None), (down, None)
    return (across, weight[..., 1:]), (down, weight[..., 1:, :])
