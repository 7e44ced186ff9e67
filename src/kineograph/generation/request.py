"""What is asked for, and what comes of it once a model's rules and defaults are known."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from torch import Tensor

from kineograph.conditioning.keyframes import Item
from kineograph.conditioning.tasks import lay
from kineograph.errors import ConfigError
from kineograph.generation.draft import Info
from kineograph.generation.given import LOOP, picture, use
from kineograph.generation.sources import Source, find, of_file, of_pixels
from kineograph.media.decode import read_image, read_video
from kineograph.recipes.recipe import Sampling
from kineograph.types import Autoencoder, Given


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """What a user asks for; None leaves the choice to the recipe.

    frames: exact. seconds: about; the nearest length the model can make.
    width, height: exact, in the model's own pixels. aspect: width / height, about, at the
    recipe's area. seed: video i of a batch starts from noise of seed + i. guidance: 1 is none.
    image, last_image: the first and the last frame, uint8 (Y, X, 3), of any size. at: further
    frames, by their index. video: uint8 (t, Y, X, 3), at the frames per second of the
    request, or at half of them to be interpolated.
    task: what the video is for (continue, edit, interpolate), or loop: the video that is made
    ends where it begins. strength: how much of what is given is kept, 1: all.
    signal: drawings of the first frames, uint8 (t, Y, X, 3), for a model that has a
    structure controller. sources: which files the pixels came from, to be remembered.
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
    last_image: Tensor | None = None
    at: Mapping[int, Tensor] = field(default_factory=dict)
    video: Tensor | None = None
    task: str = "continue"
    strength: float = 1.0
    signal: Tensor | None = None
    sources: tuple[Source, ...] = ()

    def pixels(self) -> dict[str, Tensor]:
        """Everything that is given, by its role."""
        single = {
            "image": self.image,
            "last_image": self.last_image,
            "video": self.video,
            "signal": self.signal,
        }
        found = {role: pixels for role, pixels in single.items() if pixels is not None}
        return {**found, **{f"at {index}": pixels for index, pixels in self.at.items()}}

    def inputs(self) -> tuple[Source, ...]:
        """Where everything that is given came from."""
        files = {source.role: source for source in self.sources}
        return tuple(
            files[role] if role in files else of_pixels(role, pixels)
            for role, pixels in self.pixels().items()
        )


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
    elif request.video is not None and request.frames is None:
        wanted = use(request.task).length(len(request.video), frames)
        frames = _longest(autoencoder, height, width, wanted) or wanted
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


def gather(
    request: Request, clip: Shape, autoencoder: Autoencoder, first: Tensor | None = None
) -> tuple[Given | None, tuple[str, ...]]:
    """What is given of a clip, and what should be said about it.

    Args:
        request: what is asked for.
        clip: the clip.
        autoencoder: knows which lengths are legal.
        first: pictures for a loop that begins with nothing given, (B, 3, 1, Y, X).

    Returns:
        Given frames and strengths, None where nothing is given; notes.

    Raises:
        ConfigError: what is given does not fit into the clip.
    """
    items, notes = [], []
    if request.video is not None:
        if request.image is not None:
            raise ConfigError(
                "an image and a video both claim the first frame; expected one of them, or the "
                "image at another frame"
            )
        frames = picture(request.video, clip.height, clip.width)
        longest = partial(_longest, autoencoder, clip.height, clip.width)
        items = use(request.task).items(frames, clip.frames, request.strength, longest)
        left = len(request.video) - sum(item.frames.shape[2] for item in items)
        if left:
            notes.append(f"{left} of the video's {len(request.video)} frames do not fit in")
    singles = dict(request.at)
    if request.image is not None:
        singles[0] = request.image
    if request.last_image is not None:
        if clip.frames == 1 or request.task == LOOP:  # a loop's last frame is its first one
            raise ConfigError(
                "a last image: expected a video of several frames that is no loop, which ends "
                "with its first one"
            )
        singles[clip.frames - 1] = request.last_image
    count = len(request.at) + (request.image is not None) + (request.last_image is not None)
    if len(singles) < count:
        raise ConfigError("two images for the same frame; expected each frame once")
    items += [
        Item(picture(image, clip.height, clip.width), index, request.strength)
        for index, image in singles.items()
    ]
    if request.task == LOOP:
        items += closing(items, clip, first)
    return (lay(items, clip.frames) if items else None), tuple(notes)


def closing(items: Sequence[Item], clip: Shape, first: Tensor | None) -> list[Item]:
    """What is given of a loop besides `items`: its last frame is its first one.

    Raises:
        ConfigError: a single frame, or something is given but not the first frame.
    """
    if clip.frames == 1:
        raise ConfigError("a loop of 1 frame: expected more, so that something can move")
    if first is not None:
        return [Item(first, 0, 1.0), Item(first, clip.frames - 1, 1.0)]
    start = next((item for item in items if item.start == 0), None)
    if start is None and items:
        raise ConfigError("a loop of which the first frame is not given: expected --image, too")
    if start is None:
        return []
    return [Item(start.frames[:, :, :1], clip.frames - 1, start.strength)]


def again(info: Info, offered: Sequence[Path] = ()) -> Request:
    """The request that made a video.

    Args:
        info: what is known of it.
        offered: files that may be what it was made from; they are known by their content.

    Raises:
        ConfigError: a file is gone or has changed.
        MediaError: a file cannot be read.
    """
    request = Request(
        frames=info.frames,
        width=info.width,
        height=info.height,
        fps=info.fps,
        steps=info.steps,
        guidance=info.guidance,
        negative=info.negative,
        seed=info.seed,
        task=info.task,
        strength=info.strength,
    )
    files = {source.role: find(source, offered) for source in info.inputs}
    return replace(with_files(request, files, info.fps), sources=info.inputs)


def with_files(request: Request, files: Mapping[str, Path], fps: float) -> Request:
    """A request with the pictures and videos of files.

    Args:
        request: everything else.
        files: by role: image, last_image, video, signal, `at N`.
        fps: of the video that is made; given ones are read so that they run at their own speed.

    Raises:
        MediaError: a file cannot be read.
    """
    rates = {"video": fps / use(request.task).factor, "signal": fps}
    frames = {
        role: read_video(path, fps=rates[role]).frames if role in rates else read_image(path)
        for role, path in files.items()
    }
    at = {int(role[3:]): pixels for role, pixels in frames.items() if role.startswith("at ")}
    return replace(
        request,
        image=frames.get("image"),
        last_image=frames.get("last_image"),
        video=frames.get("video"),
        signal=frames.get("signal"),
        at=at,
        sources=tuple(of_file(role, path) for role, path in files.items()),
    )


def _longest(autoencoder: Autoencoder, height: int, width: int, most: int) -> int:
    """The longest legal clip of at most so many frames; 0: none."""
    lengths = range(most, 0, -1)
    return next((n for n in lengths if autoencoder.nearest(n, height, width).frames == n), 0)


def _nearest(length: int, cell: int) -> int:
    """The nearest multiple of `cell`, at least one of them."""
    return max(1, round(length / cell)) * cell


def _check(request: Request) -> None:
    use(request.task)
    if request.video is None and request.task not in ("continue", LOOP):
        raise ConfigError(f"task {request.task!r} without a video; expected one, see --video")
    if not 0.0 <= request.strength <= 1.0:
        raise ConfigError(f"strength {request.strength:g}: expected a number from 0 to 1")
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
