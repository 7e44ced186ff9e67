"""A run can be cancelled between any two steps, loses nothing, and shows how far it is."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from kineograph.cli.decode import Decode
from kineograph.cli.generate import LATENTS, Generate, telling
from kineograph.cli.progress import Progress
from kineograph.conditioning.keyframes import KeyFrames
from kineograph.diffusion.samplers import Renoise
from kineograph.errors import ConfigError
from kineograph.generation.draft import Draft
from kineograph.generation.events import Cancelled, Event, Reporter
from kineograph.generation.generator import Generator
from kineograph.generation.job import Interrupted
from kineograph.generation.preview import fit
from kineograph.generation.request import Request
from kineograph.media.decode import read_image
from kineograph.media.encode import write_image
from kineograph.media.resize import to_unit
from kineograph.types import Legal

IMAGE = torch.randint(0, 256, (16, 16, 3), generator=torch.Generator().manual_seed(0)).byte()


class After:
    """Cancels after so many steps of denoising."""

    def __init__(self, steps: int, reason: BaseException) -> None:
        self.steps = steps
        self.reason = reason

    def __call__(self, event: Event) -> None:
        self.steps -= event.stage == "denoise"
        if not self.steps:
            raise self.reason


class Refusing:
    """Cancels at the first step of a stage."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def __call__(self, event: Event) -> None:
        if event.stage == self.stage:
            raise Cancelled


def cancelled(generator: Generator, steps: int, request: Request, reason: BaseException) -> Draft:
    with pytest.raises(Interrupted) as stop:
        generator.drafts(["a ball"], request, After(steps, reason))
    return stop.value.drafts[0]


def with_parts(generator: Generator, **changes: object) -> Generator:
    recipe = replace(generator.parts.recipe, **changes)
    return replace(generator, parts=replace(generator.parts, recipe=recipe))


@pytest.mark.parametrize(
    ("wishes", "steps"),
    [
        ({}, 1),
        ({}, 2),
        ({"frames": 17, "steps": 2}, 3),  # in the second window
        ({"frames": 17, "steps": 2}, 2),  # between two windows
    ],
    ids=str,
)
def test_what_was_cancelled_goes_on_to_the_same_latents(generator, tmp_path, wishes, steps):
    request = Request(seed=3, **wishes)
    (whole,) = generator.drafts(["a ball"], request)
    cancelled(generator, steps, request, Cancelled()).save(tmp_path / "a.safetensors")
    found = generator.go_on(Draft.read(tmp_path / "a.safetensors"))
    assert torch.equal(found.latents, whole.latents) and found.unfinished is None


def test_a_sampler_that_draws_at_every_step_goes_on_with_the_right_draws(generator):
    sampling = replace(generator.parts.recipe.sampling, sampler=Renoise())
    drawing = with_parts(generator, sampling=sampling)
    (whole,) = drawing.drafts(["a ball"])
    stopped = cancelled(drawing, 2, Request(), Cancelled())
    assert len(stopped.unfinished.drawn) == 3  # the noise, and one for each step
    assert torch.equal(drawing.go_on(stopped).latents, whole.latents)


def test_extra_key_frames_go_on_too(generator, tmp_path):
    keyed = with_parts(generator, injection=KeyFrames(scale=4))
    write_image(tmp_path / "i.png", IMAGE)
    at = {0: IMAGE, 8: IMAGE}
    (whole,) = keyed.drafts(["a ball"], Request(at=at))
    stopped = cancelled(keyed, 1, Request(at=at), Cancelled())
    assert stopped.running.shape[1] > stopped.latents.shape[1]
    with pytest.raises(ConfigError, match="at 0: was given as pixels with digest"):
        keyed.go_on(stopped)
    found = keyed.drafts(["a ball"], Request(at=at), since=stopped)[0]
    assert torch.equal(found.latents, whole.latents)


def test_interrupting_by_hand_is_cancelling(generator):
    stopped = cancelled(generator, 1, Request(), KeyboardInterrupt())
    assert stopped.unfinished.step == 1
    (whole,) = generator.drafts(["a ball"])
    assert torch.equal(generator.go_on(stopped).latents, whole.latents)


