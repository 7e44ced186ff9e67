"""An adapter changes what a model says, as strongly as asked; another model refuses it."""

from pathlib import Path

import pytest
import torch

from kineograph.checkpoints.adapters import STYLES, export, write
from kineograph.checkpoints.factors import Factors
from kineograph.checkpoints.public.adapters import names
from kineograph.errors import CheckpointError, ConfigError
from kineograph.generation.adapters import Added
from kineograph.generation.device import Place
from kineograph.generation.generator import Generator
from kineograph.generation.load import load_parts

EXACT = Place(torch.device("cpu"), torch.float32)
LAYER = "blocks.0.attention.query"


@pytest.fixture(params=STYLES)
def adapter(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> Path:
    """A change of one layer, in each key style."""
    config = load_parts(folder, (), EXACT).recipe.denoiser
    torch.manual_seed(0)
    change = Factors(torch.randn(2, 24), torch.randn(24, 2), 1.0)
    layouts, path = names(config), tmp_path / "a.safetensors"
    write(path, export({LAYER: change}, layouts[request.param]), STYLES[request.param], {})
    return path


def test_an_adapter_is_added_with_its_strength(folder: Path, adapter: Path) -> None:
    plain, whole, half = (
        load_parts(folder, (), EXACT, wishes)
        for wishes in ((), (str(adapter),), (f"{adapter}:0.5",))
    )
    weights = [one.denoiser.get_submodule(LAYER).weight for one in (plain, whole, half)]
    assert (weights[1] - weights[0]).norm() > 1
    torch.testing.assert_close(weights[2] - weights[0], (weights[1] - weights[0]) / 2)
    assert len({one.digest for one in (plain, whole, half)}) == 3
    both = load_parts(folder, (), EXACT, (f"{adapter}:0.5", f"{adapter}:0.5"))
    torch.testing.assert_close(both.denoiser.get_submodule(LAYER).weight, weights[1])


def test_wishes_are_read(tmp_path: Path) -> None:
    assert Added.read("a.safetensors") == Added(Path("a.safetensors"))
    assert Added.read("a.safetensors:-0.5") == Added(Path("a.safetensors"), -0.5)
    odd = tmp_path / "b:2"
    odd.touch()
    assert Added.read(str(odd)) == Added(odd)
    with pytest.raises(ConfigError, match=r"'much' is no strength; expected e\.g\. a:0\.8"):
        Added.read("a:much")


def test_an_adapter_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    factors = Factors(torch.randn(2, 24), torch.randn(24, 2), 1.0)
    write(path, {"blocks.7.attention.query": factors}, STYLES["kineograph"], {})
    with pytest.raises(CheckpointError, match=r"blocks\.7\.attention\.query; did you mean"):
        load_parts(folder, (), EXACT, (str(path),))


def test_a_generator_says_which_adapters_it_was_loaded_with(folder: Path, adapter: Path) -> None:
    plain = Generator.load(folder, device="cpu").drafts(["a red ball rolls"])[0]
    generator = Generator.load(folder, device="cpu", adapters=(f"{adapter}:2",))
    changed = generator.drafts(["a red ball rolls"])[0]
    assert changed.info.adapters == (f"{adapter}:2",) and plain.info.adapters == ()
    assert not torch.equal(changed.latents, plain.latents)
    with pytest.raises(ConfigError, match="made with weights"):
        generator.expect(plain.info)
