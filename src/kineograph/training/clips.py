"""Clips for training: of the toybox world, rendered when they are needed, or of videos.

Clip number `index` of a seed is always the same clip, so a run that goes on after a stop
sees the same data, and no two processes see the same clip.
"""

import math
import random
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from kineograph.errors import ConfigError
from kineograph.recipes.recipe import Recipe
from kineograph.recipes.stages import AutoencoderStage, Clips, Footage
from kineograph.toybox.render import Rendered, render
from kineograph.toybox.scene import Scene
from kineograph.toybox.world import sample_scene
from kineograph.training.footage import clips_of, moment

ENDLESS = ("still", "bounce", "spin", "circle")
"""Motions that have no end."""


@dataclass(frozen=True, eq=False)
class Batch:
    """video (B, 3, T, Y, X) in [-1, 1]; mask (B, 1, T, Y, X): 1 on objects; their scenes.

    Of videos nothing is known: the mask is 0 and there are no scenes. Before it is on its
    device, rendered video is uint8 in [0, 255] and its mask is bool.
    """

    video: Tensor
    mask: Tensor
    scenes: tuple[Scene, ...] = ()

    def cut(self, frames: int) -> "Batch":
        """The first frames of every clip."""
        return Batch(self.video[:, :, :frames], self.mask[:, :, :frames], self.scenes)

    def to(self, device: str) -> "Batch":
        """On a device, as float32."""
        video, mask = self.video.to(device), self.mask.to(device).float()
        if video.dtype == torch.uint8:
            video = video.float() / 127.5 - 1.0
        return Batch(video, mask, self.scenes)


def length(stage: AutoencoderStage, seed: str) -> int:
    """How many frames the clips of one step keep: all, a drawn number, or the first one."""
    choice = random.Random(seed)
    if choice.random() < stage.images:
        return 1
    return choice.choice(stage.lengths) if stage.lengths else stage.clips.frames


def on_videos(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with all stages of its autoencoder that train on footage pointed to a dataset.

    Raises:
        ConfigError: no stage does.
    """
    stages = tuple(
        replace(stage, clips=replace(stage.clips, folder=str(folder)))
        if isinstance(stage.clips, Footage)
        else stage
        for stage in recipe.autoencoder_stages
    )
    if not any(isinstance(stage.clips, Footage) for stage in stages):
        raise ConfigError(
            f"recipe {recipe.name!r} trains its autoencoder on toybox clips, so videos are of no "
            "use; expected a recipe whose stages have clips of kind 'footage'"
        )
    return replace(recipe, autoencoder_stages=stages)


def told(clips: Clips | Footage, seed: int) -> str:
    """A training clip for a message: its scene's seed, or its video and second."""
    return moment(clips, seed) if isinstance(clips, Footage) else f"scene {seed}"


def draw(
    clips: Clips | Footage, seeds: range, *, held_out: bool = False, device: str = "cpu"
) -> Batch:
    """Render or read one clip for each seed, on a device; see `drawn`."""
    return drawn(clips, seeds, held_out=held_out, device=device).to(device)


def drawn(
    clips: Clips | Footage, seeds: range, *, held_out: bool = False, device: str = "cpu"
) -> Batch:
    """Render or read one clip for each seed, in as few bytes as it takes.

    A toybox clip shorter than its scene begins at a moment drawn from its seed; one that is
    longer begins with it, and what comes to an end there goes back and forth.

    Args:
        clips: which world or folder, and the clips' shape.
        seeds: one seed for each of the B clips.
        held_out: draw only what is never trained on.
        device: where to render.

    Raises:
        DataError: the folder has no video that is long enough.
    """
    if isinstance(clips, Footage):
        video = clips_of(clips, seeds, held_out=held_out)
        return Batch(video, torch.zeros_like(video[:, :1], dtype=torch.bool))
    scenes = tuple(sample_scene(clips.level, seed, held_out=held_out) for seed in seeds)
    pieces = [shown(clips, scene, device=device) for scene in scenes]
    video = torch.cat([piece.video for piece in pieces]).movedim(-1, 1)
    masks = torch.cat([piece.masks for piece in pieces])
    return Batch(video, (masks > 0).unsqueeze(1), scenes)


def shown(
    clips: Clips, scene: Scene, frames: int | None = None, *, device: str = "cpu"
) -> Rendered:
    """Render the clip of one scene, or only its first frames."""
    spare = math.floor(scene.seconds * clips.fps + 1e-6) - (clips.frames - 1)
    start = random.Random(scene.seed).randint(0, max(0, spare)) if clips.frames > 1 else 0
    count = clips.frames if frames is None else frames
    times = moments(scene, (start + torch.arange(count)) / clips.fps)
    return render([scene], times, (clips.size, clips.size), device=device)


def moments(scene: Scene, times: Tensor) -> Tensor:
    """Which moments of a scene a clip shows that may outlast it.

    Bounces, spins and circles go on for ever. What has an end is shown there and back again, so
    that something moves at every time of a long clip and the toy stays in the picture.

    Args:
        scene: lasts `seconds`.
        times: (T,) seconds since its beginning.

    Returns:
        (T,) seconds; the same ones inside the scene's time.
    """
    endless = scene.camera.move == "static" and all(
        toy.motion in ENDLESS and toy.impact is None for toy in scene.toys
    )
    if endless:
        return times
    part = times % (2 * scene.seconds)
    return torch.where(times <= scene.seconds, times, torch.minimum(part, 2 * scene.seconds - part))
