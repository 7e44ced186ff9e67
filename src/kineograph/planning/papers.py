"""The papers' own tables of tokens, work and cost, each beside what `plan` works out for it.

Letters: T frames of Y x X pixels.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial

from kineograph.denoisers.ltx import LTXConfig
from kineograph.denoisers.mmdit import MMDiTConfig
from kineograph.denoisers.stiv import XL
from kineograph.errors import ConfigError, nearest
from kineograph.nn.footprint import shapes_only
from kineograph.planning.compression import Compression
from kineograph.planning.forward import Reading, denoising, weights
from kineograph.planning.machine import machine
from kineograph.planning.training import Run


@dataclass(frozen=True, kw_only=True)
class Row:
    """One number of a paper. within: the ratio that ours may be away by; 1: exactly equal."""

    table: str
    name: str
    published: float
    ours: float
    within: float = 1.0

    @property
    def kept(self) -> bool:
        """Whether ours is as near as it should be."""
        return self.published / self.within <= self.ours <= self.published * self.within


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Clips of `frames` frames of side x side pixels, `batch` of them on `group` devices.

    tokens: the most a clip has; speed: clips a second on eight devices (Tables 5 and 6).
    """

    side: int
    frames: int
    tokens: int
    batch: int
    speed: float
    group: int = 1


@dataclass(frozen=True, kw_only=True)
class Spent:
    """A stage of Table 3: its longest bucket, and the device days that it took."""

    name: str
    bucket: Bucket
    steps: int
    devices: int
    days: float


HUNYUAN = Compression(latent=(4, 8, 8), channels=16, patch=(1, 2, 2))
DEEP = Compression(latent=(4, 32, 32), channels=128)
TEXT = Reading(512, 4096, 768)
SMALL = Bucket(side=256, frames=129, tokens=8448, batch=3, speed=3.2)
LARGE = Bucket(side=768, frames=129, tokens=76032, batch=2, speed=0.08, group=4)
BUCKETS = (
    Bucket(side=256, frames=33, tokens=2304, batch=12, speed=12.7),
    Bucket(side=256, frames=65, tokens=4352, batch=6, speed=6.3),
    Bucket(side=256, frames=97, tokens=6400, batch=4, speed=4.2),
    SMALL,
    Bucket(side=256, frames=1, tokens=256, batch=45, speed=47.6),
    Bucket(side=768, frames=1, tokens=2304, batch=13, speed=13.8),
    Bucket(side=1024, frames=1, tokens=4096, batch=7, speed=7.4),
    Bucket(side=768, frames=33, tokens=20736, batch=6, speed=0.25, group=4),
    Bucket(side=768, frames=65, tokens=39168, batch=4, speed=0.17, group=4),
    Bucket(side=768, frames=97, tokens=57600, batch=3, speed=0.13, group=4),
    LARGE,
    Bucket(side=768, frames=1, tokens=2304, batch=38, speed=1.6, group=4),
)
STAGES = (
    Spent(name="256px T2V", bucket=SMALL, steps=85_000, devices=224, days=2240),
    Spent(name="256px T/I2V", bucket=SMALL, steps=13_000, devices=192, days=384),
    Spent(name="768px T/I2V", bucket=LARGE, steps=13_000, devices=192, days=1536),
)


def open_sora_2() -> Iterator[Row]:
    """Open-Sora 2.0 (2503.09642): Tables 3, 5 and 6, and section 4.3."""
    for one in BUCKETS:
        table = "Table 5" if one.group == 1 else "Table 6"
        name = f"tokens of {one.frames} frames of {one.side}px"
        tokens = HUNYUAN.tokens(one.frames, one.side, one.side)
        yield Row(table=table, name=name, published=one.tokens, ours=tokens)
    pair = (HUNYUAN, 1024), (DEEP, 4096)
    for compression, published in pair:
        name = f"D_token of {'x'.join(map(str, compression.latent))}"
        yield Row(table="4.3", name=name, published=published, ours=compression.d_token)
    ratio = float(DEEP.d_info / HUNYUAN.d_info)
    yield Row(table="4.3", name="D_info of Video DC-AE / HunyuanVideo", published=2, ours=ratio)
    for one in BUCKETS:
        table = "Table 5" if one.group == 1 else "Table 6"
        name = f"clips a second: {one.frames} frames of {one.side}px"
        seconds = _run(one, steps=1).step_seconds(machine("h200"))
        speed = one.batch * 8 / one.group / seconds
        yield Row(table=table, name=name, published=one.speed, ours=speed, within=2)
    for stage in STAGES:
        run = _run(stage.bucket, stage.steps, stage.devices)
        days = run.device_hours(machine("h200")) / 24
        name = f"device days: {stage.name}"
        yield Row(table="Table 3", name=name, published=stage.days, ours=days, within=1.5)


