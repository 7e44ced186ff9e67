"""Which adapter proves which kind of vector and manifest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kineograph.checkpoints.manifest import Manifest, Shape
from kineograph.proof import (
    causal_kl,
    deep_compression,
    image_kl,
    ltx_autoencoder,
    ltx_multiscale,
    ltx_pipeline,
    ltx_schedule,
    ltx_training,
    ltx_upsampler,
    ltx_video,
    open_sora_1,
    open_sora_1_autoencoder,
    open_sora_1_data,
    open_sora_1_masks,
    open_sora_1_pipeline,
    open_sora_1_sampling,
    open_sora_1_schedule,
    open_sora_2,
    open_sora_2_data,
    open_sora_2_losses,
    open_sora_2_pipeline,
    open_sora_2_sampling,
    open_sora_2_training,
    open_sora_plan,
    open_sora_plan_data,
    open_sora_plan_denoiser,
    open_sora_plan_inpaint,
    open_sora_plan_losses,
    open_sora_plan_scheduler,
    open_sora_plan_skiparse,
    open_sora_plan_trajectory,
    stiv,
    stiv_sampling,
    text_encoders,
)
from kineograph.proof.vector import Results, Vector


@dataclass(frozen=True)
class Adapters:
    """kind -> our outputs for a vector; kind -> names and shapes of our full-size part."""

    vectors: Mapping[str, Callable[[Vector], Results]]
    manifests: Mapping[str, Callable[[Manifest], Mapping[str, Shape]]]


ADAPTERS = Adapters(
    vectors={
        **causal_kl.VECTORS,
        **deep_compression.VECTORS,
        **image_kl.VECTORS,
        **ltx_autoencoder.VECTORS,
        **ltx_multiscale.VECTORS,
        **ltx_pipeline.VECTORS,
        **ltx_schedule.VECTORS,
        **ltx_training.VECTORS,
        **ltx_upsampler.VECTORS,
        **ltx_video.VECTORS,
        **open_sora_1.VECTORS,
        **open_sora_1_autoencoder.VECTORS,
        **open_sora_1_data.VECTORS,
        **open_sora_1_masks.VECTORS,
        **open_sora_1_pipeline.VECTORS,
        **open_sora_1_sampling.VECTORS,
        **open_sora_1_schedule.VECTORS,
        **open_sora_2.VECTORS,
        **open_sora_2_data.VECTORS,
        **open_sora_2_losses.VECTORS,
        **open_sora_2_pipeline.VECTORS,
        **open_sora_2_sampling.VECTORS,
        **open_sora_2_training.VECTORS,
        **open_sora_plan.VECTORS,
        **open_sora_plan_data.VECTORS,
        **open_sora_plan_denoiser.VECTORS,
        **open_sora_plan_inpaint.VECTORS,
        **open_sora_plan_losses.VECTORS,
        **open_sora_plan_scheduler.VECTORS,
        **open_sora_plan_skiparse.VECTORS,
        **open_sora_plan_trajectory.VECTORS,
        **stiv.VECTORS,
        **stiv_sampling.VECTORS,
        **text_encoders.VECTORS,
    },
    manifests={
        **causal_kl.MANIFESTS,
        **deep_compression.MANIFESTS,
        **image_kl.MANIFESTS,
        **ltx_autoencoder.MANIFESTS,
        **ltx_upsampler.MANIFESTS,
        **ltx_video.MANIFESTS,
        **open_sora_1.MANIFESTS,
        **open_sora_1_autoencoder.MANIFESTS,
        **open_sora_2.MANIFESTS,
        **open_sora_2_losses.MANIFESTS,
        **open_sora_plan.MANIFESTS,
        **open_sora_plan_denoiser.MANIFESTS,
        **open_sora_plan_losses.MANIFESTS,
        **text_encoders.MANIFESTS,
    },
)
