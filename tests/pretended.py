"""An accelerator that is pretended: its tensors lie on the CPU, but nothing may mix with them.

Like a GPU's, one of its tensors says that it is on another device, computes with its like and
with single numbers of the CPU only, and goes to the CPU and back when it is told to.
"""

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

HERE = torch.device("cpu")
COPIES = {"copy_", "__getitem__", "__setitem__", "index_put_", "set_", "__set__"}
"""What may read from another device: copies, and places of the CPU in another device's tensor."""

GIVES_HERE = {"cpu", "tolist", "item", "__bool__", "__float__", "__int__"}


class Pretended(TorchFunctionMode):
    """While it is active, tensors may be sent to `device`."""

    def __init__(self, device: str = "cuda:0") -> None:
        super().__init__()
        self.device = torch.device(device)
        self.storages: set[int] = set()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Check where tensors are, compute on the CPU, and remember where the result is."""
        name, options = getattr(func, "__name__", ""), dict(kwargs or {})
        if func == Tensor.device.__get__:  # type: ignore[attr-defined]
            return self.of(args[0])
        if func == Tensor.grad.__get__:  # type: ignore[attr-defined]
            return self._lay(func(*args), self.of(args[0]))
        if name in ("_parse_to", "_has_compatible_shallow_copy_type"):  # of a module that moves
            return func(*args, **options)
        tensors = [one for one in tree_leaves((args, options)) if isinstance(one, Tensor)]
        where = self.of(args[0]) if name == "to" else self._together(name, tensors)
        if name == "numpy" and where != HERE:
            raise TypeError("numpy of a tensor on another device: expected `.cpu()` before")
        wanted = where
        if name == "to":
            wanted = self._wanted(args[1:], options, where)
        elif options.get("device") is not None:
            wanted = torch.device(options["device"])
        elif name in GIVES_HERE:
            wanted = HERE
        args, options = tree_map(_on_cpu, (args, options))
        result = func(*args, **options)
        if name in ("to", "cpu") and wanted != where and isinstance(result, Tensor):
            result = result.clone()
        return self._lay(result, wanted)

    def of(self, tensor: Tensor) -> torch.device:
        """Where a tensor is."""
        return self.device if _address(tensor) in self.storages else HERE

    def _together(self, name: str, tensors: Sequence[Tensor]) -> torch.device:
        """Where all of these tensors are.

        Raises:
            RuntimeError: on more than one device.
        """
        if name in COPIES and tensors:
            first = self.of(tensors[0])
            if first != HERE or name in ("copy_", "set_", "__set__"):
                return first
        there = any(self.of(one) != HERE for one in tensors)
        if there and any(self.of(one) == HERE and one.dim() > 0 for one in tensors):
            shapes = [(tuple(one.shape), str(self.of(one))) for one in tensors]
            raise RuntimeError(f"{name}: tensors on more than one device: {shapes}")
        return self.device if there else HERE

    def _wanted(
        self, args: Sequence[Any], options: Mapping[str, Any], where: torch.device
    ) -> torch.device:
        for one in (*args, *options.values()):
            if isinstance(one, Tensor):
                return self.of(one)
            if isinstance(one, torch.device | str):
                return torch.device(one)
        return where

    def _lay(self, result: Any, where: torch.device) -> Any:
        if where.type != self.device.type:
            return result
        for one in tree_leaves(result):
            if isinstance(one, Tensor) and _address(one) not in self.storages:
                self.storages.add(_address(one))
                weakref.finalize(one.untyped_storage(), self.storages.discard, _address(one))
        return result


def _on_cpu(value: Any) -> Any:
    """What is really asked of torch."""
    if isinstance(value, torch.device) or (isinstance(value, str) and value.startswith("cuda")):
        return HERE
    return value


def _address(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
