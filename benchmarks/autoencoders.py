"""Our autoencoders beside those of diffusers: time and memory of encoding and decoding.

    python benchmarks/autoencoders.py [--size 17x256x256] [--only hunyuan,ltx] [--rounds 1]

HunyuanVideo and LTX-Video run on equal random weights and equal inputs; what they give is
compared. WF-VAE-L is held against the encoders of Allegro and CogVideoX, as in Table 6 of its
paper (2411.17459), which gives ratios of 7.8 and 5.4 in throughput and 7.8 and 5.0 in memory at
33x512x512 on a GPU.

On a CPU ours and theirs run at the same time, each on one thread of a process of its own, so that
a busy machine hinders both alike; times are CPU seconds. On a GPU they run one after the other.
Times are the least of all rounds. Memory is the peak of the process above what it held before the
first call: resident on a CPU, allocated on a GPU.

Everything takes about 27 minutes on two CPU cores and up to 11 GB (Allegro), 8 of them for
bfloat16, which is part of it where the CPU has units for it, elsewhere only with --dtypes.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
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
from kineograph.nn.linear import bfloat16_units

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
    """One call: of which system, beside which, whose code, which half, on what."""

    system: str
    peer: str
    who: str
    half: str
    size: Size
    dtype: str
    device: str
    compiled: bool = False


def theirs(system: str, half: str) -> nn.Module:
    """The class of diffusers at its public size, with random weights for one half."""
    import diffusers.models.autoencoders as oracle

    with torch.device("meta"):
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
    return random(found, half)


def ours(system: str, peer: nn.Module | None, half: str) -> nn.Module:
    """Our model, sharing the peer's weights where it is the same architecture."""
    denoising = autoencoder_config({**LTX, "latent_channels": 128})
    with torch.device("meta"):  # a module without memory takes the tensors as they are
        if system == "wavelet":
            model: nn.Module = WAVELET_L.build()
        else:
            model = (CausalKLConfig() if system == "hunyuan" else denoising).build()
    if peer is None:
        return random(model, half)
    keys = causal_kl_key_map()
    if system == "ltx":
        keys = autoencoder_key_map(denoising, "diffusers")
    load_into(model, keys.load(peer.state_dict()))
    return model


def random(model: nn.Module, half: str) -> nn.Module:
    """Fill all weights but those of the other half, which stay without memory."""
    torch.manual_seed(0)
    for name, part in model.named_children():
        if name != OTHER[half]:
            part.to_empty(device="cpu")
    for name, values in list(model.named_buffers(recurse=False)):  # statistics of latents
        model.register_buffer(name, torch.ones(values.shape))
    for name, values in [*model.named_parameters(), *model.named_buffers()]:
        if name.endswith("timestep_scale_multiplier"):
            values.fill_(1000.0)
        elif values.ndim > 1:
            values.uniform_(-1, 1).div_(values[0].numel() ** 0.5)
        elif "." in name:
            values.fill_(float(name.endswith("weight")))
    return model


OTHER = {"encode": "decoder", "decode": "encoder"}


def calls(job: Job, model: nn.Module) -> Callable[[], Tensor]:
    """What is measured: moments of a clip, or pixels of latents."""
    dtype, device = getattr(torch, job.dtype), torch.device(job.device)
    model.get_submodule(OTHER[job.half]).to(dtype)
    for name, part in model.eval().named_children():
        if name != OTHER[job.half]:
            part.to(device, dtype)
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


@torch.no_grad()
def measured(job: Job, rounds: int, result: Path) -> dict[str, float]:
    """Seconds of the quickest call and bytes of the most hungry one; what it gives in a file."""
    torch.set_num_threads(1)
    model = theirs(job.peer, job.half) if job.peer == job.system else None
    if job.who == "ours" or model is None:
        model = ours(job.system, model, job.half)
    run = calls(job, model)
    if job.compiled:
        run = torch.compile(run)
        run()
    memory = _resident if job.device == "cpu" else _allocated
    before = memory(True)
    times = []
    for _ in range(rounds):
        start = _clock(job.device)
        made = run()
        times.append(_clock(job.device) - start)
    torch.save(made.float().cpu(), result)
    return {"seconds": min(times), "bytes": memory(False) - before}


def _clock(device: str) -> float:
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def _allocated(begin: bool) -> int:
    if begin:
        torch.cuda.reset_peak_memory_stats()
    return torch.cuda.max_memory_allocated()


