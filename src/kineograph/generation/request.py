"""What is asked for, and what comes of it once a model's rules and defaults are known."""

import math
from dataclasses import dataclass

from torch import Tensor

from kineograph.errors import ConfigError
from kineograph.generation.draft import Info
from kineograph.media.decode import read_image, read_video
from kineograph.recipes.recipe import Sampling
from kineograph.types import Autoencoder


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """What a user asks for; None leaves the choice to the recipe.

    frames: exact. seconds: about; the nearest length the model can make.
    width, height: exact, in the model's own pixels. aspect: width / height, about, at the
    recipe's area. seed: video i of a batch starts from noise of seed + i. image: the first
    frame, uint8 (Y, X, 3), of any size; image_name: its file, to be remembered. guidance: 1 is
    none. signal: drawings of the first frames, uint8 (T', Y, X, 3), for a model that has a
    structure controller; signal_name: their file.
    """

    frames: int | None = None
    seconds: float | None = None
    width: int | None = None
    height: int | None = None
    aspect: float | None = None
    fps: float | None = None
    steps: int | None = None
    guidance: float | None = None
    negative: str = ""
    seed: int = 0
    image: Tensor | None = None
    image_name: str | None = None
    signal: Tensor | None = None
    signal_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A clip that the model can make: frames, pixels, frames per second."""

    frames: int
    height: int
    width: int
    fps: float


def shape(request: Request, sampling: Sampling, autoencoder: Autoencoder) -> Shape:
    """The clip that a request means.

    Raises:
        ConfigError: settings that contradict each other or lie outside their range, or an
            exact shape that the model cannot make; the message names the nearest one.
    """
    _check(request)
    fps = request.fps or sampling.fps
    frames, height, width = sampling.frames, sampling.height, sampling.width
    if request.seconds is not None:
        frames = max(1, round(request.seconds * fps))
    if request.aspect is not None:
        area = sampling.height * sampling.width
        height = max(1, round(math.sqrt(area / request.aspect)))
        width = max(1, round(math.sqrt(area * request.aspect)))
    frames, height, width = (
        request.frames or frames,
        request.height or height,
        request.width or width,
    )
    cell = sampling.multiple
    legal = autoencoder.nearest(frames, _nearest(height, cell), _nearest(width, cell))
    about = f"nearest: {legal.frames} frames of {legal.width}x{legal.height}; {legal.rule}"
    if cell > 1:
        about += f", of {cell} for the denoiser"
    if request.frames not in (None, legal.frames):
        raise ConfigError(f"{request.frames} frames: not a length of this model; {about}")
    if (request.height or legal.height, request.width or legal.width) != (
        legal.height,
        legal.width,
    ):
        raise ConfigError(f"size {width}x{height}: not a size of this model; {about}")
    return Shape(frames=legal.frames, height=legal.height, width=legal.width, fps=fps)


def again(info: Info) -> Request:
    """The request that made a video.

    Raises:
        MediaError: the image that it began with, or the drawings, are gone.
    """
    return Request(
        frames=info.frames,
        width=info.width,
        height=info.height,
        fps=info.fps,
        steps=info.steps,
        guidance=info.guidance,
        negative=info.negative,
        seed=info.seed,
        image=None if info.image is None else read_image(info.image),
        image_name=info.image,
        signal=None if info.signal is None else read_video(info.signal, frames=info.frames).frames,
        signal_name=info.signal,
    )


def _nearest(length: int, cell: int) -> int:
    """The nearest multiple of `cell`, at least one of them."""
    return max(1, round(length / cell)) * cell


def _check(request: Request) -> None:
    if request.frames is not None and request.seconds is not None:
        raise ConfigError("frames and seconds are both given; expected one of them")
    if request.aspect is not None and (request.width or request.height):
        raise ConfigError("size and aspect are both given; expected one of them")
    if (request.width is None) != (request.height is None):
        raise ConfigError("only one of width and height is given; expected both")
    for name, value in (
        ("frames", request.frames),
        ("seconds", request.seconds),
        ("width", request.width),
        ("height", request.height),
        ("aspect", request.aspect),
        ("fps", request.fps),
        ("steps", request.steps),
        ("guidance", request.guidance),
    ):
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise ConfigError(f"{name} {value}: expected a number above 0")


def concerns(shape: Shape, sampling: Sampling) -> list[str]:
    """What the user should know about a shape that the model was not trained on."""
    found = []
    if shape.frames > sampling.frames:
        found.append(f"{shape.frames} frames; the model was trained on up to {sampling.frames}")
    if shape.height * shape.width > sampling.height * sampling.width:
        found.append(
            f"{shape.width}x{shape.height} pixels; the model was trained on "
            f"up to {sampling.width}x{sampling.height}"
        )
    return found
