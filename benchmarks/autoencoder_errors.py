"""Where an autoencoder of the toybox loses most: on toys, beside, where they came by, elsewhere.

    python benchmarks/autoencoder_errors.py [WEIGHTS ...] [--clips 24]

For every weights folder or recipe's name: PSNR in dB on held-out clips of level 1, 17 frames, of
all pixels of a kind together; the share of all squared error; the same frame by frame; the toys'
by motion; and the flicker, in grey levels of 255, where the true clip rests.
"""

import argparse
from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from kineograph import recipes
from kineograph.evaluation.steadiness import flicker
from kineograph.media.resize import to_uint8
from kineograph.recipes.stages import Clips
from kineograph.training.autoencoder import HELD_OUT_SEED
from kineograph.training.clips import Batch, draw
from kineograph.training.weights import load_autoencoder

NEAR = 9
"""Pixels: the side of the square around a toy's pixels that counts as its rim."""


def places(batch: Batch) -> Mapping[str, Tensor]:
    """Kinds of pixels, each (B, 1, T, Y, X) bool; together they are all."""
    toys = batch.mask > 0
    near = functional.max_pool3d(batch.mask, (1, NEAR, NEAR), 1, (0, NEAR // 2, NEAR // 2)) > 0
    path = near.any(2, keepdim=True).expand_as(near)
    return {"toys": toys, "rim": near & ~toys, "path": path & ~near, "elsewhere": ~path}


def decibels(square: Tensor, where: Tensor) -> float:
    """PSNR of the pixels (B, 1, T, Y, X) of a kind, of mean squares of values in [-1, 1]."""
    return float(10 * torch.log10(4 / square[where].mean()))


def report(name: str, batch: Batch) -> None:
    """Print what one autoencoder loses."""
    autoencoder = load_autoencoder(recipes.weights(name))
    with torch.inference_mode():
        coded = [autoencoder.encode(clip[None]) for clip in batch.video]
        back = torch.cat([autoencoder.decode(one) for one in coded])
    square = (back.clamp(-1, 1) - batch.video).square().mean(1, keepdim=True)
    print(f"\n{name}: {decibels(square, torch.ones_like(square, dtype=torch.bool)):.1f} dB\n")
    frames = range(square.shape[2])
    print("| pixels | dB | of the error | frame " + " | ".join(map(str, frames)) + " |")
    print("|---" * (3 + len(frames)) + "|")
    for kind, where in places(batch).items():
        share = float(square[where].sum() / square.sum())
        each = [decibels(square[:, :, k], where[:, :, k]) for k in frames]
        row = " | ".join(f"{one:.1f}" for one in each)
        print(f"| {kind} | {decibels(square, where):.1f} | {share:.0%} | {row} |")
    motions: dict[str, list[int]] = defaultdict(list)
    for index, scene in enumerate(batch.scenes):
        motions[scene.toys[0].motion].append(index)
    toys = batch.mask > 0
    told = {motion: decibels(square[own], toys[own]) for motion, own in sorted(motions.items())}
    print("\ntoys by motion, dB: " + ", ".join(f"{key} {one:.1f}" for key, one in told.items()))
    pairs = zip(back, batch.video, strict=True)
    rests = [flicker(to_uint8(made), to_uint8(true)) for made, true in pairs]
    found = [one for one in rests if one is not None]
    print(f"flicker where all rests: {sum(found) / len(found):.2f} grey levels")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", nargs="*", default=["toybox"])
    parser.add_argument("--clips", type=int, default=24)
    told_to = parser.parse_args()
    clips = Clips(level=1, frames=17, size=128, fps=8.0)
    seeds = range(HELD_OUT_SEED, HELD_OUT_SEED + told_to.clips)
    held_out = draw(clips, seeds, held_out=True)
    for one_folder in told_to.weights:
        report(one_folder, held_out)
