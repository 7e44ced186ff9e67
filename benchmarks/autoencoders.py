"""Our autoencoders beside those of diffusers: time and memory of encoding and decoding.

    python benchmarks/autoencoders.py [--size 17x256x256] [--only hunyuan,ltx] [--rounds 3]

HunyuanVideo and LTX-Video run on equal random weights and equal inputs, in turn, in one process;
what they give is compared first. WF-VAE-L is held against the encoders of Allegro and CogVideoX,
as in Table 6 of its paper (2411.17459), which gives ratios of 7.8 and 5.4 in throughput and 7.8
and 5.0 in memory at 33x512x512 on a GPU.

Times are the least of several rounds: CPU seconds of one thread on a CPU, which a busy machine
changes little, seconds on a GPU. Memory is the peak of a fresh process above what it held before
the call: resident on a CPU, allocated on a GPU.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import torch
from torch import Tensor, nn

from kineograph.autoencoders.causal_kl import CausalKLConfig
from kineograph.autoencoders.wavelet_flow import WaveletFlowConfig
from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.public.causal_kl import causal_kl_key_map
from kineograph.checkpoints.public.ltx_video_autoencoder import (
    autoencoder_config,
    autoencoder_key_map,
)

LTX = {  # 0.9.5
    "down_block_types": ("LTXVideo095DownBlock3D",) * 4,
    "block_out_channels": (128, 256, 512, 1024, 2048),
    "decoder_block_out_channels": (256, 512, 1024),
    "layers_per_block": (4, 6, 6, 2, 2),
    "decoder_layers_per_block": (5, 5, 5, 5),
    "spatio_temporal_scaling": (True, True, True, True),
    "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
    "decoder_spatio_temporal_scaling": (True, True, True),
    "decoder_inject_noise": (False, False, False, False),
    "upsample_residual": (True, True, True),
    "upsample_factor": (2, 2, 2),
    "timestep_conditioning": True,
    "spatial_compression_ratio": 32,
    "temporal_compression_ratio": 8,
}
WAVELET_L = WaveletFlowConfig(
    latent_channels=16, base=192, connect_blocks=1, encoder_energy=128, decoder_energy=128
)
Size = tuple[int, int, int]


@dataclass(frozen=True)
class Job:
    """One call: of which system, whose code, which half, on what."""

    system: str
    who: str
    half: str
    size: Size
    dtype: str
    device: str
    compiled: bool = False


def theirs(system: str) -> nn.Module:
    """The class of diffusers at its public size."""
    import diffusers.models.autoencoders as oracle

    if system == "hunyuan":
        model = oracle.AutoencoderKLHunyuanVideo()
        model.use_framewise_encoding = model.use_framewise_decoding = False  # as ours: at once
    elif system == "ltx":
        model = oracle.AutoencoderKLLTXVideo(**LTX)
    elif system == "allegro":
        model = oracle.AutoencoderKLAllegro()
    else:
        model = oracle.AutoencoderKLCogVideoX()
    found: nn.Module = model
    return found


def ours(system: str, peer: nn.Module | None) -> nn.Module:
    """Our model, sharing the peer's weights where it is the same architecture."""
    if system == "wavelet":
        return WAVELET_L.build()
    denoising = autoencoder_config(LTX_PUBLIC)
    config = CausalKLConfig() if system == "hunyuan" else denoising
    if peer is None:
        return config.build()
    with torch.device("meta"):  # a module without memory takes the tensors as they are
        model: nn.Module = config.build()
    keys = causal_kl_key_map()
    if system == "ltx":
        keys = autoencoder_key_map(denoising, "diffusers")
    load_into(model, keys.load(peer.state_dict()))
    return model


LTX_PUBLIC: dict[str, Any] = {**LTX, "latent_channels": 128}


def calls(job: Job, model: nn.Module) -> Callable[[], Tensor]:
    """What is measured: moments of a clip, or pixels of latents."""
    dtype, device = getattr(torch, job.dtype), torch.device(job.device)
    model = model.to(device, dtype).eval()
    frames, height, width = job.size
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device, dtype)

    if job.half == "encode":
        video = normal(1, 3, frames, height, width).clamp(-1, 1)
        if job.system == "allegro":  # the published code sends cubes through this
            return lambda: model.encoder(video)
        if job.who == "theirs":
            return lambda: model.encode(video).latent_dist.mean
        return lambda: model.posterior(video).mean
    time_of = torch.tensor([0.05], device=device, dtype=dtype) if job.system == "ltx" else None
    cells, channels = ((4, 8), 16) if job.system == "hunyuan" else ((8, 32), 128)
    latents = normal(
        1, channels, (frames - 1) // cells[0] + 1, height // cells[1], width // cells[1]
    )
    if job.who == "theirs":
        more = () if time_of is None else (time_of,)
        return lambda: model.decode(latents, *more).sample
    return lambda: model.decode_raw(latents)


def timed(call: Callable[[], Tensor], device: str) -> tuple[Tensor, float]:
    """What a call gives, and its seconds."""
    if device == "cpu":
        start = time.process_time()
        result = call()
        return result, time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    result = call()
    torch.cuda.synchronize()
    return result, time.perf_counter() - start


