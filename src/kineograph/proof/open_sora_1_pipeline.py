"""Open-Sora 1.2's long videos, from pictures and noise to pixels, against stored vectors."""

from collections.abc import Callable, Mapping

import torch
from einops import rearrange
from torch import Tensor

from kineograph.autoencoders.stacked import Stacked
from kineograph.conditioning.passages import lay, pixel_frames
from kineograph.denoisers.stdit import STDiT
from kineograph.diffusion.guidance import ClassifierFree
from kineograph.diffusion.samplers import Euler
from kineograph.diffusion.sampling import Look, sample
from kineograph.proof import open_sora_1, open_sora_1_autoencoder
from kineograph.proof.open_sora_1_schedule import FLOW, sampling_times
from kineograph.proof.vector import Results, Vector
from kineograph.types import Condition, Known, replayed


def pipeline(vector: Vector) -> Results:
    """Clip after clip: each one begins with the end of the one before, encoded again."""
    config, given = vector.config, vector.inputs
    denoiser, denoiser_keys = open_sora_1.load(vector.part(config["denoiser"], "denoiser."))
    statistics = {name: vector.state[f"vae.{name}"].flatten().tolist() for name in STATISTICS}
    autoencoder, autoencoder_keys = open_sora_1_autoencoder.load(
        vector.part({**config, **statistics}, "vae.")
    )
    references, texts = _references(vector, autoencoder), list(config["mask_strategy_initial"])
    length, clips = config.get("condition_frame_length", 5), list[Tensor]()
    for loop in range(config.get("loop", 1)):
        if clips:
            latents = _encoded(autoencoder, clips[-1], vector, f"regen_noise_{{}}_{loop}")
            for row, own in enumerate(references):
                own.append(latents[row])
                end = f"{loop},{len(own) - 1},-{length},0,{length},{config['condition_frame_edit']}"
                texts[row] = f"{texts[row]};{end}" if texts[row] else end
        known = lay(given[f"z_{loop}"], references, texts, loop=loop, align=config.get("align"))
        latents = _sampled(vector, denoiser, known, loop)
        clips.append(autoencoder.decode(latents, config["num_frames"]))
    again = pixel_frames(length)
    video = torch.cat([clips[0], *(clip[:, :, again:] for clip in clips[1:])], 2)
    state = {f"denoiser.{n}": x for n, x in denoiser_keys.dump(denoiser.state_dict()).items()}
    coder = autoencoder_keys.dump(autoencoder.state_dict())
    return Results({"video": video}, state | {f"vae.{name}": x for name, x in coder.items()})


def _sampled(vector: Vector, denoiser: STDiT, known: Known, loop: int) -> Tensor:
    """The latents of one clip, (B, C, F, H, W)."""
    config, given = vector.config, vector.inputs
    text = open_sora_1.text_of(given[f"y_{loop}"], given.get(f"text_mask_{loop}"))
    facts = open_sora_1.facts(given, len(known.latents))
    look = Look(
        denoiser=denoiser,
        process=FLOW,
        guidance=ClassifierFree(scale=config["cfg_scale"]),
        condition=Condition(text, known, facts),
        empty=denoiser.captions.empty(text),
    )
    # The published configuration of this pipeline always moves times by the size of the clip.
    times = sampling_times({"use_timestep_transform": True, **config}, given)
    draws = replayed(list(given[f"step_noise_{loop}"]))
    return sample(look, Euler(), known.latents, times, draws)


def _references(vector: Vector, autoencoder: Stacked) -> list[list[Tensor]]:
    """Latents (C, F, H, W) of each sample's pictures and clips."""
    return [
        [
            _encoded(
                autoencoder,
                vector.inputs[f"ref_pixels_{row}_{index}"][None],
                vector,
                f"ref_noise_{{}}_{row}_{index}",
            )[0]
            for index in range(len(lengths))
        ]
        for row, lengths in enumerate(vector.config["reference_frames"])
    ]


def _encoded(autoencoder: Stacked, video: Tensor, vector: Vector, noise: str) -> Tensor:
    """Latents of (B, 3, T, Y, X), with stored draws of both stages."""
    spatial, temporal = (vector.inputs[noise.format(stage)] for stage in ("spatial", "temporal"))
    pictures = rearrange(spatial, "(b t) c h w -> b c t h w", b=len(video))
    return autoencoder.encode(video, replayed([pictures, temporal]))


STATISTICS = ("scale", "shift")
VECTORS: Mapping[str, Callable[[Vector], Results]] = {"open_sora_1/pipeline": pipeline}
