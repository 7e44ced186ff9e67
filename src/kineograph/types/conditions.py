"""What a denoiser knows besides the noisy latents and their time.

Letters: B samples; T frames of Y x X pixels; C latent channels; F x H x W latent frames,
rows, columns; N video tokens; L text tokens; D width; A heads of size K.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, Protocol, overload

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class TextEmbedding:
    """What a denoiser reads.

    tokens (B, L, D); mask (B, L), true where a token is real, None: all are; pooled (B, D);
    cut: for each prompt the part that did not fit, empty when all of it did.
    """

    tokens: Tensor
    mask: Tensor | None = None
    pooled: Tensor | None = None
    cut: tuple[str, ...] = ()


class TextEncoder(Protocol):
    """Owns its system's rule of length, padding, masking and null caption."""

    def __call__(self, prompts: Sequence[str]) -> TextEmbedding:
        """Embed a batch of prompts."""
        ...

    def empty(self, like: TextEmbedding, negative: str = "") -> TextEmbedding:
        """The null (or negative) caption, in the shape of `like`."""
        ...

    def unknown(self, prompt: str) -> tuple[str, ...]:
        """The words of a prompt that mean nothing to this encoder."""
        ...


@dataclass(frozen=True)
class Grid:
    """How N = frames * rows * columns tokens lie in time and space, columns fastest."""

    frames: int
    rows: int
    columns: int

    @property
    def size(self) -> int:
        """The number of tokens, N."""
        return self.frames * self.rows * self.columns


@dataclass(frozen=True, eq=False)
class Given:
    """Pixels that a task fixes.

    frames (B, 3, T, Y, X) in [-1, 1]; strength (B, 1, T, Y, X) in [0, 1], 1 = keep exactly.
    """

    frames: Tensor
    strength: Tensor


