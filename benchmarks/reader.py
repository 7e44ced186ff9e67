"""Teach the reader and measure it: `python benchmarks/reader.py [teach|measure] [--out FOLDER]`.

Teaching takes about eight minutes of one CPU core and is measured right away. Writes
reader.safetensors (bfloat16) and reader.json, which holds the configuration and the accuracy on
1,000 scenes that did not teach it.
"""

import argparse
import json
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from kineograph.checkpoints import files
from kineograph.config import to_data
from kineograph.evaluation.reader import SHIPPED, STILL, Reader, ReaderConfig, load
from kineograph.evaluation.reader_train import Lesson, accuracy, train
from kineograph.toybox.world import sample_scene

SCENES = 1000
FIRST = 890_000_000


def noisy(video: Tensor, sigma: float) -> Tensor:
    """With normal noise of `sigma` grey levels."""
    noise = torch.randn(video.shape, generator=torch.Generator().manual_seed(0))
    return (video + sigma * noise).clamp(0, 255).to(torch.uint8)


def blurred(video: Tensor, side: int) -> Tensor:
    """Through pictures of side x side pixels and back."""
    flat = video.flatten(0, 1).movedim(-1, 1).float()
    small = interpolate(flat, (side, side), mode="bilinear", antialias=True)
    large = interpolate(small, video.shape[2:4], mode="bilinear").clamp(0, 255).to(torch.uint8)
    return large.movedim(1, -1).reshape(video.shape)


def first_frame(video: Tensor) -> Tensor:
    """One picture of each clip."""
    return video[:, :1]


def measure(reader: Reader) -> dict[str, dict[str, float]]:
    """Accuracy as rendered, spoiled, and on single pictures (whose motion says nothing)."""
    scenes = [sample_scene(1, FIRST + k, held_out=None) for k in range(SCENES)]
    held_out = [sample_scene(1, FIRST + k, held_out=True) for k in range(SCENES)]
    single = accuracy(reader, scenes, first_frame)
    return {
        "rendered": accuracy(reader, scenes),
        "held-out combinations": accuracy(reader, held_out),
        "noise of 20 grey levels": accuracy(reader, scenes, partial(noisy, sigma=20)),
        "blurred through 32x32": accuracy(reader, scenes, partial(blurred, side=32)),
        "blurred through 20x20": accuracy(reader, scenes, partial(blurred, side=20)),
        "first frame only": {name: single[name] for name in STILL},
    }


def teach(folder: Path) -> None:
    """Teach a reader, write its weights and how it was taught."""
    config, lesson = ReaderConfig(), Lesson()
    started = time.process_time()
    reader = train(config, lesson, partial(print, flush=True))
    seconds = time.process_time() - started
    weights = {
        name: value.bfloat16() if value.is_floating_point() else value
        for name, value in reader.state_dict().items()
    }
    files.write(folder / "reader.safetensors", weights, {"part": "reader"})
    about = {
        "level": 1,
        "config": to_data(config),
        "lesson": to_data(lesson),
        "cpu_seconds": round(seconds),
    }
    write(folder, about)


def write(folder: Path, about: Mapping[str, object]) -> None:
    """Write reader.json."""
    (folder / "reader.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Teach if asked to; then read back, measure, write the accuracy."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("job", choices=("teach", "measure"), default="teach", nargs="?")
    options.add_argument("--out", type=Path, default=SHIPPED)
    chosen = options.parse_args()
    torch.set_num_threads(1)
    if chosen.job == "teach":
        teach(chosen.out)
    about = json.loads((chosen.out / "reader.json").read_text(encoding="utf-8"))
    about["accuracy"] = {"scenes": SCENES, **measure(load(chosen.out))}
    write(chosen.out, about)
    print(json.dumps(about["accuracy"], indent=1))


if __name__ == "__main__":
    main()