def _resident(begin: bool) -> int:
    """The most that this process has held, since the beginning that is asked for."""
    if begin:
        Path("/proc/self/clear_refs").write_text("5")  # as Linux counts it, in kB
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def elsewhere(jobs: Sequence[Job], rounds: int) -> tuple[list[dict[str, Any]], float | None]:
    """All jobs in processes of their own, and how far apart two equal models' results are."""
    with TemporaryDirectory() as folder:
        files = [Path(folder) / f"{job.who}.pt" for job in jobs]
        started: list[subprocess.Popen[str]] = []
        for job, file in zip(jobs, files, strict=True):
            order = json.dumps({"job": vars(job), "rounds": rounds, "file": str(file)})
            command = [sys.executable, __file__, "--order", order]
            pipe = subprocess.PIPE
            started.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True))
            if job.device != "cpu":
                started[-1].wait()
        answers = [_answer(process) for process in started]
        if jobs[0].system != jobs[1].system or any("failed" in one for one in answers):
            return answers, None
        found, expected = (torch.load(file) for file in files)
        return answers, float((found - expected).norm() / expected.norm())


def _answer(process: "subprocess.Popen[str]") -> dict[str, Any]:
    out, err = process.communicate()
    if process.returncode:
        reason = (err.strip().splitlines() or [f"signal {-process.returncode}"])[-1]
        return {"failed": reason}
    answer: dict[str, Any] = json.loads(out.splitlines()[-1])
    return answer


def obey(order: str) -> None:
    """Do what `elsewhere` asks, and print it."""
    asked = json.loads(order)
    job = Job(**{**asked["job"], "size": tuple(asked["job"]["size"])})
    print(json.dumps(measured(job, asked["rounds"], Path(asked["file"]))))


def row(name: str, jobs: Sequence[Job], rounds: int) -> str:
    """A line of the table."""
    answers, apart = elsewhere(jobs, rounds)
    failed = [one["failed"] for one in answers if "failed" in one]
    frames, height, width = jobs[1].size
    head = f"| {name} | {jobs[0].half} {frames}x{height}x{width} | {jobs[0].dtype} |"
    if failed:
        return f"{head} {failed[0]} |"
    ours_s, theirs_s = (one["seconds"] for one in answers)
    per = [job.size[0] for job in jobs]  # frames differ by one where a length is not legal
    times = (ours_s / per[0]) / (theirs_s / per[1])
    ours_b, theirs_b = (one["bytes"] / 2**20 for one in answers)
    distance = "" if apart is None else f"{apart:.1e}"
    return (
        f"{head} {ours_s:.1f} | {theirs_s:.1f} | {times:.2f} | {ours_b:.0f} | {theirs_b:.0f} | "
        f"{ours_b / theirs_b:.2f} | {distance} |"
    )


@dataclass(frozen=True)
class Wanted:
    """Which comparisons, on what; `divide`: the sides of Allegro's and CogVideoX's cubes."""

    only: Sequence[str]
    halves: Sequence[str]
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
            for half in wanted.halves:
                if system in wanted.only:
                    jobs = [
                        Job(system, system, who, half, wanted.size, dtype, device, compiled)
                        for who in ("ours", "theirs")
                    ]
                    print(row(system, jobs, wanted.rounds), flush=True)
        for system, (frames, legal, side) in CUBES.items():
            if system in wanted.only:
                if device != "cpu":
                    frames, legal, side = 33, 33, 512  # the paper's
                side //= wanted.divide
                rest = ("encode", (legal, side, side), dtype, device, compiled)
                jobs = [Job("wavelet", system, "ours", *rest)]
                jobs.append(
                    replace(jobs[0], system=system, who="theirs", size=(frames, side, side))
                )
                name = f"{system} / WF-VAE-L (paper: {PAPER[system]})"
                print(row(name, jobs, wanted.rounds), flush=True)


CUBES = {"allegro": (24, 25, 320), "cogvideox": (33, 33, 256)}  # frames, legal ones of ours, side
PAPER = {"allegro": "1/7.8 of time and memory", "cogvideox": "1/5.4 of time, 1/5.0 of memory"}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="17x256x256", help="FRAMESxHEIGHTxWIDTH")
    parser.add_argument("--only", default="hunyuan,ltx,allegro,cogvideox")
    parser.add_argument("--halves", default="encode,decode")
    usual = "float32,bfloat16" if bfloat16_units() else "float32"
    parser.add_argument("--dtypes", default=usual, help="bfloat16 takes hours without units")
    parser.add_argument("--rounds", type=int, default=1)
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
        halves=chosen.halves.split(","),
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
