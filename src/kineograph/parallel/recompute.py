"""Activation checkpointing: blocks that are computed again on the way back, to save memory.

It is applied from outside: a model knows nothing of it, names of weights stay, and gradients are
those of the model as it was, bit for bit (Chen et al., 1604.06174).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts

ATTENTION = (
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default,
    torch.ops.aten._scaled_dot_product_flash_attention.default,
    torch.ops.aten._scaled_dot_product_efficient_attention.default,
    torch.ops.aten._scaled_dot_product_cudnn_attention.default,
)
"""The fused kernels of attention; their results are what costs most to compute again."""

Lists: TypeAlias = list[list[nn.Module]]
"""The blocks of a model, one list for each kind."""


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """All activations are kept."""

    kind: Literal["nothing"] = "nothing"

    def apply(self, blocks: Lists) -> None:
        """Leave the blocks as they are."""


@dataclass(frozen=True, kw_only=True)
class EveryBlock:
    """Only what lies between blocks is kept."""

    kind: Literal["every_block"] = "every_block"

    def apply(self, blocks: Lists) -> None:
        """Compute every block again."""
        for one in blocks:
            for block in one:
                again(block)


@dataclass(frozen=True, kw_only=True)
class FirstBlocks:
    """The first blocks of each kind are computed again (as in Open-Sora 2.0's stages).

    counts: how many, by kind: double and single blocks of MMDiT, blocks along space and time
    of STDiT. What is not counted is not computed again.
    """

    kind: Literal["first_blocks"] = "first_blocks"
    counts: tuple[int, ...]

    def apply(self, blocks: Lists) -> None:
        """Compute the first ones again."""
        for one, count in zip(blocks, self.counts, strict=False):
            for block in one[:count]:
                again(block)


@dataclass(frozen=True, kw_only=True)
class AllButAttention:
    """Everything in a block is computed again but the results of its fused attentions."""

    kind: Literal["all_but_attention"] = "all_but_attention"

    def apply(self, blocks: Lists) -> None:
        """Compute every block again, with the results of attention at hand."""
        contexts = partial(create_selective_checkpoint_contexts, list(ATTENTION))
        for one in blocks:
            for block in one:
                again(block, contexts)


Recompute: TypeAlias = Nothing | EveryBlock | FirstBlocks | AllButAttention


@dataclass(frozen=True, eq=False)
class _Again:
    """A block's forward pass that keeps nothing but its inputs.

    It lives in the block and holds it, so that a copy of the model holds the copied block.
    """

    block: nn.Module
    contexts: Callable[[], Any] | None

    def __call__(self, *inputs: Any) -> Any:
        forward = partial(type(self.block).forward, self.block)
        if self.contexts is None:
            return checkpoint(forward, *inputs, use_reentrant=False)
        return checkpoint(forward, *inputs, use_reentrant=False, context_fn=self.contexts)


def again(block: nn.Module, contexts: Callable[[], Any] | None = None) -> None:
    """Let a block be computed again on the way back.

    Args:
        block: any module that is called with positions only.
        contexts: what is kept nevertheless, as torch's selective checkpointing takes it.
    """
    block.forward = _Again(block, contexts)


def blocks_of(model: nn.Module) -> Lists:
    """The lists of blocks that a denoiser is made of, in the order of their definition."""
    return [list(one) for one in model.children() if isinstance(one, nn.ModuleList)]
