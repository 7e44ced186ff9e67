"""From what was found about single clips to the scores of a card."""

from collections.abc import Iterator, Sequence

from kineograph.evaluation.adherence import ALL, groups, tally
from kineograph.evaluation.coding import Reconstructed
from kineograph.evaluation.given_clips import Answer
from kineograph.evaluation.motion_scores import Scored, by_score, by_words
from kineograph.evaluation.physics import Followed
from kineograph.evaluation.score import (
    Score,
    of_difference,
    of_mean,
    of_ranked,
    of_share,
)
from kineograph.evaluation.share import Share
from kineograph.evaluation.text_clips import MOVING, STILL, Shown, distance

DIFFERENCE = "held-out less seen"
STILL_NAME = f"still: less than {STILL:g} of the true motion"
FLOW = "motion shown, of the true one"
FRECHET = "Fréchet distance to the true clips"
WORDS = "rank correlation of described and shown motion"
ASKED = "rank correlation of motion score and shown motion"
PATH, HELD = "path error", "path error if nothing moved"
GIVEN, MADE = "given frames", "made frames to the true ones"
SEAM, SEAM_TO_REST = "seam, 1: none", "seam, of the other steps"
ROUGH, FLICKER = "roughness, of the true one", "flicker where all rests"
FOLLOWS = "follows the law"


def adherence(shown: Sequence[Shown]) -> Iterator[Score]:
    """Shares of what was asked and read, by group of prompts; held-out against seen."""
    found = groups([one.outcome for one in shown])
    for group, shares in found.items():
        for name, share in shares.items():
            yield of_share(f"adherence, {group}", name, share)
    for name, share in found["held-out"].items():
        if name in found["seen"]:
            yield of_difference(f"adherence, {DIFFERENCE}", name, share, found["seen"][name])


def text(shown: Sequence[Shown], scored: Sequence[Scored], scale: float) -> Iterator[Score]:
    """How much moves in the clips of the prompts, and how far they are from true ones as a set."""
    group = "text-to-video"
    yield from moving(group, [(one.flow, one.true_flow) for one in shown], scale)
    yield from of_ranked(group, WORDS, by_words(shown))
    yield from of_ranked(group, ASKED, by_score(scored))
    apart = distance(shown)
    if apart is not None:
        yield Score(group=group, name=FRECHET, value=round(apart, 4), count=len(shown))


def moving(group: str, flows: Sequence[tuple[float, float]], scale: float) -> Iterator[Score]:
    """Shown to true motion, of the clips whose true motion is enough to compare with."""
    ratios = [shown / true for shown, true in flows if true >= MOVING * scale]
    yield from of_mean(group, FLOW, ratios)
    if ratios:
        still = Share(sum(ratio < STILL for ratio in ratios), len(ratios))
        yield of_share(group, STILL_NAME, still)


def task(answer: Answer, scale: float) -> Iterator[Score]:
    """What was made around given frames, against the truth."""
    group, made = answer.task, answer.made
    if not made:
        return
    shares = tally([one.outcome for one in made])
    for name in ("motion", ALL):
        if name in shares:
            yield of_share(group, f"{name} read", shares[name])
    yield from of_mean(group, GIVEN, [one.given_psnr for one in made], "dB")
    yield from of_mean(group, MADE, [one.psnr for one in made], "dB")
    yield from of_mean(group, PATH, [one.path for one in made], "px")
    yield from of_mean(group, HELD, [one.path_held for one in made], "px")
    yield from moving(group, [(one.flow, one.true_flow) for one in made], scale)
    yield from of_mean(group, SEAM, [one.seam for one in made])
    yield from of_mean(group, SEAM_TO_REST, [one.seam_to_rest for one in made])
    rough = [one.roughness / one.true_roughness for one in made if one.true_roughness > 0.1]
    yield from of_mean(group, ROUGH, rough)
    yield from of_mean(group, FLICKER, [one.flicker for one in made], "grey levels")


def physics(followed: Sequence[Followed]) -> Iterator[Score]:
    """Who follows which law, and how far the paths are from it."""
    group = "physics"
    laws = sorted({one.law for one in followed})
    for law in laws if len(laws) > 1 else []:
        own = [one.right for one in followed if one.law == law]
        yield of_share(group, f"{FOLLOWS}: {law}", Share(sum(own), len(own)))
    if followed:
        right = Share(sum(one.right for one in followed), len(followed))
        yield of_share(group, FOLLOWS, right)
    yield from of_mean(group, PATH, [one.error for one in followed], "px")
    lawless = [min(one.stopped, one.straight) for one in followed]
    yield from of_mean(group, "path error without a law", lawless, "px")


def autoencoder(coded: Sequence[Reconstructed]) -> Iterator[Score]:
    """What is lost between pixels and latents."""
    group = "autoencoder"
    yield from of_mean(group, "PSNR", [one.everywhere for one in coded], "dB")
    yield from of_mean(group, "PSNR on the toys", [one.on_object for one in coded], "dB")
    yield from of_mean(group, "SSIM", [one.ssim for one in coded])
    for name, share in tally([one.outcome for one in coded]).items():
        if name == ALL:
            yield of_share(group, f"{name} read", share)
