"""Compare the memory that is predicted for autoencoders with what they take, also for toybox.

    python benchmarks/memory.py [--widths laboratory,public] [--kinds wavelet_flow,causal_kl]
                                [--toybox] [--clip 33x256]

An autoencoder codes as it does in `kineograph generate`: freed memory is given back. Every
measurement runs in a fresh process: the highest resident memory during one call, above the value
just before it. Prints tables in Markdown.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from kineograph.autoencoders.bounded import decoding_bytes, encoding_bytes
from kineograph.autoencoders.causal_kl import CausalKLConfig
from kineograph.autoencoders.deep_compression import DeepCompressionConfig
from kineograph.autoencoders.denoising import DenoisingConfig
from kineograph.autoencoders.image_kl import ImageKLConfig
from kineograph.autoencoders.pieces import WHOLE, Pieces, Plan
from kineograph.autoencoders.stacked import StackedConfig
from kineograph.autoencoders.wavelet_flow import WaveletFlowConfig
from kineograph.nn.footprint import shapes_only
from kineograph.nn.heap import given_back
from kineograph.recipes import laboratory

PUBLIC: Mapping[str, Plan] = {
    "wavelet_flow": WaveletFlowConfig(),
    "denoising": DenoisingConfig(),
    "image_kl": ImageKLConfig(),
    "stacked": StackedConfig(),
    "causal_kl": CausalKLConfig(),
    "deep_compression": DeepCompressionConfig(),
}
"""Every kind at its published width."""
CLIPS = {"laboratory": "17x256", "public": "9x128"}
CUTS = {"laboratory": (WHOLE, Pieces(16, 128)), "public": (WHOLE, Pieces(16, 64))}
COARSE = {"deep_compression": 2}
"""Kinds whose public latents are so coarse that sides of clips and tiles are multiplied."""
GOAL = 15
"""Per cent."""


def small() -> dict[str, Plan]:
    """Every kind at the laboratory's width."""
    kinds = (
        laboratory.WAVELET_FLOW,
        laboratory.DENOISING,
        laboratory.IMAGE_KL,
        laboratory.STACKED,
        laboratory.CAUSAL_KL,
        laboratory.DEEP_COMPRESSION,
    )
    return {recipe.autoencoder.kind: recipe.autoencoder for recipe in kinds}


def resident(name: str) -> int:
    """`VmRSS` or `VmHWM` of this process, in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


def child(job: Mapping[str, str]) -> None:
    """Measure one call in this process and print the bytes."""
    config = (PUBLIC if job["width"] == "public" else small())[job["kind"]]
    torch.manual_seed(0)
    autoencoder = config.build()
    for weight in autoencoder.parameters():  # type: ignore[attr-defined]
        weight.requires_grad_(False)
    autoencoder = autoencoder.cut(Pieces(*json.loads(job["pieces"])))
    with torch.inference_mode(), given_back():
        x = torch.randn(*json.loads(job["shape"]))
        Path("/proc/self/clear_refs").write_text("5")  # the highest value so far is forgotten
        before = resident("VmRSS")
        result = autoencoder.encode(x) if job["call"] == "encode" else autoencoder.decode(x)
    print(json.dumps({"bytes": resident("VmHWM") - before, "numbers": result.numel()}))


def measured(job: Mapping[str, str]) -> int:
    """The bytes that a call took in a process of its own."""
    line = [sys.executable, __file__, "--job", json.dumps(job)]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1])["bytes"])


def compared(said: int, found: int) -> str:
    """The last columns of a row: predicted, measured, difference, within the goal or not."""
    share = 100 * (said / found - 1)
    kept = "yes" if abs(share) <= GOAL else "no"
    return f"{said / 1e6:.0f} | {found / 1e6:.0f} | {share:+.0f} % | {kept} |"


def rows(width: str, kinds: Mapping[str, Plan], about: tuple[int, int]) -> None:
    """Print a row for each kind, call and way."""
    frames, side = about
    for kind, config in kinds.items():
        times = COARSE.get(kind, 1) if width == "public" else 1
        with shapes_only():
            autoencoder = config.build()
            clip = autoencoder.nearest(frames, times * side, times * side)
            video = (1, 3, clip.frames, clip.height, clip.width)
            latents = (1, *autoencoder.latent_shape(*video[2:]))
        for cut in CUTS[width]:
            way = replace(cut, space=cut.space and times * cut.space)
            for call, shape, needs in (
                ("encode", video, encoding_bytes),
                ("decode", latents, decoding_bytes),
            ):
                job = {"kind": kind, "width": width, "call": call, "shape": json.dumps(shape)}
                found = measured(job | {"pieces": json.dumps((way.frames, way.space))})
                size = "x".join(map(str, video[2:]))
                said = compared(needs(config, way, shape), found)
                print(f"| {kind} | {width} | {size} | {way} | {call} | {said}", flush=True)


def toybox() -> None:
    """Print a row for `kineograph generate` of toybox, a whole process."""
    from kineograph import recipes
    from kineograph.planning.machine import MACHINES
    from kineograph.planning.report import Setting, plan

    recipe = recipes.read(recipes.weights("toybox"))
    sampling = recipe.sampling
    setting = Setting(
        frames=sampling.frames, height=sampling.height, width=sampling.width, steps=sampling.steps
    )
    found = plan(recipe, setting, MACHINES["h100"])
    with tempfile.TemporaryDirectory() as folder:
        command = "from kineograph.cli.app import main; main()"
        line = [sys.executable, "-c", command, "generate", "a red ball rolls left"]
        subprocess.run([*line, "--out", f"{folder}/ball.mp4"], capture_output=True, check=True)
    most = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    size = f"{sampling.frames}x{sampling.height}x{sampling.width}"
    print(f"| generate | toybox | {size} | | whole process | {compared(found.process, most)}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--widths", default="laboratory,public")
    parser.add_argument("--kinds", default=",".join(PUBLIC))
    parser.add_argument("--clip", help="FRAMESxSIDE; default: 17x256, public widths 9x128")
    parser.add_argument("--toybox", action="store_true", help="a whole generation instead")
    given = parser.parse_args()
    if given.job:
        child(json.loads(given.job))
        return
    print("| kind | width | clip | pieces | call | predicted MB | measured MB | difference | ok |")
    print("|---|---|---|---|---|---|---|---|---|")
    if given.toybox:
        toybox()
        return
    for width in given.widths.split(","):
        every = PUBLIC if width == "public" else small()
        frames, side = map(int, (given.clip or CLIPS[width]).split("x"))
        kinds = {kind: every[kind] for kind in given.kinds.split(",")}
        rows(width, kinds, (frames, side))


if __name__ == "__main__":
    main()
