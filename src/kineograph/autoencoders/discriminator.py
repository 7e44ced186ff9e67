"""The adversary of an autoencoder: which parts of a clip look real?

Letters: B clips, T frames of Y x X pixels.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class PatchDiscriminatorConfig:
    """A discriminator; the defaults are WF-VAE's. Open-Sora 2.0 has 5 layers and dropout 0.3.

    channels: of the clips that it looks at, 6 for pairs;
    width: channels after the first convolution, doubled by each stage up to 8 times.
    layers: stages behind the first convolution.
    dropout: behind every stage; later code of WF-VAE has 0.3.
    """

    kind: Literal["patch_discriminator"] = "patch_discriminator"
    channels: int = 3
    width: int = 64
    layers: int = 4
    dropout: float = 0.0

    def build(self) -> "PatchDiscriminator":
        """The module, randomly initialised."""
        return PatchDiscriminator(self)


class PatchDiscriminator(nn.Module):
    """A 3D convolutional net with one logit for each patch (PatchGAN, in three dimensions)."""

    def __init__(self, config: PatchDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * min(2**i, 8) for i in range(config.layers + 1)]
        self.enter = nn.Conv3d(config.channels, widths[0], 3, stride=2, padding=1)
        self.stages = nn.ModuleList(
            Stage(
                widths[i],
                widths[i + 1],
                stride=_stride(i, config.layers),
                dropout=config.dropout,
            )
            for i in range(config.layers)
        )
        self.out = nn.Conv3d(widths[-1], 1, 3, padding=1)
        self.apply(_initialise)

    def forward(self, video: Tensor) -> Tensor:
        """(B, channels, T, Y, X) -> logits (B, 1, T / 4, Y / 2**n, X / 2**n), n the layers."""
        x = functional.leaky_relu(self.enter(video), 0.2)
        for stage in self.stages:
            x = stage(x)
        logits: Tensor = self.out(x)
        return logits


class Stage(nn.Module):
    """Convolution, batch norm, leaky rectifier."""

    def __init__(
        self, inside: int, outside: int, *, stride: tuple[int, int, int], dropout: float
    ) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inside, outside, 3, stride=stride, padding=1, bias=False)
        self.norm = nn.BatchNorm3d(outside)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, Y, X) -> (B, C', T', Y', X')."""
        result: Tensor = self.dropout(functional.leaky_relu(self.norm(self.conv(x)), 0.2))
        return result


def _stride(index: int, layers: int) -> tuple[int, int, int]:
    """Time is halved by the first stage only, and the last one halves nothing."""
    if index == layers - 1:
        return (1, 1, 1)
    return (2 if index == 0 else 1, 2, 2)


def _initialise(module: nn.Module) -> None:
    """As DCGAN: normal with deviation 0.02. There is nothing to draw on the meta device."""
    if isinstance(module, nn.Conv3d | nn.BatchNorm3d) and not module.weight.is_meta:
        mean = 1.0 if isinstance(module, nn.BatchNorm3d) else 0.0
        nn.init.normal_(module.weight, mean, 0.02)
    if isinstance(module, nn.BatchNorm3d):
        nn.init.zeros_(module.bias)
