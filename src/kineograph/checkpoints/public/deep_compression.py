"""Public names of Open-Sora 2.0's Video DC-AE."""

from collections.abc import Mapping, Sequence
from typing import Any

from kineograph.autoencoders.deep_compression import DeepCompressionConfig, DeepLevels
from kineograph.autoencoders.overlap import OverlapTiling
from kineograph.checkpoints.keymap import KeyMap, Rename, Rule
from kineograph.errors import CheckpointError

REACHES: Mapping[str, tuple[int, ...] | None] = {
    "ResBlock": None,
    "EViT_GLU": (),
    "EViTS5_GLU": (5,),
}
FIXED: Mapping[str, Mapping[str, object]] = {
    "encoder": {
        "norm": "rms3d",
        "act": "silu",
        "downsample_block_type": "Conv",
        "downsample_match_channel": True,
        "downsample_shortcut": "averaging",
        "out_norm": None,
        "out_act": None,
        "out_shortcut": "averaging",
        "double_latent": False,
        "is_video": True,
    },
    "decoder": {
        "in_shortcut": "duplicating",
        "norm": "rms3d",
        "act": "silu",
        "upsample_block_type": "InterpolateConv",
        "upsample_match_channel": True,
        "upsample_shortcut": "duplicating",
        "out_norm": "rms3d",
        "out_act": "relu",
        "is_video": True,
    },
}


def deep_compression_config(public: Mapping[str, Any]) -> DeepCompressionConfig:
    """The config that a public description means.

    Raises:
        CheckpointError: it describes a variant that no published model has.
    """
    for coder, values in FIXED.items():
        for name, expected in values.items():
            if public[coder][name] != expected:
                raise CheckpointError(
                    f"{coder}.{name} = {public[coder][name]!r}: expected {expected!r}"
                )
    return DeepCompressionConfig(
        latent_channels=public["latent_channels"],
        encoder=_levels(public["encoder"], public["encoder"]["temporal_downsample"]),
        decoder=_levels(public["decoder"], public["decoder"]["temporal_upsample"]),
        divisor=public.get("scaling_factor") or 1.0,
        tiling=_tiling(public),
    )


def deep_compression_key_map() -> KeyMap:
    """All names of the published file."""
    rules: list[Rule] = [
        Rename("encoder.project_in.conv.{rest}", "encoder.enter.{rest}"),
        Rename("encoder.project_out.main.op_list.0.conv.{rest}", "encoder.out.conv.{rest}"),
        Rename("decoder.project_in.main.conv.{rest}", "decoder.enter.conv.{rest}"),
        Rename("decoder.project_out.op_list.0.{rest}", "decoder.norm.{rest}"),
        Rename("decoder.project_out.op_list.2.conv.{rest}", "decoder.out.{rest}"),
        *_level("encoder", resize="main.conv"),
        *_level("decoder", resize="main.conv.conv"),
    ]
    return KeyMap(tuple(rules))


def _level(coder: str, resize: str) -> list[Rule]:
    """All levels of a coder; a level has blocks of one kind, and all but one change the size."""
    look, mix = "context_module.main", "local_module.main"
    names = {
        resize: "conv",
        "main.conv1.conv": "conv_1",
        "main.conv2.conv": "conv_2",
        "main.conv2.norm": "norm",
        f"{look}.qkv.conv": "look.enter",
        f"{look}.aggreg.{{k}}.{{n}}": "look.around.{k}.{n}",
        f"{look}.proj.conv": "look.out",
        f"{look}.proj.norm": "look.norm",
        f"{mix}.inverted_conv.conv": "mix.widen",
        f"{mix}.depth_conv.conv": "mix.around",
        f"{mix}.point_conv.conv": "mix.narrow",
        f"{mix}.point_conv.norm": "mix.norm",
    }
    theirs, ours = f"{coder}.stages.{{i}}.op_list.{{j}}", f"{coder}.levels.{{i}}.{{j}}"
    return [
        Rename(f"{theirs}.{public}.{{rest}}", f"{ours}.{name}.{{rest}}", optional=True)
        for public, name in names.items()
    ]


def _levels(public: Mapping[str, Any], halves: Sequence[bool]) -> DeepLevels:
    widths, depths = tuple(public["width_list"]), tuple(public["depth_list"])
    kinds = public["block_type"]
    kinds = [kinds] * len(widths) if isinstance(kinds, str) else kinds
    for kind in kinds:
        if kind not in REACHES:
            raise CheckpointError(f"block_type {kind!r}: expected one of {', '.join(REACHES)}")
    if 0 in depths:
        raise CheckpointError(f"depth_list {list(depths)}: expected blocks in every level")
    return DeepLevels(
        widths=widths,
        depths=depths,
        reaches=tuple(REACHES[kind] for kind in kinds),
        halves=tuple(halves[: len(widths) - 1]),
    )


def _tiling(public: Mapping[str, Any]) -> OverlapTiling | None:
    space, frames = public["use_spatial_tiling"], public["use_temporal_tiling"]
    if not space and not frames:
        return None
    return OverlapTiling(
        space=public["spatial_tile_size"] if space else None,
        frames=public["temporal_tile_size"] if frames else None,
        overlap=public["tile_overlap_factor"],
    )
