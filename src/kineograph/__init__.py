"""Kineograph: text/image-to-video generation, from raw videos to a served model.

The names below are the public surface; each is loaded when it is first used, so that
importing the package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kineograph.config import diff, override
    from kineograph.errors import KineographError
    from kineograph.generation.generator import Generator
    from kineograph.generation.load import Parts, load_parts
    from kineograph.generation.output import Generation
    from kineograph.generation.request import Request
    from kineograph.media.decode import read_image, read_video
    from kineograph.media.encode import write_video
    from kineograph.proof.verify import verify
    from kineograph.recipes.recipe import Recipe
    from kineograph.toybox.captions import caption
    from kineograph.toybox.render import render
    from kineograph.toybox.scene import Scene
    from kineograph.toybox.world import sample_scene
    from kineograph.types import (
        Autoencoder,
        Condition,
        Denoiser,
        Given,
        Guidance,
        Injection,
        Known,
        Sampler,
        TextEncoder,
    )

__version__ = "0.1.0"

__all__ = [
    "Autoencoder",
    "Condition",
    "Denoiser",
    "Generation",
    "Generator",
    "Given",
    "Guidance",
    "Injection",
    "KineographError",
    "Known",
    "Parts",
    "Recipe",
    "Request",
    "Sampler",
    "Scene",
    "TextEncoder",
    "caption",
    "diff",
    "load_parts",
    "override",
    "read_image",
    "read_video",
    "render",
    "sample_scene",
    "verify",
    "write_video",
]

_HOMES = {
    "kineograph.config": ("diff", "override"),
    "kineograph.errors": ("KineographError",),
    "kineograph.generation.generator": ("Generator",),
    "kineograph.generation.load": ("Parts", "load_parts"),
    "kineograph.generation.output": ("Generation",),
    "kineograph.generation.request": ("Request",),
    "kineograph.media.decode": ("read_image", "read_video"),
    "kineograph.media.encode": ("write_video",),
    "kineograph.proof.verify": ("verify",),
    "kineograph.recipes.recipe": ("Recipe",),
    "kineograph.toybox.captions": ("caption",),
    "kineograph.toybox.render": ("render",),
    "kineograph.toybox.scene": ("Scene",),
    "kineograph.toybox.world": ("sample_scene",),
    "kineograph.types": (
        "Autoencoder",
        "Condition",
        "Denoiser",
        "Given",
        "Guidance",
        "Injection",
        "Known",
        "Sampler",
        "TextEncoder",
    ),
}


def __getattr__(name: str) -> object:
    """The public name, from the module where it lives."""
    for module, names in _HOMES.items():
        if name in names:
            return vars(importlib.import_module(module))[name]
    raise AttributeError(f"module 'kineograph' has no attribute {name!r}")
