"""With the same weights and the same draws, our sampling and diffusers' pipelines end alike.

Three pipelines up to their latents: from text, from a first picture, and from pictures and clips
anywhere. The text encoder is left out: both sides read the same embeddings.
"""

import math
from dataclasses import dataclass, field

import pytest
import torch

from kineograph.autoencoders.denoising import Denoising
from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.public import ltx_video, ltx_video_autoencoder
from kineograph.conditioning.keyframes import Clean, Item, KeyFrames, Renoised
from kineograph.denoisers.ltx import LTX
from kineograph.diffusion.guidance import ClassifierFree, Off
from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.prediction import Velocity
from kineograph.diffusion.process import Process
from kineograph.diffusion.samplers import Euler
from kineograph.diffusion.sampling import Look, sample
from kineograph.diffusion.times import Even, LinearQuadratic, TokenShift
from kineograph.types import Condition, Draws, Grid, Guidance, TextEmbedding

pytest.importorskip("transformers", reason="transformers is in the extra 'test'")
oracle = pytest.importorskip("diffusers", reason="diffusers is in the extra 'test'")

# Numbers that numpy reads from a tensor, inside diffusers' scheduler.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TOLERANCE = 2e-5  # of the latents' norm
STEPS, FPS, SEED = 3, 25, 7
SIZE = {"height": 64, "width": 96, "num_frames": 25}
GRID = Grid(frames=4, rows=2, columns=3)
CHANNELS, WORDS, TEXT_WIDTH = 8, 5, 10
CODER = {
    "latent_channels": CHANNELS,
    "block_out_channels": (4, 4, 8, 8),
    "decoder_block_out_channels": (4, 4, 8, 8),
    "layers_per_block": (1, 1, 1, 1, 1),
    "decoder_layers_per_block": (1, 1, 1, 1, 1),
}
# As published for 0.9: the shift grows with the tokens, and the last time is 0.1.
SHIFTED = {
    "use_dynamic_shifting": True,
    "base_shift": 0.95,
    "max_shift": 2.05,
    "base_image_seq_len": 1024,
    "max_image_seq_len": 4096,
    "shift_terminal": 0.1,
}


@pytest.fixture(scope="module", autouse=True)
def condition_type():
    """What the condition pipeline is given; the slow import of its libraries happens here."""
    return oracle.pipelines.ltx.pipeline_ltx_condition.LTXVideoCondition


@dataclass(frozen=True, eq=False)
class Pair:
    """The same random weights, in diffusers' parts and in ours."""

    their_model: torch.nn.Module
    their_coder: torch.nn.Module
    model: LTX
    coder: Denoising

    def pipeline(self, kind, scheduler):
        """A pipeline of theirs without text encoder."""
        made = kind(
            scheduler=oracle.FlowMatchEulerDiscreteScheduler(**scheduler),
            vae=self.their_coder,
            text_encoder=None,
            tokenizer=None,
            transformer=self.their_model,
        )
        made.set_progress_bar_config(disable=True)
        return made


def pair(causal):
    torch.manual_seed(0)
    their_model = oracle.LTXVideoTransformer3DModel(
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        num_attention_heads=2,
        attention_head_dim=16,
        cross_attention_dim=32,
        num_layers=2,
        caption_channels=TEXT_WIDTH,
    ).eval()
    their_coder = oracle.AutoencoderKLLTXVideo(**CODER).eval()
    for parameter in (*their_model.parameters(), *their_coder.encoder.parameters()):
        torch.nn.init.normal_(parameter, std=0.2)
    their_coder.latents_mean.normal_()
    their_coder.latents_std.uniform_(0.5, 2.0)
    config = ltx_video.transformer_config(
        {**their_model.config, "causal_temporal_positioning": causal}
    )
    coding = ltx_video_autoencoder.autoencoder_config(their_coder.config)
    model, coder = config.build().eval(), coding.build().eval()
    keys = ltx_video.transformer_key_map(config, "diffusers")
    load_into(model, keys.load(their_model.state_dict()))
    keys = ltx_video_autoencoder.autoencoder_key_map(coding, "diffusers")
    load_into(coder, keys.load(their_coder.state_dict()))
    assert isinstance(model, LTX)
    assert isinstance(coder, Denoising)
    return Pair(their_model, their_coder, model, coder)


def words(samples):
    """Embeddings of a prompt and of a negative one, each with tokens that are not real."""
    generator = torch.Generator().manual_seed(1)
    made = []
    for real in (4, 2):
        mask = torch.arange(WORDS)[None].expand(samples, -1) < real
        tokens = torch.randn(samples, WORDS, TEXT_WIDTH, generator=generator)
        made.append(TextEmbedding(tokens, mask))
    return tuple(made)


def said(prompt, negative):
    """The embeddings as the pipelines' arguments."""
    return {
        "prompt_embeds": prompt.tokens,
        "prompt_attention_mask": prompt.mask.long(),
        "negative_prompt_embeds": negative.tokens,
        "negative_prompt_attention_mask": negative.mask.long(),
    }


def cells(tokens):
    """(B, N, C) -> (B, C, F, H, W)."""
    return tokens.mT.unflatten(2, (-1, GRID.rows, GRID.columns))


def latent_draws(generator) -> Draws:
    """Draws as the pipelines make them before the loop: latents, sample by sample for pictures."""

    def draw(shape):
        rows = [(1, *shape[1:])] * shape[0] if shape[2] == 1 else [shape]
        return torch.cat([torch.randn(row, generator=generator) for row in rows])

    return draw


