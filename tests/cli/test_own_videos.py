"""A user's captioned clips, from a folder to a model and to an adapter, by the guide's commands."""

from pathlib import Path

import pytest
import torch

from kineograph import recipes
from kineograph.cli.app import main
from kineograph.config import override
from kineograph.media.encode import write_video
from kineograph.training.weights import save_part, save_recipe

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
    "sampling.frames=5",
    "sampling.height=16",
    "sampling.width=16",
    "sampling.steps=2",
    "cache.frames=5",
    "cache.size=16",
    *(f"autoencoder_stages.{stage}.clips.frames=5" for stage in range(2)),
    *(f"autoencoder_stages.{stage}.clips.size=16" for stage in range(2)),
)
CAPTIONS = {"grey": "a heron lands", "white": "A red fox, at night."}


def call(verb: str, *words: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([verb, *map(str, words)])
    return int(end.value.code or 0)


def trained(verb: str, *words: str | Path) -> int:
    """A verb that trains, in small."""
    changes = [word for one in SMALL for word in ("--set", one)]
    return call(verb, "--model", "own-videos", *words, "--processes", "1", *changes)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos with a sentence beside each."""
    folder = tmp_path_factory.mktemp("clips")
    for level, (name, caption) in enumerate(CAPTIONS.items(), start=1):
        frames = torch.full((6, 16, 24, 3), 100 * level, dtype=torch.uint8)
        write_video(folder / f"{name}.mp4", frames, 8.0)
        (folder / f"{name}.txt").write_text(caption)
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights to begin from, as the shipped ones are: its words are the toybox's."""
    folder = tmp_path_factory.mktemp("start")
    recipe = override(recipes.get("own-videos"), *SMALL)
    torch.manual_seed(0)
    save_recipe(folder, recipe)
    save_part(folder, "autoencoder", recipe.autoencoder.build())
    save_part(folder, "text", recipe.text.build())
    save_part(folder, "denoiser", recipe.denoiser.build())
    return folder


@pytest.fixture(scope="module")
def run(clips: Path, start: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained autoencoder, in ae, and latents."""
    folder = tmp_path_factory.mktemp("run")
    begun = ("--start", start, "--steps", "2")
    assert trained("train-autoencoder", *begun, "--data", clips, "--out", folder / "ae") == 0
    words = ("--autoencoder", folder / "ae" / "weights", "--data", clips)
    assert trained("cache", *words, "--out", folder / "latents") == 0
    return folder


def sources(run: Path, start: Path) -> tuple[str | Path, ...]:
    autoencoder = run / "ae" / "weights"
    data = run / "latents"
    return ("--start", start, "--autoencoder", autoencoder, "--data", data, "--steps", "1")


def test_a_folder_of_captioned_clips_becomes_a_model_that_knows_its_words(
    run: Path, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trained("train", *sources(run, start), "--out", tmp_path) == 0
    said = capsys.readouterr().out
    assert "3 words of the captions are new: fox, heron, lands" in said
    before, after = (recipes.read(folder).text for folder in (start, tmp_path / "weights"))
    assert after.vocabulary == (*before.vocabulary, "fox", "heron", "lands")
    out = tmp_path / "fox.mp4"
    model = ("--model", tmp_path / "weights")
    assert call("generate", "a red fox at night", *model, "--device", "cpu", "--out", out) == 0
    assert out.stat().st_size and "unknown" not in capsys.readouterr().err


def test_an_adapter_comes_with_the_model_that_it_belongs_to(
    run: Path, start: Path, tmp_path: Path
) -> None:
    pytest.importorskip("peft", reason="peft is in the extra 'finetune'")
    lora = ("--set", "adapter={kind: lora, rank: 2}")
    assert trained("train", *sources(run, start), *lora, "--out", tmp_path) == 0
    base, adapter = tmp_path / "base", tmp_path / "adapter.safetensors"
    assert recipes.read(base).adapter is None and "heron" in recipes.read(base).text.vocabulary
    shards = "denoiser.safetensors"
    assert (base / shards).read_bytes() == (start / shards).read_bytes()
    out, model = tmp_path / "heron.mp4", ("--model", base, "--device", "cpu")
    assert call("generate", "a heron lands", *model, "--adapter", adapter, "--out", out) == 0
    for style in ("diffusers", "comfyui", "kohya"):
        there, back = (tmp_path / f"{style}-{way}.safetensors" for way in ("there", "back"))
        assert call("convert", adapter, there, "--to", style, "--model", base) == 0
        assert call("convert", there, back, "--to", "kineograph", "--model", base) == 0
        assert tensors(back) == tensors(adapter)


def tensors(path: Path) -> dict[str, bytes]:
    """The exact contents of a file, by name."""
    from kineograph.checkpoints import files

    return {name: one.numpy().tobytes() for name, one in files.read(path).items()}


def test_a_start_that_is_no_model_is_named_before_any_work(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--start", "toybux", "--data", clips, "--out", tmp_path / "ae")
    assert trained("train-autoencoder", *words) == 1
    assert "did you mean 'toybox'" in capsys.readouterr().err
    assert not (tmp_path / "ae").exists()
