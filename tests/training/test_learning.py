"""What a stage says happens: frozen parts, parents, accumulation, buckets, held-out losses."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from kineograph.data.latents import Latents
from kineograph.data.min_max import MinMaxSizes
from kineograph.data.token_plans import LegalLength, MinMaxTokens
from kineograph.denoisers.stiv import STIVConfig
from kineograph.errors import CheckpointError, ConfigError, NumericsError
from kineograph.optimisers.clipping import AdaptiveClip
from kineograph.parallel.recompute import EveryBlock
from kineograph.parallel.replicas import Replicas
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import Same, Smaller, Stage, Validation
from kineograph.text.t5 import T5Config
from kineograph.training.denoiser import DenoiserTrainer, Material, Shown
from kineograph.training.learner import Learner, encoder
from kineograph.training.overfit import overfit
from kineograph.training.run import Run
from kineograph.training.samples import Cached
from kineograph.training.weights import save_part

Stop = Callable[[int], Replicas]
PICTURES = MinMaxTokens(
    sizes=MinMaxSizes(most=16 * 16), frames=5, length=LegalLength(least=5), batch=2, pictures=3
)


@dataclass(frozen=True)
class Kept(Replicas):
    """A process that remembers its gradients and hears from nobody."""

    gradients: list[list[Tensor]] = field(default_factory=list)

    def average(self, gradients: Iterable[Tensor]) -> None:
        """Remember them."""
        self.gradients.append([one.clone() for one in gradients])

    def wait(self) -> None:
        """Wait for nobody."""


def trainer(
    recipe: Recipe, stored: Latents, run: Run, place: Replicas | None = None
) -> DenoiserTrainer:
    pictures = Latents(stored.latents[:, :, :1], stored.focus[:, :, :1], stored.records)
    shape = recipe.cache
    caches = (Cached.of(pictures, replace(shape, frames=1)), Cached.of(stored, shape))
    material = Material(caches)
    return DenoiserTrainer(recipe, material, run, place or Replicas(), lambda _: None)


def one_stage(recipe: Recipe, stage: Stage, **changes: float) -> Recipe:
    schedule = replace(stage.schedule, **changes)
    return replace(recipe, stages=(replace(stage, schedule=schedule),))


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def equal(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture
def videos(recipe: Recipe) -> Stage:
    return recipe.stages[1]


def test_frozen_weights_stay_and_the_others_move(recipe, stored, videos, tmp_path):
    stage = replace(videos, frozen=("text.*", "denoiser.blocks.0.*"))
    run = trainer(one_stage(recipe, stage, steps=2), stored, Run(folder=tmp_path))
    before = {name: weight.clone() for name, weight in run.model.state_dict().items()}
    run.train()
    moved = {n for n, w in run.model.state_dict().items() if not torch.equal(w, before[n])}
    assert moved and not any(n.startswith(("text.", "denoiser.blocks.0.")) for n in moved)


def test_a_batch_in_two_parts_has_the_gradients_of_two_processes(recipe, stored, videos, tmp_path):
    def gradients(folder: str, place: Kept, accumulate: int) -> list[Tensor]:
        short = one_stage(recipe, videos, steps=1, accumulate=accumulate)
        run = Run(folder=tmp_path / folder, bfloat16=False)
        trainer(short, stored, run, place).train()
        return place.gradients[0]

    parts = gradients("one", Kept(0, 1), 2)
    first, second = (gradients(str(rank), Kept(rank, 2), 1) for rank in (0, 1))
    for both, one, other in zip(parts, first, second, strict=True):
        torch.testing.assert_close(both, (one + other) / 2)


@pytest.mark.parametrize("after", [2, 3])
def test_buckets_and_adaptive_clipping_go_on_bit_for_bit(
    recipe: Recipe, stored: Latents, videos: Stage, tmp_path: Path, stopped: Stop, after: int
) -> None:
    stage = replace(videos, buckets=PICTURES)
    short = one_stage(recipe, stage, steps=5, outliers=AdaptiveClip())
    whole = trainer(short, stored, Run(folder=tmp_path / "whole")).train()
    run = Run(folder=tmp_path / "parted", save_every=2)
    with pytest.raises(KeyboardInterrupt):
        trainer(short, stored, run, stopped(after)).train()
    assert equal(trainer(short, stored, run).train(), whole)
    (line,) = lines(tmp_path / "whole")
    shapes = {name: count for name, count in line.items() if name.startswith("samples/")}
    assert set(shapes) == {"samples/1x16x16", "samples/5x16x16"}
    assert shapes["samples/1x16x16"] / 3 + shapes["samples/5x16x16"] / 2 == 5
    assert {"gradient/bound", "gradient/dropped", "tokens_per_second"} <= line.keys()


def test_blocks_that_are_computed_again_learn_the_same(recipe, stored, videos, tmp_path):
    short = one_stage(recipe, videos, steps=2)
    plain = trainer(short, stored, Run(folder=tmp_path / "plain", bfloat16=False)).train()
    again = Run(folder=tmp_path / "again", bfloat16=False, recompute=EveryBlock())
    assert equal(trainer(short, stored, again).train(), plain)


def test_a_stage_begins_with_its_parents_weights(recipe, stored, videos, tmp_path):
    torch.manual_seed(5)
    parent = Learner(recipe)
    for name in parent.parts:
        save_part(tmp_path / "parent", name, parent.get_submodule(name))
    stage = replace(videos, parents=Same(folder=str(tmp_path / "parent")))
    child = trainer(one_stage(recipe, stage, steps=1), stored, Run(folder=tmp_path / "run"))
    for one, other in zip(child.model.parameters(), parent.parameters(), strict=True):
        assert torch.equal(one, other.bfloat16().float())
    grown = replace(videos, parents=Smaller(space=str(tmp_path / "parent")))
    with pytest.raises(ConfigError, match="of LTX: expected denoiser 'stiv'"):
        trainer(one_stage(recipe, grown, steps=1), stored, Run(folder=tmp_path / "other"))


def test_a_stiv_denoiser_begins_with_a_smaller_one(recipe: Recipe, tmp_path: Path) -> None:
    child = STIVConfig(
        layers=1, heads=1, head_width=12, channels=4, text_width=32, pooled_width=32, time_patch=2
    )
    torch.manual_seed(1)
    parent = replace(child, time_patch=1).build()
    for weight in parent.parameters():
        nn.init.normal_(weight)
    save_part(tmp_path, "denoiser", parent)
    torch.manual_seed(2)
    grown = Learner(replace(recipe, denoiser=child))
    grown.inherit(Smaller(space=str(tmp_path)))
    given = parent.patch_in.weight.bfloat16().float()
    assert torch.equal(grown.denoiser.patch_in.weight, given.repeat(1, 2) / 2)
    assert torch.equal(grown.denoiser.patch_in.bias, parent.patch_in.bias.bfloat16().float())
    for other in (replace(child, layers=2), replace(child, heads=2)):
        with pytest.raises(CheckpointError, match=r"do not fit: .*; expected STIV denoisers with"):
            Learner(replace(recipe, denoiser=other)).inherit(Smaller(space=str(tmp_path)))


def test_the_held_out_loss_covers_every_length_and_repeats_to_the_digit(
    recipe: Recipe, stored: Latents, videos: Stage, tmp_path: Path
) -> None:
    stage = replace(videos, validation=Validation(clips=3, lengths=(1, 2), times=4))
    run = trainer(one_stage(recipe, stage, steps=2), stored, Run(folder=tmp_path, evaluate_every=2))
    assert max(map(max, run.samples.groups)) == 20 and run.samples.held_out[1] == (21, 22, 23)
    first = run.validate()
    assert first == run.validate()
    names = {f"validation/time_{time}" for time in ("0.20", "0.40", "0.60", "0.80")}
    assert first.keys() == names | {"validation", "validation/1x16x16", "validation/5x16x16"}
    run.train()
    last = lines(tmp_path)[-1]
    assert last["evaluation"] == "videos" and last["step"] == 2
    assert last["validation"] != first["validation"]


def test_a_loss_that_is_not_finite_names_the_clip_and_keeps_the_state(
    recipe: Recipe, stored: Latents, videos: Stage, tmp_path: Path
) -> None:
    broken = stored.latents.clone()
    broken[7] = torch.nan
    records = tuple({"captions": ["a"], "source": f"{row}.mp4"} for row in range(12))
    bad = Latents(broken, stored.focus, records)
    short = one_stage(recipe, replace(videos, given=recipe.stages[0].given), steps=40, batch=4)
    run = trainer(short, bad, Run(folder=tmp_path, save_every=1))
    with pytest.raises(
        NumericsError, match=r"videos, step \d+: the loss is nan; of clips .*7\.mp4"
    ):
        run.train()
    assert all(weight.isfinite().all() for weight in run.model.state_dict().values())
    if run.progress.step:
        assert max((tmp_path / "states").iterdir()).name == f"{run.progress.step:08d}"


def test_a_recipe_that_can_learn_one_batch_says_so_and_another_does_not(
    recipe: Recipe, stored: Latents, tmp_path: Path
) -> None:
    said: list[str] = []
    material = Material((Cached.of(stored, recipe.cache),))
    run = Run(folder=tmp_path, bfloat16=False)
    steps = overfit(recipe, material, run, said.append, share=0.8, most=100)
    assert 0 < steps < 100 and "the recipe can learn" in said[-1]
    assert not (tmp_path / "states").exists() and not (tmp_path / "overfit" / "states").exists()
    slow = replace(recipe.stages[1], schedule=replace(recipe.stages[1].schedule, rate=1e-9))
    stuck = replace(recipe, stages=(slow,))
    with pytest.raises(NumericsError, match=r"after 3 steps.*100% of the"):
        overfit(stuck, material, run, said.append, most=3)


def test_a_public_text_encoder_is_loaded_frozen_and_not_saved_with_the_run(
    recipe: Recipe, stored: Latents, tmp_path: Path
) -> None:
    tiny = T5Config(vocabulary=20, width=32, heads=2, head=8, hidden=16, blocks=1, length=4)
    other = replace(recipe, text=tiny)
    with pytest.raises(ConfigError, match="'t5' is not trained: expected its weights, see --text"):
        encoder(other, None, "cpu")
    with pytest.raises(ConfigError, match="'words' learns with its denoiser"):
        encoder(recipe, tmp_path, "cpu")
    public = tiny.build()
    save_part(tmp_path, "text", public)
    found = encoder(other, tmp_path, "cpu")
    assert found is not None and not any(one.requires_grad for one in found.parameters())
    assert torch.equal(found.words, public.words.bfloat16().float())
    assert Learner(other).text is None and Learner(other).parts == ("denoiser",)
    with pytest.raises(ConfigError, match="see --text FOLDER"):
        trainer(other, stored, Run(folder=tmp_path / "run"))


def test_sample_videos_of_the_average_are_kept(recipe, stored, videos, tmp_path):
    shown: list[Learner] = []

    def show(model: Learner) -> list[Shown]:
        shown.append(model)
        return [Shown("a heron", torch.zeros(3, 16, 16, 3, dtype=torch.uint8), 8.0)]

    short = one_stage(recipe, videos, steps=2)
    material = Material((Cached.of(stored, recipe.cache),), show=show)
    run = Run(folder=tmp_path, evaluate_every=2)
    learning = DenoiserTrainer(short, material, run, Replicas(), lambda _: None)
    learning.train()
    assert shown == [learning.average.model]
    assert (tmp_path / "samples" / "00000002-0.mp4").stat().st_size > 0
