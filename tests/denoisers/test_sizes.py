"""Latents are cut into whole patches, or refused with the nearest size."""

import pytest

from kineograph.denoisers.sizes import token_grid
from kineograph.errors import ConfigError
from kineograph.types import Grid


def test_whole_patches_are_tokens():
    assert token_grid((3, 4, 6), 2) == Grid(3, 2, 3)
    assert token_grid((3, 5, 7), 1) == Grid(3, 5, 7)


@pytest.mark.parametrize("size", [(1, 5, 6), (1, 6, 5)])
def test_half_patches_are_refused_with_the_nearest_size(size):
    with pytest.raises(ConfigError, match="nearest: 6 x 6"):
        token_grid(size, 2)
