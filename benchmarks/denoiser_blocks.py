"""What transformer blocks cost: `python benchmarks/denoiser_blocks.py {blocks,skiparse,models}`.

blocks: LTX-Video's block stack at public width against that of diffusers, with equal weights.
skiparse: attention of a sparse layer against a dense one, and from how many tokens on it pays.
models: on a GPU only; LTX-Video 2B samples a clip, and MMDiT 11B runs forward and backward.

Both sides run in turn in one process. On a CPU the time is CPU time of that process: what other
programs do on the machine then counts less.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.public.ltx_video import transformer_config, transformer_key_map
from kineograph.conditioning.keyframes import KeyFrames
from kineograph.denoisers.ltx import LTX, LTXConfig, Shared
from kineograph.denoisers.mmdit import MMDiTConfig
from kineograph.diffusion.guidance import Off
from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.prediction import Velocity
from kineograph.diffusion.process import Process
from kineograph.diffusion.samplers import Euler
from kineograph.diffusion.sampling import Look, sample
from kineograph.diffusion.times import Even, TokenShift
from kineograph.generation.device import choose
from kineograph.nn.attention import attend, text_bias
from kineograph.nn.grouping import Full, Grouping, GroupSkip, SingleSkip
from kineograph.nn.linear import bfloat16_units
from kineograph.types import Condition, Grid, TextEmbedding, seeded

PEAK = 989e12  # bf16 of an H100 or H200, dense
WORDS = 128  # text tokens
PLAN = {"heads": 24, "head_width": 96}  # of Open-Sora Plan 1.3
PRODUCTS = ("addmm", "aten::mm", "bmm", "baddbmm", "_linear_pointwise", "mkldnn_linear")
ATTENTION = ("_scaled_dot_product",)
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}
Work = Callable[[], object]


# --- timing ---------------------------------------------------------------------------


def seconds(work: Work, device: torch.device) -> float:
    """CPU time of this process, or wall time until the device has nothing left to do."""
    if device.type == "cpu":
        start = time.process_time()
        work()
        return time.process_time() - start
    torch.accelerator.synchronize(device)
    start = time.perf_counter()
    work()
    torch.accelerator.synchronize(device)
    return time.perf_counter() - start


def alternate(works: Mapping[str, Work], rounds: int, device: torch.device) -> dict[str, list]:
    """Seconds of each work in each round; every other round runs backwards."""
    names = list(works)
    for work in works.values():
        work()
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 else reversed(names):
            taken[name].append(seconds(works[name], device))
    return taken


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """Of the least times, and the median over the rounds."""
    rounds = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return min(ours) / min(theirs), statistics.median(rounds)


def shares(work: Work, device: torch.device) -> tuple[float, float]:
    """Which shares of the time matrix products and attention kernels take."""
    kinds = [ProfilerActivity.CPU]
    if device.type != "cpu":
        kinds.append(ProfilerActivity.CUDA)
    with profile(activities=kinds, acc_events=True) as found:
        work()
    times = {}
    for event in found.key_averages():
        cpu = device.type == "cpu"
        times[event.key] = event.self_cpu_time_total if cpu else event.self_device_time_total
    total = sum(times.values()) or 1.0

    def of(names: Sequence[str]) -> float:
        return sum(took for key, took in times.items() if any(n in key for n in names)) / total

    return of(PRODUCTS), of(ATTENTION)


# --- LTX-Video's blocks ---------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Size:
    """How many blocks of which heads see how many tokens, in which precision."""

    blocks: int
    tokens: int
    dtype: torch.dtype = torch.float32
    heads: int = 32
    head_width: int = 64
    words: int = WORDS

    @property
    def flops(self) -> float:
        """Of the matrix products of one forward pass of a sample."""
        width, tokens, words = self.heads * self.head_width, self.tokens, self.words
        linear = 2 * (14 * tokens + 2 * words) * width**2
        return self.blocks * (linear + 4 * tokens * (tokens + words) * width)


def stacks(size: Size, device: torch.device, compiled: bool = False) -> tuple[Work, Work]:
    """Our blocks and those of diffusers with the same weights; each returns (1, N, D)."""
    from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel

    torch.manual_seed(0)
    width = size.heads * size.head_width
    theirs = LTXVideoTransformer3DModel(
        num_layers=size.blocks,
        num_attention_heads=size.heads,
        attention_head_dim=size.head_width,
        cross_attention_dim=width,
    ).eval()
    for block in theirs.transformer_blocks:
        nn.init.normal_(block.scale_shift_table)  # otherwise the gates are almost closed
    config = transformer_config(theirs.config)
    ours = config.build().eval()
    assert isinstance(ours, LTX)
    load_into(ours, transformer_key_map(config, "diffusers").load(theirs.state_dict()))
    theirs.to(device, size.dtype)
    ours.to(device, size.dtype)
    x, text = (
        torch.randn(1, count, width).to(device, size.dtype) for count in (size.tokens, size.words)
    )
    mask = (torch.arange(size.words) < 0.75 * size.words).to(device)[None]
    count = torch.arange(size.tokens, device=device)
    places = torch.stack([count / 512, count // 32 % 16 * 32.0, count % 32 * 32.0])[None]
    moment = torch.full((1,), 0.5, device=device)
    hidden, _ = theirs.time_embed(moment * 1000, batch_size=1, hidden_dtype=size.dtype)
    shared = Shared(
        modulation=ours.modulation(ours.time(moment[:, None] * 1000)),
        text=text,
        bias=text_bias(mask, size.dtype),
        rotary=ours.places(places, size.heads, size.head_width).to(size.dtype),
        grid=Grid(1, 1, size.tokens),
    )
    told = {
        "encoder_hidden_states": text,
        "temb": hidden.view(1, 1, -1),
        "image_rotary_emb": theirs.rope(x, video_coords=places),
        "encoder_attention_mask": ((1 - mask.to(size.dtype)) * -10000.0)[:, None],
    }

    def run(blocks: Sequence[Callable[..., Tensor]], *args: Any, **kwargs: Any) -> Tensor:
        h = x
        for block in blocks:
            h = block(h, *args, **kwargs)
        return h

    mine, others = list(ours.blocks), list(theirs.transformer_blocks)
    if compiled:
        mine, others = ([torch.compile(block) for block in side] for side in (mine, others))
    return partial(run, mine, shared), partial(run, others, **told)


@torch.no_grad()
def compare(size: Size, device: torch.device, rounds: int, compiled: bool = False) -> str:
    """One row of the table of blocks."""
    ours, theirs = stacks(size, device, compiled)
    mine, other = ours(), theirs()
    assert isinstance(mine, Tensor) and isinstance(other, Tensor)
    difference = ((mine - other).float().norm() / other.float().norm()).item()
    taken = alternate({"ours": ours, "theirs": theirs}, rounds, device)
    least, median = ratio(taken["ours"], taken["theirs"])
    cells = [f"{size.tokens}", str(size.dtype).removeprefix("torch."), str(size.blocks)]
    cells += ["yes" if compiled else "no", f"{size.flops / 1e9:.0f}"]
    for name, work in (("ours", ours), ("theirs", theirs)):
        products, attention = shares(work, device)
        cells += [f"{min(taken[name]):.3f}", f"{statistics.median(taken[name]):.3f}"]
        cells += [f"{products:.0%} + {attention:.0%}"]
    return row(*cells, f"{least:.2f}", f"{median:.2f}", f"{difference:.0e}")


BLOCKS = (
    "tokens", "dtype", "blocks", "compiled", "GFLOP", "ours least s", "median s",
    "products + attention", "diffusers least s", "median s", "products + attention",
    "ratio of least", "median ratio", "difference",
)  # fmt: skip


# --- Skiparse -------------------------------------------------------------------------


def looks(grouping: Grouping, parts: Sequence[Tensor], grid: Grid) -> Tensor:
    """What a self-attention layer does between its projections; parts: three of (B, N, A, K)."""
    query, key, value = (grouping.split(part, grid) for part in parts)
    bias = grouping.bias(None, parts[0], grid)
    return grouping.merge(attend(query, key, value, bias), grid)


def groupings(strides: Sequence[int]) -> dict[str, Grouping]:
    """Dense, and both kinds of sparse layers: every k-th token, every k-th run of k tokens."""
    found: dict[str, Grouping] = {"dense": Full()}
    for k in strides:
        found |= {f"k = {k}, tokens": SingleSkip(k), f"k = {k}, runs": GroupSkip(k)}
    return found


@torch.no_grad()
def sparse_times(grid: Grid, heads: int, rounds: int, place: torch.device) -> dict[str, list]:
    """Seconds of dense and sparse attention over the same tokens."""
    torch.manual_seed(0)
    shape = (1, grid.size, heads, PLAN["head_width"])
    parts = [torch.randn(shape).to(place) for _ in range(3)]
    works = {
        name: partial(looks, grouping, parts, grid) for name, grouping in groupings((2, 4)).items()
    }
    return alternate(works, rounds, place)


def sparse_row(name: str, taken: Mapping[str, Sequence[float]]) -> str:
    """A row of the Skiparse table: the ratio to the dense layer, and what it may be."""
    least, median = ratio(taken[name], taken["dense"])
    allowed = "-" if name == "dense" else f"{1.25 / int(name[4]):.3f}"
    return row(name, f"{min(taken[name]):.3f}", f"{least:.3f}", f"{median:.3f}", allowed)


def pays_from(sweep: Mapping[int, Mapping[str, Sequence[float]]], name: str) -> int | None:
    """The fewest tokens from which on a layer is always quicker than the dense one."""
    first = None
    for tokens in sorted(sweep, reverse=True):
        if ratio(sweep[tokens][name], sweep[tokens]["dense"])[1] >= 1.0:
            break
        first = tokens
    return first


# --- whole models, on a GPU -----------------------------------------------------------


def random_weights(model: nn.Module) -> nn.Module:
    """Small normal numbers everywhere, so that no branch is idle."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.02)
    return model


