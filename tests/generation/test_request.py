"""Requests become shapes that the model can make, or an error that names the nearest one."""

from dataclasses import replace

import pytest

from kineograph.autoencoders.wavelet_flow import WaveletFlowConfig
from kineograph.errors import ConfigError
from kineograph.generation.request import Request, Shape, concerns, shape
from kineograph.recipes.recipe import Sampling

SAMPLING = Sampling(steps=3, frames=17, height=64, width=64, fps=8.0)
AUTOENCODER = WaveletFlowConfig(
    base=8, encoder_blocks=1, decoder_blocks=1, connect_blocks=1
).build()


def shaped(**wishes: float) -> tuple[int, int, int, float]:
    found = shape(Request(**wishes), SAMPLING, AUTOENCODER)
    return found.frames, found.height, found.width, found.fps


def test_without_wishes_the_recipe_decides():
    assert shaped() == (17, 64, 64, 8.0)


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({"frames": 9}, (9, 64, 64, 8.0)),
        ({"frames": 1}, (1, 64, 64, 8.0)),
        ({"seconds": 1.2}, (9, 64, 64, 8.0)),
        ({"seconds": 1.0, "fps": 16}, (17, 64, 64, 16)),
        ({"width": 96, "height": 32}, (17, 32, 96, 8.0)),
        ({"aspect": 16 / 9}, (17, 48, 88, 8.0)),
    ],
)
def test_wishes_lead_to_a_legal_shape(wishes, expected):
    assert shaped(**wishes) == expected


@pytest.mark.parametrize(
    ("wishes", "complaint"),
    [
        ({"frames": 20}, r"20 frames: not a length.*nearest: 21 frames of 64x64; frames = 4 n"),
        ({"width": 66, "height": 60}, r"size 66x60: not a size.*nearest: 17 frames of 64x64"),
        ({"width": 64}, "expected both"),
        ({"frames": 9, "seconds": 1.0}, "expected one of them"),
        ({"aspect": 1.0, "width": 64, "height": 64}, "expected one of them"),
        ({"steps": 0}, "steps 0: expected a number above 0"),
        ({"fps": float("nan")}, "fps nan: expected"),
    ],
)
def test_what_cannot_be_made_is_refused_with_the_nearest(wishes, complaint):
    with pytest.raises(ConfigError, match=complaint):
        shaped(**wishes)


def test_untrained_shapes_are_allowed_but_mentioned():
    assert concerns(Shape(frames=17, height=64, width=64, fps=8.0), SAMPLING) == []
    frames, pixels = concerns(Shape(frames=21, height=128, width=64, fps=8.0), SAMPLING)
    assert "trained on up to 17" in frames and "trained on up to 64x64" in pixels


def test_shapes_fit_the_denoisers_tokens_too():
    sampling = replace(SAMPLING, multiple=16)
    found = shape(Request(aspect=16 / 9), sampling, AUTOENCODER)
    assert (found.height, found.width) == (48, 80)
    with pytest.raises(ConfigError, match=r"nearest: 17 frames of 64x64.*of 16 for the denoiser"):
        shape(Request(width=72, height=64), sampling, AUTOENCODER)
