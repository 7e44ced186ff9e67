"""How different two pictures look: by a trained network, or by a pyramid without weights.

Letters: N pictures of Y x X pixels, D features. Both take pictures (N, 3, Y, X) in [-1, 1] and
give one number for each pair, (N,), 0 for equal pictures.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

Distance = Callable[[Tensor, Tensor], Tensor]
"""(N, 3, Y, X) twice, in [-1, 1] -> (N,)."""

WIDTHS = (64, 128, 256, 512, 512)
DEPTHS = (2, 2, 3, 3, 3)
SMALLEST = 16
"""The least side of a picture that four poolings leave a pixel of."""
# What the reference subtracts from and divides RGB in [-1, 1] by: ImageNet's statistics.
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)


class LPIPS(nn.Module):
    """Distance between the features of VGG16 (Zhang et al., 1801.03924, eq. 1).

    Features of the five levels, each scaled to length 1 at every pixel, are compared by
    squared difference, weighted by channel, and averaged over the picture. Weights are
    frozen: gradients pass to the pictures only.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        inside = (3, *widths[:-1])
        self.levels = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(i if n == 0 else o, o, 3, padding=1) for n in range(depth))
            for i, o, depth in zip(inside, widths, DEPTHS, strict=True)
        )
        self.heads = nn.ParameterList(torch.full((width,), 1.0 / width) for width in widths)
        self.requires_grad_(False)

    def forward(self, found: Tensor, picture: Tensor) -> Tensor:
        """(N, 3, Y, X) twice -> (N,).

        Raises:
            ValueError: a side is shorter than 16.
        """
        if min(picture.shape[2:]) < SMALLEST:
            size = " x ".join(str(side) for side in picture.shape[2:])
            raise ValueError(f"LPIPS of {size} pixels: expected sides of {SMALLEST} at least")
        distance = found.new_zeros(len(found))
        features = zip(self.features(found), self.features(picture), self.heads, strict=True)
        for a, b, head in features:
            difference = (_unit(a) - _unit(b)).square()
            distance = distance + torch.einsum("ncyx,c->nyx", difference, head).mean(dim=(1, 2))
        return distance

    def features(self, picture: Tensor) -> Iterator[Tensor]:
        """(N, 3, Y, X) -> the output of each level, (N, width, Y / 2**level, X / 2**level)."""
        shift = picture.new_tensor(SHIFT).view(3, 1, 1)
        scale = picture.new_tensor(SCALE).view(3, 1, 1)
        x = (picture - shift) / scale
        for index, level in enumerate(self.levels):
            if index:
                x = functional.max_pool2d(x, 2)
            for convolution in level.children():
                x = functional.relu(convolution(x))
            yield x


class PyramidDistance:
    """Distance between Laplacian pyramids under local contrast; needs no weights.

    After the normalised Laplacian pyramid of Laparra et al. (2016): what differs in a band
    is divided by the local mean of the original band's absolute value, as contrast masks
    it in early vision, so that a faint texture that is lost counts like a strong one. Both
    pictures are divided by the original's contrast, not each by its own: so the distance is
    convex in the first picture. Bands and the rest are compared by mean squares, which are
    averaged over the levels. The filters are binomial instead of fitted ones.
    """

    def __init__(self, levels: int = 4, floor: float = 0.1) -> None:
        """At most `levels` bands, halved while sides are at least 8.

        `floor` is the contrast below which differences count less and less.
        """
        self.levels = levels
        self.floor = floor

    def __call__(self, found: Tensor, picture: Tensor) -> Tensor:
        """(N, 3, Y, X) and the original, (N, 3, Y, X) -> (N,)."""
        found_bands, found_rest = self.bands(found)
        bands, rest = self.bands(picture)
        squares = [(found_rest - rest).square()]
        for a, b in zip(found_bands, bands, strict=True):
            squares.append(((a - b) / (self.floor + _blur(b.abs()))).square())
        return torch.stack([square.mean(dim=(1, 2, 3)) for square in squares]).mean(0)

    def bands(self, picture: Tensor) -> tuple[list[Tensor], Tensor]:
        """(N, 3, Y, X) -> bands from fine to coarse, each half as large, and what is left."""
        bands: list[Tensor] = []
        while len(bands) < self.levels and min(picture.shape[2:]) >= 8:
            coarse = _blur(picture)[:, :, ::2, ::2]
            size = tuple(picture.shape[2:])
            bands.append(picture - functional.interpolate(coarse, size, mode="bilinear"))
            picture = coarse
        return bands, picture


def _unit(features: Tensor) -> Tensor:
    """Length 1 along the channels. The root's slope at 0 is infinite: the bound avoids it."""
    square = features.square().sum(1, keepdim=True)
    return features / (square.clamp_min(1e-24).sqrt() + 1e-10)


def _blur(picture: Tensor) -> Tensor:
    """(N, 3, Y, X) -> the same shape: five binomial taps along rows and columns."""
    taps = picture.new_tensor((1.0, 4.0, 6.0, 4.0, 1.0)) / 16
    kernel = taps.expand(picture.shape[1], 1, 1, 5)
    across = functional.pad(picture, (2, 2, 0, 0), mode="replicate")
    across = functional.conv2d(across, kernel, groups=picture.shape[1])
    down = functional.pad(across, (0, 0, 2, 2), mode="replicate")
    return functional.conv2d(down, kernel.transpose(2, 3), groups=picture.shape[1])
