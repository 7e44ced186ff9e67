"""LTX-Video's latent upsamplers and filters of latents against stored vectors."""

from collections.abc import Callable, Mapping

import torch

from kineograph.autoencoders.latent_filters import match_statistics, tone_map
from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.manifest import Manifest, Shape, shapes
from kineograph.checkpoints.public import ltx_video_upsampler as public
from kineograph.proof.vector import Results, Vector


def upsampler(vector: Vector) -> Results:
    """Latents, enlarged."""
    config = public.upsampler_config(vector.config)
    keys, model = public.upsampler_key_map(config), config.build().eval()
    load_into(model, keys.load(vector.state))
    outputs = {"latent": model(vector.inputs["latent"])}
    return Results(outputs, keys.dump(model.state_dict()))


def filters(vector: Vector) -> Results:
    """Each filter at several strengths; names end in the strength."""
    latents, reference = vector.inputs["latents"], vector.inputs["reference"]
    outputs = {}
    for name in vector.outputs:
        word, _, strength = name.rpartition("_")
        if word == "adain":
            outputs[name] = match_statistics(latents, reference, float(strength))
        else:
            outputs[name] = tone_map(latents, float(strength))
    return Results(outputs)


def upsampler_manifest(manifest: Manifest) -> Mapping[str, Shape]:
    """Public names and shapes of our full-size model."""
    config = public.upsampler_config(manifest.config)
    with torch.device("meta"):
        state = config.build().state_dict()
    return shapes(public.upsampler_key_map(config).dump(state))


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "ltx_video/latent_filters": filters,
    "ltx_video/latent_upsampler": upsampler,
}
MANIFESTS: Mapping[str, Callable[[Manifest], Mapping[str, Shape]]] = {
    "ltx_video/latent_upsampler": upsampler_manifest,
}
