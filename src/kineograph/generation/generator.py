"""The way from a prompt to a video.

Letters: B videos, C latent channels, F x H x W latent cells, T frames of Y x X pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from kineograph import __version__
from kineograph.autoencoders.bounded import Bounded
from kineograph.diffusion.process import Process
from kineograph.diffusion.sampling import Look
from kineograph.errors import ConfigError
from kineograph.generation.device import choose
from kineograph.generation.draft import Draft, Info, Row
from kineograph.generation.events import Reporter, Watch, check, silent
from kineograph.generation.given import LOOP
from kineograph.generation.job import Interrupted, Job, encode, knowing, settle, unfinished
from kineograph.generation.load import Parts, load_parts
from kineograph.generation.memory import bounded, size
from kineograph.generation.output import Generation
from kineograph.generation.request import Request, Shape, again, concerns, shape
from kineograph.generation.run import Stopped
from kineograph.media.resize import cover, to_uint8, to_unit
from kineograph.recipes.recipe import Guided, Recipe
from kineograph.types import Condition, Given, Inside, OnDemand, TextEmbedding, seeded

DEFAULT = Request()


@dataclass(frozen=True, eq=False)
class Generator:
    """A loaded model that makes videos.

    model, overrides and adapters are what it was loaded with; they are written into every video,
    so that it can be made again. max_memory: bytes that coding videos may take beyond what is in
    use; None: a share of what is free then.
    """

    parts: Parts
    model: str
    overrides: tuple[str, ...] = ()
    max_memory: int | None = None
    adapters: tuple[str, ...] = ()

    @classmethod
    def load(
        cls,
        model: Recipe | Path | str = "toybox",
        *,
        overrides: Sequence[str] = (),
        device: str = "auto",
        max_memory: str | None = None,
        adapters: Sequence[str] = (),
    ) -> "Generator":
        """Load a recipe's weights.

        Args:
            model: a recipe's name, a weights folder, or a recipe whose weights are shipped.
            overrides: of the recipe, such as `sampling.steps=40`.
            device: `auto`, `cpu`, `cuda`, ...
            max_memory: for coding videos, such as `4GB`; None: a share of what is free then.
            adapters: LoRA files that are added to the denoiser, such as `style.safetensors:0.8`.
        """
        limit = None if max_memory is None else size(max_memory)
        name = model.name if isinstance(model, Recipe) else str(model)
        parts = load_parts(model, overrides, choose(device), adapters)
        return cls(parts, name, tuple(overrides), limit, tuple(adapters))

    def generate(
        self, prompt: str, request: Request = DEFAULT, watch: Watch = silent
    ) -> Generation:
        """One video of one prompt.

        Raises:
            Interrupted: the watcher or the user cancelled; holds what has been made.
        """
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
        self,
        prompts: Sequence[str],
        request: Request = DEFAULT,
        watch: Watch = silent,
        *,
        seeds: Sequence[int] = (),
        since: Draft | None = None,
    ) -> tuple[Draft, ...]:
        """Everything but decoding, for a batch of prompts.

        Args:
            prompts: B sentences; each video starts from the noise of its seed alone, whatever
                the batch.
            request: what else is asked for, the same for all.
            watch: is told of every step.
            seeds: one for each prompt; none: `request.seed` and those that follow it.
            since: a cancelled draft of this prompt and request, to be gone on with.

        Raises:
            ConfigError: the request does not fit the model.
            Interrupted: the watcher or the user cancelled; holds what has been made.
            NumericsError: a value is not finite; the message names stage and step.
        """
        recipe, place = self.parts.recipe, self.parts.place
        report = Reporter(watch, place.memory)
        guidance: Guided = recipe.guidance
        if request.guidance is not None:
            guidance = guidance.scaled(request.guidance)
        clip = self.shape(request)
        for note in self._concerns(clip, request, guidance):
            report.note("plan", note)
        seeds = seeds or range(request.seed, request.seed + len(prompts))
        with place.autocast():
            text, empty = self._read(prompts, request.negative, report)
            inside = self._steer(request.signal, clip, len(prompts), report)
            look = self._look(text, empty, guidance, inside)
            first = None
            if request.task == LOOP and not request.pixels():
                first = self._first(look, Job(self.parts, request, clip, seeds, report))
            task = encode(request, clip, self.parts, len(prompts), report, first)
            look = knowing(look, task.known, clip)
            job = Job(self.parts, request, clip, seeds, report)
            try:
                latents = settle(task, job.denoise(look, since), self.parts, report)
            except Stopped as stop:
                told_all = self._infos(prompts, seeds, clip, request, guidance)
                raise Interrupted(unfinished(stop, told_all)) from stop
        infos = self._infos(prompts, seeds, clip, request, guidance)
        return tuple(Draft(one, info) for one, info in zip(latents.cpu(), infos, strict=True))

    def go_on(self, draft: Draft, watch: Watch = silent, *, offered: Sequence[Path] = ()) -> Draft:
        """Finish a cancelled draft.

        Args:
            draft: where it stopped.
            watch: is told of every step.
            offered: files that may be the inputs, if those that it was made from have moved.

        Raises:
            ConfigError: other weights, or an input is gone or has changed.
            Interrupted: cancelled again.
        """
        self.expect(draft.info)
        if draft.unfinished is None:
            return draft
        request = again(draft.info, offered)
        return self.drafts([draft.info.prompt], request, watch, since=draft)[0]

    @torch.inference_mode()
    def decode(self, draft: Draft, watch: Watch = silent) -> Generation:
        """A draft's latents -> the video; of an unfinished one, what there is.

        Raises:
            ConfigError: the draft comes from other weights.
            NumericsError: a pixel is not finite.
        """
        self.expect(draft.info)
        place = self.parts.place
        report = Reporter(watch, place.memory)
        report.begin("decode")
        latents = draft.latents[None].to(place.device)
        with place.autocast():
            video = self._bounded(report).decode(
                latents, draft.info.frames, seeded([draft.info.seed], place.device)
            )
        check(video, "decoding", 1, 1)
        result = Generation(to_uint8(video), draft.info, self.parts.recipe.sampling.enlarge)
        for note in result.concerns():
            report.note("decode", note)
        if draft.unfinished is not None:
            report.note("decode", "not all steps were made: the video is partly noise")
        report.step("decode", 1, 1)
        return result

    def _bounded(self, report: Reporter) -> Bounded:
        """The autoencoder within its memory limit, which says in which pieces it decodes."""
        autoencoder, device = self.parts.autoencoder, self.parts.place.device
        return bounded(autoencoder, self.max_memory, device, partial(report.note, "decode"))

    def _concerns(self, clip: Shape, request: Request, guidance: Guided) -> list[str]:
        """What should be said before anything is made."""
        sampling = self.parts.recipe.sampling
        notes = concerns(clip, sampling)
        if clip.frames > sampling.frames and not self.parts.recipe.injection.beside:
            notes.append(f"it is made in windows of up to {sampling.frames} frames")
        if request.negative and guidance.scale == 1.0:
            notes.append("the negative prompt has no effect without guidance")
        return notes

    def _look(
        self, text: TextEmbedding, empty: TextEmbedding, guidance: Guided, inside: Inside
    ) -> Look:
        """The denoiser with what it reads, except what is known of the video."""
        recipe = self.parts.recipe
        return Look(
            denoiser=self.parts.denoiser,
            process=Process(
                path=recipe.path, prediction=recipe.prediction, injection=recipe.injection
            ),
            guidance=guidance,
            condition=Condition(text, inside=inside),
            empty=empty,
        )

    def _first(self, look: Look, job: Job) -> Tensor:
        """Pictures for a loop to begin and end with, (B, 3, 1, Y, X): each seed's own."""
        legal = self.parts.autoencoder.nearest(1, job.clip.height, job.clip.width)
        alone = replace(job, clip=replace(job.clip, frames=legal.frames), stage="first frame")
        nothing = encode(Request(), alone.clip, self.parts, len(job.seeds), job.report)
        try:
            latents = alone.denoise(knowing(look, nothing.known, alone.clip), None)
        except Stopped as stop:
            raise Interrupted(()) from stop
        draws = seeded(job.seeds, self.parts.place.device)
        video = self.parts.autoencoder.decode(latents, legal.frames, draws)
        return video[:, :, :1].clamp(-1.0, 1.0)

    def _read(
        self, prompts: Sequence[str], negative: str, report: Reporter
    ) -> tuple[TextEmbedding, TextEmbedding]:
        """Embeddings of the prompts and of the null caption; says which words get lost."""
        text = self.parts.text(prompts)
        check(text.tokens, "reading the prompt", 1, 1)
        for prompt, cut in zip(prompts, text.cut, strict=False):
            strange = self.parts.text.unknown(prompt)
            if strange:
                report.note("text", f"{prompt!r}: unknown words: {', '.join(strange)}")
            if cut:
                report.note("text", f"{prompt!r}: too long; not read: {cut!r}")
        report.step("text", 1, 1)
        return text, self.parts.text.empty(text, negative)

    def _steer(self, signal: Tensor | None, clip: Shape, samples: int, report: Reporter) -> Inside:
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
        report.step("signal", 1, 1)
        numbers = range(len(features))
        return Inside(features=OnDemand(lambda j: features[j].expand(samples, -1, -1), numbers))

    def _infos(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        clip: Shape,
        request: Request,
        guidance: Guided,
    ) -> list[Info]:
        """How each video of a batch comes about."""
        rows = tuple(
            Row(prompt=prompt, seed=seed) for prompt, seed in zip(prompts, seeds, strict=True)
        )
        common = Info(
            model=self.model,
            recipe=self.parts.recipe.name,
            digest=self.parts.digest,
            version=__version__,
            prompt="",
            negative=request.negative,
            seed=0,
            frames=clip.frames,
            height=clip.height,
            width=clip.width,
            fps=clip.fps,
            steps=request.steps or self.parts.recipe.sampling.steps,
            guidance=guidance.scale,
            task=request.task,
            strength=request.strength,
            inputs=request.inputs(),
            overrides=self.overrides,
            adapters=self.adapters,
            batch=rows if len(rows) > 1 else (),
            machine=self.parts.place.machine(),
        )
        return [replace(common, prompt=row.prompt, seed=row.seed) for row in rows]