@torch.no_grad()
def ltx_clip(
    config: LTXConfig, grid: Grid, steps: int, device: torch.device, compiled: bool
) -> tuple[float, float]:
    """Seconds of sampling a clip with one forward a step, and its FLOP a second."""
    with device:
        model = random_weights(config.build()).to(torch.bfloat16).eval()
    if compiled:
        model.compile()
    text = TextEmbedding(torch.randn(1, WORDS, config.text_width).to(device, torch.bfloat16), None)
    look = Look(
        denoiser=lambda x, time, condition: model(x.to(torch.bfloat16), time, condition),
        process=Process(path=RectifiedFlow(), prediction=Velocity(), injection=KeyFrames()),
        guidance=Off(),
        condition=Condition(text, facts={"fps": torch.full((1,), 25.0, device=device)}),
        empty=text,
    )
    draws = seeded([0], device)
    noise = draws((1, config.in_channels, grid.frames, grid.rows, grid.columns))
    times = Even(shift=TokenShift())(steps, grid)
    work = partial(sample, look, Euler(), noise, times, draws)
    work()
    took = min(seconds(work, device) for _ in range(3))
    size = Size(
        blocks=config.layers, tokens=grid.size, heads=config.heads, head_width=config.head_width
    )
    return took, steps * size.flops / took


