"""What a video file is, without reading all of it unless asked to."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from kineograph.media.source import Video, is_full_range, is_transparent, opened

_SPACES = {1: "bt709", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
_RANGES = {1: "limited", 2: "full"}


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Facts about a video file.

    Attributes:
        width, height: of the picture as shown: turned, in square pixels.
        fps: mean frames per second.
        duration: seconds from the first frame's beginning to the last one's end.
        rotation: counter-clockwise turn of the display matrix in degrees, -180 to 179; already
            applied to `width` and `height`, and to every decoded frame.
        pixel_format: FFmpeg's name, e.g. `yuv420p10le`.
        color_range: `limited`, `full`, or `unspecified` (then limited is assumed).
        color_space: `bt709`, `bt601`, ..., or `unspecified`.
        audio_streams: how many there are; they are never read.
        alpha: whether frames are transparent; they are shown on white.
        frames: frames that can be decoded; None: not counted. Files lie about it, so there is
            only this one way to know.
        lost: damaged frames; None: not counted.
        variable_rate: whether frames lie at uneven times; None: not counted.
    """

    path: Path
    width: int
    height: int
    fps: float
    duration: float
    rotation: int
    codec: str
    pixel_format: str
    color_range: str
    color_space: str
    audio_streams: int
    alpha: bool = False
    frames: int | None = None
    lost: int | None = None
    variable_rate: bool | None = None

    @property
    def has_audio(self) -> bool:
        """Whether there is sound."""
        return self.audio_streams > 0

    @property
    def aspect(self) -> float:
        """Width of the shown picture over its height."""
        return self.width / self.height


@dataclass(frozen=True)
class FrameTimes:
    """Where every frame lies: seconds after the first one, growing; and how many were lost."""

    times: tuple[Fraction, ...]
    lost: int


def probe(path: str | Path, *, count: bool = False) -> Probe:
    """Look at a video file.

    Args:
        path: the file.
        count: decode everything, for exact frames, duration and rate; otherwise `fps` and
            `duration` are what the file claims.

    Raises:
        MediaError: the file is missing or no video, with the reason.
    """
    with opened(path) as video:
        frame = video.first
        codec = video.stream.codec_context.name
        audio_streams = len(video.container.streams.audio)
        claimed = _claimed_duration(video)
        base = video.stream.time_base or Fraction(0)
        found = _times(video) if count else None
        fps, duration, variable = video.rate, claimed, None
        if found is not None:
            variable = _is_variable(found.times, base)
            fps = _mean_rate(found.times) if variable else video.rate
            duration = found.times[-1] + 1 / fps
        return Probe(
            path=video.path,
            width=video.width,
            height=video.height,
            fps=float(fps),
            duration=float(duration),
            rotation=frame.rotation,
            codec=codec,
            pixel_format=frame.format.name,
            color_range="full"
            if is_full_range(frame)
            else _RANGES.get(frame.color_range, "unspecified"),
            color_space=_SPACES.get(frame.colorspace, "unspecified"),
            audio_streams=audio_streams,
            alpha=is_transparent(frame),
            frames=None if found is None else len(found.times),
            lost=None if found is None else found.lost,
            variable_rate=variable,
        )


def frame_times(path: str | Path) -> FrameTimes:
    """The times of all frames that can be decoded, exact.

    Raises:
        MediaError: the file is missing or no video, with the reason.
    """
    with opened(path) as video:
        return _times(video)


def _times(video: Video) -> FrameTimes:
    times = tuple(time for time, _ in video.frames())
    return FrameTimes(times, video.lost)


def _claimed_duration(video: Video) -> Fraction:
    stream, container = video.stream, video.container
    if stream.duration is not None and stream.time_base is not None:
        return stream.duration * stream.time_base
    return Fraction(container.duration or 0, 1_000_000)


def _mean_rate(times: tuple[Fraction, ...]) -> Fraction:
    return (len(times) - 1) / (times[-1] - times[0])


def _is_variable(times: tuple[Fraction, ...], base: Fraction) -> bool:
    """Whether an interval differs from the middle one by more than rounding explains."""
    gaps = sorted(after - before for before, after in pairwise(times))
    if not gaps:
        return False
    middle = gaps[len(gaps) // 2]
    tolerance = max(2 * base, middle / 10)
    return middle - gaps[0] > tolerance or gaps[-1] - middle > tolerance
