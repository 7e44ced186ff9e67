"""A whole model, tiny and with random weights, in memory and in a folder."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from kineograph import recipes
from kineograph.autoencoders.wavelet_flow import WaveletFlowConfig
from kineograph.checkpoints import files
from kineograph.config import to_data
from kineograph.denoisers.ltx import LTXConfig
from kineograph.diffusion.guidance import ClassifierFree
from kineograph.generation.device import Place
from kineograph.generation.generator import Generator
from kineograph.generation.load import load_parts
from kineograph.recipes.recipe import Recipe, Sampling
from kineograph.text.words import WordsConfig

TINY = Recipe(
    name="tiny",
    paper="none",
    summary="a model for tests",
    autoencoder=WaveletFlowConfig(
        latent_channels=4,
        base=8,
        encoder_blocks=1,
        decoder_blocks=1,
        connect_blocks=1,
        encoder_energy=8,
        decoder_energy=8,
    ),
    text=WordsConfig(vocabulary=("a", "ball", "cube", "red", "rolls"), length=5, width=16, heads=2),
    denoiser=LTXConfig(
        layers=2,
        heads=2,
        head_width=12,
        in_channels=4,
        out_channels=4,
        text_width=16,
        temporal_scale=4,
        spatial_scale=8,
    ),
    guidance=ClassifierFree(scale=2.0),
    sampling=Sampling(steps=3, frames=9, height=16, width=16, fps=8.0, enlarge=2),
)
EXACT = Place(torch.device("cpu"), torch.float32)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder of `TINY`, whose residual branches all do something."""
    path = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    denoiser = TINY.denoiser.build()
    for parameter in denoiser.parameters():
        nn.init.normal_(parameter, std=0.2)
    parts = {
        "autoencoder": TINY.autoencoder.build(),
        "text": TINY.text.build(),
        "denoiser": denoiser,
    }
    for name, module in parts.items():
        files.write(path / f"{name}.safetensors", module.state_dict(), {})
    (path / recipes.FILE).write_text(json.dumps(to_data(TINY)))
    return path


@pytest.fixture
def generator(folder: Path) -> Generator:
    """The tiny model in full precision."""
    return Generator(load_parts(folder, (), EXACT), str(folder))
