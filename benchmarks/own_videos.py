"""Fine-tune the toybox's model on a folder of captioned clips, and see how well it knows them.

    python benchmarks/own_videos.py CLIPS OUT [--autoencoder-steps N] [--steps N] [--adapter N]
    python benchmarks/own_videos.py CLIPS OUT --measure
    python benchmarks/own_videos.py CLIPS OUT --short

Says the commands of docs/guide/own_videos.md with CLIPS, and measures: for each clip the PSNR of
what the autoencoder gives back, that of the video that is generated from the clip's caption, and
the difference. Commands that are said again go on where they stood. Prints the table, and writes
the sheet OUT/sheet.jpg: original, autoencoder, generated. With --adapter a LoRA around every linear
layer is trained for so many steps beside, measured, too, and converted to the keys of others and
back, which has to give the same bits. With --short everything is done with two steps, to see that
it works; what is made then is worth nothing.
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from kineograph import recipes
from kineograph.data.clip import Clip
from kineograph.data.layouts.table import read
from kineograph.evaluation.metrics import clip_psnr
from kineograph.generation.generator import Generator
from kineograph.generation.request import Request
from kineograph.media.resize import to_uint8, to_unit
from kineograph.media.sampling import window
from kineograph.media.sheet import contact_sheet
from kineograph.training.weights import load_autoencoder

RECIPE, START = "own-videos", "toybox"
LORA = (
    'adapter={kind: lora, rank: 64, alpha: 64.0, layers: ["*"]}',
    'stages.0.schedule.optimiser={kind: muon, matrices: ["denoiser.*"]}',
    "stages.0.schedule.rate=5e-3",
    "stages.0.text_dropout=0.0",
    "stages.0.given.probability=0.0",
)
WITHIN = 3.0  # dB
ADAPTER = "adapter.safetensors"
SEED = 0


@dataclass(frozen=True, eq=False)
class Known:
    """A clip, and what a model makes of it: frames (T, Y, X, 3) uint8 each."""

    caption: str
    original: Tensor
    rebuilt: Tensor
    generated: Tensor

    @property
    def decibels(self) -> tuple[float, float]:
        """PSNR of the autoencoder's and of the generated frames."""
        return clip_psnr(self.rebuilt, self.original), clip_psnr(self.generated, self.original)


def say(verb: str, *words: str | Path) -> None:
    """One call of the command line; ends here where it fails."""
    command = [sys.executable, "-c", "from kineograph.cli.app import main; main()"]
    print("kineograph", verb, *words, flush=True)
    subprocess.run([*command, *verb.split(), *map(str, words)], check=True)


def commands(told: argparse.Namespace) -> None:
    """Check, train the autoencoder, cache, train."""
    out: Path = told.out
    processes = ("--processes", str(told.processes), "--save-every", "20")
    recipe, start = ("--model", RECIPE), ("--start", START)
    weights = ("--autoencoder", out / "autoencoder" / "weights")
    latents = out / "latents"
    say("data check", told.clips)
    coder = (*recipe, *start, "--data", told.clips, "--out", out / "autoencoder")
    say("train-autoencoder", *coder, *steps(told.autoencoder_steps), *processes)
    say("cache", *recipe, *weights, "--data", told.clips, "--out", latents)
    run = (*recipe, *start, *weights, "--data", latents, *processes)
    say("train", *run, *steps(told.steps), "--out", out / "model")
    if told.adapter is not None:
        lora = (word for one in LORA for word in ("--set", one))
        say("train", *run, *steps(told.adapter), "--out", out / "adapter", *lora)


def styles(out: Path) -> list[str]:
    """Convert the adapter to the keys of others and back; a line for each style."""
    own, base = out / "adapter" / ADAPTER, str(model_of_adapter(out))
    lines = []
    for style in ("diffusers", "comfyui", "kohya"):
        there, back = out / f"{style}.safetensors", out / f"{style}_back.safetensors"
        say("convert", own, there, "--to", style, "--model", base)
        say("convert", there, back, "--to", "kineograph", "--model", base)
        same = equal(load_file(own), load_file(back))
        lines.append(f"keys of {style} and back: {'the same bits' if same else 'DIFFERENT'}")
    return lines


def equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two files hold the same tensors, dtypes included."""
    return one.keys() == other.keys() and all(
        tensor.dtype == other[name].dtype and torch.equal(tensor, other[name])
        for name, tensor in one.items()
    )


def steps(count: int | None) -> tuple[str, ...]:
    """The flag, where not the recipe decides."""
    return () if count is None else ("--steps", str(count))


def model_of_adapter(out: Path) -> Path:
    """The weights folder that the adapter belongs to."""
    return out / "adapter" / "base"


def measure(
    model: Path, clips: Sequence[Clip], how: Request, adapters: Sequence[str] = ()
) -> list[Known]:
    """What a model makes of clips whose captions it has learned."""
    generator = Generator.load(model, adapters=adapters)
    shape = recipes.read(model).cache
    autoencoder = load_autoencoder(model)
    found = []
    for clip in clips:
        start = 0.0 if clip.span is None else clip.span.start
        size = (shape.size, shape.size)
        taken = window(clip.path, start=start, fps=shape.fps, frames=shape.frames, size=size)
        original = torch.from_numpy(taken)
        with torch.inference_mode():
            latents = autoencoder.encode(to_unit(original))
            rebuilt = to_uint8(autoencoder.decode(latents, frames=shape.frames))
        made = generator.generate(clip.texts[0], how)
        found.append(Known(clip.texts[0], original, rebuilt, made.video))
    return found


def table(found: Sequence[Known]) -> list[str]:
    """A row for each clip."""
    rows = ["| caption | autoencoder, dB | generated, dB | difference, dB |", "|---|---|---|---|"]
    for one in found:
        rebuilt, generated = one.decibels
        rows.append(
            f"| {one.caption} | {rebuilt:.2f} | {generated:.2f} | {rebuilt - generated:.2f} |"
        )
    return rows


def sheet(found: Sequence[Known], path: Path) -> None:
    """Three rows for each clip: original, autoencoder, generated."""
    rows, labels = [], []
    for one in found:
        rebuilt, generated = one.decibels
        rows += [one.original, one.rebuilt, one.generated]
        labels += [
            one.caption,
            f"through the autoencoder: {rebuilt:.1f} dB",
            f"generated from the caption: {generated:.1f} dB",
        ]
    picture = contact_sheet(rows, labels, columns=6, height=128)
    Image.fromarray(picture.numpy()).save(path, quality=78)


def main() -> None:
    """Train and measure; exit with 1 where a clip is further than 3 dB from its reconstruction."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("clips", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--autoencoder-steps", type=int, default=None)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--adapter", type=int, default=None, help="steps of a LoRA")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--measure", action="store_true", help="what is there; train nothing")
    parser.add_argument("--short", action="store_true", help="two steps of everything")
    told = parser.parse_args()
    if told.short:
        told.autoencoder_steps = told.steps = told.adapter = 2
    if not told.measure:
        commands(told)
    clips = [row for row in read(told.clips) if isinstance(row, Clip) and row.texts]
    how = Request(seed=SEED, steps=2 if told.short else None)
    found = measure(told.out / "model" / "weights", clips, how)
    print("\n".join(table(found)))
    sheet(found, told.out / "sheet.jpg")
    lora = told.out / "adapter" / ADAPTER
    if lora.exists():
        adapted = measure(model_of_adapter(told.out), clips, how, (str(lora),))
        print("\n".join(["", "with an adapter:", "", *table(adapted), "", *styles(told.out)]))
        sheet(adapted, told.out / "sheet_adapter.jpg")
    distances = [rebuilt - generated for rebuilt, generated in (one.decibels for one in found)]
    sys.exit(0 if told.short or max(distances) <= WITHIN else 1)


if __name__ == "__main__":
    main()
