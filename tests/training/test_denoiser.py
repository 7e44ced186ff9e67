"""A denoiser learns from stored latents, stops and goes on, and sees what its stage says."""

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from kineograph.conditioning.channels import GivenChannels, GivenEnds
from kineograph.conditioning.dropout import FirstFrame
from kineograph.conditioning.frame_masks import FrameMasks
from kineograph.conditioning.replacement import ReplacedFrames
from kineograph.conditioning.token_dropping import (
    Dropping,
    FixedCount,
    SpatialDropping,
    TemporalDropping,
)
from kineograph.data.latents import Latents
from kineograph.denoisers.laboratory import LaboratoryConfig
from kineograph.denoisers.laboratory_parts import Features
from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.denoisers.structure import StructureConfig
from kineograph.diffusion.objective import Objective
from kineograph.diffusion.process import Process
from kineograph.errors import ConfigError, NumericsError
from kineograph.parallel.replicas import Replicas
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import Stage, Windows
from kineograph.toybox.captions import attributes, parse
from kineograph.toybox.scene import to_json
from kineograph.toybox.world import sample_scene
from kineograph.training import state as states
from kineograph.training.captions import say_again
from kineograph.training.denoiser import DenoiserTrainer, Material, by_time
from kineograph.training.run import Run
from kineograph.training.samples import Cached
from kineograph.types import Condition, Denoiser, Draws, Loss

Stop = Callable[[int], Replicas]
ALONE = Replicas()


@dataclass(frozen=True, kw_only=True)
class Watched(Objective):
    """Notes the latents and conditions that it is called with."""

    seen: list[tuple[Tensor, Condition]] = field(default_factory=list)

    def __call__(
        self,
        denoiser: Denoiser,
        process: Process,
        latents: Tensor,
        condition: Condition,
        draws: Draws,
        focus: Tensor | None = None,
    ) -> Loss:
        assert focus is not None and focus.shape[2:] == latents.shape[2:]
        self.seen.append((latents, condition))
        return super().__call__(denoiser, process, latents, condition, draws, focus)


@dataclass(frozen=True)
class Deaf(Replicas):
    """One of several processes that never hears from the others."""

    def average(self, gradients: Iterable[Tensor]) -> None:
        """Keep one's own."""

    def wait(self) -> None:
        """Wait for nobody."""


def trainer(recipe: Recipe, data: Latents, run: Run, place: Replicas = ALONE) -> DenoiserTrainer:
    material = Material((Cached.of(data, recipe.cache),))
    return DenoiserTrainer(recipe, material, run, place, lambda _: None)


def only(recipe: Recipe, stage: Stage, steps: int, batch: int) -> Recipe:
    """The recipe with one stage of another length."""
    schedule = replace(stage.schedule, steps=steps, batch=batch)
    return replace(recipe, stages=(replace(stage, schedule=schedule),))


