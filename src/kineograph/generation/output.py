"""A finished video: how it came about, what is odd about it, and its file."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from kineograph.errors import ConfigError
from kineograph.generation.draft import Info
from kineograph.media.encode import write_frames, write_gif, write_image, write_video
from kineograph.media.resize import scale

STILL = 0.3  # mean difference between neighbouring frames, in levels of 255
DARK = 4.0  # mean level


@dataclass(frozen=True, eq=False)
class Generation:
    """A video, uint8 (T, Y, X, 3), and how it came about.

    enlarge: by how much the recipe wants its files larger than the model's own pixels.
    """

    video: Tensor
    info: Info
    enlarge: int = 1

    def concerns(self) -> list[str]:
        """What a viewer may stumble over."""
        frames = self.video.float()
        found = []
        if float(frames.mean()) < DARK:
            found.append("the video is black")
        elif len(frames) > 1 and float(frames.diff(dim=0).abs().mean()) < STILL:
            found.append("nothing moves in the video")
        return found

    def summary(self) -> str:
        """One line about the video."""
        frames, height, width = self.video.shape[:3]
        return (
            f"{frames} frames of {width}x{height} at {self.info.fps:g} fps, seed {self.info.seed}"
        )

    def save(self, path: Path | str, *, native: bool = False) -> Path:
        """Write the video; the ending of the name says how.

        Args:
            path: .mp4, .m4v, .mov; .gif; .png for a single frame; without an ending, a folder
                of numbered frames. All but .gif and folders carry `info`.
            native: write the model's own pixels, not enlarged.

        Returns:
            The path.

        Raises:
            ConfigError: another ending, or .png for several frames.
            MediaError: the place cannot be written to.
        """
        path = Path(path)
        check_name(path, len(self.video))
        factor = 1 if native else self.enlarge
        height, width = self.video.shape[1:3]
        frames = scale(self.video, height * factor, width * factor)
        match path.suffix.lower():
            case "":
                write_frames(path, frames)
            case ".gif":
                write_gif(path, frames, self.info.fps)
            case ".png":
                write_image(path, frames[0], metadata=self.info.metadata())
            case _:
                write_video(path, frames, self.info.fps, metadata=self.info.metadata())
        return path


def check_name(path: Path, frames: int) -> None:
    """Refuse a file name that `save` could not write, before any work is done.

    Raises:
        ConfigError: naming the endings that there are.
    """
    ending = path.suffix.lower()
    if ending not in ("", ".mp4", ".m4v", ".mov", ".gif", ".png"):
        raise ConfigError(
            f"{path}: expected .mp4, .mov, .gif, .png (one frame) or a folder's name without ending"
        )
    if ending == ".png" and frames > 1:
        folder = path.with_suffix("")
        raise ConfigError(
            f"{path}: {frames} frames do not fit into one picture; expected .mp4, .gif, or a "
            f"folder such as {folder}"
        )
