"""Writing videos, moving pictures and single pictures, each whole or not at all."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import av
import numpy as np
import torch
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo
from torch import Tensor

from kineograph.errors import MediaError
from kineograph.media.sampling import rate
from kineograph.media.source import FASTEST, SCALING, SLOWEST, check_file, opened

_VIDEO = (".mp4", ".m4v", ".mov")
_PICTURE = (".png", ".jpg", ".jpeg", ".webp")
_BT709 = 1  # as matrix, as primaries and as transfer curve in ITU-T H.273
_NOTHING: Mapping[str, str] = MappingProxyType({})


class VideoWriter:
    """An H.264 file being written. Get one from `writing`."""

    def __init__(
        self, container: OutputContainer, stream: VideoStream, size: tuple[int, int]
    ) -> None:
        self.size = size
        self._container, self._stream = container, stream
        self._reformatter = VideoReformatter()
        self._next = 0

    def write(self, frames: Tensor) -> None:
        """Append frames, (T, Y, X, 3) uint8."""
        if tuple(frames.shape[1:]) != (*self.size, 3):
            expected = f"(T, {self.size[0]}, {self.size[1]}, 3)"
            raise MediaError(f"frames of shape {tuple(frames.shape)}: expected {expected}")
        for pixels in _pixels(frames):
            self._encode(pixels)

    def finish(self) -> None:
        """Write out what the encoder still holds."""
        if self._next == 0:
            raise MediaError("a video without frames: expected at least one")
        self._container.mux(self._stream.encode(None))

    def _encode(self, pixels: NDArray[np.uint8]) -> None:
        height, width = self.size
        even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = self._reformatter.reformat(
            VideoFrame.from_ndarray(even, format="rgb24"),
            format="yuv420p",
            src_colorspace=Colorspace.ITU709,
            dst_colorspace=Colorspace.ITU709,
            interpolation=SCALING,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
        )
        frame.pts, frame.time_base = self._next, self._stream.codec_context.time_base
        self._next += 1
        self._container.mux(self._stream.encode(frame))


@contextmanager
def writing(
    path: str | Path,
    size: tuple[int, int],
    fps: float | Fraction,
    *,
    metadata: Mapping[str, str] = _NOTHING,
    crf: int = 18,
) -> Iterator[VideoWriter]:
    """Write a video piece by piece; the file appears when the block ends without an error.

    Args:
        path: a name that ends in .mp4, .m4v or .mov; missing folders are made.
        size: (Y, X) of the frames. 4:2:0 needs even sizes: an odd one grows by one pixel, the
            edge repeated.
        fps: frames per second.
        metadata: any names and values; `read_metadata` gives them back.
        crf: x264's quality, 0 (best) to 51.

    Raises:
        MediaError: the name, the frames or the place are not fit for a video.
    """
    path = Path(path)
    _check_name(path, _VIDEO)
    if not SLOWEST <= fps <= FASTEST:
        raise MediaError(f"fps {fps}: expected {float(SLOWEST):g} to {FASTEST}")
    options = {"movflags": "faststart+use_metadata_tags"}
    with replaced(path) as part:
        kind = "mov" if path.suffix.lower() == ".mov" else "mp4"
        with av.open(f"file:{part}", "w", format=kind, options=options) as container:
            container.metadata.update(metadata)
            writer = VideoWriter(container, _h264(container, size, rate(fps), crf), size)
            yield writer
            writer.finish()


def write_video(
    path: str | Path,
    frames: Tensor,
    fps: float | Fraction,
    *,
    metadata: Mapping[str, str] = _NOTHING,
    crf: int = 18,
) -> None:
    """Write frames (T, Y, X, 3) uint8 as H.264, BT.709; see `writing` for the rest."""
    if frames.ndim != 4:
        raise MediaError(f"frames of shape {tuple(frames.shape)}: expected (T, Y, X, 3)")
    size = (frames.shape[1], frames.shape[2])
    with writing(path, size, fps, metadata=metadata, crf=crf) as writer:
        writer.write(frames)


def write_gif(path: str | Path, frames: Tensor, fps: float) -> None:
    """Write frames (T, Y, X, 3) uint8 as an endless GIF.

    GIF counts in hundredths of a second: single frames are rounded to them, the whole is not.
    """
    path = Path(path)
    _check_name(path, (".gif",))
    if fps <= 0 or len(frames) == 0:
        raise MediaError(f"{len(frames)} frames at {fps:g} per second: expected more than 0")
    pictures = [Image.fromarray(pixels) for pixels in _pixels(frames)]
    ends = [round(100 * (i + 1) / fps) for i in range(len(pictures))]
    lengths = [10 * (end - begin) for begin, end in zip([0, *ends], ends, strict=False)]
    with replaced(path) as part:
        first, *rest = pictures
        first.save(part, "GIF", save_all=True, append_images=rest, duration=lengths, loop=0)


def write_image(
    path: str | Path, picture: Tensor, *, metadata: Mapping[str, str] = _NOTHING
) -> None:
    """Write one picture (Y, X, 3) uint8; its name's ending says how.

    Args:
        path: a name that ends in .png, .jpg, .jpeg or .webp; missing folders are made.
        picture: RGB.
        metadata: names and values that `read_metadata` gives back; PNG only.
    """
    path = Path(path)
    _check_name(path, (".png",) if metadata else _PICTURE)
    image = Image.fromarray(_pixels(picture[None])[0])
    text = PngInfo()
    for name, value in metadata.items():
        text.add_itxt(name, value)
    with replaced(path) as part:
        if path.suffix.lower() == ".png":
            image.save(part, "PNG", pnginfo=text)
        else:
            image.save(part, Image.registered_extensions()[path.suffix.lower()], quality=95)


def write_frames(folder: str | Path, frames: Tensor) -> tuple[Path, ...]:
    """Write frames (T, Y, X, 3) uint8 as 00000.png, 00001.png, ...; returns their paths."""
    paths = tuple(Path(folder) / f"{index:05d}.png" for index in range(len(frames)))
    for path, picture in zip(paths, frames, strict=True):
        write_image(path, picture)
    return paths


def read_metadata(path: str | Path) -> dict[str, str]:
    """Names and values in a video or a PNG, with those that the format itself adds.

    Raises:
        MediaError: the file is missing or neither of both, with the reason.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        with opened(path) as video:
            return dict(video.container.metadata)
    check_file(path)
    try:
        with PngImageFile(path) as image:
            return {name: str(value) for name, value in image.text.items()}
    except (OSError, SyntaxError) as error:
        raise MediaError(f"{path}: not a picture that can be read ({error})") from error


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A name to write to, that becomes `path` at the end, or vanishes when something fails.

    Raises:
        MediaError: the system says that the place cannot be written to.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except BaseException as error:
        with suppress(OSError):
            part.unlink()
        if isinstance(error, OSError | av.FFmpegError):
            reason = error.strerror or error
            raise MediaError(f"{path}: cannot be written ({reason})") from error
        raise