@dataclass(frozen=True, eq=False)
class Known:
    """What an injection made of the given pixels.

    latents (B, C, F, H, W); strength (B, M, F, H, W): M = 1, or the time factor where a
    system folds the pixel-frame mask into channels; when (B, F): pixel-frame index of each
    latent frame, where some lie off the video's own grid, None: the autoencoder's own;
    partly (B, 1, F, 1, 1): true where only some pixel frames of a latent frame are given, so
    that they must be put back in the end, None: nowhere.
    """

    latents: Tensor
    strength: Tensor
    when: Tensor | None = None
    partly: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the latent frames lie and which cells exist.

    when (B, F): pixel-frame index of each latent frame, None: the autoencoder's own;
    valid (B, 1, F, H, W): true where a cell exists, None: everywhere;
    keep (B, N'): indices of the tokens that are kept, None: all (token dropping, MaskDiT);
    grid: how those N tokens lie, None: each is one cell.
    """

    when: Tensor | None = None
    valid: Tensor | None = None
    keep: Tensor | None = None
    grid: Grid | None = None


@dataclass(frozen=True, eq=False)
class Skip:
    """Self-attentions to disturb, for skip-layer (spatio-temporal) guidance.

    keep (layers, B): 1 = run normally, 0 = disturb. What a disturbed layer does:
    "values" puts V in place of the attention's result, "attention" passes the attention's
    input on in its place, "block" passes the block's input on.
    """

    keep: Tensor
    how: Literal["values", "attention", "block"] = "values"


@dataclass(frozen=True, eq=False)
class OnDemand(Sequence[Tensor]):
    """Tensors that are made when they are asked for, so that memory holds one at a time.

    make: the tensor of a number; numbers: of those that are here, in order.
    """

    make: Callable[[int], Tensor]
    numbers: range

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> Tensor: ...
    @overload
    def __getitem__(self, index: slice) -> "OnDemand": ...
    def __getitem__(self, index: int | slice) -> "Tensor | OnDemand":
        """One tensor, made anew; of a slice none is made."""
        if isinstance(index, slice):
            return OnDemand(self.make, self.numbers[index])
        return self.make(self.numbers[index])


@dataclass(frozen=True, eq=False)
class Inside:
    """What one pass changes inside the blocks.

    features: what is added to the output of each block, (B, N, D) each; none: nothing.
    """

    skip: Skip | None = None
    features: Sequence[Tensor] = ()


@dataclass(frozen=True, eq=False)
class Condition:
    """Everything that a denoiser knows besides the noisy latents and their time.

    Names of facts, each (B,): fps, frames, height, width (pixels), guidance, motion,
    aesthetic, crop_top, crop_left, stride.
    """

    text: TextEmbedding
    known: Known | None = None
    facts: Mapping[str, Tensor] = field(default_factory=dict)
    layout: Layout = field(default_factory=Layout)
    inside: Inside = field(default_factory=Inside)

    def stack(self, *others: "Condition") -> "Condition":
        """Several conditions as one batch, in order.

        Raises:
            ValueError: the conditions do not hold the same kinds of things.
        """
        every = (self, *others)
        return Condition(
            text=_stack_text([c.text for c in every]),
            known=_stack_known([c.known for c in every]),
            facts={name: torch.cat([c.facts[name] for c in every]) for name in self.facts},
            layout=Layout(
                when=_stack_tensors([c.layout.when for c in every]),
                valid=_stack_tensors([c.layout.valid for c in every]),
                keep=_stack_tensors([c.layout.keep for c in every]),
                grid=self.layout.grid,
            ),
            inside=_stack_inside(every),
        )


def _stack_tensors(tensors: Sequence[Tensor | None]) -> Tensor | None:
    present = [tensor for tensor in tensors if tensor is not None]
    if not present:
        return None
    if len(present) != len(tensors):
        raise ValueError("cannot stack conditions: a tensor is present in some of them only")
    return torch.cat(present)


def _stack_text(texts: Sequence[TextEmbedding]) -> TextEmbedding:
    masks = [text.mask for text in texts]
    if any(mask is not None for mask in masks):  # a missing mask means: all are real
        masks = [
            mask
            if mask is not None
            else torch.ones(text.tokens.shape[:2], dtype=torch.bool, device=text.tokens.device)
            for text, mask in zip(texts, masks, strict=True)
        ]
    return TextEmbedding(
        tokens=torch.cat([text.tokens for text in texts]),
        mask=_stack_tensors(masks),
        pooled=_stack_tensors([text.pooled for text in texts]),
    )


def _stack_known(known: Sequence[Known | None]) -> Known | None:
    present = [one for one in known if one is not None]
    if not present:
        return None
    # A branch without anything known is a branch that keeps nothing.
    like = present[0]
    nothing = Known(torch.zeros_like(like.latents), torch.zeros_like(like.strength), like.when)
    filled = [one or nothing for one in known]
    return Known(
        torch.cat([one.latents for one in filled]),
        torch.cat([one.strength for one in filled]),
        _stack_tensors([one.when for one in filled]),
    )


def _joined(features: Sequence[Sequence[Tensor]], number: int) -> Tensor:
    """One feature of all conditions; those that share theirs make it once."""
    distinct = {id(one): one for one in features}
    made = {key: one[number] for key, one in distinct.items()}
    return torch.cat([made[id(one)] for one in features])


def _stack_inside(conditions: Sequence[Condition]) -> Inside:
    skips = [c.inside.skip for c in conditions]
    counts = {len(c.inside.features) for c in conditions}
    if len(counts) != 1:
        raise ValueError("cannot stack conditions: different numbers of block features")
    every = [c.inside.features for c in conditions]
    features = OnDemand(partial(_joined, every), range(counts.pop()))
    present = [skip for skip in skips if skip is not None]
    if not present:
        return Inside(features=features)
    if len({skip.how for skip in present}) != 1:
        raise ValueError("cannot stack conditions: different kinds of skipped layers")
    layers = present[0].keep.shape[0]
    keeps = [
        skip.keep
        if skip is not None
        else present[0].keep.new_ones(layers, condition.text.tokens.shape[0])
        for skip, condition in zip(skips, conditions, strict=True)
    ]
    return Inside(Skip(torch.cat(keeps, dim=1), present[0].how), features)
