"""Videos go through an autoencoder; each is measured, and none stops the others."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from kineograph import recipes
from kineograph.autoencoders.pieces import WHOLE, Pieces
from kineograph.autoencoders.wavelet_flow import WaveletFlowConfig
from kineograph.cli.reconstruct import Coder, Reconstruct, outputs
from kineograph.errors import ConfigError, MediaError
from kineograph.evaluation.metrics import psnr
from kineograph.generation.device import Place
from kineograph.media.decode import read_video
from kineograph.media.encode import write_video
from kineograph.media.probe import probe
from kineograph.training.weights import save_part, save_recipe
from kineograph.types import Legal

CPU = Place(torch.device("cpu"), torch.float32)


@dataclass
class Darker:
    """Takes ten levels off; legal are 4 n + 1 frames, sides of multiples of 8."""

    lengths: list[int]

    @property
    def config(self) -> "Darker":
        return self

    def build(self) -> "Darker":
        return Darker([])

    def pieces(self) -> list[Pieces]:
        return [WHOLE]

    def cut(self, way: Pieces) -> "Darker":
        return self

    def latent_shape(self, frames: int, height: int, width: int) -> tuple[int, int, int, int]:
        return 3, frames, height, width

    def nearest(self, frames: int, height: int, width: int) -> Legal:
        return Legal(round((frames - 1) / 4) * 4 + 1, height, width, "frames = 4 n + 1")

    def encode(self, video, draws=None):
        self.lengths.append(video.shape[2])
        return video

    def decode(self, latents, frames=None, draws=None):
        return latents - 10 / 127.5


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Seven plain frames, brighter and brighter."""
    levels = torch.arange(60, 130, 10, dtype=torch.uint8).view(-1, 1, 1, 1)
    write_video(tmp_path / "clip.mp4", levels.expand(7, 32, 48, 3), 8, crf=4)
    return tmp_path / "clip.mp4"


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A weights folder that holds only a small autoencoder."""
    config = WaveletFlowConfig(
        latent_channels=4, base=8, encoder_blocks=1, decoder_blocks=1, connect_blocks=1,
        encoder_energy=4, decoder_energy=8, attention=False,
    )  # fmt: skip
    recipe = recipes.get("toybox")
    sampling = replace(recipe.sampling, frames=5, height=16, width=24, enlarge=2)
    recipe = replace(recipe, autoencoder=config, sampling=sampling)
    folder = tmp_path / "model"
    torch.manual_seed(0)
    save_part(folder, "autoencoder", config.build())
    save_recipe(folder, recipe)
    return str(folder)


def test_pieces_are_legal_and_every_frame_comes_back_once(video):
    autoencoder = Darker([])
    pairs = list(Coder(autoencoder, CPU, 5, 16, 24).pairs(video, None, None))
    assert [len(original) for original, _ in pairs] == [5, 2]
    assert autoencoder.lengths == [5, 5]  # two frames are no legal clip
    original, rebuilt = (torch.cat(part) for part in zip(*pairs, strict=True))
    assert original.shape == rebuilt.shape == (7, 16, 24, 3)
    assert (original.int() - rebuilt.int()).eq(10).all()


def test_a_known_loss_gives_its_decibels(video, tmp_path):
    command = Reconstruct(videos=(video,), out=tmp_path)
    score = command.compare(
        Coder(Darker([]), CPU, 5, 16, 24), probe(video, count=True), tmp_path / "out.mp4"
    )
    ten = torch.zeros(1, 11, 11, 3)
    assert score.psnr == pytest.approx(float(psnr(ten, ten + 10)))
    assert (score.frames, score.width, score.height, score.lost) == (7, 24, 16, 0)
    shown = read_video(tmp_path / "out.mp4")
    assert (len(shown.frames), shown.fps) == (7, 8.0)
    assert shown.frames.shape[2] == 24 + 4 + 24
    left, right = shown.frames[:, -8, 12, 0].int(), shown.frames[:, -8, 40, 0].int()
    assert (left - right - 10).abs().max() <= 3


def test_a_bad_file_is_named_and_the_others_go_on(video, model, tmp_path, capsys):
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    out = tmp_path / "out"
    assert Reconstruct(videos=(text, video), model=model, out=out).run() == 1
    printed = capsys.readouterr()
    assert "text.mp4: not a video that can be read" in printed.err
    assert f"{video}: 7 frames of 24x16, PSNR" in printed.out
    assert read_video(out / "clip_reconstructed.mp4").frames.shape[2] == 2 * (24 + 24) + 4


def test_a_video_that_fails_while_it_is_written_is_named_too(
    video, model, tmp_path, capsys, monkeypatch
):
    def fail(*_):
        raise MediaError("other.mp4: cannot be written")

    monkeypatch.setattr(Reconstruct, "compare", fail)
    assert Reconstruct(videos=(video,), model=model, out=tmp_path / "out").run() == 1
    assert f"kineograph: {video}: other.mp4: cannot be written" in capsys.readouterr().err


def test_a_report_can_be_read_by_programs(video, model, tmp_path, capsys):
    command = Reconstruct(
        videos=(video,), model=model, out=tmp_path, frames=3, fps=4.0, size="16x16", format="json"
    )
    assert command.run() == 0
    (score,) = json.loads(capsys.readouterr().out)
    assert (score["frames"], score["width"], score["height"]) == (3, 16, 16)
    assert score["ssim"] <= 1


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"size": "20x16"}, "--size 20x16: expected frames = .*; nearest: 16x16"),
        ({"size": "16"}, "'16': expected two numbers"),
        ({"frames": 0}, "--frames 0: expected 1 or more"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(video, model, wish, reason):
    with pytest.raises(ConfigError, match=reason):
        Reconstruct(videos=(video,), model=model, **wish).run()


def test_names_do_not_meet():
    videos = (Path("a/x.mp4"), Path("b/x.mov"), Path("c/x.mp4"), Path("y.mp4"))
    names = [path.name for path in outputs(videos, Path("out"))]
    assert names == [
        "x_reconstructed.mp4", "x_reconstructed_2.mp4", "x_reconstructed_3.mp4",
        "y_reconstructed.mp4",
    ]  # fmt: skip
