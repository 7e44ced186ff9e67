"""An autoencoder learns, stops and goes on, and its latents are normalised in the end."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from kineograph.errors import NumericsError
from kineograph.recipes.recipe import Recipe
from kineograph.training.autoencoder import AutoencoderTrainer
from kineograph.training.replicas import Replicas
from kineograph.training.run import Run

Stop = Callable[[int], Replicas]


def trainer(recipe: Recipe, run: Run, place: Replicas | None = None) -> AutoencoderTrainer:
    """A trainer whose model begins the same way each time."""
    torch.manual_seed(run.seed)
    model = recipe.autoencoder.build()
    return AutoencoderTrainer(
        model, recipe.autoencoder_stages, run, place or Replicas(), lambda _: None
    )


def with_steps(recipe: Recipe, steps: int) -> Recipe:
    """The first stage alone, longer."""
    stage = recipe.autoencoder_stages[0]
    schedule = replace(stage.schedule, steps=steps)
    return replace(recipe, autoencoder_stages=(replace(stage, schedule=schedule),))


def equal(one: nn.Module, other: nn.Module) -> bool:
    """Whether two models have the same weights, bit for bit."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_few_steps_improve_held_out_clips(recipe: Recipe, tmp_path: Path) -> None:
    run = Run(folder=tmp_path, bfloat16=False)
    learning = trainer(with_steps(recipe, 12), run)
    before = learning.evaluate(recipe.cache)
    model = learning.train()
    assert model is learning.average.model
    assert learning.evaluate(recipe.cache) > before + 1.0  # dB
    notes = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert [note.get("evaluation", note.get("stage")) for note in notes] == [
        "held-out",
        "all",
        "held-out",
    ]
    terms = {stage_term.kind for stage_term in recipe.autoencoder_stages[0].terms}
    assert terms | {"loss", "norm"} < notes[1].keys()


@pytest.mark.parametrize("after", [3, 6])
def test_a_run_that_was_stopped_ends_as_if_it_had_not(
    recipe: Recipe, tmp_path: Path, stopped: Stop, after: int
) -> None:
    whole = trainer(recipe, Run(folder=tmp_path / "whole", evaluate_every=99))
    straight = whole.train()
    run = Run(folder=tmp_path / "parted", save_every=2, evaluate_every=99)
    with pytest.raises(KeyboardInterrupt):
        trainer(recipe, run, stopped(after)).train()
    second = trainer(recipe, run)
    assert (second.stage, second.step) == divmod(after - after % 2, 4)
    assert equal(second.train(), straight) and equal(second.model, whole.model)


def test_a_finished_run_is_not_trained_again(recipe: Recipe, tmp_path: Path) -> None:
    run = Run(folder=tmp_path, evaluate_every=99)
    first = trainer(with_steps(recipe, 1), run).train()
    again = trainer(with_steps(recipe, 1), run)
    assert again.stage == 1 and equal(again.train(), first)


def test_a_frozen_encoder_does_not_move_while_the_decoder_does(
    recipe: Recipe, tmp_path: Path
) -> None:
    frozen = replace(recipe, autoencoder_stages=recipe.autoencoder_stages[1:])
    learning = trainer(frozen, Run(folder=tmp_path, evaluate_every=99))
    before = {name: tensor.clone() for name, tensor in learning.model.state_dict().items()}
    learning.train()
    for part in (learning.model, learning.average.model):
        assert all(
            torch.equal(t, before[f"encoder.{n}"]) for n, t in part.encoder.named_parameters()
        )
        assert not torch.equal(part.last_layer, before["decoder.out.weight"])


def test_a_loss_that_is_not_finite_names_stage_and_step(recipe: Recipe, tmp_path: Path) -> None:
    learning = trainer(recipe, Run(folder=tmp_path))
    learning.step = 2
    with torch.no_grad():
        learning.model.last_layer.fill_(torch.nan)
    with pytest.raises(NumericsError, match="all, step 2: the loss is nan"):
        learning.train()
