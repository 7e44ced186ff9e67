"""Which latents a denoiser with square patches can take."""

from kineograph.errors import ConfigError
from kineograph.types import Grid


def token_grid(size: tuple[int, int, int], patch: int) -> Grid:
    """How the tokens of F x H x W latent cells lie.

    Args:
        size: F, H, W.
        patch: p; p x p cells are one token.

    Raises:
        ConfigError: H or W is no multiple of the patch.
    """
    frames, height, width = size
    if height % patch or width % patch:
        raise ConfigError(
            f"latents of {height} x {width} cells: expected multiples of the patch {patch}; "
            f"nearest: {-(-height // patch) * patch} x {-(-width // patch) * patch}"
        )
    return Grid(frames, height // patch, width // patch)