def mmdit_use(
    config: MMDiTConfig, grid: Grid, words: int, device: torch.device, compiled: bool
) -> tuple[float, float]:
    """Seconds of a forward and a backward pass, and the FLOP a second that they are worth.

    6 · parameters · tokens + 12 · layers · width · tokens², recomputation not counted.
    """
    with device:
        model = random_weights(config.build()).to(torch.bfloat16)
    if compiled:
        model.compile()
    kinds = {"device": device, "dtype": torch.bfloat16}
    text = TextEmbedding(
        torch.randn(1, words, config.text_width, **kinds),
        None,
        torch.randn(1, config.pooled_width, **kinds),
    )
    size = (grid.frames, config.patch * grid.rows, config.patch * grid.columns)
    x = torch.randn(1, config.channels, *size, **kinds)
    moment = torch.full((1, 1, 1, 1, 1), 0.5, device=device)

    def work() -> None:
        model.zero_grad(set_to_none=True)
        model(x, moment, Condition(text)).float().square().mean().backward()

    work()
    took = min(seconds(work, device) for _ in range(5))
    tokens = grid.size + words
    layers = config.double_layers + config.single_layers
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return took, (6 * parameters * tokens + 12 * layers * config.width * tokens**2) / took


# --- the command ----------------------------------------------------------------------


