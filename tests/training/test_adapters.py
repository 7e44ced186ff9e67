"""An adapter learns while the weights stay, and what it learned can be added to them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from kineograph.checkpoints import adapters as styles
from kineograph.checkpoints import files
from kineograph.checkpoints.factors import add
from kineograph.checkpoints.public.adapters import names
from kineograph.data.latents import Latents
from kineograph.errors import ConfigError
from kineograph.parallel.replicas import Replicas
from kineograph.recipes.adapter import LoRA
from kineograph.recipes.recipe import Recipe
from kineograph.training.adapters import adapt, changes, save
from kineograph.training.denoiser import DenoiserTrainer, Material
from kineograph.training.run import Run
from kineograph.training.samples import Cached
from kineograph.training.weights import save_part
from kineograph.types import Condition

pytest.importorskip("peft", reason="peft is in the extra 'finetune'")
ADAPTER = LoRA(rank=2, alpha=6.0, layers=("blocks.*.attention.*", "*mlp*"))


@pytest.fixture
def start(recipe: Recipe, tmp_path: Path) -> Path:
    """Weights to begin from, whose residual branches all do something."""
    torch.manual_seed(1)
    denoiser = recipe.denoiser.build()
    for parameter in denoiser.parameters():
        nn.init.normal_(parameter, std=0.2)
    save_part(tmp_path / "start", "text", recipe.text.build())
    save_part(tmp_path / "start", "denoiser", denoiser)
    return tmp_path / "start"


def trainer(
    recipe: Recipe, stored: Latents, run: Run, start: Path | None, place: Replicas | None = None
) -> DenoiserTrainer:
    stage = replace(recipe.stages[1], schedule=replace(recipe.stages[1].schedule, steps=3))
    adapted = replace(recipe, adapter=ADAPTER, stages=(stage,))
    material = Material((Cached.of(stored, recipe.cache),), start=start)
    return DenoiserTrainer(adapted, material, run, place or Replicas(), lambda _: None)


def say(recipe: Recipe, denoiser: nn.Module) -> torch.Tensor:
    """What a denoiser makes of fixed noise."""
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 4, 2, 4, 4, generator=draw)
    torch.manual_seed(0)
    text = recipe.text.build()(["a red ball"])
    condition = Condition(text=text, facts={"fps": torch.full((1,), 8.0)})
    answer: torch.Tensor = denoiser(noise, torch.full((1, 1, 1, 1, 1), 0.5), condition)
    return answer


def test_only_the_adapter_learns_and_added_to_the_weights_it_says_the_same_as_peft(
    recipe: Recipe, stored: Latents, start: Path, tmp_path: Path
) -> None:
    learned = trainer(recipe, stored, Run(folder=tmp_path / "run"), start).train()
    base = files.read(start / "denoiser.safetensors")
    state = learned.denoiser.state_dict()
    kept = {name.replace(".base_layer", ""): one for name, one in state.items()}
    assert all(torch.equal(kept[name], one.float()) for name, one in base.items())
    found = changes(learned.denoiser, ADAPTER)
    assert {name.split(".")[2] for name in found} == {"attention", "mlp"}
    assert all(one.up.abs().max() > 0 for one in found.values())
    merged = recipe.denoiser.build()
    files.load_into(merged, base)
    with torch.no_grad():
        before = say(recipe, merged)
        add(merged, found, 1.0)
        by_peft = say(recipe, learned.denoiser)
        torch.testing.assert_close(say(recipe, merged), by_peft, atol=1e-5, rtol=1e-5)
    assert (before - by_peft).norm() > 1e-3 * before.norm()


def test_a_file_says_what_it_belongs_to_and_reads_back(
    recipe: Recipe, stored: Latents, start: Path, tmp_path: Path
) -> None:
    model = trainer(recipe, stored, Run(folder=tmp_path / "run"), start).model
    found = changes(model.denoiser, ADAPTER)
    save(tmp_path / "a.safetensors", found, recipe, "0123")
    told = files.read_metadata(tmp_path / "a.safetensors")
    assert told["kineograph.base"] == "0123" and told["modelspec.sai_model_spec"] == "1.0.0"
    again = styles.read(tmp_path / "a.safetensors", tuple(names(recipe.denoiser).values()))
    assert again.keys() == found.keys()
    assert all(torch.equal(again[name].down, one.down) for name, one in found.items())
    assert {one.alpha for one in again.values()} == {6.0}


def test_a_run_that_was_stopped_ends_as_if_it_had_not(
    recipe: Recipe,
    stored: Latents,
    start: Path,
    tmp_path: Path,
    stopped: Callable[[int], Replicas],
) -> None:
    whole = trainer(recipe, stored, Run(folder=tmp_path / "whole"), start).train()
    run = Run(folder=tmp_path / "parted", save_every=1)
    with pytest.raises(KeyboardInterrupt):
        trainer(recipe, stored, run, start, stopped(2)).train()
    again = trainer(recipe, stored, run, start).train()
    pairs = zip(whole.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_what_cannot_be_adapted_is_refused(recipe: Recipe, stored: Latents, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected --start"):
        trainer(recipe, stored, Run(folder=tmp_path), None)
    with pytest.raises(ConfigError, match=r"attn\*: expected names of linear layers"):
        adapt(recipe.denoiser.build(), LoRA(layers=("attn*",)))
    with pytest.raises(ConfigError, match=r"adapter\.rank = 0"):
        adapt(recipe.denoiser.build(), LoRA(rank=0))
