"""Where a STIV model's first weights come from: smaller models (2412.07730, 2.4 and appendix E).

A model of images gives a model of videos everything but the attention along time. A model of
larger videos takes its spatial and shared weights from a model of larger images, and its
attention along time from a model of smaller videos, which is best (Table 4). Parents are
averaged weights.

Letters: C channels, D width, p x p cells and t latent frames of a token.
"""

from collections.abc import Mapping

from torch import Tensor

from kineograph.denoisers.stiv import STIV


def inherit(
    model: STIV, space: Mapping[str, Tensor], time: Mapping[str, Tensor] | None = None
) -> None:
    """Fill a model in place.

    Args:
        model: of videos; what no parent gives stays as it is.
        space: the state of a model of the same width, of images or videos.
        time: the state of a model of videos that gives the attention along time; None: `space`
            is of images, and attention along time begins closed by its gate.
    """
    own = model.state_dict()
    frames = model.config.time_patch
    filled = {}
    for name, tensor in own.items():
        if along_time(name):
            filled[name] = tensor if time is None else time[name]
        else:
            filled[name] = _inflated(name, space[name], tensor, frames)
    model.load_state_dict(filled)


def along_time(name: str) -> bool:
    """Whether a weight belongs to attention along time."""
    pieces = name.split(".")
    return pieces[0].endswith("blocks") and pieces[2] in ("time", "time_gate")


def inflated_in(weight: Tensor, frames: int) -> Tensor:
    """A patch embedding (D, p * p * C) -> (D, t * p * p * C): still clips embed like a frame."""
    return weight.repeat(1, frames) / frames


def inflated_out(tensor: Tensor, frames: int) -> Tensor:
    """A last layer's weight or bias (p * p * C, ...) -> (t * p * p * C, ...): all frames alike."""
    return tensor.repeat(frames, *[1] * (tensor.ndim - 1))


def _inflated(name: str, parent: Tensor, like: Tensor, frames: int) -> Tensor:
    """The parent's tensor, made longer in time where the child's tokens are."""
    if parent.shape == like.shape:
        return parent
    return (
        inflated_in(parent, frames) if name == "patch_in.weight" else inflated_out(parent, frames)
    )
