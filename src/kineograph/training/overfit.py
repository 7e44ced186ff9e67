"""`train --overfit`: can a recipe learn a single batch? The first question to a new one."""

import random
from dataclasses import replace

from kineograph.errors import NumericsError
from kineograph.parallel.replicas import Replicas
from kineograph.recipes.recipe import Recipe
from kineograph.training.denoiser import DenoiserTrainer, Material
from kineograph.training.journal import Say
from kineograph.training.run import Run, generator_draws

FOLDER = "overfit"
CLIPS = 4


def overfit(
    recipe: Recipe, material: Material, run: Run, say: Say, *, share: float = 0.2, most: int = 400
) -> int:
    """Show the last stage of a recipe the same clips, captions, times and noise again and again.

    Nothing is saved but a journal in a folder of its own.

    Args:
        recipe: its rate is kept; it neither falls nor is anything averaged.
        material: what the batch comes from.
        run: its folder gets another one inside.
        say: takes lines of progress and the verdict.
        share: of the first loss that must be reached.
        most: steps until then.

    Returns:
        The steps that it took.

    Raises:
        NumericsError: the loss stays above that, or is not finite.
    """
    last = recipe.stages[-1]
    schedule = replace(
        last.schedule,
        steps=most,
        batch=min(CLIPS, last.schedule.batch),
        warmup=min(10, last.schedule.warmup),
        decay=0.0,
        accumulate=1,
        changes=(),
    )
    stage = replace(last, schedule=schedule, buckets=None, validation=None)
    inside = replace(run, folder=run.folder / FOLDER)
    trainer = DenoiserTrainer(
        replace(recipe, stages=(stage,)), replace(material, show=None), inside, Replicas(), say
    )
    taken = trainer.source.take(random.Random(run.seed))
    first = now = float("nan")
    for step in range(most):
        loss = trainer.loss(taken, random.Random(run.seed), generator_draws(run.seed))
        trainer.check(taken, loss)
        now = loss.mean.item()
        first = now if step == 0 else first
        trainer.journal.step(f"one batch of {stage.name}", step, most, {"loss": now})
        if now <= share * first:
            say(
                f"overfit: the loss of one batch of {len(taken.rows)} clips fell from {first:.4g} "
                f"to {now:.4g}, below {share:.0%}, in {step} steps: the recipe can learn"
            )
            return step
        loss.mean.backward()  # type: ignore[no-untyped-call]
        trainer.progress.step = step
        trainer.move([taken])
    raise NumericsError(
        f"overfit: after {most} steps on one batch the loss is {now:.4g}, {now / first:.0%} of the "
        f"{first:.4g} it began with; expected {share:.0%}: try another rate "
        "(stages.N.schedule.rate), fewer frozen weights, or --no-bfloat16"
    )
