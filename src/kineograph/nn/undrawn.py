"""Building modules whose weights are about to be read: their first values are not drawn."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

DRAWS = (
    Tensor.uniform_,
    Tensor.normal_,
    init.uniform_,
    init.normal_,
    init.kaiming_uniform_,
)
"""What all of torch's ways to draw a module's first weights come down to."""


class Undrawn(TorchFunctionMode):
    """While it is active, weights of new modules stay as the memory was.

    Drawing billions of numbers takes minutes, and they would be overwritten. Only for modules
    that are filled whole afterwards.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run everything but what draws into a tensor."""
        named = kwargs or {}
        if func in DRAWS:
            return args[0] if args else named["tensor"]
        return func(*args, **named)
