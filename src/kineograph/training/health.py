"""What latents are like: their statistics, and whether every channel carries something.

Letters: B clips, C x F x H x W latents.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from kineograph.recipes.stages import Clips, Footage
from kineograph.training.clips import draw
from kineograph.training.coders import Coder
from kineograph.training.footage import videos
from kineograph.types import Posterior, Statistics

CLIPS = 128
MOMENTS = 8  # of one video; more of the same say nothing new
ACTIVE = 0.01  # Burda et al., 1509.00519, section 5.1: variance of the mean, N(0, 1) before
DEAD = 1e-4  # of the strongest channel, where there is no variance to compare with


@dataclass(frozen=True, eq=False)
class Health:
    """Latents of many clips, un-normalised.

    mean, variance: of each channel's posterior means, (C,).
    kl: divergence from the standard normal per latent, mean over the cells of a channel, (C,), in
        nats; None for autoencoders without variance.
    collapsed: channels whose means vary less than a hundredth of what they are sampled with, or,
        without sampling, than a ten-thousandth of the strongest channel.
    explained: shares of variance along the principal axes of the channels, falling, (C,).
    correlation: the largest one between two channels by size, in [-1, 1]; pair: which they are.
    """

    mean: Tensor
    variance: Tensor
    kl: Tensor | None
    collapsed: tuple[int, ...]
    explained: Tensor
    correlation: float
    pair: tuple[int, int]

    @property
    def statistics(self) -> Statistics:
        """What latents are normalised with."""
        return Statistics(self.mean, self.variance)

    @property
    def effective_rank(self) -> float:
        """How many principal axes count: exp of their entropy (Roy and Vetterli, 2007)."""
        shares = self.explained[self.explained > 0]
        return float(torch.exp(-(shares * shares.log()).sum()))

    def axes(self, share: float) -> int:
        """How many principal axes explain a share in [0, 1] of the variance."""
        return 1 + int((self.explained.cumsum(0) < share - 1e-9).sum())

    def lines(self) -> list[str]:
        """A table of the channels, and what they are together."""
        head = "channel      mean  variance" + ("" if self.kl is None else "        kl")
        rows = [head]
        for index in range(len(self.mean)):
            row = f"{index:7d}  {float(self.mean[index]):8.4g}  {float(self.variance[index]):8.4g}"
            if self.kl is not None:
                row += f"  {float(self.kl[index]):8.4g}"
            rows.append(row + ("  collapsed" if index in self.collapsed else ""))
        names = ", ".join(map(str, self.collapsed)) or "none"
        rows += [
            f"collapsed channels: {names}",
            f"principal axes: the first explains {float(self.explained[0]):.1%}, "
            f"{self.axes(0.9)} explain 90 %, {self.axes(0.99)} explain 99 %; "
            f"effective rank {self.effective_rank:.2f} of {len(self.mean)}",
            f"largest correlation: {self.correlation:.3f}, of channels "
            f"{self.pair[0]} and {self.pair[1]}",
        ]
        return rows

    def data(self) -> dict[str, object]:
        """The same for other programs."""
        return {
            "mean": self.mean.tolist(),
            "variance": self.variance.tolist(),
            "kl": None if self.kl is None else self.kl.tolist(),
            "collapsed": list(self.collapsed),
            "explained": self.explained.tolist(),
            "effective_rank": self.effective_rank,
            "correlation": self.correlation,
            "pair": list(self.pair),
        }


def examine(posteriors: Iterable[Posterior]) -> Health:
    """Look at latents, batch by batch; every cell of every clip is one sample of C values.

    Args:
        posteriors: of batches of clips, mean and logvar (B, C, F, H, W).
    """
    count, total, products = 0, torch.zeros(()), torch.zeros(())
    noise, divergence = torch.zeros(()), torch.zeros(())
    sampled = False
    for one in posteriors:
        cells = one.mean.double().cpu().movedim(1, -1).flatten(0, -2)
        count += len(cells)
        total = total + cells.sum(0)
        products = products + cells.T @ cells
        if one.logvar is not None:
            sampled = True
            logvar = one.logvar.double().cpu().movedim(1, -1).flatten(0, -2)
            noise = noise + logvar.exp().sum(0)
            divergence = divergence + 0.5 * (cells.square() + logvar.exp() - 1 - logvar).sum(0)
    mean = total / count
    covariance = products / count - torch.outer(mean, mean)
    variance = covariance.diagonal().clamp_min(0.0)
    limit = ACTIVE * noise / count if sampled else DEAD * variance.max()
    explained = torch.linalg.eigvalsh(covariance).flip(0).clamp_min(0.0)
    correlation, pair = _strongest(covariance)
    return Health(
        mean=mean.float(),
        variance=variance.float(),
        kl=(divergence / count).float() if sampled else None,
        collapsed=tuple((variance <= limit).nonzero().flatten().tolist()),
        explained=(explained / explained.sum()).float(),
        correlation=correlation,
        pair=pair,
    )


def _strongest(covariance: Tensor) -> tuple[float, tuple[int, int]]:
    """The largest correlation of two channels, and which they are; 0 where there is one."""
    spread = covariance.diagonal().clamp_min(0.0).sqrt()
    matrix = covariance / torch.outer(spread, spread).clamp_min(1e-300)
    matrix = matrix.triu(1)
    first, second = divmod(int(matrix.abs().argmax()), len(matrix))
    return float(matrix[first, second]), (first, second)


def measure(model: Coder, clips: Clips | Footage, seed: int, count: int = CLIPS) -> Health:
    """Look at the modes of the latents of `count` clips from `seed` on; of few videos, at fewer."""
    if isinstance(clips, Footage):
        count = min(count, MOMENTS * videos(clips))
    device = str(model.last_layer.device)
    batches = (range(seed + i, seed + min(i + 8, count)) for i in range(0, count, 8))
    with torch.inference_mode():
        return examine(model.posterior(draw(clips, one, device=device).video) for one in batches)
