"""A user's clips are encoded once, whatever happens, and teach the same as without a cache."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kineograph.conditioning.facts import Facts
from kineograph.data import latents
from kineograph.data.clip import Caption, Clip, Span
from kineograph.data.latents import Latents
from kineograph.data.layouts.rows import Problem
from kineograph.data.reading import Encoding, Reader
from kineograph.diffusion.process import Process
from kineograph.errors import DataError
from kineograph.media.encode import write_video
from kineograph.media.workers import Limits
from kineograph.recipes.recipe import Recipe
from kineograph.training import clip_cache
from kineograph.training.captions import say_again
from kineograph.training.clip_cache import Coding, make, on_the_fly
from kineograph.training.run import generator_draws
from kineograph.training.weights import digest, load_autoencoder
from kineograph.types import Condition, Layout

LIMITS = Limits(seconds=60.0)


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    """Three films of noise with captions; the last one has a part as well."""
    draw = torch.Generator().manual_seed(0)
    found = []
    for number in range(3):
        frames = torch.randint(0, 256, (12, 24, 32, 3), generator=draw, dtype=torch.uint8)
        write_video(tmp_path / f"films/{number}.mp4", frames, 8)
        captions = (Caption(text=f"film {number}"), Caption(text="noise"))
        source = str(tmp_path / f"films/{number}.mp4")
        found.append(Clip(source=source, captions=captions))
    return [*found, replace(found[2], span=Span(start=0.5))]


@pytest.fixture
def encoding(recipe: Recipe, weights: Path) -> Encoding:
    shape = recipe.cache
    return Encoding(
        frames=shape.frames,
        size=shape.size,
        fps=shape.fps,
        autoencoder=digest(weights, "autoencoder"),
    )


@pytest.fixture
def coder(weights: Path) -> Coding:
    return Coding(load_autoencoder(weights))


def quiet(line: str) -> None:
    """Say nothing."""


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def loss(recipe: Recipe, data: Latents) -> Tensor:
    """What one step on all clips costs, with everything drawn from one seed."""
    torch.manual_seed(0)
    text, denoiser = recipe.text.build(), recipe.denoiser.build()
    process = Process(path=recipe.path, prediction=recipe.prediction, injection=recipe.injection)
    words = say_again(data.records, recipe.stages[1], random.Random(0))
    facts = Facts(fps=8, frames=5, height=16, width=16)
    condition = Condition(
        text=text(words),
        known=None,
        facts=facts.tensors(len(words), torch.device("cpu")),
        layout=Layout(),
    )
    given = data.latents.float(), condition, generator_draws(3), data.focus.float() / 255
    found: Tensor = recipe.objective(denoiser, process, *given).per_sample
    return found


def test_the_loss_is_that_of_encoding_on_the_fly(
    clips: list[Clip], recipe: Recipe, coder: Coding, encoding: Encoding, tmp_path: Path
) -> None:
    counts = make(clips, coder, encoding, tmp_path / "cache", LIMITS, quiet)
    assert counts == {"encoded": 4, "cached": 0, "refused": 0}
    stored = latents.read(tmp_path / "cache", encoding.autoencoder)
    fresh = on_the_fly(clips, coder, encoding, LIMITS)
    assert stored.records == fresh.records and len(stored.records) == 4
    assert torch.equal(stored.latents, fresh.latents) and stored.latents.shape == (4, 4, 2, 2, 2)
    losses = loss(recipe, stored)
    assert torch.equal(losses, loss(recipe, fresh)) and losses.unique().numel() == 4


def test_a_run_that_is_stopped_goes_on_and_becomes_the_same_cache(
    clips: list[Clip], coder: Coding, encoding: Encoding, tmp_path: Path
) -> None:
    def stop(line: str) -> None:
        if line.endswith("1.mp4"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(clips, coder, encoding, tmp_path / "parted", LIMITS, stop)
    with pytest.raises(DataError, match="let `kineograph cache` complete the cache"):
        latents.read(tmp_path / "parted", encoding.autoencoder)
    counts = make(clips, coder, encoding, tmp_path / "parted", LIMITS, quiet)
    assert counts == {"encoded": 2, "cached": 2, "refused": 0}
    make(clips, coder, encoding, tmp_path / "whole", LIMITS, quiet)
    assert contents(tmp_path / "parted") == contents(tmp_path / "whole")


def test_captions_and_names_change_without_a_new_encoding(
    clips: list[Clip], coder: Coding, encoding: Encoding, tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    make(clips, coder, encoding, folder, LIMITS, quiet)
    moved = clips[0].path.rename(tmp_path / "moved.mp4")
    others = [clips[2], Clip(source=str(moved), captions=(Caption(text="new\u2028words"),))]
    counts = make(others, coder, encoding, folder, LIMITS, quiet)
    assert counts == {"encoded": 0, "cached": 2, "refused": 0}
    found = latents.read(folder, encoding.autoencoder)
    assert [record["captions"] for record in found.records] == [
        ["film 2", "noise"], ["new\u2028words"],
    ]  # fmt: skip


def test_a_film_that_changed_is_encoded_again(
    clips: list[Clip], coder: Coding, encoding: Encoding, tmp_path: Path
) -> None:
    make(clips[:2], coder, encoding, tmp_path / "cache", LIMITS, quiet)
    clips[0].path.write_bytes(clips[2].path.read_bytes())
    counts = make(clips[:2], coder, encoding, tmp_path / "cache", LIMITS, quiet)
    assert counts == {"encoded": 1, "cached": 1, "refused": 0}


def test_keys_know_the_clip_its_part_its_shape_and_the_weights(encoding: Encoding) -> None:
    keys = {
        encoding.key("a", 0.0),
        encoding.key("b", 0.0),
        encoding.key("a", 0.5),
        replace(encoding, autoencoder="other").key("a", 0.0),
        *(
            other.key("a", 0.0)
            for other in (
                replace(encoding, frames=9),
                replace(encoding, size=32),
                replace(encoding, fps=4.0),
            )
        ),
    }
    assert len(keys) == 7 and encoding.key("a", 0.0) in keys


def test_every_row_has_an_outcome_and_none_stops_the_others(
    clips: list[Clip], coder: Coding, encoding: Encoding, tmp_path: Path
) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    rows = [
        Problem("list.csv, line 2", "has 1 cells", "write 2"),
        Clip(source=str(tmp_path / "text.mp4")),
        replace(clips[0], span=Span(start=1.0)),
        replace(clips[0], span=Span(start=0.0, end=0.5)),
        replace(clips[0], span=Span(first=8, stop=10)),
        replace(clips[0], span=Span(start=99.0)),
        replace(clips[1], captions=()),
    ]
    said: list[str] = []
    counts = make(rows, coder, encoding, tmp_path / "cache", LIMITS, said.append)
    assert counts == {"encoded": 1, "cached": 0, "refused": 6}
    assert len(said) == 7 and "list.csv, line 2: has 1 cells; write 2" in said[0]
    assert "not a video that can be read" in said[1]
    assert "has 4 frames at 8 a second, expected 5; join it" in said[2]
    assert "has 4 frames" in said[3] and "has 2 frames" in said[4] and "start 99 s" in said[5]
    assert latents.read(tmp_path / "cache", encoding.autoencoder).records[0]["captions"] == [""]


def test_a_cache_without_clips_or_of_another_kind_is_refused(
    coder: Coding, encoding: Encoding, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="none of 1 rows is a clip that can be used"):
        make([Problem("1", "a", "b")], coder, encoding, tmp_path, LIMITS, quiet)
    other = replace(encoding, autoencoder="other")
    with pytest.raises(DataError, match="asked for"):
        make([], coder, other, tmp_path, LIMITS, quiet)
    with pytest.raises(DataError, match="no clip that can be used"):
        on_the_fly([], coder, encoding, LIMITS)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        make([], coder, encoding, tmp_path / "file", LIMITS, quiet)


def test_rows_are_encoded_as_they_are_read(
    clips: list[Clip],
    coder: Coding,
    encoding: Encoding,
) -> None:
    """Of any number of rows only a few are in memory."""
    taken = 0

    def many() -> Iterator[Clip]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield clips[0]

    reader = Reader(encoding=encoding, folder=None)
    found = clip_cache.rows(many(), coder, reader, LIMITS)
    assert next(found).outcome == "encoded" and taken < 20
    found.close()  # type: ignore[attr-defined]
