"""Muon as torch has it, for kernels of convolutions too, with the products in float32.

torch's takes matrices alone, and orthogonalises in bfloat16, for which a CPU without units needs
ten times as long as for everything else in a step. More precise products change nothing else: the
iteration only comes near to orthogonal.

Letters: R rows, K columns.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor


class WideMuon(torch.optim.Optimizer):
    """torch's Muon, in float32; of matrices the state is the same one.

    A kernel (R, ...) counts as a matrix with one row for each channel that comes out, as in
    Jordan's own for convolutions. The step is scaled to AdamW's.
    """

    def __init__(
        self, params: Iterable[Tensor], *, lr: float, momentum: float = 0.95, weight_decay: float
    ) -> None:
        defaults = torch.optim.Muon([torch.nn.Parameter(torch.empty(1, 1))]).defaults
        own = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(params, {**defaults, **own, "adjust_lr_fn": "match_rms_adamw"})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move every weight that has a gradient.

        Args:
            closure: computes the loss again, or None.

        Returns:
            What the closure returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            momentum, rate = group["momentum"], group["lr"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(weight.grad)
                mean = state["momentum_buffer"].lerp_(weight.grad, 1 - momentum)
                aim = weight.grad.lerp(mean, momentum) if group["nesterov"] else mean
                matrix = aim.flatten(1)
                turned = orthogonal(
                    matrix, group["ns_coefficients"], group["ns_steps"], group["eps"]
                ).reshape(weight.shape)
                weight.mul_(1 - rate * group["weight_decay"])
                weight.add_(turned, alpha=-rate * 0.2 * max(matrix.shape) ** 0.5)
        return loss


def orthogonal(
    matrix: Tensor, factors: tuple[float, float, float], steps: int, least: float
) -> Tensor:
    """About the nearest matrix whose rows, or columns, are orthonormal, by a quintic iteration.

    Args:
        matrix: (R, K).
        factors: of the matrix, its third and its fifth power.
        steps: of the iteration.
        least: what its norm is taken for at least.

    Returns:
        (R, K) in float32.
    """
    first, third, fifth = factors
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.float().T if tall else matrix.float()
    x = x / x.norm().clamp(min=least)
    for _ in range(steps):
        square = x @ x.T
        higher = torch.addmm(square, square, square, beta=third, alpha=fifth)
        x = torch.addmm(x, higher, x, beta=first)
    return x.T if tall else x
