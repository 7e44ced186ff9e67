"""How far apart two sets of clips are as sets: the Fréchet distance of their features.

Heusel et al., "GANs trained by a two time-scale update rule converge to a local Nash equilibrium"
(2017): both sets of features are taken for normal distributions. Here the features are those of the
reader of level 1, which saw nothing but rendered clips.

Shapes: B clips, D features.
"""

import torch
from torch import Tensor

from kineograph.evaluation.reader import Reader


@torch.no_grad()
def features(reader: Reader, video: Tensor) -> Tensor:
    """What the reader describes clips by: (B, T, Y, X, 3) uint8 -> (B, D) float32.

    The mean over all moments of what it sees, and what it makes of the moments in their order.
    """
    frames = reader.prepare(video)
    count, moments = frames.shape[:2]
    seen = reader.see(frames.flatten(0, 1))
    looks = seen.mean((-2, -1)).reshape(count, moments, -1).mean(1)
    path = reader.describe(torch.relu(reader.squeeze(seen)).flatten(1))
    path = path.reshape(count, moments, -1)
    change = torch.cat([path, path.diff(dim=1)], dim=1).flatten(1)
    return torch.cat([looks, reader.motion[:2](change)], dim=1)


def frechet(one: Tensor, other: Tensor) -> float:
    """The squared Fréchet distance of two sets of features, (B, D) and (B', D).

    |mean - mean'|² + trace(S + S' - 2 √(S S')), in float64; 0 for equal sets. It grows when there
    are few clips, so distances of sets of other sizes are not comparable.
    """
    one, other = one.double(), other.double()
    first, second = _covariance(one), _covariance(other)
    apart = (one.mean(0) - other.mean(0)).square().sum()
    root = torch.linalg.eigvals(first @ second).sqrt().real.sum()
    return max(0.0, float(apart + first.trace() + second.trace() - 2 * root))


def _covariance(x: Tensor) -> Tensor:
    """(B, D) -> (D, D), unbiased."""
    centred = x - x.mean(0)
    return centred.T @ centred / max(1, len(x) - 1)
