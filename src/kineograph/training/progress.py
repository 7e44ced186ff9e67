"""How far a run has come: its stages and steps in order, saved, and found again exactly.

A state says what it is a state of. Parts, stages that have begun, and the seed cannot change
under a run; stages that have not begun can.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kineograph.config import diff, to_data
from kineograph.errors import ConfigError
from kineograph.parallel.replicas import Replicas
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import AutoencoderStage, Stage
from kineograph.training import state as states
from kineograph.training.journal import Journal
from kineograph.training.lock import Lock
from kineograph.training.run import Run

SHOWN = 8  # differences in a message


@dataclass(frozen=True)
class Identity:
    """What a run is a run of, as plain data: parts by role, and its stages."""

    parts: Mapping[str, Any]
    stages: Sequence[Any]

    @classmethod
    def of(cls, recipe: Recipe, roles: Sequence[str], stages: str) -> "Identity":
        """Some roles of a recipe, and the stages in one of its fields."""
        data = to_data(recipe)
        return cls({role: data[role] for role in roles}, data[stages])

    def check(self, before: "Identity", begun: int) -> None:
        """Compare with what a state was saved under; `begun` stages have begun.

        Raises:
            ConfigError: listing what differs.
        """
        then = {**before.parts, "stages": list(before.stages[:begun])}
        now = {**self.parts, "stages": list(self.stages[:begun])}
        found = [f"{one.path}: {one.left!r}, now {one.right!r}" for one in diff(then, now)]
        if found:
            more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            raise ConfigError(
                f"the run was begun with {'; '.join(found[:SHOWN])}{more}; expected the same "
                "parts, seed and stages that have begun: set them back, or choose another --out"
            )


class Job(Protocol):
    """What a run does: steps of stages, with a state of its own."""

    def one_step(self) -> None:
        """One step of the stage that the run is in."""

    def now_and_then(self) -> None:
        """What follows a step, such as an evaluation."""

    def next_stage(self) -> None:
        """Begin the stage that the run has come to."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`; stage and step are set already."""


class Progress:
    """The stage and step of a run, from 0; after the last stage `stage` is their number.

    Raises:
        ConfigError: another process trains in the run's folder.
        DataError: the folder cannot be written to.
    """

    def __init__(
        self,
        identity: Identity,
        stages: Sequence[Stage | AutoencoderStage],
        run: Run,
        place: Replicas,
        journal: Journal,
    ) -> None:
        self.identity = Identity({**identity.parts, "seed": run.seed}, identity.stages)
        self.stages, self.run, self.place, self.journal = stages, run, place, journal
        self.stage, self.step = 0, 0
        self.lock = Lock(run.folder) if place.first else None

    @property
    def begun(self) -> int:
        """How many stages have begun."""
        return self.stage + (self.step > 0)

    def go(self, job: Job) -> None:
        """Run all stages that are left."""
        while self.stage < len(self.stages):
            done = self.stages[: self.stage]
            self.journal.before = sum(one.schedule.steps for one in done)
            while self.step < self.stages[self.stage].schedule.steps:
                job.one_step()
                self.step += 1
                with self.journal.paused():
                    job.now_and_then()
                    if self.step % self.run.save_every == 0:
                        self.save(job)
            self.stage, self.step = self.stage + 1, 0
            if self.stage < len(self.stages):
                job.next_stage()
            self.save(job)
        self.journal.finish()

    def save(self, job: Job) -> None:
        """Write a state; all processes wait for it."""
        if self.place.first:
            state: dict[str, Any] = {
                "stage": self.stage,
                "step": self.step,
                "processes": self.place.count,
                "parts": self.identity.parts,
                "stages": self.identity.stages[: self.begun],
                "journal": self.journal.state_dict(),
                "job": job.state_dict(),
            }
            states.save(self.run.folder, state)
        self.place.wait()

    def resume(self, job: Job) -> bool:
        """Go on where the newest whole state of the run's folder stands; whether there is one.

        Raises:
            ConfigError: the run was begun with another recipe or seed.
        """
        state = states.load(self.run.folder, self.journal.say)
        if state is None:
            self.journal.cut(0)
            return False
        stage, step = int(state["stage"]), int(state["step"])
        begun = min(stage + (step > 0), len(state["stages"]))
        self.identity.check(Identity(state["parts"], state["stages"]), begun)
        self.stage, self.step = stage, step
        job.load_state_dict(state["job"])
        if "journal" in state:  # states of the first versions do not say it
            self.journal.load_state_dict(state["journal"])
        self.journal.say(f"going on at stage {self.stage + 1}, step {self.step}")
        if state["processes"] != self.place.count:
            self.journal.say(
                f"with {self.place.count} processes instead of {state['processes']}: what follows "
                "is not the run that it would have been"
            )
        return True
