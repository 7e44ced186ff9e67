"""Adversaries of an autoencoder: what the discriminator learns, and what it teaches.

Letters: B clips, T frames of Y x X pixels.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from kineograph.autoencoders import losses
from kineograph.autoencoders.discriminator import PatchDiscriminatorConfig
from kineograph.autoencoders.losses_terms import Comparison
from kineograph.errors import ConfigError

PAIR = 6
"""Channels of two clips side by side."""


@dataclass(frozen=True, kw_only=True)
class Hinge:
    """Logits beyond 1 on the right side count nothing more."""

    kind: Literal["hinge"] = "hinge"

    def tell(self, real: Tensor, fake: Tensor) -> Tensor:
        """Logits (...) of real and made clips -> the discriminator's loss, ()."""
        return losses.hinge_loss(real, fake)

    def fool(self, fake: Tensor) -> Tensor:
        """Logits (...) of made clips -> the generator's loss, ()."""
        return -fake.mean()


@dataclass(frozen=True, kw_only=True)
class Vanilla:
    """Logits as log-odds; the generator pushes them without bound, as VQGAN's code does."""

    kind: Literal["vanilla"] = "vanilla"

    def tell(self, real: Tensor, fake: Tensor) -> Tensor:
        """Logits (...) of real and made clips -> the discriminator's loss, ()."""
        return losses.logistic_loss(real, fake)

    def fool(self, fake: Tensor) -> Tensor:
        """Logits (...) of made clips -> the generator's loss, ()."""
        return -fake.mean()


@dataclass(frozen=True, kw_only=True)
class NonSaturating:
    """Logits as log-odds on both sides (Goodfellow et al., 1406.2661, section 3)."""

    kind: Literal["non_saturating"] = "non_saturating"

    def tell(self, real: Tensor, fake: Tensor) -> Tensor:
        """Logits (...) of real and made clips -> the discriminator's loss, ()."""
        return losses.logistic_loss(real, fake)

    def fool(self, fake: Tensor) -> Tensor:
        """Logits (...) of made clips -> the generator's loss, ()."""
        return functional.softplus(-fake).mean()


@dataclass(frozen=True, kw_only=True)
class Adaptive:
    """Pull as hard on the decoder's last layer as the other terms do, times the weight.

    The ratio of gradient norms (VQGAN, 2012.09841, eq. 7). WF-VAE's paper has
    epsilon 1e-6 and its later code most = 1e6.
    """

    kind: Literal["adaptive"] = "adaptive"
    epsilon: float = 1e-4
    most: float = 1e4

    def ratio(self, others: Tensor, adversarial: Tensor, last_layer: Tensor) -> Tensor:
        """Two losses () and the decoder's last weight -> the factor, ()."""
        return losses.adaptive_weight(
            others, adversarial, last_layer, epsilon=self.epsilon, most=self.most
        )


@dataclass(frozen=True, kw_only=True)
class Plain:
    """The weight alone."""

    kind: Literal["plain"] = "plain"

    def ratio(self, others: Tensor, adversarial: Tensor, last_layer: Tensor) -> Tensor:
        """1, ()."""
        return torch.ones_like(adversarial)


@dataclass(frozen=True)
class Turn:
    """Who moves in a step."""

    generator: bool
    discriminator: bool


@dataclass(frozen=True, kw_only=True)
class Together:
    """Both move in every step (Open-Sora 2.0)."""

    kind: Literal["together"] = "together"

    def at(self, step: int) -> Turn:
        """Both."""
        return Turn(generator=True, discriminator=True)


@dataclass(frozen=True, kw_only=True)
class Alternate:
    """The generator moves in even steps, the discriminator in odd ones (Open-Sora Plan)."""

    kind: Literal["alternate"] = "alternate"

    def at(self, step: int) -> Turn:
        """One of them."""
        return Turn(generator=step % 2 == 0, discriminator=step % 2 == 1)


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig:
    """A discriminator that sees a clip and says whether it is real, patch by patch.

    start: steps of the stage before it sets in.
    """

    kind: Literal["adversarial"] = "adversarial"
    weight: float = 0.5
    discriminator: PatchDiscriminatorConfig = field(default_factory=PatchDiscriminatorConfig)
    rule: Hinge | Vanilla | NonSaturating = field(default_factory=Hinge)
    balance: Adaptive | Plain = field(default_factory=Adaptive)
    turns: Together | Alternate = field(default_factory=Together)
    start: int = 0

    def build(self) -> "Adversarial":
        """The adversary, with a new discriminator."""
        return Adversarial(self)


