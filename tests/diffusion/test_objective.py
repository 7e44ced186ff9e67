"""The objective compares with the right target, and only where it should."""

from dataclasses import dataclass, field
from typing import Literal

import pytest
import torch
from torch import Tensor

from kineograph.conditioning.injections import HeldFrames
from kineograph.diffusion.objective import Objective
from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.prediction import Velocity
from kineograph.diffusion.process import Process
from kineograph.diffusion.times import LogitNormal
from kineograph.types import Condition, Grid, Known, Layout, TextEmbedding, seeded

SHAPE = (2, 4, 3, 2, 2)
PROCESS = Process(path=RectifiedFlow(), prediction=Velocity(), injection=HeldFrames())
TEXT = TextEmbedding(torch.zeros(2, 1, 1))


@dataclass
class Fake:
    """Answers with a fixed output and remembers what it was asked."""

    output: Tensor
    clock: Literal["token"] = "token"
    asked: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def __call__(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        self.asked.append((x, time))
        return self.output


def drawn() -> tuple[Tensor, Tensor, Tensor]:
    """Times and noise as the objective will draw them, and some data."""
    draws = seeded([3, 4])
    time = LogitNormal().sample(2, draws, None)
    return time, draws(SHAPE), seeded([8, 9])(SHAPE)


def test_the_path_derivative_has_no_loss():
    """The target is the slope of x in time, found here by two neighbouring times."""
    time, noise, data = drawn()
    line = lambda t: (1 - t) * data.double() + t * noise.double()  # noqa: E731
    slope = (line(0.5 + 1e-6) - line(0.5 - 1e-6)) / 2e-6
    fake = Fake(slope.float())
    loss = Objective()(fake, PROCESS, data, Condition(TEXT), seeded([3, 4]))
    assert loss.mean < 1e-8
    x, asked = fake.asked[0]
    torch.testing.assert_close(asked.flatten(), time)
    t = time.view(2, 1, 1, 1, 1)
    torch.testing.assert_close(x, (1 - t) * data + t * noise)


def test_the_loss_is_the_mean_square_and_per_sample():
    _, noise, data = drawn()
    off = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1, 1)
    loss = Objective()(Fake(noise - data + off), PROCESS, data, Condition(TEXT), seeded([3, 4]))
    torch.testing.assert_close(loss.per_sample, torch.tensor([1.0, 9.0]))
    torch.testing.assert_close(loss.mean, torch.tensor(5.0))


@pytest.mark.parametrize(("count", "expected"), [(False, 1.0), (True, 5.0 / 3.0)])
def test_known_frames_are_clean_at_time_zero_and_count_only_on_request(count, expected):
    _, noise, data = drawn()
    strength = torch.zeros(2, 1, 3, 2, 2)
    strength[:, :, 0] = 1.0
    error = torch.ones(SHAPE)
    error[:, :, 0] = 3.0**0.5
    fake = Fake(noise - data + error)
    known = Known(data * strength, strength)
    loss = Objective(count_known=count)(fake, PROCESS, data, Condition(TEXT, known), seeded([3, 4]))
    torch.testing.assert_close(loss.mean, torch.tensor(expected))
    x, time = fake.asked[0]
    assert torch.equal(x[:, :, 0], data[:, :, 0])
    assert (time[:, :, 0] == 0).all() and (time[:, :, 1:] > 0).all()


def test_focus_adds_weight_where_little_noise_is_left():
    time, noise, data = drawn()
    fake = Fake(noise - data + 1.0)
    focus = torch.zeros(2, 1, 3, 2, 2)
    focus[:, :, 0] = 1.0
    loss = Objective(focus_weight=2.0)(fake, PROCESS, data, Condition(TEXT), seeded([3, 4]), focus)
    torch.testing.assert_close(loss.per_sample, 1.0 + 2.0 * (1.0 - time) / 3.0)


def test_missing_cells_and_dropped_tokens_do_not_count():
    _, noise, data = drawn()
    error = torch.zeros(SHAPE)
    error[:, :, 2] = 5.0
    valid = torch.ones(2, 1, 3, 2, 2, dtype=torch.bool)
    valid[:, :, 2] = False
    keep = torch.arange(8).expand(2, 8)  # the first two frames of 2 x 2 cells
    larger = Layout(keep=torch.tensor([[0, 1], [1, 0]]), grid=Grid(3, 1, 1))  # a token a frame
    for layout in (Layout(valid=valid), Layout(keep=keep), larger):
        condition = Condition(TEXT, layout=layout)
        loss = Objective()(Fake(noise - data + error), PROCESS, data, condition, seeded([3, 4]))
        assert loss.mean < 1e-10


def test_dropped_tokens_count_where_the_denoiser_predicts_them():
    _, noise, data = drawn()
    condition = Condition(TEXT, layout=Layout(keep=torch.arange(8).expand(2, 8)))
    error = torch.zeros(SHAPE)
    error[:, :, 2] = 3.0**0.5
    objective = Objective(count_dropped=True)
    loss = objective(Fake(noise - data + error), PROCESS, data, condition, seeded([3, 4]))
    torch.testing.assert_close(loss.mean, torch.tensor(1.0))


@pytest.mark.parametrize(("alike", "expected"), [(False, 2.5), (True, (2.0 + 3.0 * 4.0) / 5.0)])
def test_samples_or_cells_weigh_the_same(alike, expected):
    """Two of three frames count in the first sample, all three in the second."""
    _, noise, data = drawn()
    strength = torch.zeros(2, 1, 3, 2, 2)
    strength[0, :, 0] = 1.0
    error = torch.ones(SHAPE)
    error[1] = 2.0
    known = Known(data * strength, strength)
    objective, fake = Objective(cells_alike=alike), Fake(noise - data + error)
    loss = objective(fake, PROCESS, data, Condition(TEXT, known), seeded([3, 4]))
    torch.testing.assert_close(loss.mean, torch.tensor(expected))
    torch.testing.assert_close(loss.per_sample, torch.tensor([1.0, 4.0]))
