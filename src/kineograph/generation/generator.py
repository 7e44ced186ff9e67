"""The way from a prompt to a video.

Letters: B videos, C latent channels, F x H x W latent cells, T frames of Y x X pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from kineograph import __version__
from kineograph.conditioning.facts import Facts
from kineograph.conditioning.tasks import image_to_video
from kineograph.diffusion.process import Process
from kineograph.diffusion.sampling import Look, sample
from kineograph.errors import ConfigError
from kineograph.generation.device import choose
from kineograph.generation.draft import Draft, Info
from kineograph.generation.events import Event, Watch, check, silent
from kineograph.generation.load import Parts, load_parts
from kineograph.generation.output import Generation
from kineograph.generation.request import Request, Shape, concerns, shape
from kineograph.media.resize import cover, to_uint8, to_unit
from kineograph.recipes.recipe import Guided, Recipe
from kineograph.types import Condition, Given, Grid, Inside, Known, Step, TextEmbedding, seeded

DEFAULT = Request()


@dataclass(frozen=True, eq=False)
class Generator:
    """A loaded model that makes videos.

    model and overrides are what it was loaded with; they are written into every video, so
    that it can be made again.
    """

    parts: Parts
    model: str
    overrides: tuple[str, ...] = ()

    @classmethod
    def load(
        cls,
        model: Recipe | Path | str = "toybox",
        *,
        overrides: Sequence[str] = (),
        device: str = "auto",
    ) -> "Generator":
        """Load a recipe's weights.

        Args:
            model: a recipe's name, a weights folder, or a recipe whose weights are shipped.
            overrides: of the recipe, such as `sampling.steps=40`.
            device: `auto`, `cpu`, `cuda`, ...
        """
        name = model.name if isinstance(model, Recipe) else str(model)
        return cls(load_parts(model, overrides, choose(device)), name, tuple(overrides))

    def generate(
        self, prompt: str, request: Request = DEFAULT, watch: Watch = silent
    ) -> Generation:
        """One video of one prompt."""
        return self.decode(self.drafts([prompt], request, watch)[0], watch)

    def expect(self, info: Info) -> None:
        """Make sure that something was made with these weights.

        Raises:
            ConfigError: it was not.
        """
        if info.digest != self.parts.digest:
            raise ConfigError(
                f"made with weights {info.digest} of {info.recipe}, but {self.model} has "
                f"{self.parts.digest}; expected the weights it was made with, see --model"
            )

    def shape(self, request: Request) -> Shape:
        """The clip that a request means to this model.

        Raises:
            ConfigError: the model cannot make it; the message names the nearest that it can.
        """
        return shape(request, self.parts.recipe.sampling, self.parts.autoencoder)

    @torch.inference_mode()
    def drafts(
        self, prompts: Sequence[str], request: Request = DEFAULT, watch: Watch = silent
    ) -> tuple[Draft, ...]:
        """Everything but decoding, for a batch of prompts.

        Args:
            prompts: B sentences; video i starts from the noise of `request.seed` + i alone,
                whatever the batch.
            request: what else is asked for, the same for all.
            watch: is told of every step.

        Raises:
            ConfigError: the request does not fit the model.
            NumericsError: a value is not finite; the message names stage and step.
        """
        recipe, place = self.parts.recipe, self.parts.place
        guidance: Guided = recipe.guidance
        if request.guidance is not None:
            guidance = guidance.scaled(request.guidance)
        clip = self.shape(request)
        notes = concerns(clip, recipe.sampling)
        if request.negative and guidance.scale == 1.0:
            notes.append("the negative prompt has no effect without guidance")
        for note in notes:
            watch(Event("plan", 0, 1, note))
        with place.autocast():
            text, empty = self._read(prompts, request.negative, watch)
            known = self._look_at(request.image, clip, len(prompts), watch)
            told = Facts(fps=clip.fps, frames=clip.frames, height=clip.height, width=clip.width)
            facts = told.tensors(len(prompts), place.device)
            inside = self._steer(request.signal, clip, len(prompts), watch)
            look = Look(
                denoiser=self.parts.denoiser,
                process=Process(
                    path=recipe.path, prediction=recipe.prediction, injection=recipe.injection
                ),
                guidance=guidance,
                condition=Condition(text, known, facts, inside=inside),
                empty=empty,
            )
            latents = self._denoise(look, clip, request, watch)
        info = self._info(clip, request, guidance)
        return tuple(
            Draft(one, replace(info, prompt=prompt, seed=request.seed + index))
            for index, (one, prompt) in enumerate(zip(latents.cpu(), prompts, strict=True))
        )

    @torch.inference_mode()
    def decode(self, draft: Draft, watch: Watch = silent) -> Generation:
        """A draft's latents -> the video.

        Raises:
            ConfigError: the draft comes from other weights.
            NumericsError: a pixel is not finite.
        """
        self.expect(draft.info)
        place = self.parts.place
        latents = draft.latents[None].to(place.device)
        with place.autocast():
            video = self.parts.autoencoder.decode(
                latents, draft.info.frames, seeded([draft.info.seed], place.device)
            )
        check(video, "decoding", 1, 1)
        result = Generation(to_uint8(video), draft.info, self.parts.recipe.sampling.enlarge)
        notes = result.concerns()
        watch(Event("decode", 1, 1, "; ".join(notes)))
        return result

    def _read(
        self, prompts: Sequence[str], negative: str, watch: Watch
    ) -> tuple[TextEmbedding, TextEmbedding]:
        """Embeddings of the prompts and of the null caption; says which words get lost."""
        text = self.parts.text(prompts)
        check(text.tokens, "reading the prompt", 1, 1)
        for prompt, cut in zip(prompts, text.cut, strict=False):
            strange = self.parts.text.unknown(prompt)
            if strange:
                watch(Event("text", 0, 1, f"{prompt!r}: unknown words: {', '.join(strange)}"))
            if cut:
                watch(Event("text", 0, 1, f"{prompt!r}: too long; not read: {cut!r}"))
        watch(Event("text", 1, 1))
        return text, self.parts.text.empty(text, negative)

    def _look_at(
        self, image: Tensor | None, clip: Shape, samples: int, watch: Watch
    ) -> Known | None:
        """What the injection makes of the given picture, uint8 (Y, X, 3), or of none."""
        injection, device = self.parts.recipe.injection, self.parts.place.device
        if image is not None:
            pixels = to_unit(cover(image[None], clip.height, clip.width)).to(device)
            given = image_to_video(pixels, clip.frames)
        elif injection.beside:  # the denoiser reads that nothing is given
            video = torch.zeros(1, 3, clip.frames, clip.height, clip.width, device=device)
            given = Given(video, torch.zeros_like(video[:, :1]))
        else:
            return None
        known = injection.known(given, self.parts.autoencoder, None)
        check(known.latents, "encoding the image", 1, 1)
        watch(Event("image", 1, 1))
        return Known(
            known.latents.expand(samples, -1, -1, -1, -1),
            known.strength.expand(samples, -1, -1, -1, -1),
            None if known.when is None else known.when.expand(samples, -1),
        )

    def _steer(self, signal: Tensor | None, clip: Shape, samples: int, watch: Watch) -> Inside:
        """What the structure controller makes of drawings of the first frames, (T', Y, X, 3)."""
        if signal is None:
            return Inside()
        if self.parts.controller is None:
            raise ConfigError(
                f"a signal for {self.model}: expected a model with a structure controller, which "
                "this one has not; leave the signal away"
            )
        drawn = to_unit(cover(signal[: clip.frames], clip.height, clip.width))
        frames = torch.zeros(1, 3, clip.frames, clip.height, clip.width)
        strength = torch.zeros_like(frames[:, :1])
        frames[:, :, : drawn.shape[2]] = drawn
        strength[:, :, : drawn.shape[2]] = 1.0
        device = self.parts.place.device
        features = self.parts.controller(Given(frames.to(device), strength.to(device)))
        for feature in features:
            check(feature, "reading the signal", 1, 1)
        watch(Event("signal", 1, 1))
        return Inside(features=tuple(one.expand(samples, -1, -1) for one in features))

    def _info(self, clip: Shape, request: Request, guidance: Guided) -> Info:
        """What all videos of a request have in common."""
        return Info(
            model=self.model,
            recipe=self.parts.recipe.name,
            digest=self.parts.digest,
            version=__version__,
            prompt="",
            negative=request.negative,
            seed=request.seed,
            frames=clip.frames,
            height=clip.height,
            width=clip.width,
            fps=clip.fps,
            steps=request.steps or self.parts.recipe.sampling.steps,
            guidance=guidance.scale,
            image=request.image_name,
            signal=request.signal_name,
            overrides=self.overrides,
        )

    def _denoise(self, look: Look, clip: Shape, request: Request, watch: Watch) -> Tensor:
        """Noise -> latents (B, C, F, H, W)."""
        sampling = self.parts.recipe.sampling
        samples = len(look.condition.text.tokens)
        channels, *cells = self.parts.autoencoder.latent_shape(clip.frames, clip.height, clip.width)
        draws = seeded(range(request.seed, request.seed + samples), self.parts.place.device)
        start = draws((samples, channels, *cells))

        def report(step: Step, x: Tensor) -> None:
            check(x, "denoising", step.index + 1, step.count)
            watch(Event("denoise", step.index + 1, step.count))

        times = sampling.schedule(request.steps or sampling.steps, Grid(*cells))
        return sample(look, sampling.sampler, start, times, draws, report)
