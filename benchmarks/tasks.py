"""How well each task of the toybox model keeps what it is given, and how large its seams are.

    python benchmarks/tasks.py [--model toybox] [--scenes 8] [--only continue,loop]
        [--sheet FILE] [--rows 1] [--columns 9]

Clips of held-out scenes of level 1 in which the toy moves are given in part, with their plain
captions. Printed for each task, as means over the scenes: PSNR of the given frames in the result,
in dB; PSNR of all frames to the real clip, where one exists; the seam: the difference between the
frames on both sides of where given and made frames meet, divided by the clip's own mean difference
between neighbours (1: none to be seen); the liveliness: the mean difference between neighbours in
the last half of the frames, divided by that in the first 17 frames, and the least one of any scene
(0: it stands still); seconds for each clip. A sheet shows the first scenes of each task, frames
over time.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from kineograph.evaluation.metrics import clip_psnr
from kineograph.evaluation.prompts import load
from kineograph.generation.generator import Generator
from kineograph.generation.request import Request
from kineograph.media.encode import write_image
from kineograph.media.sheet import contact_sheet
from kineograph.toybox.captions import canonical
from kineograph.toybox.render import render, times


@dataclass(frozen=True)
class Trial:
    """A task: what to ask of a real clip (T, Y, X, 3); which frames are given; where seams are.

    truth: how many frames are rendered; 0 of `seams` counts from the frame before to that one.
    """

    request: Callable[[Tensor], Request]
    given: dict[int, int]
    seams: tuple[int, ...] = ()
    frames: int = 17
    truth: bool = True


NINE = {index: index for index in range(9)}
TRIALS = {
    "image": Trial(lambda clip: Request(image=clip[0]), {0: 0}, (1,)),
    "continue": Trial(lambda clip: Request(video=clip[:9], frames=17), NINE, (9,)),
    "transition": Trial(
        lambda clip: Request(image=clip[0], last_image=clip[16]), {0: 0, 16: 16}, (1, 16)
    ),
    "key frame": Trial(
        lambda clip: Request(at={0: clip[0], 8: clip[8], 16: clip[16]}),
        {0: 0, 8: 8, 16: 16},
        (8, 9, 16),
    ),
    "interpolate": Trial(
        lambda clip: Request(video=clip[::2], task="interpolate"),
        {index: index for index in range(0, 17, 2)},
        tuple(range(1, 17)),
    ),
    "edit 0.8": Trial(lambda clip: Request(video=clip, task="edit", strength=0.8), {}),
    "edit 0.5": Trial(lambda clip: Request(video=clip, task="edit", strength=0.5), {}),
    "loop": Trial(
        lambda clip: Request(image=clip[0], task="loop"), {0: 0, 16: 0}, (13, 16), 17, False
    ),
    "long": Trial(
        lambda clip: Request(image=clip[0], seconds=16.0),
        {0: 0},
        tuple(range(17, 129, 8)),
        17,
        False,
    ),
}


def psnr(one: Tensor, other: Tensor) -> float:
    """PSNR in dB, at most 99."""
    return min(99.0, clip_psnr(one, other))


def seam(video: Tensor, places: tuple[int, ...]) -> float:
    """Mean difference across the places over that between all neighbours; 0: last to first."""
    frames = video.float()
    across = [(frames[place] - frames[place - 1]).abs().mean() for place in places]
    return float(torch.stack(across).mean() / frames.diff(dim=0).abs().mean())


def liveliness(video: Tensor) -> float:
    """How much moves in the last half, relative to the first 17 frames."""
    frames = video.float()
    first = frames[:17].diff(dim=0).abs().mean()
    last = frames[len(frames) // 2 :].diff(dim=0).abs().mean()
    return float(last / first)


def run(generator: Generator, trial: Trial, scenes: int) -> tuple[list[float], list[Tensor]]:
    """Given PSNR, PSNR to the truth, real seam, seam, liveliness, its least, seconds; videos."""
    rows, videos = [], []
    moving = [one for one in load() if one.held_out and one.scene().toys[0].motion != "still"]
    sampling = generator.parts.recipe.sampling
    for prompt in moving[:scenes]:
        scene = prompt.scene()
        clip = render([scene], times(17, 8.0), (sampling.width, sampling.height)).video[0]
        begun = time.perf_counter()
        request = trial.request(clip)
        made = generator.generate(canonical(scene), request).video
        seconds = time.perf_counter() - begun
        here, there = list(trial.given), list(trial.given.values())
        kept = psnr(made[here], clip[there]) if here else float("nan")
        whole = psnr(made, clip) if trial.truth else float("nan")
        real = seam(clip, trial.seams) if trial.truth and trial.seams else float("nan")
        found = seam(made, trial.seams) if trial.seams else float("nan")
        rows.append([kept, whole, real, found, liveliness(made), seconds])
        videos.append(made)
    table = torch.tensor(rows)
    means = table.mean(0).tolist()
    return [*means[:5], float(table[:, 4].min()), means[5]], videos


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="toybox")
    parser.add_argument("--scenes", type=int, default=8)
    parser.add_argument("--only", default=",".join(TRIALS))
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--columns", type=int, default=9)
    options = parser.parse_args()
    generator = Generator.load(options.model)
    sheet, labels = [], []
    print("| task | given, dB | all, dB | real seam | seam | liveliness | least | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for name in options.only.split(","):
        numbers, videos = run(generator, TRIALS[name], options.scenes)
        print(f"| {name} | " + " | ".join(f"{number:.2f}" for number in numbers) + " |", flush=True)
        sheet += videos[: options.rows]
        labels += [name] * len(videos[: options.rows])
    if options.sheet:
        pictures = contact_sheet(sheet, labels, columns=options.columns, height=64)
        write_image(options.sheet, pictures)


if __name__ == "__main__":
    main()
