"""From nothing to a model by three commands, each of which can be said again."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from kineograph import recipes
from kineograph.cli.app import main
from kineograph.generation.device import Place
from kineograph.generation.load import load_parts
from kineograph.training import health
from kineograph.training.weights import save_part, save_recipe

TOYBOX = recipes.get("toybox")
SMALL = (
    "autoencoder.latent_channels=4",
    "autoencoder.base=8",
    "autoencoder.encoder_energy=8",
    "autoencoder.decoder_energy=8",
    "text.width=32",
    "text.heads=2",
    "denoiser.layers=2",
    "denoiser.heads=2",
    "denoiser.head_width=16",
    "denoiser.in_channels=4",
    "denoiser.out_channels=4",
    "denoiser.text_width=32",
    "denoiser.pooled_width=32",
    "denoiser.local.width=8",
    "cache.frames=5",
    "cache.size=16",
    *(
        f"{stages}.{number}.schedule.{one}"
        for stages, found in (
            ("autoencoder_stages", TOYBOX.autoencoder_stages),
            ("stages", TOYBOX.stages),
        )
        for number in range(len(found))
        for one in ("steps=1", "batch=2")
    ),
    *(
        f"autoencoder_stages.{number}.clips.{one}"
        for number in range(len(TOYBOX.autoencoder_stages))
        for one in ("frames=5", "size=16")
    ),
)


def say(verb: str, *arguments: str | Path, overrides: tuple[str, ...] = SMALL) -> int:
    """Say a command and give its exit code."""
    changes = [word for one in overrides for word in ("--set", one)]
    with pytest.raises(SystemExit) as end:
        main([verb, *map(str, arguments), "--processes", "1", *changes])
    return int(end.value.code or 0)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module", autouse=True)
def few_statistics() -> Iterator[None]:
    """Statistics of 8 clips are enough here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(health, "measure", partial(health.measure, count=8))
        yield


@pytest.fixture(scope="module")
def coded(few_statistics: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of `train-autoencoder`, in ae, and of `cache`, in latents."""
    folder = tmp_path_factory.mktemp("run")
    assert say("train-autoencoder", "--out", folder / "ae") == 0
    weights = ("--autoencoder", folder / "ae" / "weights")
    assert say("cache", *weights, "--out", folder / "latents", "--clips", "3") == 0
    return folder


def test_three_commands_make_a_model_that_generation_loads(
    coded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = ("--autoencoder", coded / "ae" / "weights", "--data", coded / "latents")
    assert say("train", *inputs, "--out", tmp_path / "run") == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "run" / "weights")
    parts = load_parts(tmp_path / "run" / "weights", (), Place(torch.device("cpu"), torch.float32))
    assert parts.recipe.denoiser.layers == 2
    assert len(set(parts.recipe.autoencoder.scale)) == 1, "one scale, found in training"
    assert len(parts.recipe.autoencoder.shift) == 4 and any(parts.recipe.autoencoder.shift)
    journal = (tmp_path / "run" / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line)["stage"] for line in journal] == [
        stage.name for stage in TOYBOX.stages
    ]

    first = contents(tmp_path / "run" / "weights")
    assert say("train", *inputs, "--out", tmp_path / "run") == 0
    assert contents(tmp_path / "run" / "weights") == first
    assert f"going on at stage {len(TOYBOX.stages) + 1}, step 0" in capsys.readouterr().out


def test_a_trained_autoencoder_is_not_trained_again(
    coded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(coded / "ae" / "weights")
    assert set(before) == {"recipe.json", "autoencoder.safetensors"}
    assert say("train-autoencoder", "--out", coded / "ae") == 0
    assert contents(coded / "ae" / "weights") == before
    done = f"going on at stage {len(TOYBOX.autoencoder_stages) + 1}, step 0"
    assert done in capsys.readouterr().out


def test_latents_of_other_weights_are_refused(
    coded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = recipes.read(coded / "ae" / "weights")
    save_recipe(tmp_path / "other", other)
    save_part(tmp_path / "other", "autoencoder", other.autoencoder.build())
    inputs = ("--autoencoder", tmp_path / "other", "--data", coded / "latents")
    assert say("train", *inputs, "--out", tmp_path / "run") == 1
    error = " ".join(capsys.readouterr().err.split())
    assert "made with autoencoder" in error and "make it again with `kineograph cache`" in error


@pytest.mark.parametrize("verb", ["train-autoencoder", "cache", "train"])
def test_a_wrong_override_ends_before_any_work(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(verb, "--out", tmp_path / "run", overrides=("stages.0.schedule.step=9",)) == 1
    assert "did you mean 'steps'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_missing_autoencoder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("cache", "train"):
        weights = ("--autoencoder", tmp_path / "nothing")
        assert say(verb, *weights, "--out", tmp_path / "run") == 1
        assert str(tmp_path / "nothing") in capsys.readouterr().err.replace("\n", "")
