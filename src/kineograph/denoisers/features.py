"""What is added to the outputs of blocks: X_j + F_j (Open-Sora Plan, 2412.00131, eq. 16).

Letters: B samples; L text tokens; N video tokens; D width.
"""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from kineograph.errors import ConfigError


def per_block(features: Sequence[Tensor], blocks: int) -> Sequence[Tensor | None]:
    """One feature for each block, or None for each where there are none at all.

    Raises:
        ConfigError: there are some, but not as many as blocks.
    """
    if not features:
        return (None,) * blocks
    if len(features) != blocks:
        raise ConfigError(
            f"{len(features)} features: expected {blocks}, one for each block of the denoiser; "
            f"set the controller's `blocks` to {blocks}"
        )
    return features


def added(x: Tensor, feature: Tensor | None, words: int = 0) -> Tensor:
    """Add a block's feature to its output.

    Args:
        x: a block's output, (B, words + N, D).
        feature: (B, N, D); None: nothing is added.
        words: how many tokens of text stand before those of the video.

    Returns:
        (B, words + N, D).

    Raises:
        ConfigError: the feature has other sizes.
    """
    if feature is None:
        return x
    if (feature.shape[1], feature.shape[2]) != (x.shape[1] - words, x.shape[2]):
        raise ConfigError(
            f"features of {feature.shape[1]} tokens and width {feature.shape[2]}: expected "
            f"{x.shape[1] - words} tokens of width {x.shape[2]}; set the controller's `width`, "
            "`patch` and scales to those of the denoiser and the autoencoder"
        )
    return x + functional.pad(feature, (0, 0, words, 0)).to(x.dtype)
