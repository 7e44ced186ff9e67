"""An open video file: its frames in order, their times, and their colours as shown.

This is the one place that knows PyAV. No torch, so that checks of data stay light.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from kineograph.errors import MediaError

# Only real video formats, read from this file alone: a playlist or a text file may neither pull
# in other files nor be drawn as text.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,av1,obu,ivf,"
    "flv,asf,ogg,gif,apng,mxf,nut,dv,rm,yuv4mpegpipe,wtv"
)
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}

# SWS_FULL_CHR_H_INT | SWS_ACCURATE_RND, which PyAV 16 does not name.
SCALING = int(Interpolation.BICUBIC) | 0x2000 | 0x40000

# ITU-T H.273 matrix numbers -> swscale's: BT.709, FCC, BT.601 (two names), SMPTE 240M, BT.2020.
_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_WHITE = 255

SLOWEST, FASTEST = Fraction(1, 1000), Fraction(100_000)
"""Frames per second that can be meant; headers that were damaged say anything."""


@dataclass(frozen=True)
class Turn:
    """How stored pixels become shown ones: a transposition, then mirrorings."""

    transposed: bool = False
    mirror_rows: bool = False
    mirror_columns: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> "Turn":
        """From the display matrix (a, b; c, d): x' = a x + c y and y' = b x + d y."""
        stored = cast(Mapping[str, SideData], frame.side_data).get("DISPLAYMATRIX")
        if stored is None:
            return cls()
        matrix = np.frombuffer(bytes(stored), dtype="<i4")
        a, b, c, d = (int(matrix[i]) for i in (0, 1, 3, 4))
        if abs(b) > abs(a):
            return cls(True, mirror_rows=b < 0, mirror_columns=c < 0)
        return cls(False, mirror_rows=d < 0, mirror_columns=a < 0)

    def __call__(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(Y, X, C) stored -> (Y, X, C) or (X, Y, C) shown."""
        if self.transposed:
            picture = picture.swapaxes(0, 1)
        rows = -1 if self.mirror_rows else 1
        columns = -1 if self.mirror_columns else 1
        return picture[::rows, ::columns]


