"""Whole pipelines, with stored weights of their parts: clips go on, samples keep apart."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kineograph.proof import open_sora_1_autoencoder
from kineograph.proof.open_sora_1_pipeline import pipeline as long_video
from kineograph.proof.open_sora_1_sampling import sampling
from kineograph.proof.open_sora_2_pipeline import pipeline
from kineograph.proof.vector import Results, Vector, read_vector

GOLDEN = Path(__file__).parent.parent / "golden"
CLIPS = {"loop": 2, "condition_frame_length": 5, "condition_frame_edit": 0.0, "align": 5}


def joined(parts: dict[str, Vector]) -> dict[str, torch.Tensor]:
    """The weights of several vectors, each under a prefix."""
    return {f"{p}{name}": x for p, vector in parts.items() for name, x in vector.state.items()}


@pytest.fixture(scope="module")
def clips() -> Vector:
    """Open-Sora 1.2: two clips of 18 frames of 16 x 16 pixels, the first frame given."""
    folder = GOLDEN / "open_sora_1"
    denoiser, coder = (
        read_vector(folder / "sample.edit.json"),
        read_vector(folder / "vae.tiny.json"),
    )
    config: dict[str, Any] = {
        "denoiser": denoiser.config,
        **coder.config,
        **CLIPS,
        "num_frames": 18,
        "num_sampling_steps": 1,
        "cfg_scale": 4.0,
        "reference_frames": [[1]],
        "mask_strategy_initial": ["0"],
    }
    sizes = {"num_frames": 18.0, "height": 16.0, "width": 16.0, "fps": 24.0}
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    width, length = denoiser.config["caption_channels"], denoiser.config["model_max_length"]
    inputs = {name: torch.tensor([size]) for name, size in sizes.items()}
    inputs |= {
        "ref_pixels_0_0": normal(3, 1, 16, 16).clamp(-1, 1),
        "ref_noise_spatial_0_0": normal(1, 4, 2, 2),
        "ref_noise_temporal_0_0": normal(1, 4, 1, 2, 2),
        "regen_noise_spatial_1": normal(18, 4, 2, 2),
        "regen_noise_temporal_1": normal(1, 4, 6, 2, 2),
    }
    for loop in range(2):
        inputs[f"z_{loop}"] = normal(1, 4, 6, 2, 2)
        inputs[f"y_{loop}"] = normal(1, 1, length, width)
        inputs[f"text_mask_{loop}"] = torch.ones(1, length).long()
        inputs[f"step_noise_{loop}"] = normal(1, 1, 4, 6, 2, 2)
    state = joined({"denoiser.": denoiser, "vae.": coder})
    return Vector("clips", "open_sora_1/pipeline", folder, {"config": config}, state, inputs)


def changed(vector: Vector, **config: Any) -> Vector:
    """With another config."""
    return replace(vector, meta={"config": {**vector.config, **config}})


@torch.no_grad()
def test_one_clip_is_its_sampled_latents_decoded(clips):
    one = changed(clips, loop=1, reference_frames=[[]], mask_strategy_initial=[""])
    given = clips.inputs
    alone = clips.part(clips.config["denoiser"], "denoiser.")
    alone = changed(alone, num_sampling_steps=1, cfg_scale=4.0, use_timestep_transform=True)
    renamed = {"z": "z_0", "y": "y_0", "text_mask": "text_mask_0", "step_noise": "step_noise_0"}
    inputs = {**given, **{name: given[other] for name, other in renamed.items()}}
    inputs["frame_mask"] = torch.ones(1, 6)
    latents = sampling(replace(alone, inputs=inputs)).outputs["latent"]
    coder, _ = open_sora_1_autoencoder.load(clips.part(clips.config, "vae."))
    assert torch.equal(long_video(one).outputs["video"], coder.decode(latents, 18))


@torch.no_grad()
def test_a_long_video_goes_on_and_does_not_reach_back(clips):
    before = long_video(clips)
    video = before.outputs["video"]
    assert video.shape[2] == 18 + 18 - 17
    assert before.dumped is not None and before.dumped.keys() == clips.state.keys()
    inputs = {**clips.inputs, "y_1": clips.inputs["y_1"] + 0.5}
    after = long_video(replace(clips, inputs=inputs)).outputs["video"]
    assert torch.equal(after[:, :, :18], video[:, :, :18])
    assert not torch.allclose(after[:, :, 18:], video[:, :, 18:], atol=1e-4)


@pytest.fixture(scope="module")
def prompts() -> Vector:
    """Open-Sora 2.0: two prompts, each with its first frame, 6 frames of 32 x 32 pixels."""
    folder = GOLDEN / "open_sora_2"
    model = read_vector(folder / "sampling.i2v_loop.json")
    coder = read_vector(folder / "hunyuan_vae.tiled.json")
    sampled = {"guidance": 7.5, "text_osci": True, "guidance_img": 3.0, "image_osci": True}
    config = {
        "model": model.config["model"],
        "ae": coder.config,
        "sampling": {
            **sampled,
            "width": 32,
            "height": 30,
            "num_frames": 6,
            "num_steps": 1,
            "scale_temporal_osci": True,
            "shift": True,
            "method": "i2v",
            "temporal_reduction": 4,
            "is_causal_vae": True,
        },
        "mode": "i2v_head",
        "seed": 3,
        "ae_spatial_compression": 16,
        "patch_size": 2,
        "texts": ["one", "two"],
        "negative": None,
    }
    generator = torch.Generator().manual_seed(0)
    width, pooled = (model.config["model"][name] for name in ("context_in_dim", "vec_in_dim"))
    inputs = {}
    for name in ("one", "two", "EMPTY"):
        inputs[f"txt/{name}"] = torch.randn(5, width, generator=generator)
        inputs[f"y_vec/{name}"] = torch.randn(pooled, generator=generator)
    for row in range(2):
        inputs[f"ref_video_{row}"] = torch.rand(3, 2, 32, 32, generator=generator) * 2 - 1
    state = joined({"model/": model, "ae/": coder})
    return Vector("prompts", "open_sora_2/pipeline", folder, {"config": config}, state, inputs)


def within(vector: Vector, **sampled: Any) -> Vector:
    """With other settings of the sampling."""
    return changed(vector, sampling={**vector.config["sampling"], **sampled})


@pytest.fixture(scope="module")
def before(prompts: Vector) -> Results:
    """What the pipeline makes of them."""
    with torch.no_grad():
        return pipeline(prompts)


def again(vector: Vector, **inputs: torch.Tensor) -> torch.Tensor:
    """The video with other inputs."""
    return pipeline(replace(vector, inputs={**vector.inputs, **inputs})).outputs["video"]


@torch.no_grad()
def test_sizes_are_rounded_up_and_frames_are_cut(prompts, before):
    assert before.outputs["video"].shape == (2, 3, 5, 32, 32)  # of 6 frames: 2 latent ones, 5
    assert before.dumped is not None and before.dumped.keys() == prompts.state.keys()
    image = again(within(prompts, num_frames=1))
    assert image.shape == (2, 3, 1, 32, 32)


@torch.no_grad()
def test_samples_keep_apart(prompts, before):
    names = ("ref_video_1", "txt/two", "y_vec/two")
    after = again(prompts, **{name: -prompts.inputs[name] for name in names})
    first, second = before.outputs["video"]
    assert torch.allclose(after[0], first, atol=1e-4)
    assert not torch.allclose(after[1], second, atol=1e-3)


@torch.no_grad()
def test_only_the_first_frame_of_a_reference_is_given_at_the_head(prompts, before):
    later = prompts.inputs["ref_video_0"].clone()
    later[:, 1] = 0.0
    assert torch.equal(again(prompts, ref_video_0=later), before.outputs["video"])
    sooner = again(prompts, ref_video_0=later.flip(1))
    assert not torch.allclose(sooner[0], before.outputs["video"][0], atol=1e-3)


@torch.no_grad()
def test_the_default_negative_is_the_empty_prompt(prompts, before):
    empty, worse = (again(changed(prompts, negative=[one, one])) for one in ("", "two"))
    assert torch.equal(empty, before.outputs["video"])
    assert not torch.allclose(worse, before.outputs["video"], atol=1e-3)


@torch.no_grad()
def test_a_size_class_goes_before_numbers(prompts):
    named = within(prompts, resolution="32px", aspect_ratio="16:9", num_frames=1)
    assert again(named).shape == (2, 3, 1, 16, 64)