def _run(bucket: Bucket, steps: int, devices: int = 1) -> Run:
    """All steps on one bucket: the paper makes others so large that they take as long (4.2)."""
    latents = (1, 16, (bucket.frames - 1) // 4 + 1, bucket.side // 8, bucket.side // 8)

    def flops(double: int, single: int) -> int:
        config = MMDiTConfig(double_layers=double, single_layers=single)
        return denoising(config, latents, TEXT).flops

    whole = MMDiTConfig()
    work = bucket.batch * _layered(flops, whole.double_layers, whole.single_layers)
    return Run(name="", flops=work, steps=steps, devices=devices, group=bucket.group)


def _layered(flops: Callable[..., int], *counts: int) -> int:
    """A network of so many equal layers of each kind, from networks with one layer or none."""
    none = flops(*(0 for _ in counts))
    total = none
    for index, count in enumerate(counts):
        total += count * (flops(*(int(index == other) for other in range(len(counts)))) - none)
    return total


# --- STIV ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Taught:
    """A stage of STIV XL on clips of `frames` frames of side x side pixels.

    masked: steps in which the main blocks see half of the tokens; full: steps with all of them.
    published: its work in 1e21 operations (Table 14).
    """

    name: str
    side: int
    frames: int
    batch: int
    masked: int
    full: int = 0
    published: float


TAUGHT = (
    Taught(
        name="T2I-256", side=256, frames=1, batch=4096, masked=400_000, full=50_000, published=1.11
    ),
    Taught(name="T2V-256", side=256, frames=20, batch=1024, masked=400_000, published=2.05),
    Taught(name="T2I-512", side=512, frames=1, batch=4096, masked=100_000, published=0.843),
    Taught(name="T2V-512", side=512, frames=20, batch=1024, masked=250_000, published=5.93),
    Taught(
        name="T2V-512 from T2V-256",
        side=512,
        frames=20,
        batch=1024,
        masked=120_000,
        published=2.84,
    ),
    Taught(
        name="T2V-512 from T2I-512",
        side=512,
        frames=20,
        batch=1024,
        masked=170_000,
        published=4.02,
    ),
    Taught(
        name="T2V-512 from both", side=512, frames=20, batch=1024, masked=80_000, published=1.98
    ),
)
"""Steps of 256 pixels are those of appendix A.1, without its unmasked ones for videos. Those of
512 pixels stand nowhere: they are whole ten thousands that fit. T2I-512 is printed as 8.43, which
its own totals rule out."""
WORDS = Reading(77, 1280, 1280)


def stiv() -> Iterator[Row]:
    """STIV (2412.07730): Table 14, operations of training in units of 1e21."""
    for one in TAUGHT:
        half = _pass(one.frames, one.side, kept=2)
        whole = _pass(one.frames, one.side, kept=1) if one.full else 0
        work = sum(
            Run(name="", flops=one.batch * flops, steps=steps, kept=True).work * steps
            for flops, steps in ((half, one.masked), (whole, one.full))
        )
        ours = work / 1e21
        yield Row(table="Table 14", name=one.name, published=one.published, ours=ours, within=1.25)


@cache
def _pass(frames: int, side: int, *, kept: int) -> int:
    """Operations of a forward pass whose main blocks see one of `kept` tokens of a frame."""
    rows = side // 8

    def flops(layers: int, rows: int) -> int:
        config = replace(XL, layers=layers, whole_layers=0)
        return denoising(config, (1, XL.channels, frames, rows, side // 8), WORDS).flops

    def block(rows: int) -> int:
        return flops(1, rows) - flops(0, rows)

    return flops(0, rows) + XL.layers * block(rows // kept) + XL.whole_layers * block(rows)


# --- LTX-Video ----------------------------------------------------------------------------

COMPARED = (
    ("MovieGen", Compression(latent=(8, 8, 8), channels=16, patch=(1, 2, 2)), 96, 2048),
    ("HunyuanVideo", HUNYUAN, 48, 1024),
    ("PyramidFlow", Compression(latent=(8, 8, 8), channels=16, patch=(1, 2, 2)), 96, 2048),
    ("CogVideoX", Compression(latent=(4, 8, 8), channels=16, patch=(1, 2, 2)), 48, 1024),
    ("LTX-Video", Compression(latent=(8, 32, 32), channels=128), 192, 8192),
)
"""Name, what one latent and one token stand for, total compression and pixels per token."""


def ltx_video() -> Iterator[Row]:
    """LTX-Video (2501.00103): Table 1."""
    row = partial(Row, table="Table 1")
    for name, compression, total, pixels in COMPARED:
        yield row(name=f"compression, {name}", published=total, ours=float(compression.d_info))
        yield row(name=f"pixels per token, {name}", published=pixels, ours=compression.d_token)
    config = LTXConfig()
    with shapes_only():
        size = weights(config.build())
    width = config.heads * config.head_width
    yield row(name="parameters, billions", published=1.9, ours=round(size / 1e9, 1))
    yield row(name="hidden dimension", published=2048, ours=width)
    yield row(name="FFN factor", published=4, ours=config.mlp_ratio)
    yield row(name="blocks", published=28, ours=config.layers)


PAPERS: Mapping[str, Callable[[], Iterator[Row]]] = {
    "open-sora-2": open_sora_2,
    "stiv": stiv,
    "ltx-video": ltx_video,
}


def paper(name: str) -> Iterator[Row]:
    """The rows of a paper's tables.

    Raises:
        ConfigError: there is none of this name.
    """
    if name not in PAPERS:
        raise ConfigError(f"paper {name!r}{nearest(name, PAPERS)}")
    return PAPERS[name]()
