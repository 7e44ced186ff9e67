"""What the published systems write behind a prompt: scores, camera, frames per second.

Training and sampling differ in form in Open-Sora 2.0, and the paper of Open-Sora 1.2 shows a
third form; these are the forms of the published code.
"""

import math
import re
from dataclasses import dataclass
from typing import Literal

from kineograph.errors import ConfigError, nearest

CAMERA = ("static", "pan right", "pan left", "zoom in", "zoom out", "tilt up", "tilt down")
"""The words for camera motion that Open-Sora 1.2 was trained with."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Open-Sora 1.2 at sampling: ` aesthetic score: 6.5.`, ` motion score: 10.0.`, camera.

    aesthetic, motion: None leaves them out; camera: one of `CAMERA`, empty leaves it out. A
    score that the prompt already names is not written again.
    """

    kind: Literal["scores"] = "scores"
    aesthetic: float | None = 6.5
    motion: float | None = None
    camera: str = ""

    def __post_init__(self) -> None:
        if self.camera and self.camera.replace("_", " ") not in CAMERA:
            raise ConfigError(f"camera {self.camera!r}{nearest(self.camera, CAMERA)}")

    def __call__(self, prompt: str) -> str:
        """The prompt with what it does not say yet; it is cleaned afterwards, as one text."""
        told = (
            ("aesthetic score:", "" if self.aesthetic is None else f"{self.aesthetic:.1f}"),
            ("motion score:", "" if self.motion is None else f"{self.motion:.1f}"),
            ("camera motion:", self.camera.replace("_", " ")),
        )
        for name, value in told:
            if value and name not in prompt:
                prompt = f"{prompt} {name} {value}."
        return prompt


@dataclass(frozen=True, kw_only=True)
class RateAndMotion:
    """Open-Sora 2.0 at sampling: two sentences, behind a full stop.

    fps: frames per second of the video; motion: about 1 (still) to 7 (wild), None: not told.
    """

    kind: Literal["rate_and_motion"] = "rate_and_motion"
    fps: int = 24
    motion: int | None = 4

    def __call__(self, prompt: str) -> str:
        """The prompt with its rate, unless it ends in one, and its motion."""
        text = self.with_rate(prompt)
        return text if self.motion is None else f"{text} {self.motion} motion score."

    def with_rate(self, prompt: str) -> str:
        """The prompt with its rate only."""
        text = prompt.strip()
        if not text.endswith("."):
            text += "."
        return text if re.search(r"\d+ FPS\.$", text) else f"{text} {self.fps} FPS."


def training_caption(caption: str, fps: float, motion: float | None) -> str:
    """A caption as Open-Sora 2.0 is trained with: one sentence, nothing forced before it.

    Args:
        caption: as it was written.
        fps: after frames were left out, as `data.frames.at_most` says; 0: unknown. It is
            shown as it prints, so that 16.0 is not 16.
        motion: VMAF's score of motion; None: unknown.
    """
    told = []
    if fps:
        told.append(f"{fps} FPS")
    if motion is not None and not math.isnan(motion):
        told.append(f"{int(motion + 0.5)} motion score")
    return f"{caption} {', '.join(told)}." if told else caption
