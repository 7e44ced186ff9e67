"""Muon for a CPU that is slow in bfloat16: torch's own, with the products in float32.

torch orthogonalises in bfloat16, which takes such a CPU ten times as long as everything else in a
step. More precise products change nothing else: the iteration only comes near to orthogonal.

Letters: R rows, K columns.
"""

from collections.abc import Callable

import torch
from torch import Tensor


class WideMuon(torch.optim.Muon):
    """torch's Muon, in float32; the state is the same one."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move every matrix that has a gradient.

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
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(matrix.grad)
                mean = state["momentum_buffer"].lerp_(matrix.grad, 1 - momentum)
                aim = matrix.grad.lerp(mean, momentum) if group["nesterov"] else mean
                turned = orthogonal(aim, group["ns_coefficients"], group["ns_steps"], group["eps"])
                matrix.mul_(1 - rate * group["weight_decay"])
                matrix.add_(turned, alpha=-rate * 0.2 * max(matrix.shape) ** 0.5)
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
