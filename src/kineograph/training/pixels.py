"""The pixels behind cached latents: a scene is rendered again, a video is read again.

Only stages that give frames in pixels need them. A video was decoded when it was cached, and its
bytes are compared first, so that it is read without a worker.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kineograph.data.media import digest, local
from kineograph.errors import DataError, MediaError
from kineograph.media.resize import to_unit
from kineograph.media.sampling import window
from kineograph.recipes.stages import Clips
from kineograph.toybox.scene import from_json
from kineograph.training.clips import shown


class Pixels:
    """Gives clips as the cache saw them; remembers which files it has compared."""

    def __init__(self) -> None:
        self.compared: set[str] = set()

    def __call__(self, record: Mapping[str, Any], shape: Clips, frames: int) -> Tensor:
        """The first frames of a cached clip.

        Args:
            record: of the clip.
            shape: of its cache.
            frames: T.

        Returns:
            (3, T, Y, X) in [-1, 1].

        Raises:
            DataError: its video is gone, or is another one now.
        """
        if "toys" in record:
            return shown(shape, from_json(record), frames).video.movedim(-1, 1)[0] / 127.5 - 1.0
        source = str(record["source"])
        try:
            with local(Path(source)) as path:
                if source not in self.compared and digest(path) != record["digest"]:
                    raise DataError(f"{source}: is not the file that was cached")
                self.compared.add(source)
                size = (shape.size, shape.size)
                start = float(record["start"])
                found = window(path, start=start, fps=shape.fps, frames=frames, size=size)
        except (MediaError, DataError) as error:
            raise DataError(
                f"{error}; this stage gives frames in pixels and reads cached clips again: put "
                "the file back where it was, or let `kineograph cache` make the cache again"
            ) from error
        return to_unit(torch.from_numpy(found))[0]