def token_draws(generator) -> Draws:
    """Draws as the condition pipeline makes them inside the loop."""

    def draw(shape):
        tokens = math.prod(shape[2:])
        return cells(torch.randn(shape[0], tokens, shape[1], generator=generator))

    return draw


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """One sampling: what is given, how, and how strongly the text guides."""

    times: torch.Tensor
    guidance: Guidance = field(default_factory=lambda: ClassifierFree(scale=3.0))
    items: tuple[Item, ...] = ()
    entering: Clean | Renoised = field(default_factory=Clean)
    start: torch.Tensor | None = None
    noise_first: bool = True

    def latents(self, pair, text, empty):
        """Ours, (B, C, F, H, W)."""
        generator = torch.Generator().manual_seed(SEED)
        draws = latent_draws(generator)
        shape = (len(text.tokens), CHANNELS, GRID.frames, GRID.rows, GRID.columns)
        injection = KeyFrames(causal=pair.model.config.causal_positions, entering=self.entering)
        noise = draws(shape) if self.noise_first else None
        known = None
        if self.items:
            known = injection.place(self.items, torch.zeros(shape), pair.coder.encode, draws)
        noise = draws(shape) if noise is None else noise
        start = noise if self.start is None else torch.lerp(self.start, noise, self.times[0])
        look = Look(
            denoiser=pair.model,
            process=Process(path=RectifiedFlow(), prediction=Velocity(), injection=injection),
            guidance=self.guidance,
            condition=Condition(text, known, {"fps": torch.full((shape[0],), float(FPS))}),
            empty=empty,
        )
        return sample(look, Euler(), start, self.times, token_draws(generator))


def agree(found, expected):
    assert expected.isfinite().all()
    assert found.shape == expected.shape
    assert (found - expected).norm() < TOLERANCE * expected.norm()


@pytest.mark.parametrize(
    ("guidance", "arguments"),
    [
        (Off(), {"guidance_scale": 1.0}),
        (ClassifierFree(scale=3.0), {"guidance_scale": 3.0}),
        (
            ClassifierFree(scale=4.0, rescale=0.6),
            {"guidance_scale": 4.0, "guidance_rescale": 0.6},
        ),
    ],
    ids=["text alone", "guided", "rescaled"],
)
@torch.no_grad()
def test_from_text(guidance, arguments):
    both, texts = pair(causal=False), words(samples=2)
    schedule = Even(shift=TokenShift(), terminal=0.1)
    case = Case(times=schedule(STEPS, GRID), guidance=guidance)
    theirs = both.pipeline(oracle.LTXPipeline, SHIFTED)(
        **said(*texts),
        **SIZE,
        **arguments,
        frame_rate=FPS,
        num_inference_steps=STEPS,
        generator=torch.Generator().manual_seed(SEED),
        output_type="latent",
    )
    agree(case.latents(both, *texts), cells(theirs.frames))


@torch.no_grad()
def test_from_a_first_picture():
    both, texts = pair(causal=False), words(samples=2)
    pictures = torch.rand(2, 3, SIZE["height"], SIZE["width"])
    schedule = Even(shift=TokenShift(), terminal=0.1)
    case = Case(
        times=schedule(STEPS, GRID),
        items=(Item(2 * pictures[:, :, None] - 1, 0, 1.0),),
        noise_first=False,
    )
    theirs = both.pipeline(oracle.LTXImageToVideoPipeline, SHIFTED)(
        image=pictures,
        **said(*texts),
        **SIZE,
        frame_rate=FPS,
        num_inference_steps=STEPS,
        generator=torch.Generator().manual_seed(SEED),
        output_type="latent",
    )
    agree(case.latents(both, *texts), cells(theirs.frames))


def conditioned(both, texts, **arguments):
    """Latents of the condition pipeline, (B, C, F, H, W)."""
    return both.pipeline(oracle.LTXConditionPipeline, {})(
        **said(*texts),
        **SIZE,
        **arguments,
        frame_rate=FPS,
        num_inference_steps=STEPS,
        generator=torch.Generator().manual_seed(SEED),
        output_type="latent",
    ).frames


@pytest.mark.parametrize("scale", [0.0, 0.15], ids=["clean", "renoised"])
@pytest.mark.parametrize(
    "given",
    [
        [(1, 0, 1.0)],
        [(1, 0, 1.0), (1, 24, 0.75)],
        [(9, 0, 0.8), (17, 8, 1.0)],
    ],
    ids=["first picture", "first and last picture", "two clips"],
)
@torch.no_grad()
def test_from_pictures_and_clips_anywhere(given, scale, condition_type):
    both, texts = pair(causal=True), words(samples=1)
    clips = [torch.rand(1, 3, count, SIZE["height"], SIZE["width"]) for count, _, _ in given]
    conditions = []
    for clip, (count, start, strength) in zip(clips, given, strict=True):
        media = {"image": clip[:, :, 0]} if count == 1 else {"video": clip.transpose(1, 2)}
        conditions.append(condition_type(frame_index=start, strength=strength, **media))
    case = Case(
        times=LinearQuadratic()(STEPS, GRID),
        items=tuple(
            Item(2 * clip - 1, start, strength)
            for clip, (_, start, strength) in zip(clips, given, strict=True)
        ),
        entering=Renoised(scale=scale) if scale else Clean(),
    )
    theirs = conditioned(both, texts, conditions=conditions, image_cond_noise_scale=scale)
    agree(case.latents(both, *texts), theirs)


@torch.no_grad()
def test_from_another_video():
    both, texts = pair(causal=True), words(samples=1)
    start = torch.randn(1, CHANNELS, GRID.frames, GRID.rows, GRID.columns)
    times = LinearQuadratic()(STEPS, GRID)[1:]  # two of three steps
    theirs = conditioned(both, texts, latents=start, denoise_strength=2 / 3 + 0.01)
    agree(Case(times=times, start=start).latents(both, *texts), theirs)
