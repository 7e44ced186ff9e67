"""A run knows what it is a run of; what has not begun may change."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from kineograph.config import override
from kineograph.errors import ConfigError
from kineograph.parallel.replicas import Replicas
from kineograph.recipes.recipe import Recipe
from kineograph.training import state as states
from kineograph.training.journal import Journal, Tally
from kineograph.training.progress import Identity, Progress
from kineograph.training.run import Run


class Counted:
    """A job that counts, and is stopped after some steps."""

    def __init__(
        self,
        recipe: Recipe,
        run: Run,
        stop: int = 99,
        place: Replicas | None = None,
        every: int = 20,
    ):
        self.said: list[str] = []
        self.count, self.stop, self.begun = 0, stop, 0
        identity = Identity.of(recipe, ("denoiser", "objective"), "stages")
        journal = Journal(run.folder, self.said.append, every)
        self.progress = Progress(identity, recipe.stages, run, place or Replicas(), journal)
        self.resumed = self.progress.resume(self)

    def one_step(self) -> None:
        if self.count == self.stop:
            raise KeyboardInterrupt
        self.count += 1

    def now_and_then(self) -> None:
        pass

    def next_stage(self) -> None:
        self.begun += 1

    def state_dict(self) -> dict[str, int]:
        return {"count": self.count}

    def load_state_dict(self, state) -> None:
        self.count = state["count"]

    def go(self) -> None:
        self.progress.go(self)


def stopped(recipe: Recipe, folder: Path, after: int) -> Run:
    """A run of two stages of four steps that was stopped after some steps, saving every one."""
    run = Run(folder=folder, save_every=1)
    with pytest.raises(KeyboardInterrupt):
        Counted(recipe, run, stop=after).go()
    return run


def test_a_run_goes_on_with_the_next_step(recipe: Recipe, tmp_path: Path):
    run = stopped(recipe, tmp_path, 6)
    second = Counted(recipe, run)
    assert second.resumed and (second.progress.stage, second.progress.step) == (1, 2)
    second.go()
    assert second.count == 8 and second.said[0] == "going on at stage 2, step 2"
    assert not Counted(recipe, Run(folder=tmp_path / "new")).resumed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("denoiser.layers=3", r"denoiser.layers: 2, now 3"),
        ("objective.focus_weight=9.0", r"objective.focus_weight: 2.0, now 9.0"),
        ("stages.0.schedule.rate=1.0", r"stages.0.schedule.rate: 0.005, now 1.0"),
        ("stages.1.name=other", r"stages.1.name: 'videos', now 'other'"),
    ],
)
def test_what_has_begun_cannot_change(recipe: Recipe, tmp_path: Path, change: str, message: str):
    run = stopped(recipe, tmp_path, 6)
    with pytest.raises(ConfigError, match=message):
        Counted(override(recipe, change), run)
    assert Counted(override(recipe, "stages.0.schedule.rate=0.005"), run).count == 6


def test_stages_that_have_not_begun_can_change(recipe: Recipe, tmp_path: Path):
    for after in (3, 4):  # 4: the first stage has ended, the second has not begun
        run = stopped(recipe, tmp_path / str(after), after)
        more = (*recipe.stages[:1], replace(recipe.stages[1], name="other"), recipe.stages[1])
        second = Counted(replace(recipe, stages=more), run)
        second.go()
        assert second.count == 12


def test_a_recipe_without_a_stage_that_has_begun_is_refused(recipe: Recipe, tmp_path: Path):
    run = stopped(recipe, tmp_path, 6)
    with pytest.raises(ConfigError, match=r"stages.1.*absent"):
        Counted(replace(recipe, stages=recipe.stages[:1]), run)


def test_the_seed_cannot_change(recipe: Recipe, tmp_path: Path):
    run = stopped(recipe, tmp_path, 2)
    with pytest.raises(ConfigError, match="seed: 0, now 1"):
        Counted(recipe, replace(run, seed=1))


def test_other_processes_are_told_that_the_run_is_not_the_same(recipe: Recipe, tmp_path: Path):
    class Deaf(Replicas):
        def wait(self) -> None:
            pass

    run = stopped(recipe, tmp_path, 2)
    assert "2 processes instead of 1" in Counted(recipe, run, place=Deaf(0, 2)).said[-1]


def test_a_damaged_state_is_passed_over_and_told(recipe: Recipe, tmp_path: Path):
    run = stopped(recipe, tmp_path, 3)
    newest = max((tmp_path / states.FOLDER).iterdir())
    (newest / "state.json").write_text("{")
    second = Counted(recipe, run)
    assert second.count == 2 and "going back to" in second.said[0]


def test_a_journal_says_each_step_once_however_often_it_was_done(recipe: Recipe, tmp_path: Path):
    class Told(Counted):
        """Writes what it does."""

        def one_step(self) -> None:
            stage, step = self.progress.stage, self.progress.step
            super().one_step()
            tally = Tally(tokens=3, samples=Counter({"all": step}))
            self.progress.journal.step(f"{stage}", step, 7, {"loss": float(step)}, tally)

        def now_and_then(self) -> None:
            self.progress.journal.note({"evaluation": "held-out", "step": self.progress.step})

    def lines(folder: Path) -> list[dict[str, object]]:
        text = (folder / "journal.jsonl").read_text().splitlines()
        clocks = ("time", "seconds_per_step", "tokens_per_second", "memory_peak_gib")
        found = [json.loads(line) for line in text]
        return [
            {k: v for k, v in one.items() if k not in (*clocks, "data_wait_share")} for one in found
        ]

    long = tuple(
        replace(stage, schedule=replace(stage.schedule, steps=7)) for stage in recipe.stages
    )
    recipe = replace(recipe, stages=long)
    Told(recipe, Run(folder=tmp_path / "peace", save_every=3), every=2).go()
    run = Run(folder=tmp_path / "stopped", save_every=3)
    for after in (2, 5, 9, 12):  # before any state, and then between two of them
        with pytest.raises(KeyboardInterrupt):
            Told(recipe, run, after, every=2).go()
    Told(recipe, run, every=2).go()
    told = lines(tmp_path / "stopped")
    assert told == lines(tmp_path / "peace")
    steps = [(one["stage"], one["step"]) for one in told if "stage" in one]
    assert steps == [(stage, step) for stage in ("0", "1") for step in (2, 4, 6, 7)]


def test_the_state_of_a_version_that_did_not_know_its_journal_is_read(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = stopped(recipe, tmp_path, 3)
    state = states.load(tmp_path)
    assert state is not None and state.pop("journal")
    monkeypatch.setattr(states, "load", lambda *_: state)
    assert Counted(recipe, run).count == 3