@torch.no_grad()
def race(jobs: Sequence[Job], rounds: int) -> dict[str, Any]:
    """The least time of each of two jobs, in turn in this process, and how far apart they are."""
    torch.set_num_threads(1)
    peer = theirs(jobs[1].system)
    equal = jobs[0].system == jobs[1].system
    runs = [calls(jobs[0], ours(jobs[0].system, peer if equal else None)), calls(jobs[1], peer)]
    if jobs[0].compiled:
        runs = [torch.compile(run) for run in runs]
    times: list[list[float]] = [[], []]
    apart = None
    for _ in range(rounds):
        results = []
        for one, run in zip(times, runs, strict=True):
            result, spent = timed(run, jobs[0].device)
            one.append(spent)
            results.append(result.float())
        if equal:
            apart = float((results[0] - results[1]).norm() / results[1].norm())
    return {"seconds": [min(one) for one in times], "apart": apart}


@torch.no_grad()
def peak(job: Job) -> dict[str, Any]:
    """Bytes of one call above what this fresh process held before."""
    torch.set_num_threads(1)
    model = ours(job.system, None) if job.who == "ours" else theirs(job.system)
    run = calls(job, model)
    if job.device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return {"bytes": torch.cuda.max_memory_allocated() - before}
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _status("VmRSS")
    run()
    return {"bytes": _status("VmHWM") - before}


def _status(name: str) -> int:
    """A size of this process in bytes, as Linux counts it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


def elsewhere(what: str, jobs: Sequence[Job], rounds: int) -> dict[str, Any]:
    """The same in a process of its own."""
    order = json.dumps({"what": what, "jobs": [vars(job) for job in jobs], "rounds": rounds})
    done = subprocess.run(
        [sys.executable, __file__, "--order", order], capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"signal {-done.returncode}"])[-1]
        return {"failed": reason}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def obey(order: str) -> None:
    """Do what `elsewhere` asks, and print it."""
    asked = json.loads(order)
    jobs = [Job(**{**job, "size": tuple(job["size"])}) for job in asked["jobs"]]
    found = race(jobs, asked["rounds"]) if asked["what"] == "race" else peak(jobs[0])
    print(json.dumps(found))


def row(name: str, jobs: Sequence[Job], rounds: int) -> str:
    """A line of the table."""
    raced = elsewhere("race", jobs, rounds)
    peaks = [elsewhere("peak", [job], 1) for job in jobs]
    failed = [one["failed"] for one in (raced, *peaks) if "failed" in one]
    frames, height, width = jobs[1].size
    head = f"| {name} | {jobs[0].half} {frames}x{height}x{width} | {jobs[0].dtype} |"
    if failed:
        return f"{head} {failed[0]} |"
    ours_s, theirs_s = raced["seconds"]
    per = [job.size[0] for job in jobs]  # frames differ by one where a length is not legal
    times = (ours_s / per[0]) / (theirs_s / per[1])
    ours_b, theirs_b = (one["bytes"] / 2**20 for one in peaks)
    apart = "" if raced["apart"] is None else f"{raced['apart']:.1e}"
    return (
        f"{head} {ours_s:.1f} | {theirs_s:.1f} | {times:.2f} | {ours_b:.0f} | {theirs_b:.0f} | "
        f"{ours_b / theirs_b:.2f} | {apart} |"
    )


@dataclass(frozen=True)
class Wanted:
    """Which comparisons, on what; `divide`: the sides of Allegro's and CogVideoX's cubes."""

    only: Sequence[str]
    size: Size
    divide: int
    dtypes: Sequence[str]
    rounds: int


def table(wanted: Wanted, device: str, compiled: bool) -> None:
    """All comparisons that were asked for."""
    print(
        "| peer | what | dtype | ours s | theirs s | ratio | ours MB | theirs MB | ratio | apart |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for dtype in wanted.dtypes if device == "cpu" else ("bfloat16",):
        for system in ("hunyuan", "ltx"):
            for half in ("encode", "decode"):
                if system in wanted.only:
                    jobs = [
                        Job(system, who, half, wanted.size, dtype, device, compiled)
                        for who in ("ours", "theirs")
                    ]
                    print(row(system, jobs, wanted.rounds), flush=True)
        for system, (frames, legal, side) in CUBES.items():
            if system in wanted.only:
                if device != "cpu":
                    frames, legal, side = 33, 33, 512  # the paper's
                side //= wanted.divide
                jobs = [
                    Job("wavelet", "ours", "encode", (legal, side, side), dtype, device, compiled),
                    Job(system, "theirs", "encode", (frames, side, side), dtype, device, compiled),
                ]
                name = f"{system} / WF-VAE-L (paper: {PAPER[system]})"
                print(row(name, jobs, wanted.rounds), flush=True)


CUBES = {"allegro": (24, 25, 320), "cogvideox": (33, 33, 256)}  # frames, legal ones of ours, side
PAPER = {"allegro": "1/7.8 of time and memory", "cogvideox": "1/5.4 of time, 1/5.0 of memory"}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="17x256x256", help="FRAMESxHEIGHTxWIDTH")
    parser.add_argument("--only", default="hunyuan,ltx,allegro,cogvideox")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--divide", type=int, default=1, help="the sides of the other two's cubes")
    parser.add_argument("--gpu", action="store_true", help="on a GPU too, and compiled")
    parser.add_argument("--order", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.order:
        obey(chosen.order)
        return
    frames, height, width = (int(number) for number in chosen.size.split("x"))
    wanted = Wanted(
        only=chosen.only.split(","),
        size=(frames, height, width),
        divide=chosen.divide,
        dtypes=chosen.dtypes.split(","),
        rounds=chosen.rounds,
    )
    print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, one thread\n")
    table(wanted, "cpu", False)
    if not chosen.gpu:
        return
    if not torch.cuda.is_available():
        print("\nno GPU here")
        return
    for compiled in (False, True):
        print(f"\n{torch.cuda.get_device_name()}, compiled: {compiled}\n")
        table(wanted, "cuda", compiled)


if __name__ == "__main__":
    main()
