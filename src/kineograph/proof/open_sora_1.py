"""Open-Sora 1.x against stored vectors: the transformer and its embeddings."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from einops import rearrange
from torch import Tensor

from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.manifest import Manifest, Shape, shapes
from kineograph.checkpoints.public import open_sora_1 as public
from kineograph.denoisers.stdit import STDiT, STDiTConfig
from kineograph.denoisers.stdit_early import STDiT1Config, STDiT2Config
from kineograph.denoisers.stdit_parts import Captions, Times
from kineograph.nn.embed import waves
from kineograph.nn.rotary import Rotary
from kineograph.nn.sites import site_waves, spread
from kineograph.proof.vector import Results, Vector
from kineograph.types import TextEmbedding

TIMES = 1000.0  # the reference's times go from 0 to 1000


def transformer(vector: Vector) -> Results:
    """The raw output, with frames that are masked, and text that is."""
    model, keys = load(vector)
    given = vector.inputs
    samples = len(given["x"])
    times = masked_times(given["timestep"] / TIMES, given.get("x_mask"))
    if vector.config.get("skip_y_embedder"):
        text = unpacked(given["y"], given["mask"])
    else:
        text = text_of(given["y"], given.get("mask"))
        text = replace(text, tokens=model.captions(text.tokens))
    output = model.predict(given["x"], times, text, facts(given, samples))
    return Results({"output": output}, keys.dump(model.state_dict()))


def captions(vector: Vector) -> Results:
    """Captions, some of which are replaced by the null caption."""
    config, given = vector.config, vector.inputs
    keys = public.caption_key_map()
    model = Captions(config["in_channels"], config["token_num"], config["hidden_size"])
    load_into(model, keys.load(vector.state))
    text = text_of(given["caption"], None)
    tokens = text.tokens
    if "force_drop_ids" in given:
        drop = given["force_drop_ids"] == 1
        tokens = torch.where(drop[:, None, None], model.empty(text).tokens, tokens)
    return Results({"projected": model(tokens)[:, None]}, keys.dump(model.state_dict()))


def embeddings(vector: Vector) -> Results:
    """Rotated queries, waves of numbers, and sites of several frames."""
    config, given = vector.config, vector.inputs
    angles = torch.arange(given["q"].shape[2])[:, None] * vector.state["rope.freqs"]
    turn = Rotary(angles.cos()[None, :, None], angles.sin()[None, :, None])
    halves = rearrange(given["q"], "b a n (k two) -> b n a (two k)", two=2)
    outputs = {
        "q_rotated": rearrange(turn(halves), "b n a (two k) -> b a n (k two)", two=2),
        "timestep_sinusoid": waves(given["timesteps"]),
    }
    for case in config["pos_cases"]:
        rows, columns = spread(
            case["h"], case["w"], torch.tensor([case["scale"]]), case["base_size"]
        )
        for name, dtype in (("", torch.float32), ("bf16model_", torch.bfloat16)):
            found = site_waves(rows, columns, config["pos_dim"], dtype).to(dtype).float()
            outputs[f"pos_emb_{name}{case['h']}x{case['w']}"] = found
    outputs = {name: outputs[name] for name in outputs if name in vector.outputs}
    return Results(outputs)


def transformer_manifest(manifest: Manifest) -> Mapping[str, Shape]:
    """Public names and shapes of our full-size STDiT-3."""
    config = public.stdit_config(manifest.config)
    return shapes(public.stdit_key_map(config).dump(_state(config)))


def stdit2_manifest(manifest: Manifest) -> Mapping[str, Shape]:
    """Public names and shapes of our full-size STDiT-2."""
    config = public.stdit2_config(manifest.config)
    return shapes(public.stdit2_key_map(config).dump(_state(config)))


def stdit1_manifest(manifest: Manifest) -> Mapping[str, Shape]:
    """Public names and shapes of our full-size STDiT-1."""
    config = public.stdit1_config(manifest.config)
    return shapes(public.stdit1_key_map(config).dump(_state(config)))


def _state(config: STDiTConfig | STDiT2Config | STDiT1Config) -> dict[str, Tensor]:
    """The names and shapes of a model, without its weights."""
    with torch.device("meta"):
        return config.build().state_dict()


def load(vector: Vector) -> tuple[STDiT, KeyMap]:
    """The model with the vector's weights, and the map they came through."""
    config = public.stdit_config(vector.config)
    keys = public.stdit_key_map(config)
    model = config.build().eval()
    load_into(model, keys.load(vector.state))
    return model, keys


def masked_times(time: Tensor, mask: Tensor | None) -> Times:
    """Times (B,) in [0, 1] of the frames whose mask (B, F) is true; the others are held."""
    if mask is None:
        return Times(time[:, None])
    return Times(time[:, None].expand_as(mask), ~mask.bool())


def text_of(tokens: Tensor, mask: Tensor | None) -> TextEmbedding:
    """Public text (B, 1, L, D); a mask with fewer rows counts again for the further ones."""
    if mask is not None:
        mask = repeated(mask.reshape(len(mask), -1), len(tokens)) != 0
    return TextEmbedding(tokens[:, 0], mask)


def unpacked(tokens: Tensor, lengths: Tensor) -> TextEmbedding:
    """Embedded captions, one after the other in (1, sum of lengths, D), side by side again."""
    rows = torch.split(tokens.reshape(-1, tokens.shape[-1]), lengths.long().tolist())
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    return TextEmbedding(torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True), mask)


def facts(given: Mapping[str, Tensor], samples: int) -> dict[str, Tensor]:
    """Facts for all samples; the reference looks at the first sample's size only."""
    return {
        "fps": repeated(given["fps"].flatten(), samples),
        "height": given["height"].flatten()[:1].expand(samples),
        "width": given["width"].flatten()[:1].expand(samples),
    }


def repeated(rows: Tensor, samples: int) -> Tensor:
    """Rows again from the first one until there are enough."""
    return rows.repeat(samples // len(rows), *[1] * (rows.ndim - 1))


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_1/caption_embedder": captions,
    "open_sora_1/embeddings": embeddings,
    "open_sora_1/stdit3": transformer,
}
MANIFESTS: Mapping[str, Callable[[Manifest], Mapping[str, Shape]]] = {
    "open_sora_1/stdit1": stdit1_manifest,
    "open_sora_1/stdit2": stdit2_manifest,
    "open_sora_1/stdit3": transformer_manifest,
}
