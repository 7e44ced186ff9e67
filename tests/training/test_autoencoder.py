"""An autoencoder learns, stops and goes on, and its latents are normalised in the end."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from kineograph.autoencoders.discriminator import PatchDiscriminatorConfig
from kineograph.autoencoders.losses_adversarial import (
    AdversarialConfig,
    Alternate,
    ReconstructionGANConfig,
)
from kineograph.checkpoints import files
from kineograph.errors import ConfigError, NumericsError
from kineograph.parallel.replicas import Replicas
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import AutoencoderStage, Opponent
from kineograph.training.autoencoder import AutoencoderTrainer, quieter, train
from kineograph.training.clips import length
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
    kept = {"loss", "norm", "data_wait_share", "memory_peak_gib", "samples/5x16x16"}
    assert terms | kept < notes[1].keys() and "tokens_per_second" not in notes[1]


@pytest.mark.parametrize(("after", "workers"), [(3, 0), (6, 1)])
def test_a_run_that_was_stopped_ends_as_if_it_had_not(
    recipe: Recipe, tmp_path: Path, stopped: Stop, after: int, workers: int
) -> None:
    whole = trainer(recipe, Run(folder=tmp_path / "whole", evaluate_every=99, workers=workers))
    straight = whole.train()
    run = Run(folder=tmp_path / "parted", save_every=2, evaluate_every=99)
    with pytest.raises(KeyboardInterrupt):
        trainer(recipe, run, stopped(after)).train()
    second = trainer(recipe, run)
    assert (second.progress.stage, second.progress.step) == divmod(after - after % 2, 4)
    assert equal(second.train(), straight) and equal(second.model, whole.model)


def test_a_run_begins_from_weights_that_are_given(
    recipe: Recipe, weights: Path, tmp_path: Path
) -> None:
    short = with_steps(recipe, 1)
    still = replace(short.autoencoder_stages[0].schedule, rate=1e-12)
    short = replace(
        short, autoencoder_stages=(replace(short.autoencoder_stages[0], schedule=still),)
    )
    run = Run(folder=tmp_path, seed=5, evaluate_every=99)
    found = train(short, run, 1, lambda _: None, weights)
    names = (found / "autoencoder.safetensors", weights / "autoencoder.safetensors")
    one, other = (files.read(path) for path in names)
    assert all(torch.allclose(one[name], other[name], atol=1e-3) for name in other)


def test_a_finished_run_is_not_trained_again(recipe: Recipe, tmp_path: Path) -> None:
    run = Run(folder=tmp_path, evaluate_every=99)
    first = trainer(with_steps(recipe, 1), run).train()
    again = trainer(with_steps(recipe, 1), run)
    assert again.progress.stage == 1 and equal(again.train(), first)


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
    learning.progress.step = 2
    with torch.no_grad():
        learning.model.last_layer.fill_(torch.nan)
    clips = "of clips scene 4, scene 5; the last state in"
    with pytest.raises(NumericsError, match=f"all, step 2: the loss is nan; {clips}"):
        learning.train()


ADVERSARIES = {
    "together": AdversarialConfig(
        discriminator=PatchDiscriminatorConfig(width=2, layers=2, dropout=0.3)
    ),
    "alternate": AdversarialConfig(
        discriminator=PatchDiscriminatorConfig(width=2, layers=2), turns=Alternate()
    ),
    "pairs": ReconstructionGANConfig(
        discriminator=PatchDiscriminatorConfig(channels=6, width=2, layers=2)
    ),
}


def opposed(recipe: Recipe, name: str, *, kept: bool = False) -> Recipe:
    """Two stages of two steps with an adversary."""
    stages = tuple(
        replace(
            stage,
            schedule=replace(stage.schedule, steps=2),
            adversary=ADVERSARIES[name],
            opponent=Opponent(rate=1e-2, kept=kept),
        )
        for stage in recipe.autoencoder_stages
    )
    return replace(recipe, autoencoder_stages=stages)


@pytest.mark.parametrize("name", ADVERSARIES)
def test_a_stopped_run_with_a_discriminator_ends_as_if_it_had_not(
    recipe: Recipe, tmp_path: Path, stopped: Stop, name: str
) -> None:
    wanted = opposed(recipe, name)
    whole = trainer(wanted, Run(folder=tmp_path / "whole", evaluate_every=99, save_every=99))
    straight = whole.train()
    run = Run(folder=tmp_path / "parted", save_every=1, evaluate_every=99)
    with pytest.raises(KeyboardInterrupt):
        trainer(wanted, run, stopped(3)).train()  # counts the moves of both sides
    second = trainer(wanted, run)
    assert (second.progress.stage, second.progress.step) == (
        (1, 1) if name == "alternate" else (0, 1)
    )
    assert equal(second.train(), straight) and equal(second.model, whole.model)
    assert equal(second.criterion, whole.criterion), "the discriminators agree, too"


def test_a_discriminator_moves_and_the_next_stage_begins_with_a_new_one(
    recipe: Recipe, tmp_path: Path
) -> None:
    both = opposed(recipe, "together")
    alone = replace(both, autoencoder_stages=both.autoencoder_stages[:1])
    learning = trainer(alone, Run(folder=tmp_path, evaluate_every=99))
    first = {name: tensor.clone() for name, tensor in learning.criterion.state_dict().items()}
    learning.train()
    moved = learning.criterion.state_dict()
    assert not torch.equal(
        moved["opponent.discriminator.out.weight"], first["opponent.discriminator.out.weight"]
    )
    begun = begin_second(opposed(recipe, "together"), tmp_path / "new")
    assert not torch.equal(
        begun["opponent.discriminator.out.weight"], moved["opponent.discriminator.out.weight"]
    )


def begin_second(recipe: Recipe, folder: Path) -> dict[str, torch.Tensor]:
    """The discriminator with which the second stage begins."""
    last, rest = recipe.autoencoder_stages
    none = replace(rest, schedule=replace(rest.schedule, steps=0))
    learning = trainer(
        replace(recipe, autoencoder_stages=(last, none)), Run(folder=folder, evaluate_every=99)
    )
    learning.train()
    return learning.criterion.state_dict()


def test_a_kept_discriminator_goes_on_in_the_next_stage(recipe: Recipe, tmp_path: Path) -> None:
    alone = opposed(recipe, "together", kept=True)
    learning = trainer(
        replace(alone, autoencoder_stages=alone.autoencoder_stages[:1]),
        Run(folder=tmp_path / "one", evaluate_every=99),
    )
    learning.train()
    ended = learning.criterion.state_dict()
    begun = begin_second(alone, tmp_path / "two")
    assert all(torch.equal(begun[name], ended[name]) for name in ended)


def test_generator_and_discriminator_move_in_turn_where_the_stage_says_so(
    recipe: Recipe, tmp_path: Path
) -> None:
    learning = trainer(opposed(recipe, "alternate"), Run(folder=tmp_path))
    before = learning.model.last_layer.clone()
    learning.progress.step = 1
    learning.one_step()
    assert torch.equal(learning.model.last_layer, before), "an odd step is the discriminator's"
    learning.progress.step = 0
    critic = learning.criterion.state_dict()["opponent.discriminator.out.weight"].clone()
    learning.one_step()
    assert not torch.equal(learning.model.last_layer, before)
    after = learning.criterion.state_dict()["opponent.discriminator.out.weight"]
    assert torch.equal(after, critic), "an even step is the generator's"


def test_only_the_noise_of_latents_is_made_quieter() -> None:
    draws = quieter(lambda shape: torch.ones(shape), 0.25)
    assert draws((2, 3, 4, 5, 6)).unique().tolist() == [0.25]
    assert draws((2,)).tolist() == [1.0, 1.0] and draws((2, 4, 4)).unique().tolist() == [1.0]


def test_lengths_and_pictures_are_mixed_as_the_stage_says(recipe: Recipe) -> None:
    stage = replace(recipe.autoencoder_stages[0], lengths=(1, 5), images=0.2)
    drawn = [length(stage, f"0 {step}") for step in range(2000)]
    assert set(drawn) == {1, 5} and drawn.count(1) / 2000 == pytest.approx(0.6, abs=0.04)
    pictures = replace(stage, lengths=(), images=0.2)
    drawn = [length(pictures, f"0 {step}") for step in range(2000)]
    assert drawn.count(1) / 2000 == pytest.approx(0.2, abs=0.03)
    assert [length(pictures, "0 7")] * 3 == [length(pictures, "0 7") for _ in range(3)]


def test_a_run_of_mixed_lengths_trains_and_longer_ones_than_the_clips_are_refused(
    recipe: Recipe, tmp_path: Path
) -> None:
    mixed = with_steps(recipe, 3)
    stage = replace(mixed.autoencoder_stages[0], lengths=(1, 5), images=0.5)
    trainer(replace(mixed, autoencoder_stages=(stage,)), Run(folder=tmp_path / "a")).train()
    longer: AutoencoderStage = replace(stage, lengths=(9,))
    with pytest.raises(ConfigError, match=r"clips of 9 x 16 x 16.* at most 5 frames"):
        trainer(replace(mixed, autoencoder_stages=(longer,)), Run(folder=tmp_path / "b"))
