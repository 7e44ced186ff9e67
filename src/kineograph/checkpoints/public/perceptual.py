"""Public names of LPIPS with VGG16, and its weights from the files in which they are published.

The heads are published alone (`vgg.pth`: `lin0` ... `lin4`), the convolutions with torchvision's
VGG16 (`features.0` ... `features.28`, and a classifier that nobody needs here); some
trainings keep both in one file under the names of the metric (`net.slice1.0` ...).
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from kineograph.checkpoints.files import load_into, read
from kineograph.checkpoints.keymap import Constant, KeyMap, Optional, Rename, Reshape, Rule
from kineograph.errors import CheckpointError
from kineograph.nn.perceptual import DEPTHS, LPIPS, SCALE, SHIFT

# Positions of the convolutions in torchvision's list of layers, level by level.
CONVOLUTIONS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))


def lpips_key_map(*, statistics: bool = True) -> KeyMap:
    """All names of the metric; `statistics`: the file holds the constants of RGB, too."""
    rules: list[Rule] = []
    if statistics:
        rules.append(Constant("scaling_layer.shift", lambda: _channels(SHIFT)))
        rules.append(Constant("scaling_layer.scale", lambda: _channels(SCALE)))
    for level, places in enumerate(CONVOLUTIONS):
        for index, place in enumerate(places):
            public = f"net.slice{level + 1}.{place}.{{rest}}"
            rules.append(Rename(public, f"levels.{level}.{index}.{{rest}}"))
    for level in range(len(DEPTHS)):
        rules.append(Reshape(f"lin{level}.model.1.weight", f"heads.{level}", "1 c 1 1 -> c"))
    rules.append(Optional("lins.{rest}"))  # the metric's package names every head twice
    return KeyMap(tuple(rules))


def lpips_widths(state: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Channels of the five levels, by the heads of a state under public names.

    Raises:
        CheckpointError: a head is missing.
    """
    names = [f"lin{level}.model.1.weight" for level in range(len(DEPTHS))]
    absent = [name for name in names if name not in state]
    if absent:
        raise CheckpointError(
            f"LPIPS: no {absent[0]}; its heads are published as `vgg.pth`: give that file as well"
        )
    return tuple(state[name].shape[1] for name in names)


def read_lpips(paths: Sequence[Path]) -> LPIPS:
    """LPIPS with a user's weights, frozen, in float32.

    Args:
        paths: files that hold the convolutions of VGG16 and the heads together: one file
            under the metric's names, or torchvision's VGG16 and `vgg.pth`. Safetensors or
            pickles; the latter are read without executing anything.

    Raises:
        CheckpointError: a file cannot be read, something is missing, or left over.
    """
    state: dict[str, Tensor] = {}
    for path in paths:
        state |= public_names(read(path))
    model = LPIPS(lpips_widths(state))
    keys = lpips_key_map(statistics="scaling_layer.shift" in state)
    load_into(model, keys.load(state))
    return model.eval()


def public_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Torchvision's names as the metric's, without the classifier; others stay."""
    slices = {
        f"features.{place}.": f"net.slice{level + 1}.{place}."
        for level, places in enumerate(CONVOLUTIONS)
        for place in places
    }
    return {
        _renamed(name, slices.items()): tensor
        for name, tensor in state.items()
        if not name.startswith("classifier.")
    }


def _renamed(name: str, pairs: Iterable[tuple[str, str]]) -> str:
    for before, after in pairs:
        if name.startswith(before):
            return after + name.removeprefix(before)
    return name


def _channels(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).view(1, 3, 1, 1)
