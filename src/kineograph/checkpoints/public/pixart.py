"""STDiT-3 out of PixArt-Sigma, an image model (Zheng et al., 2412.20404, 3.2 and 4.2).

Its blocks become the spatial ones, under the same names. What it lacks, the blocks along time and
the norms of queries and keys, begins afresh and says nothing, so that every frame is made like
an image.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from kineograph.checkpoints.keymap import KeyMap
from kineograph.errors import CheckpointError, nearest

CAPTION = "y_embedder.y_embedding"
LEFT = ("pos_embed", "csize_embedder.", "ar_embedder.")  # of fixed or further sizes


def stdit_from_pixart(
    pixart: Mapping[str, Tensor], fresh: Mapping[str, Tensor], keys: KeyMap
) -> dict[str, Tensor]:
    """All weights of an STDiT-3, as many as possible from PixArt-Sigma.

    Args:
        pixart: its public state, without the `state_dict` around it.
        fresh: our names and weights of a new STDiT-3.
        keys: its public names.

    Raises:
        CheckpointError: PixArt's file has a tensor that STDiT-3 has not, or in another shape.
    """
    state, known = keys.dump(fresh), dict[str, Tensor]()
    for name, tensor in pixart.items():
        if name.startswith(LEFT):
            continue
        ours = f"spatial_{name}" if name.startswith("blocks.") else name
        if ours not in state:
            raise CheckpointError(f"{name}: STDiT-3 has no such tensor{nearest(ours, state)}")
        known[ours] = _fitted(name, tensor, state[ours])
    return keys.load(state | known)


def _fitted(name: str, tensor: Tensor, like: Tensor) -> Tensor:
    """A kernel of pictures with one frame; the null caption cut, or longer by its last row."""
    if tensor.ndim == like.ndim - 1:
        tensor = tensor.unsqueeze(2)
    if name == CAPTION:
        more = max(0, len(like) - len(tensor))
        tensor = torch.cat((tensor, tensor[-1:].expand(more, -1)))[: len(like)]
    if tensor.shape != like.shape:
        raise CheckpointError(
            f"{name}: shape {tuple(tensor.shape)}, expected {tuple(like.shape)} as in STDiT-3"
        )
    return tensor
