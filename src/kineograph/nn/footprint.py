"""How much memory a computation takes, found without doing it.

The computation runs on tensors that have shapes only. Every operation is seen on its way, so
that the bytes alive at any moment are known, and the space that an operation uses for itself is
added: mostly convolutions, which rearrange their input or write out every patch of it.
"""

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from kineograph.nn.heap import LEAST

ONCE = 16 << 20
"""Bytes beside tensors: libraries and kernels that are compiled on first use."""
LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
FEW = 3
"""Channels up to which the CPU's convolutions read a plain input as it is."""


class Footprint(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes that operations allocate while it is active.

    live: alive now; peak: the most that were, with the operations' own space; resident: the
    most that a process holds on a CPU, see `Heap`; flops: floating point operations of matrix
    products and convolutions.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0
        self.peak = 0
        self.flops = 0
        self.heap = Heap()
        self._known: dict[int, int] = {}

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run one operation and look at what it made."""
        packet = func.overloadpacket
        if packet not in SINGLE:  # on a CPU they are one operation, elsewhere maybe many
            with self:
                parts = func.decompose(*args, **(kwargs or {}))
            if parts is not NotImplemented:
                return parts
        if packet is aten.group_norm:  # without a device it would be rearranged first
            result = torch.empty_like(args[0])
        else:
            result = func(*args, **(kwargs or {}))
        if packet is aten.convolution:
            result = _arranged(args, result)
        given = {_address(one) for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)}
        made = [one for one in tree_leaves(result) if isinstance(one, Tensor)]
        for tensor in made:
            if _address(tensor) not in given and _address(tensor) not in self._known:
                self._add(tensor)
        own = SPACE[packet](args, made[0]) if packet in SPACE and made else 0
        self.peak = max(self.peak, self.live + own)
        self.heap.take(own)
        self.heap.give(own)
        if packet in FLOPS:
            self.flops += FLOPS[packet](args, made[0])
        return result

    def _add(self, tensor: Tensor) -> None:
        storage, address = tensor.untyped_storage(), _address(tensor)
        self._known[address] = storage.nbytes()
        self.live += storage.nbytes()
        self.heap.take(storage.nbytes())
        weakref.finalize(storage, self._drop, address)

    def _drop(self, address: int) -> None:
        size = self._known.pop(address, 0)
        self.live -= size
        self.heap.give(size)

    @property
    def resident(self) -> int:
        """The most bytes that a process holds for tensors on a CPU."""
        return self.heap.peak


class Heap:
    """What a process holds for blocks of memory, where freed ones go back (`nn/heap.py`).

    Smaller blocks come from a heap that keeps them. Holes in it are taken to be filled.
    """

    def __init__(self) -> None:
        self.peak = 0
        self._mapped = 0
        self._used = 0
        self._held = 0

    def take(self, size: int) -> None:
        """A block is taken."""
        if size < LEAST:
            self._used += size
            self._held = max(self._held, self._used)
        else:
            self._mapped += size
        self.peak = max(self.peak, self._mapped + self._held)

    def give(self, size: int) -> None:
        """A block of this size is given back."""
        if size < LEAST:
            self._used -= size
        else:
            self._mapped -= size


@contextmanager
def shapes_only() -> Iterator[None]:
    """Inside, tensors are made without memory, and operations only work out shapes."""
    with torch.device("meta"), torch.inference_mode():
        yield


def measure(run: Callable[[], object]) -> Footprint:
    """The footprint of `run`, whose tensors must have been made under `shapes_only`.

    The result of `run` counts, what it was given does not.
    """
    footprint = Footprint()
    with footprint:
        result = run()
    del result
    return footprint


def _address(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _convolution(args: tuple[Any, ...], made: Tensor) -> int:
    """What a convolution needs besides its input and output, as torch runs it on a CPU."""
    x, weight, groups = args[0], args[1], args[8]
    backend = _backend(args)
    if "Slow" in backend or "Empty" in backend:
        return _written_out(x, weight, made, groups)
    if backend != "Mkldnn" or _is_last(x):
        return _bytes(weight)
    inside, outside = _blocked(x) if x.shape[1] > FEW else 0, _blocked(made)
    if groups == x.shape[1] > 1:  # channel by channel: all three arrangements at once
        return inside + outside
    return outside + max(inside - _bytes(made), 0) + _bytes(weight)


def _backend(args: tuple[Any, ...]) -> str:
    """The name of the implementation that is chosen for real tensors."""
    x, weight, bias = (
        None if one is None else torch.empty(1, dtype=one.dtype).expand(one.shape)
        for one in args[:3]
    )
    name = str(torch._C._select_conv_backend(x, weight, bias, *args[3:9]).name)
    # Clips are never sent torch's slow way: see `_library` in `kineograph.nn.piecewise`.
    return "Mkldnn" if name == "Slow3d" and args[0].dtype == torch.float32 else name


def _is_last(x: Tensor) -> bool:
    """Whether torch takes a tensor for one with the channels last."""
    if x.ndim not in LAST or (x.is_contiguous() and x.shape[1] > 1):
        return False
    return x.is_contiguous(memory_format=LAST[x.ndim])


def _arranged(args: tuple[Any, ...], made: Tensor) -> Tensor:
    """What a convolution made, the channels last where a CPU would put them there."""
    asked = _is_last(args[0]) or _is_last(args[1])
    if asked and (made.ndim == 4 or _backend(args) == "Mkldnn"):
        return torch.empty_like(made, memory_format=LAST[made.ndim])
    return made


def _written_out(x: Tensor, weight: Tensor, made: Tensor, groups: int) -> int:
    """Every patch as a column, unless patches are single points."""
    copy = 0 if x.is_contiguous() else _bytes(x)
    parts = _bytes(made) if groups > 1 else 0
    if prod(weight.shape[2:]) == 1 and made.shape[2:] == x.shape[2:]:
        return copy + parts
    positions = len(x) * prod(made.shape[2:])
    return copy + parts + int(prod(weight.shape[1:])) * positions * x.element_size()


def _blocked(x: Tensor) -> int:
    """Bytes of (B, C, ...) with channels filled up to whole blocks, as oneDNN arranges them."""
    block = 16 if torch.cpu._is_avx512_supported() else 8
    return _bytes(x) // x.shape[1] * (-(-x.shape[1] // block) * block)


def _copy_if_scattered(args: tuple[Any, ...], made: Tensor) -> int:
    """A norm makes its input contiguous first."""
    return 0 if args[0].is_contiguous() or _is_last(args[0]) else _bytes(args[0])


def _squares(args: tuple[Any, ...], made: Tensor) -> int:
    """The squares whose mean an RMS norm takes."""
    return _bytes(args[0])


def _convolution_flops(args: tuple[Any, ...], made: Tensor) -> int:
    return 2 * made.numel() * int(prod(args[1].shape[1:]))


def _product_flops(args: tuple[Any, ...], made: Tensor) -> int:
    return 2 * made.numel() * int(args[0].shape[-1])


def _biased_flops(args: tuple[Any, ...], made: Tensor) -> int:
    return 2 * made.numel() * int(args[1].shape[-1])


def _attention_flops(args: tuple[Any, ...], made: Tensor) -> int:
    """Scores and what they weigh: (B, A, N, K) with (B, A, L, K)."""
    query, key = args[0], args[1]
    return int(4 * query.numel() * key.shape[-2])


aten = torch.ops.aten
ATTENTION = aten.scaled_dot_product_attention
SINGLE = {ATTENTION, aten.group_norm}
Rule = Callable[[tuple[Any, ...], Tensor], int]
SPACE: dict[Any, Rule] = {
    aten.convolution: _convolution,
    aten.native_layer_norm: _copy_if_scattered,
    aten.group_norm: _copy_if_scattered,
    aten._fused_rms_norm: _squares,
}
FLOPS: dict[Any, Rule] = {
    aten.convolution: _convolution_flops,
    aten.mm: _product_flops,
    aten.bmm: _product_flops,
    aten.addmm: _biased_flops,
    aten.baddbmm: _biased_flops,
    ATTENTION: _attention_flops,
}