def test_a_loop_that_is_cancelled_before_its_first_picture_has_nothing_to_keep(generator):
    with pytest.raises(Interrupted) as stop:
        generator.drafts(["a ball"], Request(task="loop"), Refusing("first frame"))
    assert stop.value.drafts == ()


def test_an_unfinished_draft_can_be_looked_at(generator):
    events: list[Event] = []
    stopped = cancelled(generator, 2, Request(frames=17, steps=2), Cancelled())
    assert generator.decode(stopped, events.append).video.shape[0] == 17
    assert any("not all steps" in event.note for event in events)


def test_the_command_keeps_latents_and_goes_on(folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "v.png"
    options = {"model": str(folder), "device": "cpu", "size": "16x16", "frames": 1, "steps": 3}
    Generate(prompt="a ball", out=tmp_path / "whole.png", **options).run()
    stop = After(2, KeyboardInterrupt())
    monkeypatch.setattr("kineograph.cli.generate.telling", lambda *_: stop)
    with pytest.raises(KeyboardInterrupt):
        Generate(prompt="a ball", out=out, **options).run()
    latents = out.with_name(out.name + LATENTS)
    assert f"go on with: kineograph generate --resume {latents}" in capsys.readouterr().err
    monkeypatch.undo()
    Decode(latents=latents, out=tmp_path / "early.png").run()
    Generate(resume=latents).run()
    assert torch.equal(read_image(out), read_image(tmp_path / "whole.png")) and not latents.exists()
    with pytest.raises(ConfigError, match="--resume and a prompt"):
        Generate(prompt="a ball", resume=latents).run()


def test_events_say_how_long_it_takes_and_what_memory_is_in_use(monkeypatch):
    seen: list[Event] = []
    clock = iter([10.0, 14.0, 16.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    report = Reporter(seen.append, lambda: 7)
    report.begin("denoise", 2)
    report.step("denoise", 4, 10)
    report.step("denoise", 5, 10)
    report.step("decode", 1, 1)
    assert [event.left for event in seen] == [12.0, 10.0, None]
    assert {event.memory for event in seen} == {7}


class Mixed:
    """An autoencoder whose four channels are mixtures of the colours, and 1."""

    mixture = torch.tensor([[0.5, 1.0, -0.2], [2.0, 0.1, 0.3], [-0.4, 0.2, 1.5], [1.0, 1.0, 1.0]])

    def nearest(self, frames: int, height: int, width: int) -> Legal:
        return Legal(frames, height, width, "any")

    def encode(self, video: Tensor, draws: None = None) -> Tensor:
        cells = torch.nn.functional.avg_pool3d(video, (1, 8, 8))
        return torch.einsum("dc,bcfhw->bdfhw", self.mixture, cells) + 1.0


def test_a_preview_shows_the_colours_of_what_is_coded():
    preview = fit(Mixed(), 32, 32, torch.device("cpu"))
    colours = torch.tensor([[220, 40, 40], [40, 90, 200]], dtype=torch.uint8)
    video = to_unit(colours.view(2, 1, 1, 3).expand(2, 32, 32, 3))
    shown = preview(Mixed().encode(video))
    assert shown.shape == (1, 2, 4, 4, 3)
    assert (shown[0, :, 1, 2].int() - colours.int()).abs().max() <= 2


def test_every_step_offers_a_preview_and_the_command_writes_it(generator, tmp_path):
    events: list[Event] = []
    generator.drafts(["a ball", "a cube"], Request(image=IMAGE), events.append)
    found = [event for event in events if event.preview is not None]
    assert len(found) == 3 and found[-1].preview().shape == (2, 3, 2, 2, 3)
    assert all(event.memory > 0 for event in events)
    with Progress() as progress:
        telling(progress, tmp_path / "p.png")(found[-1])
    assert read_image(tmp_path / "p.png").ndim == 3
