"""Public names of KL autoencoders: of pictures, and of video in the same layout.

Three layouts are in circulation. "original" is latent diffusion's own code (Stable Diffusion's
and Flux's single files), "diffusers" the library's, "early" the library's before it renamed
the attention. HunyuanVideo's causal autoencoder follows "diffusers", with wrapped convolutions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kineograph.autoencoders.image_kl import ImageKLConfig
from kineograph.checkpoints.keymap import KeyMap, Rename, Reshape, Rule

Layout = Literal["original", "diffusers", "early"]
Rules = list[Rule]


@dataclass(frozen=True, kw_only=True)
class Names:
    """How a layout calls the parts of a coder.

    conv: what wraps a convolution; attention_shape: public weights of attention as linear ones.
    """

    shortcut: str
    attention: str
    attention_norm: str
    attention_parts: tuple[str, str, str, str]
    middle: tuple[str, str]
    norm: str
    conv: str = ""
    attention_shape: str = "o i -> o i"

    def convolution(self, public: str, ours: str, *, optional: bool = False) -> Rule:
        """Weight and bias of a convolution."""
        return Rename(f"{public}{self.conv}.{{rest}}", f"{ours}.{{rest}}", optional)

    def residual(self, public: str, ours: str) -> Rules:
        """A residual block; its shortcut has weights where its width changes."""
        return [
            Rename(f"{public}.norm1.{{rest}}", f"{ours}.norm_1.{{rest}}"),
            Rename(f"{public}.norm2.{{rest}}", f"{ours}.norm_2.{{rest}}"),
            self.convolution(f"{public}.conv1", f"{ours}.conv_1"),
            self.convolution(f"{public}.conv2", f"{ours}.conv_2"),
            self.convolution(f"{public}.{self.shortcut}", f"{ours}.shortcut", optional=True),
        ]

    def middles(self, coder: str) -> Rules:
        """The deepest level; there is not always attention."""
        public, ours = f"{coder}.{self.attention}", f"{coder}.middle.1"
        rules = self.residual(f"{coder}.{self.middle[0]}", f"{coder}.middle.0")
        rules += self.residual(f"{coder}.{self.middle[1]}", f"{coder}.middle.2")
        rules += [Rename(f"{public}.{self.attention_norm}.{{rest}}", f"{ours}.norm.{{rest}}", True)]
        for theirs, name in zip(
            self.attention_parts, ("query", "key", "value", "out"), strict=True
        ):
            weight = (f"{public}.{theirs}.weight", f"{ours}.{name}.weight")
            rules += [
                Reshape(*weight, self.attention_shape, optional=True),
                Rename(f"{public}.{theirs}.bias", f"{ours}.{name}.bias", True),
            ]
        return rules

    def ends(self) -> Rules:
        """First and last layers of both coders, and what stands between them.

        Only some autoencoders mix moments and latents.
        """
        rules: Rules = [
            Rename("quant_conv.{rest}", "mix_moments.{rest}", True),
            Rename("post_quant_conv.{rest}", "mix_latents.{rest}", True),
        ]
        for coder in ("encoder", "decoder"):
            rules += self.middles(coder)
            rules += [
                self.convolution(f"{coder}.conv_in", f"{coder}.enter"),
                Rename(f"{coder}.{self.norm}.{{rest}}", f"{coder}.norm.{{rest}}"),
                self.convolution(f"{coder}.conv_out", f"{coder}.out"),
            ]
        return rules


ORIGINAL = Names(
    shortcut="nin_shortcut",
    attention="mid.attn_1",
    attention_norm="norm",
    attention_parts=("q", "k", "v", "proj_out"),
    middle=("mid.block_1", "mid.block_2"),
    norm="norm_out",
    attention_shape="o i 1 1 -> o i",
)
DIFFUSERS = Names(
    shortcut="conv_shortcut",
    attention="mid_block.attentions.0",
    attention_norm="group_norm",
    attention_parts=("to_q", "to_k", "to_v", "to_out.0"),
    middle=("mid_block.resnets.0", "mid_block.resnets.1"),
    norm="conv_norm_out",
)
EARLY = Names(
    shortcut="conv_shortcut",
    attention="mid_block.attentions.0",
    attention_norm="group_norm",
    attention_parts=("query", "key", "value", "proj_attn"),
    middle=("mid_block.resnets.0", "mid_block.resnets.1"),
    norm="conv_norm_out",
)


def image_kl_config(public: Mapping[str, Any]) -> ImageKLConfig:
    """The config that a public description means, of the original code or of diffusers.

    Diffusers' files that lack a value mean its default.
    """
    if "ch_mult" in public:
        return ImageKLConfig(
            latent_channels=public["z_channels"],
            widths=tuple(public["ch"] * factor for factor in public["ch_mult"]),
            blocks=public["num_res_blocks"],
            mixing=False,
            scale=public["scale_factor"],
            shift=public["shift_factor"],
        )
    return ImageKLConfig(
        latent_channels=public["latent_channels"],
        widths=tuple(public["block_out_channels"]),
        blocks=public["layers_per_block"],
        groups=public["norm_num_groups"],
        attention=public.get("mid_block_add_attention", True),
        mixing=public.get("use_quant_conv", True),
        scale=public.get("scaling_factor", 0.18215),
        shift=public.get("shift_factor") or 0.0,
    )


def image_kl_layout(keys: Iterable[str]) -> Layout:
    """Which layout the names of a checkpoint follow."""
    names = tuple(keys)
    if any(".mid.block_1." in name for name in names):
        return "original"
    return "early" if any(name.endswith(".proj_attn.weight") for name in names) else "diffusers"


def image_kl_key_map(config: ImageKLConfig, layout: Layout) -> KeyMap:
    """All names of a KL autoencoder of pictures."""
    if layout != "original":
        return KeyMap(tuple(diffusers_rules(DIFFUSERS if layout == "diffusers" else EARLY)))
    rules = ORIGINAL.ends()
    rules += _level(ORIGINAL, "encoder.down.{i}", "encoder.levels.{i}", ("block", "downsample"))
    last = len(config.widths) - 1
    for i in range(last + 1):  # the original code counts the decoder's levels from the pixels
        public = f"decoder.up.{last - i}"
        rules += _level(ORIGINAL, public, f"decoder.levels.{i}", ("block", "upsample"))
    return KeyMap(tuple(rules))


def diffusers_rules(names: Names) -> Rules:
    """All names in diffusers' order."""
    rules = names.ends()
    for coder, way in (("encoder", "down"), ("decoder", "up")):
        public, ours = f"{coder}.{way}_blocks.{{i}}", f"{coder}.levels.{{i}}"
        rules += _level(names, public, ours, ("resnets", f"{way}samplers.0"))
    return rules


def _level(names: Names, public: str, ours: str, words: tuple[str, str]) -> Rules:
    """One level, or all of them at once: its residual blocks and its change of size."""
    blocks, resize = words
    rules = names.residual(f"{public}.{blocks}.{{j}}", f"{ours}.blocks.{{j}}")
    rules += [names.convolution(f"{public}.{resize}.conv", f"{ours}.resize.conv", optional=True)]
    return rules
