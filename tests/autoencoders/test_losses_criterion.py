"""The whole loss is the weighted sum of its terms, and its state is what learns."""

import pytest
import torch

from kineograph.autoencoders.discriminator import PatchDiscriminatorConfig
from kineograph.autoencoders.losses_adversarial import (
    AdversarialConfig,
    Alternate,
    Plain,
    ReconstructionGANConfig,
)
from kineograph.autoencoders.losses_criterion import Criterion
from kineograph.autoencoders.losses_distillation import LatentDistillationConfig
from kineograph.autoencoders.losses_perceptual import PerceptualConfig
from kineograph.autoencoders.losses_terms import (
    AbsoluteConfig,
    Comparison,
    DivergenceConfig,
    Fade,
    Networks,
    SquaredConfig,
)
from kineograph.config import from_data, to_data
from kineograph.errors import ConfigError
from kineograph.nn.perceptual import LPIPS
from kineograph.types import Posterior, Reconstruction

SMALL = PatchDiscriminatorConfig(width=2, layers=2)
ADVERSARY = AdversarialConfig(discriminator=SMALL, start=3)


def compared(layer, *, step=0, done=0.0):
    """A clip made by one number, the last layer."""
    video = torch.rand(2, 3, 2, 16, 16, generator=torch.Generator().manual_seed(0)) + 1.0
    latents = layer.new_ones(2, 4, 1, 2, 2)
    found = Reconstruction(video * layer, Posterior(latents, 0 * latents))
    return Comparison(found, video, step=step, done=done)


@pytest.fixture
def layer():
    return torch.nn.Parameter(torch.tensor(0.5))


def test_the_total_is_the_weighted_sum(layer):
    terms = (SquaredConfig(weight=2.0), AbsoluteConfig(weight=0.5), DivergenceConfig(weight=0.1))
    judged = Criterion(terms)(compared(layer), layer)
    assert list(judged.terms) == ["squared", "absolute", "divergence"]
    assert float(judged.terms["divergence"]) == 8.0
    expected = 2.0 * judged.terms["squared"] + 0.5 * judged.terms["absolute"] + 0.1 * 8.0
    assert torch.allclose(judged.total, expected)
    assert not any(value.requires_grad for value in judged.terms.values())


def test_a_term_that_has_not_begun_is_not_measured(layer):
    terms = (SquaredConfig(), AbsoluteConfig(fade=Fade(start=0.5, end=1.0)))
    criterion = Criterion(terms)
    assert list(criterion(compared(layer, done=0.4), layer).terms) == ["squared"]
    half = criterion(compared(layer, done=0.75), layer)
    assert torch.allclose(half.total, half.terms["squared"] + 0.5 * half.terms["absolute"])


def test_an_adversary_sets_in_at_its_step(layer):
    criterion = Criterion([SquaredConfig()], ADVERSARY)
    early, late = compared(layer, step=2), compared(layer, step=3)
    assert "adversarial" not in criterion(early, layer).terms
    assert criterion.judge(early) is None
    assert criterion(late, layer).terms["adversarial"].isfinite()
    assert criterion.judge(late) is not None


def test_an_adversary_pulls_half_as_hard_as_the_other_terms():  # the weight 0.5
    layer = torch.nn.Parameter(torch.tensor(0.5))
    pulls = []
    for adversary in (None, AdversarialConfig(discriminator=SMALL)):
        torch.manual_seed(0)
        total = Criterion([SquaredConfig()], adversary)(compared(layer), layer).total
        pulls.append(torch.autograd.grad(total, layer)[0])
    assert float((pulls[1] - pulls[0]).abs()) == pytest.approx(
        0.5 * float(pulls[0].abs()), rel=0.02
    )


def test_a_plain_weight_is_the_weight(layer):
    adversary = AdversarialConfig(weight=0.05, discriminator=SMALL, balance=Plain())
    judged = Criterion([SquaredConfig()], adversary)(compared(layer), layer)
    assert float(judged.terms["share"]) == pytest.approx(0.05)
    expected = judged.terms["squared"] + 0.05 * judged.terms["adversarial"]
    assert torch.allclose(judged.total, expected)


def test_turns_begin_when_the_adversary_does():
    adversary = AdversarialConfig(discriminator=SMALL, turns=Alternate(), start=3)
    criterion = Criterion([SquaredConfig()], adversary)
    movers = [(turn.generator, turn.discriminator) for turn in map(criterion.turn, range(6))]
    assert movers == [*[(True, False)] * 3, (False, True), (True, False), (False, True)]
    alone = Criterion([SquaredConfig()]).turn(1)
    assert (alone.generator, alone.discriminator) == (True, False)


def test_parameters_are_those_that_learn_each_on_its_side(layer):
    distillation = LatentDistillationConfig(channels=4, features=3)
    networks = Networks(lpips=LPIPS((2, 2, 2, 2, 2)), features=torch.nn.Conv2d(3, 3, 8, stride=8))
    criterion = Criterion([PerceptualConfig(), distillation], ADVERSARY, networks)
    learnt, adversaries = dict(criterion.learnt()), dict(criterion.adversaries())
    assert list(learnt) == ["learners.latent_distillation.projection.weight"]
    assert adversaries and not adversaries.keys() & learnt.keys()
    # Names are those of the state, which also holds batch statistics, and no frozen network.
    named = dict(criterion.named_parameters())
    assert all(named[name] is weight for name, weight in (learnt | adversaries).items())
    assert named.keys() == learnt.keys() | adversaries.keys()
    state = criterion.state_dict()
    assert "opponent.discriminator.stages.0.norm.running_mean" in state
    other = Criterion([PerceptualConfig(), distillation], ADVERSARY, networks)
    other.load_state_dict(state)
    seen = compared(layer, step=3)
    assert torch.equal(other(seen, layer).total, criterion(seen, layer).total)


@pytest.mark.parametrize("terms", [(), (SquaredConfig(), SquaredConfig(weight=2.0))])
def test_terms_are_there_and_each_once(terms):
    with pytest.raises(ConfigError, match="each kind at most once"):
        Criterion(terms)


@pytest.mark.parametrize("adversary", [ADVERSARY, ReconstructionGANConfig()])
def test_an_adversary_comes_back_from_plain_data(adversary):
    assert from_data(type(adversary), to_data(adversary)) == adversary
