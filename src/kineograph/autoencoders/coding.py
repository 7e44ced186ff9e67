"""What all autoencoders do alike with moments, lengths and clips of illegal sizes."""

from torch import Tensor

from kineograph.errors import ConfigError
from kineograph.types import Legal, Posterior


def as_posterior(moments: Tensor) -> Posterior:
    """(B, 2 C, F, H, W) -> mean and log-variance, the latter between -30 and 20."""
    mean, logvar = moments.chunk(2, dim=1)
    return Posterior(mean, logvar.clamp(-30.0, 20.0))


def split_evenly(total: int, size: int) -> list[int]:
    """`total` in pieces of `size`, the last one shorter."""
    return [min(size, total - start) for start in range(0, total, size)]


def causal_pieces(frames: int, chunk: int, step: int) -> list[int]:
    """`frames` latent frames in pieces of `chunk`, in frames of pixels.

    A latent frame stands for `step` frames, the first one for a single one.
    """
    pieces = [step * count for count in split_evenly(frames, chunk)]
    pieces[0] -= step - 1
    return pieces


def refuse_others(legal: Legal, frames: int, height: int, width: int) -> None:
    """Accept a clip that is its own nearest legal clip.

    Raises:
        ConfigError: it is not.
    """
    if (legal.frames, legal.height, legal.width) != (frames, height, width):
        raise ConfigError(
            f"a clip of {frames} frames of {height} x {width}: expected {legal.rule}; "
            f"the nearest is {legal.frames} frames of {legal.height} x {legal.width}"
        )