def row(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def table(*names: str) -> str:
    """Its first two lines."""
    return row(*names) + "\n" + row(*("---" for _ in names))


def show_blocks(options: argparse.Namespace, device: torch.device) -> None:
    """All sizes and precisions; on a GPU compiled as well."""
    print(f"bfloat16 units: {bfloat16_units() if device.type == 'cpu' else 'of the card'}")
    print(table(*BLOCKS))
    for compiled in (False,) if device.type == "cpu" else (False, True):
        for name in options.dtypes:
            for tokens in options.tokens:
                size = Size(blocks=options.blocks, tokens=tokens, dtype=DTYPES[name])
                print(compare(size, device, options.rounds, compiled), flush=True)


def show_skiparse(options: argparse.Namespace, device: torch.device) -> None:
    """The large grid, and the sweep."""
    taken = sparse_times(Grid(*options.grid), options.heads, options.rounds, device)
    print(f"tokens {'x'.join(map(str, options.grid))}, {options.heads} of {PLAN['heads']} heads")
    print(table("layer", "least s", "ratio of least", "median ratio", "allowed"))
    for name in taken:
        print(sparse_row(name, taken), flush=True)
    counts = [2**power for power in range(4, 12)]
    sweep = {n: sparse_times(Grid(1, 1, n), PLAN["heads"], 9, device) for n in counts}
    print(table("layer", *(f"{n} tokens" for n in counts), "pays from"))
    for name in taken:
        ratios = (ratio(sweep[n][name], sweep[n]["dense"])[1] for n in counts)
        print(row(name, *(f"{one:.2f}" for one in ratios), str(pays_from(sweep, name))))


def show_models(options: argparse.Namespace, device: torch.device) -> None:
    """LTX-Video 2B and MMDiT 11B, compiled and not; nothing where there is no GPU."""
    if device.type == "cpu":
        print("no GPU here: LTX-Video 2B and MMDiT 11B were not measured")
        return
    print(table("model", "compiled", "seconds", f"share of {PEAK / 1e12:.0f} TFLOP/s"))
    for compiled in (False, True):
        took, rate = ltx_clip(LTXConfig(), Grid(16, 16, 24), 20, device, compiled)
        cells = ("yes" if compiled else "no", f"{took:.3f}", f"{rate / PEAK:.1%}")
        print(row("LTX-Video 2B, 121 frames at 768x512, 20 steps", *cells), flush=True)
    for compiled in (False, True):
        took, rate = mmdit_use(MMDiTConfig(), Grid(*options.mmdit_grid), 512, device, compiled)
        cells = ("yes" if compiled else "no", f"{took:.3f}", f"{rate / PEAK:.1%}")
        print(row("MMDiT 11B, forward and backward", *cells), flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("blocks", "skiparse", "models"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=7, help="how often each side runs")
    parser.add_argument("--blocks", type=int, default=2, help="of the 28 that the model has")
    parser.add_argument("--tokens", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--grid", type=int, nargs=3, default=[24, 32, 32])
    parser.add_argument("--mmdit-grid", type=int, nargs=3, default=[9, 16, 16])
    parser.add_argument("--heads", type=int, default=2, help="of Skiparse's, at --grid")
    options = parser.parse_args(arguments)
    device = choose(options.device).device
    {"blocks": show_blocks, "skiparse": show_skiparse, "models": show_models}[options.what](
        options, device
    )


if __name__ == "__main__":
    main()
