"""An autoencoder learns, stops and goes on, and its latents are normalised in the end."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from kineograph.autoencoders.wavelet_flow import WaveletFlow
from kineograph.errors import NumericsError
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import ReconstructionLoss
from kineograph.training.autoencoder import (
    AutoencoderTrainer,
    statistics,
    terms,
    total,
)
from kineograph.training.clips import draw
from kineograph.training.replicas import Replicas
from kineograph.training.run import Run
from kineograph.types import Posterior, Reconstruction

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


def found(video: Tensor, parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The terms of a reconstruction of the grey clip, all pixels alike."""
    moments = torch.zeros(2, 4, 1, 1, 1)
    truth = torch.zeros(2, 3, 3, 8, 8)
    result = Reconstruction(video, Posterior(moments, moments), parts)
    return terms(result, truth, torch.ones(2, 1, 3, 8, 8))


def test_a_perfect_reconstruction_costs_nothing() -> None:
    same = {"encoder_outer": torch.ones(2), "decoder_outer": torch.ones(2)}
    assert not any(term.item() for term in found(torch.zeros(2, 3, 3, 8, 8), same).values())


def test_the_terms_are_means_of_what_their_names_say() -> None:
    video = torch.zeros(2, 3, 3, 8, 8)
    video[..., 4:] = 0.5  # one edge that is not there: half of all pixels, 1 of 7 differences
    parts = {
        "encoder_outer": torch.ones(3),
        "decoder_outer": torch.zeros(3),
        "encoder_inner": torch.ones(2),
        "decoder_inner": torch.full((2,), 0.5),
    }
    expected = {
        "squared": 0.125,
        "gradient": 0.25 / 7,
        "absolute": 0.25 + 0.5 / 7,
        "kl": 0.0,
        "wavelet": 1.5,
    }
    assert {name: term.item() for name, term in found(video, parts).items()} == pytest.approx(
        expected
    )


def test_absolute_errors_fade_in_between_their_two_shares() -> None:
    loss = ReconstructionLoss(absolute=2.0, fade=(0.4, 0.8))
    alone = {name: torch.zeros(()) for name in ("squared", "gradient", "kl", "wavelet")}
    alone["absolute"] = torch.ones(())
    shares = [total(alone, loss, done).item() for done in (0.0, 0.4, 0.6, 0.8, 1.0)]
    assert shares == pytest.approx([0.0, 0.0, 1.0, 2.0, 2.0])


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
    assert {"loss", "squared", "gradient", "absolute", "kl", "wavelet", "norm"} < notes[1].keys()


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


def test_statistics_bring_latents_to_mean_0_and_one_common_scale(recipe: Recipe) -> None:
    torch.manual_seed(1)
    model = recipe.autoencoder.build().eval()
    mean, spread = statistics(model, recipe.cache, seed=0, count=16)
    assert mean.shape == (4,) and spread.shape == ()
    scale = (1.0 / float(spread),) * 4
    config = replace(recipe.autoencoder, shift=tuple(mean.tolist()), scale=scale)
    normal: WaveletFlow = config.build().eval()
    normal.load_state_dict(model.state_dict())
    with torch.inference_mode():
        latents = normal.encode(draw(recipe.cache, range(16)).video)
    assert latents.mean(dim=(0, 2, 3, 4)).abs().max() < 1e-4
    assert latents.std().item() == pytest.approx(1.0, abs=1e-3)
    each = latents.std(dim=(0, 2, 3, 4))
    assert each.max() > 1.1 * each.min(), "channels keep their relative strength"