@dataclass(frozen=True, kw_only=True)
class ReconstructionGANConfig:
    """A discriminator that sees original and reconstruction and says which is which.

    LTX-Video, 2.1.2; the paper gives no weights, so the rest is as in `AdversarialConfig`.
    """

    kind: Literal["reconstruction_gan"] = "reconstruction_gan"
    weight: float = 0.5
    discriminator: PatchDiscriminatorConfig = field(
        default_factory=lambda: PatchDiscriminatorConfig(channels=PAIR)
    )
    rule: Hinge | Vanilla | NonSaturating = field(default_factory=Hinge)
    balance: Adaptive | Plain = field(default_factory=Adaptive)
    turns: Together | Alternate = field(default_factory=Together)
    start: int = 0

    def build(self) -> "ReconstructionGAN":
        """The adversary, with a new discriminator."""
        return ReconstructionGAN(self)


AdversaryConfig = AdversarialConfig | ReconstructionGANConfig


class Adversary(Protocol):
    """What the discriminator wants, and what the generator wants of it."""

    @property
    def discriminator(self) -> nn.Module:
        """The network that learns against the autoencoder."""
        ...

    def fool(self, compared: Comparison) -> Tensor:
        """The generator's loss, (): no gradient reaches the discriminator's weights."""
        ...

    def tell(self, compared: Comparison) -> Tensor:
        """The discriminator's loss, (): no gradient reaches the autoencoder."""
        ...


class Adversarial(nn.Module):
    """A discriminator of single clips."""

    def __init__(self, config: AdversarialConfig) -> None:
        super().__init__()
        _refuse_channels(config.discriminator, 3)
        self.config = config
        self.discriminator = config.discriminator.build()

    def fool(self, compared: Comparison) -> Tensor:
        """The generator's loss on (B, 3, T, Y, X), ()."""
        with frozen(self.discriminator):
            return self.config.rule.fool(self.discriminator(compared.shown))

    def tell(self, compared: Comparison) -> Tensor:
        """The discriminator's loss on originals and reconstructions, ()."""
        real = self.discriminator(compared.video)
        return self.config.rule.tell(real, self.discriminator(compared.shown.detach()))


class ReconstructionGAN(nn.Module):
    """A discriminator of pairs, whose logits say that the original comes first.

    Each clip's order is drawn, so that the place itself tells nothing.
    """

    def __init__(self, config: ReconstructionGANConfig) -> None:
        super().__init__()
        _refuse_channels(config.discriminator, PAIR)
        self.config = config
        self.discriminator = config.discriminator.build()

    def fool(self, compared: Comparison) -> Tensor:
        """The generator's loss on pairs (B, 6, T, Y, X), (): it wants them mistaken."""
        first, pairs = pair(compared, compared.shown)
        with frozen(self.discriminator):
            logits = self.discriminator(pairs)
        return self.config.rule.fool(-first * logits)

    def tell(self, compared: Comparison) -> Tensor:
        """The discriminator's loss on pairs, ()."""
        first, pairs = pair(compared, compared.shown.detach())
        right = first * self.discriminator(pairs)
        return self.config.rule.tell(right, -right)


def pair(compared: Comparison, found: Tensor) -> tuple[Tensor, Tensor]:
    """Originals and reconstructions (B, 3, T, Y, X) side by side, in random order.

    Returns:
        1 where the original comes first and -1 elsewhere, (B, 1, 1, 1, 1), and the pairs,
        (B, 6, T, Y, X).

    Raises:
        ConfigError: there are no draws.
    """
    if compared.draws is None:
        raise ConfigError("the reconstruction GAN draws the order of each pair: give draws")
    heads = compared.draws((len(found),)).to(found.device) > 0
    heads = heads.view(-1, 1, 1, 1, 1)
    one = torch.where(heads, compared.video, found)
    two = torch.where(heads, found, compared.video)
    return heads.to(found.dtype) * 2 - 1, torch.cat((one, two), dim=1)


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Inside, gradients pass through a module and not to its weights."""
    moving = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in moving:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in moving:
            parameter.requires_grad_(True)


def _refuse_channels(config: PatchDiscriminatorConfig, channels: int) -> None:
    if config.channels != channels:
        raise ConfigError(f"discriminator.channels = {config.channels}: expected {channels} here")
