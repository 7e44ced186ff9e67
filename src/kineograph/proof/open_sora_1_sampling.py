"""Open-Sora 1.x's whole samplings in latents against stored vectors."""

from collections.abc import Callable, Mapping

from kineograph.diffusion.guidance import ClassifierFree
from kineograph.diffusion.samplers import Euler
from kineograph.diffusion.sampling import Look, sample
from kineograph.proof.open_sora_1 import facts, load, text_of
from kineograph.proof.open_sora_1_schedule import FLOW, known_frames, sampling_times
from kineograph.proof.vector import Results, Vector
from kineograph.types import Condition, replayed


def sampling(vector: Vector) -> Results:
    """From noise to latents, with frames that are kept, edited from some time on, or free."""
    model, keys = load(vector)
    given, config = vector.inputs, vector.config
    start = given["z"]
    text = text_of(given["y"], given.get("text_mask"))
    masked = "frame_mask" in given
    look = Look(
        denoiser=model,
        process=FLOW,
        guidance=ClassifierFree(scale=config["cfg_scale"]),
        condition=Condition(
            text,
            known_frames(start, given["frame_mask"]) if masked else None,
            facts(given, len(start)),
        ),
        empty=model.captions.empty(text),
    )
    draws = replayed(list(given["step_noise"]) if masked else [])
    found = sample(look, Euler(), start, sampling_times(config, given), draws)
    return Results({"latent": found}, keys.dump(model.state_dict()))


VECTORS: Mapping[str, Callable[[Vector], Results]] = {"open_sora_1/sample": sampling}