class Video:
    """An open video file. Get one from `opened`; read it once.

    Attributes:
        first: the first frame that can be decoded.
        height, width: the picture as shown, in square pixels.
        rate: nominal frames per second.
        lost: frames that were damaged so far. A damaged frame spoils those that are predicted
            from it, so everything up to the next key frame counts.
    """

    def __init__(self, path: Path, container: InputContainer) -> None:
        self.path = path
        self.container = container
        self.stream = _picture_stream(path, container)
        self.stream.thread_type = "AUTO"
        self.rate = _rate(self.stream)
        self.lost = 0
        self._reformatter = VideoReformatter()
        self._rest = self._decode()
        first = next(self._rest, None)
        if first is None:
            raise MediaError(f"{path}: no frame can be decoded ({self.lost} damaged)")
        self.first = first
        self.turn = Turn.of(first)
        height, width = _square(first.height, first.width, self.stream.sample_aspect_ratio)
        self.height, self.width = (width, height) if self.turn.transposed else (height, width)

    def frames(self, start: Fraction = Fraction(0)) -> Iterator[tuple[Fraction, VideoFrame]]:
        """Decoded frames with their times in seconds after the very first frame.

        Args:
            start: frames more than half a nominal frame interval before it are left out.
        """
        earliest = start - 1 / (2 * self.rate)
        if earliest > 0 and self._seek(earliest):
            landed = next(self._rest, None)
            if landed is not None and self._time(landed, Fraction(0)) <= earliest:
                yield from self._timed(landed, earliest)
                return
            self._restart()
        yield from self._timed(self.first, earliest)

    def rgb(self, frame: VideoFrame, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """The frame as shown: turned, square pixels, full-range RGB, (Y, X, 3).

        Transparent parts are shown on white. HDR is not tone-mapped.

        Args:
            frame: a decoded frame of this video.
            size: wanted (Y, X) as shown; None: `height`, `width`.

        Raises:
            MediaError: its pixels cannot be converted.
        """
        height, width = size or (self.height, self.width)
        if self.turn.transposed:
            height, width = width, height
        transparent = is_transparent(frame)
        matrix = _matrix(frame)
        # RGB has no matrix, but PyAV 16 ignores the source's where both numbers are equal.
        other = Colorspace.ITU601 if matrix == Colorspace.ITU709 else Colorspace.ITU709
        try:
            converted = self._reformatter.reformat(
                frame,
                width=width,
                height=height,
                format="rgba" if transparent else "rgb24",
                src_colorspace=matrix,
                dst_colorspace=other,
                interpolation=SCALING,
                src_color_range=ColorRange.JPEG if is_full_range(frame) else ColorRange.MPEG,
                dst_color_range=ColorRange.JPEG,
            )
            stored = converted.to_ndarray().astype(np.uint8, copy=False)
        except (av.FFmpegError, ValueError) as error:
            what = f"{frame.width}x{frame.height} {frame.format.name}"
            raise MediaError(f"{self.path}: a frame of {what} cannot be shown ({error})") from error
        picture = self.turn(stored)
        return on_white(picture) if transparent else picture

    def _decode(self) -> Iterator[VideoFrame]:
        """Undamaged frames in presentation order from where the container stands."""
        broken = False
        for packet in self.container.demux(self.stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                broken, frames = True, []
                self.lost += 1
            for frame in frames:
                assert isinstance(frame, VideoFrame)
                broken = frame.is_corrupt or (broken and not frame.key_frame)
                if broken:
                    self.lost += 1
                else:
                    yield frame

    def _time(self, frame: VideoFrame, otherwise: Fraction) -> Fraction:
        if frame.pts is None or frame.time_base is None or self.first.pts is None:
            return otherwise
        return (frame.pts - self.first.pts) * frame.time_base

    def _timed(
        self, frame: VideoFrame, earliest: Fraction
    ) -> Iterator[tuple[Fraction, VideoFrame]]:
        """`frame` and the rest, with strictly growing times, from `earliest` on."""
        time = self._time(frame, Fraction(0))
        while True:
            if time > earliest:
                yield time, frame
            following = next(self._rest, None)
            if following is None:
                return
            expected = time + 1 / self.rate
            stamped = self._time(following, expected)
            time, frame = (stamped if stamped > time else expected), following

    def _seek(self, time: Fraction) -> bool:
        """Go to a key frame at or before `time`; false where the file cannot do that."""
        first, base = self.first.pts, self.stream.time_base
        if first is None or base is None:
            return False
        try:
            self.container.seek(first + int(time / base), stream=self.stream)
        except av.FFmpegError:
            self._restart()
            return False
        self.lost = 0
        self._rest = self._decode()
        return True

    def _restart(self) -> None:
        """Stand again behind the first frame, in a newly opened container."""
        self.container.close()
        self.container = _open(self.path)
        self.stream = _picture_stream(self.path, self.container)
        self.stream.thread_type = "AUTO"
        self.lost = 0
        self._rest = self._decode()
        self.first = next(self._rest)


@contextmanager
def opened(path: str | Path) -> Iterator[Video]:
    """Open a video, and close it whatever happens.

    Raises:
        MediaError: the file is missing or no video, with the reason.
    """
    path = Path(path)
    container = _open(path)
    try:
        video = Video(path, container)
    except BaseException:
        container.close()
        raise
    try:
        yield video
    finally:
        video.container.close()


def is_full_range(frame: VideoFrame) -> bool:
    """Whether black is 0 and white is 255 in the stored luma (not 16 and 235)."""
    return frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")


def is_transparent(frame: VideoFrame) -> bool:
    """Whether its pixels say how opaque they are; those of palettes may."""
    return frame.format.has_palette or any(part.is_alpha for part in frame.format.components)


def on_white(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(Y, X, 4) with straight alpha -> (Y, X, 3) in front of white."""
    alpha = picture[..., 3:].astype(np.uint16)
    mixed = picture[..., :3] * alpha + _WHITE * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def check_file(path: Path) -> None:
    """Name the reason where there is nothing to read.

    Raises:
        MediaError: missing, a folder, or empty.
    """
    if not path.exists():
        raise MediaError(f"{path}: there is no such file")
    if path.is_dir():
        raise MediaError(f"{path}: is a folder; expected a file")
    if path.stat().st_size == 0:
        raise MediaError(f"{path}: the file is empty")


def _open(path: Path) -> InputContainer:
    check_file(path)
    try:
        # `file:` keeps names such as `-x.mp4` or `a:b.mp4` from being read as anything else.
        # A title in no known alphabet is no reason to refuse the pictures.
        return av.open(f"file:{path}", options=_OPTIONS, metadata_errors="replace")
    except (OSError, av.FFmpegError) as error:
        raise MediaError(f"{path}: not a video that can be read ({error.strerror})") from error


def _picture_stream(path: Path, container: InputContainer) -> VideoStream:
    streams = [s for s in container.streams.video if not s.disposition & _COVER]
    if not streams:
        held = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        raise MediaError(f"{path}: has no video stream; it holds: {held}")
    return streams[0]


def _rate(stream: VideoStream) -> Fraction:
    """The rate that a file states; FFmpeg assumes 25, too, where it does not."""
    stated = (stream.average_rate, stream.guessed_rate)
    return next((one for one in stated if one and SLOWEST <= one <= FASTEST), Fraction(25))


_COVER = av.stream.Disposition.attached_pic  # the picture of a song is no video


def _square(height: int, width: int, aspect: Fraction | None) -> tuple[int, int]:
    """Size in square pixels: the shorter side of a pixel is stretched, nothing is lost."""
    if not aspect:
        return height, width
    if aspect > 1:
        return height, round(width * aspect)
    return round(height / aspect), width


def _matrix(frame: VideoFrame) -> int:
    """The tagged matrix; without a tag BT.709 for HD and BT.601 below, as players do."""
    untagged = Colorspace.ITU709 if frame.height > 576 or frame.width >= 1280 else Colorspace.ITU601
    return _MATRICES.get(frame.colorspace, int(untagged))
