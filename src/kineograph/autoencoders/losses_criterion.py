"""The whole loss of an autoencoder: a list of terms, and perhaps an adversary.

Letters: B clips, T frames of Y x X pixels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from kineograph.autoencoders.losses_adversarial import Adversary, AdversaryConfig, Turn
from kineograph.autoencoders.losses_distillation import LatentDistillationConfig
from kineograph.autoencoders.losses_perceptual import LikelihoodConfig, PerceptualConfig
from kineograph.autoencoders.losses_terms import (
    AbsoluteConfig,
    AbsoluteEdgesConfig,
    Comparison,
    DivergenceConfig,
    IdentityConfig,
    MeanDivergenceConfig,
    MeanWaveletConfig,
    Networks,
    PictureLatentsConfig,
    SquaredConfig,
    SquaredEdgesConfig,
    TemporalDifferenceConfig,
    VideoWaveletConfig,
    WaveletConfig,
)
from kineograph.errors import ConfigError

TermConfig = (
    SquaredConfig
    | SquaredEdgesConfig
    | AbsoluteConfig
    | AbsoluteEdgesConfig
    | TemporalDifferenceConfig
    | LikelihoodConfig
    | DivergenceConfig
    | MeanDivergenceConfig
    | WaveletConfig
    | MeanWaveletConfig
    | VideoWaveletConfig
    | PerceptualConfig
    | PictureLatentsConfig
    | IdentityConfig
    | LatentDistillationConfig
)


@dataclass(frozen=True, eq=False)
class Judgement:
    """The generator's loss.

    total: what is minimised, (); terms: each number before its weight, detached, by kind, and
    `adversarial` with its `share`, the factor that it got, where an adversary takes part.
    """

    total: Tensor
    terms: Mapping[str, Tensor]


class Criterion(nn.Module):
    """Terms and an adversary as one loss.

    Its state holds what learns: the discriminator and the projections of terms; networks that
    are given from outside are no part of it.
    """

    def __init__(
        self,
        configs: Sequence[TermConfig],
        adversary: AdversaryConfig | None = None,
        networks: Networks | None = None,
    ) -> None:
        """Build all terms, with a new discriminator.

        Raises:
            ConfigError: no term, a kind twice, or a network that a term needs is not given.
        """
        super().__init__()
        kinds = [config.kind for config in configs]
        twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
        if twice or not kinds:
            raise ConfigError(f"loss terms: {twice or 'none'}: expected each kind at most once")
        given = networks or Networks()
        self.configs = tuple(configs)
        self.measures = [config.build(given) for config in configs]
        self.learners = nn.ModuleDict(
            {
                config.kind: measure
                for config, measure in zip(configs, self.measures, strict=True)
                if isinstance(measure, nn.Module)
            }
        )
        self.adversary = adversary
        self.opponent = None if adversary is None else adversary.build()

    def forward(self, compared: Comparison, last_layer: Tensor) -> Judgement:
        """The generator's loss.

        Args:
            compared: reconstruction and truth, (B, 3, T, Y, X).
            last_layer: the decoder's last weight, by which an adversary is balanced.

        Raises:
            ConfigError: a part that a term needs is missing or of another shape.
        """
        total = compared.video.new_zeros(())
        terms: dict[str, Tensor] = {}
        for config, measure in zip(self.configs, self.measures, strict=True):
            share = config.weight * config.fade.at(compared.done)
            if share:
                found = measure(compared)
                total = total + share * found
                terms[config.kind] = found.detach()
        if self.adversary is not None and compared.step >= self.adversary.start:
            push = self._opponent().fool(compared)
            ratio = self.adversary.balance.ratio(total, push, last_layer)
            factor = self.adversary.weight * ratio
            total = total + factor * push
            terms |= {"adversarial": push.detach(), "share": factor}
        return Judgement(total, terms)

    def judge(self, compared: Comparison) -> Tensor | None:
        """The discriminator's loss, (); None where none takes part yet."""
        if self.adversary is None or compared.step < self.adversary.start:
            return None
        return self._opponent().tell(compared)

    def turn(self, step: int) -> Turn:
        """Who moves in a step of the stage."""
        if self.adversary is None or step < self.adversary.start:
            return Turn(generator=True, discriminator=False)
        return self.adversary.turns.at(step)

    def learnt(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Weights of terms, which move with the autoencoder."""
        return self.learners.named_parameters("learners")

    def adversaries(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Weights of the discriminator, which moves by its own optimiser."""
        if self.adversary is not None:
            yield from self._opponent().discriminator.named_parameters("opponent.discriminator")

    def _opponent(self) -> Adversary:
        assert self.opponent is not None
        return self.opponent
