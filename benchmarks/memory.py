"""Compare the memory that `plan` predicts for an autoencoder with what it takes.

    python benchmarks/memory.py [--large] [--kinds wavelet_flow,causal_kl]

Every measurement runs in a fresh process: the highest resident memory during one call, above
the value just before it. Prints a table in Markdown.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
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
    if job["space"]:
        autoencoder = autoencoder.cut(Pieces(int(job["frames"]), int(job["space"])))
    for weight in autoencoder.parameters():  # type: ignore[attr-defined]
        weight.requires_grad_(False)
    shape = [int(size) for size in job["shape"].split(",")]
    with torch.inference_mode():
        x = torch.randn(*shape)
        Path("/proc/self/clear_refs").write_text("5")  # the highest value so far is forgotten
        before = resident("VmRSS")
        result = autoencoder.encode(x) if job["call"] == "encode" else autoencoder.decode(x)
    print(json.dumps({"bytes": resident("VmHWM") - before, "numbers": result.numel()}))


def measured(job: Mapping[str, str]) -> int:
    """The bytes that a call took in a process of its own."""
    line = [sys.executable, __file__, "--job", json.dumps(job)]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout.splitlines()[-1])["bytes"])


def rows(width: str, kinds: Mapping[str, Plan], about: tuple[int, int]) -> None:
    """Print a row for each kind, call and way."""
    frames, side = about
    for kind, config in kinds.items():
        with shapes_only():
            autoencoder = config.build()
            clip = autoencoder.nearest(frames, side, side)
            video = (1, 3, clip.frames, clip.height, clip.width)
            latents = (1, *autoencoder.latent_shape(*video[2:]))
        size = "x".join(map(str, video[2:]))
        for way in (WHOLE, Pieces(16, 256)) if width == "laboratory" else (WHOLE,):
            for call, shape, needs in (
                ("encode", video, encoding_bytes),
                ("decode", latents, decoding_bytes),
            ):
                said = needs(config, way, shape)
                job = {"kind": kind, "width": width, "call": call}
                job |= {"shape": ",".join(map(str, shape)), "space": str(way.space or "")}
                found = measured(job | {"frames": str(way.frames or "")})
                share = 100 * (said / found - 1)
                print(
                    f"| {kind} | {width} | {size} | {way} | {call} "
                    f"| {said / 1e6:.0f} | {found / 1e6:.0f} | {share:+.0f} % |",
                    flush=True,
                )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--large", action="store_true", help="public widths too")
    parser.add_argument("--kinds", default=",".join(PUBLIC))
    given = parser.parse_args()
    if given.job:
        child(json.loads(given.job))
        return
    print("| kind | width | clip | pieces | call | predicted MB | measured MB | difference |")
    print("|---|---|---|---|---|---|---|---|")
    kinds = given.kinds.split(",")
    rows("laboratory", {kind: one for kind, one in small().items() if kind in kinds}, (33, 256))
    if given.large:
        rows("public", {kind: PUBLIC[kind] for kind in kinds}, (9, 192))


if __name__ == "__main__":
    main()
