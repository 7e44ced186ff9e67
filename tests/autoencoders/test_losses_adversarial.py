"""Adversaries: who learns from what, in which order pairs stand, who moves when."""

import pytest
import torch

from kineograph.autoencoders import losses
from kineograph.autoencoders.discriminator import PatchDiscriminatorConfig
from kineograph.autoencoders.losses_adversarial import (
    Adaptive,
    AdversarialConfig,
    Alternate,
    Hinge,
    NonSaturating,
    Plain,
    ReconstructionGANConfig,
    Together,
    Vanilla,
    pair,
)
from kineograph.autoencoders.losses_terms import Comparison
from kineograph.errors import ConfigError
from kineograph.types import Posterior, Reconstruction, replayed

SMALL = PatchDiscriminatorConfig(width=2, layers=2)
PAIRS = PatchDiscriminatorConfig(channels=6, width=2, layers=2)
RULES = [Hinge(), Vanilla(), NonSaturating()]


def compared(found=None, draws=None, batch=4):
    video = torch.rand(batch, 3, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    shown = 1.0 - video if found is None else found
    return Comparison(Reconstruction(shown, Posterior(shown)), video, draws=draws)


def order(*heads):
    """Draws of which pairs have the original first."""
    return replayed([torch.tensor([1.0 if head else -1.0 for head in heads])])


ADVERSARIES = [AdversarialConfig(discriminator=SMALL), ReconstructionGANConfig(discriminator=PAIRS)]


@pytest.fixture(params=ADVERSARIES, ids=lambda config: config.kind)
def adversary(request):
    torch.manual_seed(0)
    return request.param.build()


def test_the_generator_learns_and_the_discriminator_stays(adversary):
    found = torch.zeros(4, 3, 2, 8, 8, requires_grad=True)
    adversary.fool(compared(found, order(1, 0, 1, 1))).backward()
    assert found.grad is not None and found.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in adversary.parameters())
    assert all(parameter.requires_grad for parameter in adversary.parameters())


def test_the_discriminator_learns_and_the_generator_stays(adversary):
    found = torch.zeros(4, 3, 2, 8, 8, requires_grad=True)
    adversary.tell(compared(found, order(1, 0, 1, 1))).backward()
    assert found.grad is None
    assert all(parameter.grad is not None for parameter in adversary.parameters())


def test_a_discriminator_learns_to_tell(adversary):
    draws = torch.Generator().manual_seed(1)
    told = []
    for _ in range(25):
        seen = compared(draws=lambda shape: torch.randn(shape, generator=draws))
        loss = adversary.tell(seen)
        parameters = list(adversary.parameters())
        with torch.no_grad():
            for weight, slope in zip(
                parameters, torch.autograd.grad(loss, parameters), strict=True
            ):
                weight -= 0.01 * slope.sign()
        told.append(loss.item())
    assert sum(told[-5:]) < 0.6 * sum(told[:5])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
def test_rules_reward_the_right_side(rule):
    sure, mistaken = torch.full((4,), 3.0), torch.full((4,), -3.0)
    assert float(rule.tell(sure, mistaken)) < 0.1 < float(rule.tell(mistaken, sure))
    assert float(rule.fool(sure)) < float(rule.fool(mistaken))


def test_rules_are_the_published_formulas():
    real, fake = torch.tensor([0.5, 2.0]), torch.tensor([-0.5, 1.0])
    assert float(Hinge().tell(real, fake)) == pytest.approx(0.5 * (0.5 / 2 + (0.5 + 2.0) / 2))
    for rule in (Vanilla(), NonSaturating()):
        assert torch.equal(rule.tell(real, fake), losses.logistic_loss(real, fake))
    assert float(Hinge().fool(fake)) == float(Vanilla().fool(fake)) == -0.25
    assert float(NonSaturating().fool(torch.zeros(1))) == pytest.approx(0.693147)


def test_pairs_hold_both_clips_in_the_drawn_order():  # LTX-Video, 2.1.2
    seen = compared(draws=order(1, 0, 0, 1))
    first, pairs = pair(seen, seen.shown)
    assert first.flatten().tolist() == [1, -1, -1, 1]
    assert torch.equal(pairs[0], torch.cat((seen.video[0], seen.shown[0])))
    assert torch.equal(pairs[1], torch.cat((seen.shown[1], seen.video[1])))


def test_orders_are_as_likely_one_way_as_the_other():
    draws = torch.Generator().manual_seed(0)
    seen = compared(batch=512, draws=lambda shape: torch.randn(shape, generator=draws))
    first, _ = pair(seen, seen.shown)
    assert abs(float(first.mean())) < 0.15


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
def test_what_pairs_say_counts_alike_in_both_orders(rule):
    """A discriminator that takes the darker clip for the original, wherever it stands."""

    class Darker(torch.nn.Module):
        def forward(self, pairs):
            one, two = pairs.chunk(2, dim=1)
            return (two - one).mean(dim=(1, 2, 3, 4), keepdim=True)

    adversary = ReconstructionGANConfig(discriminator=PAIRS, rule=rule).build()
    adversary.discriminator = Darker()
    found = compared().video + 1.0
    told = [adversary.tell(compared(found, order(*heads))) for heads in ((1,) * 4, (0, 1) * 2)]
    fooled = [adversary.fool(compared(found, order(*heads))) for heads in ((1,) * 4, (0, 1) * 2)]
    assert torch.allclose(*told) and torch.allclose(*fooled)
    darker = compared(compared().video - 1.0, order(1, 0, 1, 0))
    assert float(adversary.tell(darker)) > float(told[0])
    assert float(adversary.fool(compared(found - 2.0, order(1, 0, 1, 0)))) < float(fooled[0])


def test_pairs_need_draws():
    with pytest.raises(ConfigError, match="order of each pair"):
        ReconstructionGANConfig(discriminator=PAIRS).build().fool(compared())


def test_a_discriminator_must_take_what_it_is_shown():
    with pytest.raises(ConfigError, match=r"channels = 3: expected 6"):
        ReconstructionGANConfig(discriminator=SMALL).build()
    with pytest.raises(ConfigError, match=r"channels = 6: expected 3"):
        AdversarialConfig(discriminator=PAIRS).build()


def test_a_balance_is_the_ratio_of_pulls_or_none():
    layer = torch.ones(3, requires_grad=True)
    others, push = (6 * layer).sum(), (2 * layer).sum()
    assert float(Adaptive().ratio(others, push, layer)) == pytest.approx(3, rel=1e-3)
    assert float(Adaptive(most=2.0).ratio(others, push, layer)) == 2.0
    assert float(Adaptive(epsilon=2 * 3**0.5).ratio(others, push, layer)) == pytest.approx(1.5)
    assert float(Plain().ratio(others, push, layer)) == 1.0


def test_turns():
    both = [(turn.generator, turn.discriminator) for turn in map(Together().at, range(2))]
    each = [(turn.generator, turn.discriminator) for turn in map(Alternate().at, range(3))]
    assert both == [(True, True)] * 2
    assert each == [(True, False), (False, True), (True, False)]
