"""How data becomes noise and noise becomes data.

Letters: B samples; T frames of Y x X pixels; C latent channels; F x H x W latent frames,
rows, columns; N video tokens; L text tokens; D width; A heads of size K.
Time is in [0, 1] and 1 is pure noise, in every system.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, TypeAlias

from torch import Tensor

from kineograph.types.coding import Autoencoder
from kineograph.types.conditions import Condition, Given, Grid, Known, Layout, TextEmbedding
from kineograph.types.draws import Draws

Clock: TypeAlias = Literal["sample", "frame", "token"]
"""How finely a denoiser can be told times; each includes the ones before."""


class Denoiser(Protocol):
    """Predicts from noisy latents; `clock` is the finest time it understands."""

    clock: Literal["sample", "frame", "token"]

    def __call__(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """(B, C, F, H, W) -> at least C channels, the first C are the prediction.

        `time` is broadcastable to (B, 1, F, H, W), in [0, 1], 1 = pure noise.
        """
        ...


class RecipeDenoiser(Denoiser, Protocol):
    """What a denoiser that stands in a recipe tells about itself as well.

    `reads_known`: whether it looks at `condition.known`. `disturbable`: how many of its blocks
    `inside.skip` can disturb.
    """

    reads_known: bool
    disturbable: int

    def token_grid(self, size: tuple[int, int, int]) -> Grid:
        """How the tokens of F x H x W cells lie, for `layout.keep`.

        Raises:
            ConfigError: it cannot do without any of them.
        """
        ...


@dataclass(frozen=True, eq=False)
class Seen:
    """Data (B, C, F, H, W) as estimated at a time, broadcastable to (B, 1, F, H, W)."""

    time: Tensor
    data: Tensor


@dataclass(frozen=True, eq=False)
class Step:
    """One step of `count`: from `time` to `next`, broadcastable to (B, 1, F, H, W).

    Where next equals time, the latents are held. before: what the first look of the previous
    step saw; None in the first step.
    """

    index: int
    count: int
    time: Tensor
    next: Tensor
    before: Seen | None = None


@dataclass(frozen=True, eq=False)
class Coefficients:
    """x = alpha * data + sigma * noise, and both derivatives with respect to time."""

    alpha: Tensor
    sigma: Tensor
    d_alpha: Tensor
    d_sigma: Tensor


class Path(Protocol):
    """How data becomes noise as time goes from 0 to 1."""

    def at(self, time: Tensor) -> Coefficients:
        """The coefficients at `time`, in its shape."""
        ...


@dataclass(frozen=True, eq=False)
class Estimate:
    """What a denoiser's output says about the data and the noise in x."""

    data: Tensor
    noise: Tensor


class Prediction(Protocol):
    """What the denoiser's output means: velocity, noise, data or v."""

    def target(self, data: Tensor, noise: Tensor, c: Coefficients) -> Tensor:
        """What the output should be."""
        ...

    def split(self, output: Tensor, x: Tensor, c: Coefficients) -> Estimate:
        """What an output means."""
        ...


class Guidance(Protocol):
    """Combines raw outputs of several branches into one."""

    def branches(
        self, condition: Condition, empty: TextEmbedding, step: Step
    ) -> tuple[Condition, ...]:
        """The conditions to run at a step."""
        ...

    def combine(self, outputs: Sequence[Tensor], step: Step, condition: Condition) -> Tensor:
        """(B, C, F, H, W) per branch -> one."""
        ...


class Injection(Protocol):
    """How given frames enter training and sampling; the same object serves both.

    `clock` is the coarsest clock that a denoiser may have with it: `frame` where frames get
    times of their own, `sample` where all share one. `beside`: whether what is known stands
    beside the latents, so that a denoiser must read it.
    """

    clock: ClassVar[Clock]
    beside: ClassVar[bool]

    def known(self, given: Given, autoencoder: Autoencoder, draws: Draws | None) -> Known:
        """Pixels -> what is known of the latents."""
        ...

    def begin(self, start: Tensor, known: Known | None) -> tuple[Tensor, Layout]:
        """Starting noise (B, C, F, H, W) -> starting latents and their layout."""
        ...

    def enter(self, x: Tensor, step: Step, known: Known | None, draws: Draws) -> Tensor:
        """What happens to x before a step."""
        ...

    def times(self, step: Step, known: Known | None) -> Step:
        """Each frame's (or token's) own time and next time."""
        ...

    def present(self, x: Tensor, step: Step, known: Known | None) -> Tensor:
        """What one guidance pass sees of x."""
        ...

    def leave(self, x: Tensor, known: Known | None) -> Tensor:
        """What happens to x after the last step."""
        ...


class Sampler(Protocol):
    """One step from `step.time` to `step.next`."""

    def __call__(
        self,
        x: Tensor,
        estimate: Callable[[Tensor, Step], Estimate],
        step: Step,
        path: Path,
        draws: Draws,
    ) -> Tensor:
        """(B, C, F, H, W) -> the same at the next time of `path`."""
        ...


@dataclass(frozen=True, eq=False)
class Loss:
    """mean (): to minimise; per_sample (B,) and the samples' times (B,): to look at."""

    mean: Tensor
    per_sample: Tensor
    time: Tensor