def _h264(
    container: OutputContainer, size: tuple[int, int], fps: Fraction, crf: int
) -> VideoStream:
    # Equal frames have to become equal files. About once in a thousand clips, x264's macroblock
    # tree gives other quantisers for the same frames, with one thread as with several.
    options = {"crf": str(crf), "x264-params": "mbtree=0"}
    stream = container.add_stream("libx264", rate=fps, options=options)
    stream.thread_count = 1
    stream.height, stream.width = (side + side % 2 for side in size)
    stream.pix_fmt = "yuv420p"
    codec = stream.codec_context
    codec.time_base = 1 / fps
    # Without these tags players guess, and pictures turn orange.
    codec.color_range = ColorRange.MPEG
    codec.colorspace = codec.color_primaries = codec.color_trc = _BT709
    return stream


def _check_name(path: Path, endings: tuple[str, ...]) -> None:
    if path.suffix.lower() not in endings:
        raise MediaError(f"{path}: expected a name that ends in {' or '.join(endings)}")
    if path.is_dir():
        raise MediaError(f"{path}: is a folder; expected a file")


def _pixels(frames: Tensor) -> NDArray[np.uint8]:
    """(T, Y, X, 3) uint8 as contiguous numpy."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != torch.uint8:
        have = f"{frames.dtype} {tuple(frames.shape)}"
        raise MediaError(f"frames {have}: expected uint8 (T, Y, X, 3)")
    return np.ascontiguousarray(frames.cpu().numpy())
