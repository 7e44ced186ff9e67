"""A generation is a function of its prompt, its seed and its image, and of nothing else."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from kineograph.conditioning.keyframes import KeyFrames
from kineograph.conditioning.masked_video import MaskedVideo
from kineograph.denoisers.skiparse import SkiparseConfig
from kineograph.denoisers.structure import StructureConfig
from kineograph.diffusion.guidance import Off
from kineograph.diffusion.joint import Joint
from kineograph.diffusion.negatives import Steady, TwoNegatives
from kineograph.diffusion.skip_layer import Phase, SkipLayer
from kineograph.errors import CheckpointError, ConfigError, NumericsError
from kineograph.generation.draft import Draft
from kineograph.generation.events import Event
from kineograph.generation.generator import Generator
from kineograph.generation.request import Request, again
from kineograph.generation.sources import Source
from kineograph.media.resize import to_unit

IMAGE = torch.randint(0, 256, (16, 16, 3), generator=torch.Generator().manual_seed(0)).byte()


def latents(generator: Generator, *prompts: str, **wishes: object) -> list[Tensor]:
    return [draft.latents for draft in generator.drafts(prompts, Request(**wishes))]


def with_recipe(generator: Generator, **changes: object) -> Generator:
    recipe = replace(generator.parts.recipe, **changes)
    return replace(generator, parts=replace(generator.parts, recipe=recipe))


def test_a_video_does_not_depend_on_its_batch(generator):
    alone = latents(generator, "red ball", seed=4)[0]
    first, second = latents(generator, "a red cube rolls", "red ball", seed=3)
    torch.testing.assert_close(second, alone, rtol=1e-4, atol=1e-4)
    assert (first - second).abs().max() > 0.1


def test_seed_and_prompt_both_matter(generator):
    here, there = latents(generator, "red ball", "red ball")
    assert (here - there).abs().max() > 0.1
    (other,) = latents(generator, "a cube")
    assert (here - other).abs().max() > 1e-3


def test_the_first_latent_frame_is_that_of_the_image_bit_for_bit(generator):
    found = latents(generator, "a", "ball", image=IMAGE)
    with torch.inference_mode():  # where other kernels run
        wanted = generator.parts.autoencoder.encode(to_unit(IMAGE[None]))[0, :, 0]
    for one in found:
        assert torch.equal(one[:, 0], wanted)
        assert one[:, 1:].isfinite().all()


def test_an_image_of_another_shape_is_cut_to_fit(generator):
    wide = torch.cat([torch.zeros_like(IMAGE), IMAGE, torch.zeros_like(IMAGE)], 1)
    cut, plain = (latents(generator, "a", image=image)[0] for image in (wide, IMAGE))
    assert torch.equal(cut, plain)


def test_guidance_of_one_is_no_guidance(generator):
    plain = with_recipe(generator, guidance=Off())
    assert torch.equal(latents(generator, "ball", guidance=1.0)[0], latents(plain, "ball")[0])
    guided = latents(generator, "ball")[0]
    assert (guided - latents(plain, "ball")[0]).abs().max() > 1e-3
    assert torch.equal(latents(plain, "ball", guidance=2.0)[0], guided)


@pytest.mark.parametrize(
    "guidance",
    [
        Joint(scale=3.0),
        TwoNegatives(text=Steady(value=3.0), given=Steady(value=2.0)),
        SkipLayer(blocks=2, phases=(Phase(layers=(1,)),)),
    ],
    ids=lambda one: one.kind,
)
def test_every_kind_of_guidance_makes_a_video_and_takes_a_scale(generator, guidance):
    guided = with_recipe(generator, guidance=guidance)
    (draft,) = guided.drafts(["ball"], Request(image=IMAGE))
    assert draft.info.guidance == 3.0
    (other,) = guided.drafts(["ball"], Request(image=IMAGE, guidance=1.5))
    assert other.info.guidance == 1.5
    assert (other.latents - draft.latents).abs().max() > 1e-3
    unnamed = replace(draft.info, inputs=())
    (repeated,) = guided.drafts(["ball"], replace(again(unnamed), image=IMAGE))
    assert torch.equal(repeated.latents, draft.latents)


def test_a_guidance_without_a_main_scale_is_repeated_as_it_was(generator):
    phases = (Phase(since=0.5, text=3.0, layers=(0,)), Phase(text=2.0, layers=(1,)))
    guided = with_recipe(generator, guidance=SkipLayer(blocks=2, phases=phases))
    (draft,) = guided.drafts(["ball"], Request())
    assert draft.info.guidance is None
    (repeated,) = guided.drafts(["ball"], again(draft.info))
    assert torch.equal(repeated.latents, draft.latents)
    with pytest.raises(ConfigError, match="2 phases with scales of their own"):
        guided.drafts(["ball"], Request(guidance=2.0))


def test_key_frames_begin_with_the_image_bit_for_bit(generator):
    keyed = with_recipe(generator, injection=KeyFrames(scale=4))
    held, found = (latents(one, "ball", image=IMAGE)[0] for one in (generator, keyed))
    assert torch.equal(found[:, 0], held[:, 0]) and found.shape == held.shape


@pytest.fixture
def steered(generator: Generator) -> Generator:
    """The tiny model with a controller whose projectors have learned something."""
    config = StructureConfig(width=24, blocks=2, patch=(1, 1, 1), heads=2, hidden=4, layers=1)
    torch.manual_seed(0)
    controller = replace(config, latent_channels=4).build().eval().requires_grad_(False)
    for projector in controller.projectors:
        nn.init.normal_(projector.weight, std=0.2)
    return replace(generator, parts=replace(generator.parts, controller=controller))


def test_drawings_steer_a_model_with_a_controller_and_only_as_far_as_they_go(generator, steered):
    drawn = torch.cat([IMAGE[None], 255 - IMAGE[None]] * 4)
    plain = latents(generator, "ball")[0]
    assert torch.equal(latents(steered, "ball")[0], plain)
    whole, half, longer = (
        latents(steered, "ball", signal=one)[0]
        for one in (drawn, drawn[:4], drawn.repeat(2, 1, 1, 1))
    )
    assert (whole - plain).abs().max() > 1e-3 and not torch.equal(half, whole)
    assert not torch.equal(longer, whole)  # the clip has 9 frames
    assert torch.equal(latents(steered, "ball", signal=drawn.repeat(3, 1, 1, 1))[0], longer)
    for projector in steered.parts.controller.projectors:
        nn.init.zeros_(projector.weight)
    torch.testing.assert_close(latents(steered, "ball", signal=drawn)[0], plain)


def test_each_video_of_a_batch_is_steered_alike(steered):
    alone = latents(steered, "ball", signal=IMAGE[None])[0]
    both = latents(steered, "ball", "cube", signal=IMAGE[None])
    torch.testing.assert_close(both[0], alone)


def test_drawings_are_remembered_and_refused_where_nothing_reads_them(generator, steered):
    source = Source(role="signal", digest="123", file="edges.mp4")
    request = Request(signal=IMAGE[None], sources=(source,))
    assert steered.drafts(["ball"], request)[0].info.inputs == (source,)
    with pytest.raises(ConfigError, match="expected a model with a structure controller"):
        generator.drafts(["ball"], request)


def test_a_model_that_reads_masked_clips_also_makes_videos_of_which_nothing_is_given(generator):
    torch.manual_seed(0)
    config = SkiparseConfig(
        layers=2,
        heads=2,
        head_width=12,
        in_channels=4,
        out_channels=4,
        text_width=16,
        mask_channels=4,
        patch=1,
        sparse=(0, 0),
    )
    masked = with_recipe(generator, injection=MaskedVideo(factor=4), denoiser=config)
    denoiser = config.build().eval().requires_grad_(False)
    for parameter in denoiser.parameters():
        nn.init.normal_(parameter, std=0.2)
    masked = replace(masked, parts=replace(masked.parts, denoiser=denoiser))
    free, begun = (latents(masked, "ball", image=one)[0] for one in (None, IMAGE))
    assert free.isfinite().all() and not torch.allclose(free, begun, atol=1e-3)


def test_a_video_has_the_shape_that_was_asked_for(generator):
    request = Request(frames=5, width=24, height=16, fps=4.0)
    video = generator.generate("a ball", request)
    assert video.video.shape == (5, 16, 24, 3) and video.video.dtype == torch.uint8
    assert (video.info.frames, video.info.height, video.info.width) == (5, 16, 24)
    assert video.info.fps == 4.0 and video.info.prompt == "a ball"


def test_what_is_told_is_enough_to_make_a_video_again(generator):
    request = Request(frames=5, steps=2, guidance=3.0, seed=11, negative="cube", fps=6.0)
    video = generator.generate("a ball", request)
    repeated = generator.generate(video.info.prompt, again(video.info))
    assert torch.equal(repeated.video, video.video) and repeated.info == video.info


def test_saved_latents_decode_to_the_same_video(generator, tmp_path):
    (draft,) = generator.drafts(["a ball"])
    draft.save(tmp_path / "a.safetensors")
    found = Draft.read(tmp_path / "a.safetensors")
    assert found.info == draft.info
    assert torch.equal(generator.decode(found).video, generator.decode(draft).video)


def test_latents_of_other_weights_are_refused(generator):
    (draft,) = generator.drafts(["a ball"])
    other = Draft(draft.latents, replace(draft.info, digest="123456"))
    with pytest.raises(ConfigError, match="made with weights 123456"):
        generator.decode(other)


def test_a_file_that_is_no_draft_is_refused(folder):
    with pytest.raises(CheckpointError, match="not made by Kineograph"):
        Draft.read(folder / "text.safetensors")


@pytest.mark.parametrize(
    ("part", "where"),
    [
        ("text", "reading the prompt, step 1 of 1"),
        ("denoiser", "denoising, step 1 of 3"),
        ("autoencoder", "decoding, step 1 of 1"),
    ],
)
def test_damaged_weights_are_found_where_they_first_do_harm(generator, part, where):
    module = {
        "text": generator.parts.text,
        "denoiser": generator.parts.denoiser,
        "autoencoder": generator.parts.autoencoder,
    }[part]
    for parameter in module.parameters():
        nn.init.constant_(parameter, float("nan"))
    with pytest.raises(NumericsError, match=f"{where}.*not finite"):
        generator.generate("a ball")


def test_every_stage_reports(generator):
    events: list[Event] = []
    generator.generate("a ball", Request(image=IMAGE), events.append)
    stages = [(event.stage, event.step, event.total) for event in events]
    assert stages == [
        ("text", 1, 1),
        ("image", 1, 1),
        ("denoise", 1, 3),
        ("denoise", 2, 3),
        ("denoise", 3, 3),
        ("decode", 1, 1),
    ]


def test_what_the_model_cannot_follow_is_said(generator):
    events: list[Event] = []
    request = Request(frames=21, guidance=1.0, negative="cube")
    generator.drafts(["a purple ball rolls a red cube"], request, events.append)
    notes = [event.note for event in events if event.note]
    assert any("unknown words: purple" in note for note in notes)
    assert any("not read: 'red cube'" in note for note in notes)
    assert any("trained on up to 9" in note for note in notes)
    assert any("no effect without guidance" in note for note in notes)