def equal(one: nn.Module, other: nn.Module) -> bool:
    """Whether two models have the same weights, bit for bit."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("after", [3, 4, 7])
def test_a_run_that_was_stopped_ends_as_if_it_had_not(
    recipe: Recipe, stored: Latents, tmp_path: Path, stopped: Stop, after: int
) -> None:
    whole = trainer(recipe, stored, Run(folder=tmp_path / "whole"))
    straight = whole.train()
    run = Run(folder=tmp_path / "parted", save_every=2)
    with pytest.raises(KeyboardInterrupt):
        trainer(recipe, stored, run, stopped(after)).train()
    second = trainer(recipe, stored, run)
    assert (second.progress.stage, second.progress.step) == divmod(after - after % 2, 4)
    assert equal(second.train(), straight) and equal(second.model, whole.model)


def test_a_finished_run_is_not_trained_again(
    recipe: Recipe, stored: Latents, tmp_path: Path
) -> None:
    first = trainer(recipe, stored, Run(folder=tmp_path)).train()
    again = trainer(recipe, stored, Run(folder=tmp_path))
    assert again.progress.stage == 2 and equal(again.train(), first)


def test_another_seed_is_another_model(recipe: Recipe, stored: Latents, tmp_path: Path) -> None:
    one, other = (
        trainer(recipe, stored, Run(folder=tmp_path / str(seed), seed=seed)) for seed in (0, 1)
    )
    assert not equal(one.model, other.model)


def test_a_stage_starts_from_the_average_of_the_one_before(
    recipe: Recipe, stored: Latents, tmp_path: Path, stopped: Stop
) -> None:
    learning = trainer(recipe, stored, Run(folder=tmp_path), stopped(4))
    first = learning.average.model
    with pytest.raises(KeyboardInterrupt):
        learning.train()
    assert learning.progress.stage == 1 and equal(learning.model, first)
    state = states.load(tmp_path)
    assert state is not None and (state["stage"], state["step"]) == (1, 0)


def test_an_image_stage_sees_nothing_but_the_first_frame(
    recipe: Recipe, stored: Latents, tmp_path: Path
) -> None:
    changed = stored.latents.clone()
    changed[:, :, 1:] = torch.nan
    images = replace(recipe, stages=recipe.stages[:1])
    one = trainer(images, stored, Run(folder=tmp_path / "one")).train()
    other = trainer(images, replace(stored, latents=changed), Run(folder=tmp_path / "other"))
    assert equal(other.train(), one)


def test_a_stage_gives_the_first_frame_as_often_as_it_says(
    recipe: Recipe, stored: Latents, tmp_path: Path
) -> None:
    watch = Watched()
    images, videos = (replace(s, given=FirstFrame(probability=0.5)) for s in recipe.stages)
    watched = replace(recipe, objective=watch)
    for stage in (images, videos):
        one = only(watched, stage, steps=1, batch=128)
        trainer(one, stored, Run(folder=tmp_path / stage.name)).train()
    (_, image), (latents, video) = watch.seen
    assert image.known is not None and not image.known.strength.any()
    assert video.known is not None and not video.known.strength[:, :, 1:].any()
    given = video.known.strength[:, 0, 0, 0, 0].bool()
    assert 0.35 < given.float().mean() < 0.65
    assert torch.equal(video.known.latents[given, :, 0], latents[given, :, 0])
    assert video.facts["fps"].tolist() == [8.0] * 128
    told = {name: float(value[0]) for name, value in video.facts.items()}
    assert told == {
        "fps": 8.0,
        "frames": 5.0,
        "height": 16.0,
        "width": 16.0,
        "crop_top": 0.0,
        "crop_left": 0.0,
        "stride": 1.0,
    }
    assert float(image.facts["frames"][0]) == 1.0
    assert video.layout.keep is None


def test_every_process_sees_other_clips_and_only_the_first_one_saves(
    recipe: Recipe, stored: Latents, tmp_path: Path
) -> None:
    watches = (Watched(), Watched())
    for rank, watch in enumerate(watches):
        run = Run(folder=tmp_path / str(rank))
        trainer(replace(recipe, objective=watch), stored, run, Deaf(rank, 2)).train()
    one, other = ([latents[:, :, 0] for latents, _ in watch.seen] for watch in watches)
    steps = torch.stack([*one, *other]).flatten(1)
    assert len(steps) == 16 and len({tuple(step.tolist()) for step in steps}) > 14
    assert [(tmp_path / str(rank) / "states").exists() for rank in (0, 1)] == [True, False]


@pytest.mark.parametrize(
    ("dropping", "kept"),
    [(SpatialDropping(), 4), (TemporalDropping(), 4), (FixedCount(tokens=7), 7)],
)
def test_a_stage_that_drops_tokens_shows_the_denoiser_the_others(
    recipe: Recipe, stored: Latents, tmp_path: Path, dropping: Dropping, kept: int
) -> None:
    watch = Watched()
    stage = replace(recipe.stages[1], dropping=dropping)
    one = only(replace(recipe, objective=watch), stage, steps=1, batch=3)
    trainer(one, stored, Run(folder=tmp_path)).train()
    ((_, condition),) = watch.seen
    assert condition.layout.keep is not None
    assert condition.layout.keep.shape == (3, kept)  # of 2 x 2 x 2 tokens


def test_a_denoiser_that_sees_every_token_refuses_a_stage_that_drops_some(
    recipe: Recipe, stored: Latents, tmp_path: Path
) -> None:
    denoiser = SkiparseConfig(
        layers=1, heads=1, head_width=6, in_channels=4, out_channels=4, text_width=32
    )
    stage = replace(recipe.stages[1], dropping=SpatialDropping())
    other = replace(recipe, denoiser=denoiser, injection=ReplacedFrames())
    with pytest.raises(ConfigError, match=r"denoiser 'skiparse': expected none.*'ltx', 'stiv'"):
        trainer(only(other, stage, steps=1, batch=2), stored, Run(folder=tmp_path)).train()
    with pytest.raises(ConfigError, match="Skiparse knows one time per sample"):
        trainer(replace(other, injection=recipe.injection), stored, Run(folder=tmp_path / "b"))


def test_a_controller_is_not_trained_silently(
    recipe: Recipe, stored: Latents, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="`train` does not train it"):
        trainer(replace(recipe, controller=StructureConfig()), stored, Run(folder=tmp_path))


@pytest.mark.parametrize("given", [FrameMasks(), GivenEnds()], ids=lambda one: one.kind)
def test_a_stage_may_draw_what_is_given_in_every_pattern(
    recipe: Recipe, stored: Latents, tmp_path: Path, given: FrameMasks | GivenEnds
) -> None:
    watch = Watched()
    stage = replace(recipe.stages[1], given=given)
    one = only(replace(recipe, objective=watch), stage, steps=1, batch=64)
    trainer(one, stored, Run(folder=tmp_path)).train()
    ((latents, condition),) = watch.seen
    assert condition.known is not None and 0 < condition.known.strength.mean() < 1
    assert torch.equal(condition.known.latents, latents * condition.known.strength)


def test_a_window_from_the_middle_lies_later_and_knows_how_it_begins(
    recipe: Recipe, stored: Latents, tmp_path: Path
) -> None:
    longer = replace(
        stored,
        latents=torch.cat([stored.latents] * 2, 2),
        focus=torch.cat([stored.focus] * 2, 2),
    )
    watch = Watched()
    stage = replace(
        recipe.stages[1], latent_frames=3, windows=Windows(known=2), given=FrameMasks(patterns=())
    )
    one = only(replace(recipe, objective=watch), stage, steps=1, batch=64)
    one = replace(one, cache=replace(one.cache, frames=13))
    trainer(one, longer, Run(folder=tmp_path)).train()
    ((latents, condition),) = watch.seen
    assert condition.known is not None and condition.layout.when is not None
    later = condition.layout.when[:, 0] == 1
    assert 10 < later.sum() < 54
    assert condition.layout.when[later].unique(dim=0).tolist() == [[1, 5, 9]]
    assert condition.layout.when[~later].unique(dim=0).tolist() == [[0, 1, 5]]
    counts = condition.known.strength[:, 0, :, 0, 0].sum(1)
    assert set(counts[later].tolist()) == {1, 2} and set(counts[~later].tolist()) == {0}
    assert torch.equal(condition.known.latents, latents * condition.known.strength)


def test_a_laboratory_denoiser_learns_with_all_it_reads(
    recipe: Recipe, stored: Latents, tmp_path: Path
) -> None:
    denoiser = LaboratoryConfig(
        layers=1,
        heads=2,
        head_width=16,
        channels=4,
        text_width=32,
        pooled_width=32,
        micro=("height", "width", "crop_top", "crop_left", "stride"),
        picture=Features(),
    )
    stage = replace(recipe.stages[1], dropping=SpatialDropping(), given=GivenEnds())
    other = replace(recipe, denoiser=denoiser, injection=GivenChannels())
    run = trainer(only(other, stage, steps=2, batch=4), stored, Run(folder=tmp_path))
    before = run.model.denoiser.patch_out.weight.clone()
    run.train()
    assert not torch.equal(run.model.denoiser.patch_out.weight, before)


def test_the_loss_falls(recipe: Recipe, stored: Latents, tmp_path: Path) -> None:
    same = replace(stored, latents=stored.latents[:1].expand_as(stored.latents))
    longer = only(recipe, recipe.stages[1], steps=60, batch=8)
    trainer(longer, same, Run(folder=tmp_path, bfloat16=False)).train()
    lines = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [20, 40, 60]
    assert lines[-1]["loss"] < 0.7 * lines[0]["loss"]
    assert {"loss_low", "loss_middle", "loss_high", "norm"} < lines[0].keys()


def test_a_loss_that_is_not_finite_names_stage_and_step(
    recipe: Recipe, stored: Latents, tmp_path: Path
) -> None:
    broken = replace(stored, latents=stored.latents * torch.nan)
    with pytest.raises(NumericsError, match="images, step 0: the loss is nan"):
        trainer(recipe, broken, Run(folder=tmp_path)).train()


def test_losses_are_told_apart_by_their_times() -> None:
    time, loss = torch.tensor([0.0, 0.2, 0.5, 0.7, 1.0]), torch.tensor([1.0, 3.0, 5.0, 7.0, 9.0])
    assert by_time(Loss(loss.mean(), loss, time)) == {
        "loss_low": 2.0,
        "loss_middle": 5.0,
        "loss_high": 8.0,
    }
    assert by_time(Loss(loss[3:].mean(), loss[3:], time[3:])) == {"loss_high": 8.0}


def test_captions_differ_between_visits_and_are_always_true(recipe: Recipe) -> None:
    scenes = [sample_scene(1, seed) for seed in range(300)]
    records = [to_json(scene) for scene in scenes]
    stage = replace(recipe.stages[0], text_dropout=0.0, words_lost=0.0)
    draw = random.Random(0)
    first, second = (say_again(records, stage, draw) for _ in range(2))
    assert sum(one != other for one, other in zip(first, second, strict=True)) > 270
    for scene, one, other in zip(scenes, first, second, strict=True):
        for said in (parse(one), parse(other)):
            assert said.items() <= attributes(scene).items()
            assert {"colour", "shape", "motion"} <= said.keys()
    assert say_again(records, stage, random.Random(7)) == say_again(
        records, stage, random.Random(7)
    )


def test_captions_and_words_are_lost_as_often_as_a_stage_says(recipe: Recipe) -> None:
    words = recipe.text.build()
    records = [to_json(sample_scene(1, seed)) for seed in range(50)] * 20
    stage = replace(recipe.stages[0], text_dropout=0.3, words_lost=0.1)
    captions = say_again(records, stage, random.Random(0))
    assert captions.count("") / len(captions) == pytest.approx(0.3, abs=0.04)
    said = [words.split(caption) for caption in captions]
    lost = sum(len(words.unknown(caption)) for caption in captions)
    assert lost / sum(map(len, said)) == pytest.approx(0.1, abs=0.015)
