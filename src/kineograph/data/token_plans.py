"""Batches of clips that cost the same: plans beside the tables of buckets.

A plan says where a clip goes, as `BucketTable` does, so `assignment` and `batches` serve it.
"""

import random
from dataclasses import dataclass, field
from typing import Literal

from kineograph.data.buckets import SHORT, SMALL, Bucket, ClipSize
from kineograph.data.frames import LegalLength
from kineograph.data.min_max import EqualTokens, MinMaxSizes, OwnShape

SHAPE = "too flat or too upright"
_STRIDE = 1_000_003  # between the seeds of rows, so that epochs do not meet them


@dataclass(frozen=True, kw_only=True)
class MinMaxTokens:
    """One bound on the pixels of a frame and one on frames (Open-Sora Plan, 2412.00131, 3.1).

    sizes: a size per listed ratio as in the paper, or each clip's own shape as in the code; frames:
    the most that are used; length: which counts are legal; batch: clips of a batch, pictures:
    pictures of one.
    """

    kind: Literal["min_max_tokens"] = "min_max_tokens"
    sizes: MinMaxSizes | OwnShape = field(default_factory=OwnShape)
    frames: int = 93
    length: LegalLength = field(default_factory=LegalLength)
    batch: int = 1
    pictures: int = 1

    def find(self, clip: ClipSize, seed: int) -> Bucket | None:
        """The clip's bucket; None: it is too short or too small. Nothing is drawn."""
        frames, size = self._frames(clip), self.sizes.place(clip.height, clip.width)
        if frames is None or size is None:
            return None
        batch = self.pictures if frames == 1 else self.batch
        shape = f"{size.width}:{size.height}"
        return Bucket("min-max", frames, shape, size.height, size.width, batch)

    def reason(self, clip: ClipSize) -> str:
        """Why a clip is in no bucket."""
        if self._frames(clip) is None:
            return SHORT
        return SHAPE if self.sizes.large(clip.height, clip.width) else SMALL

    def row_seed(self, row: int, *, seed: int, epoch: int) -> int:
        """The seed of the draws of a dataset's row in an epoch."""
        return seed + epoch + row * _STRIDE

    def _frames(self, clip: ClipSize) -> int | None:
        frames = clip.frames // clip.interval
        return 1 if clip.frames == 1 else self.length(min(frames, self.frames))


@dataclass(frozen=True, kw_only=True)
class EqualTokenBatches:
    """Every clip at one number of tokens (LTX-Video, 2501.00103, 2.5.3).

    A clip may be shown at several lengths: the longer, the smaller. Each epoch draws one. The
    denoiser then drops tokens down to `tokens.tokens`.
    """

    kind: Literal["equal_token_batches"] = "equal_token_batches"
    tokens: EqualTokens
    batch: int = 1

    def find(self, clip: ClipSize, seed: int) -> Bucket | None:
        """The clip's bucket in this epoch; None: it is too small or too short."""
        frames = max(1, clip.frames // clip.interval)
        found = self.tokens.choose(frames, clip.height, clip.width, random.Random(seed))
        if found is None:
            return None
        shape = f"{found.width}:{found.height}"
        size = f"{found.tokens} tokens"
        return Bucket(size, found.frames, shape, found.height, found.width, self.batch)

    def reason(self, clip: ClipSize) -> str:
        """Why a clip is in no bucket: a longer clip of its size would be, or none."""
        longest = max(self.tokens.lengths)
        return SHORT if self.tokens.shapes(longest, clip.height, clip.width) else SMALL

    def row_seed(self, row: int, *, seed: int, epoch: int) -> int:
        """The seed of the draws of a dataset's row in an epoch."""
        return seed + epoch + row * _STRIDE
