"""The text encoders of all systems against stored vectors and manifests."""

from collections.abc import Callable, Mapping

import torch

from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.manifest import Manifest, Shape, shapes
from kineograph.checkpoints.public import text_encoders as public
from kineograph.proof.vector import Results, Vector
from kineograph.text.padding import Padding, Unmasked, aligned
from kineograph.text.t5 import PAD, T5


def masked_t5(vector: Vector) -> Results:
    """Tokens of prompts whose padding is masked."""
    model, keys = load(vector)
    mask = vector.inputs["attention_mask"] != 0
    tokens = model.embed(vector.inputs["input_ids"], mask)
    return Results({"last_hidden_state": tokens}, keys.dump(model.state_dict()))


def unmasked_t5(vector: Vector) -> Results:
    """Tokens of prompts whose padding is read, also where it is longer."""
    model, keys = load(vector)
    config, ids = vector.config, vector.inputs["input_ids"]
    padding: Padding = Unmasked()
    mask = padding.encoder(ids != PAD)
    outputs = {"embedding": model.embed(ids, mask)}
    if "embedding_aligned" in vector.outputs:
        longer = aligned(ids, config["seq_align"], beside=config["added_tokens"], pad=PAD)
        outputs["embedding_aligned"] = model.embed(longer, padding.encoder(longer != PAD))
    return Results(outputs, keys.dump(model.state_dict()))


def clip(vector: Vector) -> Results:
    """What stands at the end of each prompt."""
    keys = public.clip_key_map(vector.state.keys())
    model = public.clip_config(vector.config).build().eval()
    load_into(model, keys.load(vector.state))
    _, pooled = model.embed(vector.inputs["input_ids"])
    return Results({"pooled": pooled}, keys.dump(model.state_dict()))


def manifest(stored: Manifest) -> Mapping[str, Shape]:
    """Public names and shapes of a full-size encoder."""
    with torch.device("meta"):
        if "d_model" in stored.config:
            state = public.t5_config(stored.config).build().state_dict()
            return shapes(public.t5_key_map(stored.tensors.keys()).dump(state))
        state = public.clip_config(stored.config).build().state_dict()
        return shapes(public.clip_key_map(stored.tensors.keys()).dump(state))


def load(vector: Vector) -> tuple[T5, KeyMap]:
    """The model with the vector's weights, and the map they came through."""
    keys = public.t5_key_map(vector.state.keys())
    model = public.t5_config(vector.config).build().eval()
    load_into(model, keys.load(vector.state))
    return model, keys


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_2/text/clip": clip,
    "open_sora_2/text/t5": unmasked_t5,
    "open_sora_plan/text_encoder": masked_t5,
}
MANIFESTS: Mapping[str, Callable[[Manifest], Mapping[str, Shape]]] = {
    "ltx_video/text_encoder": manifest,
    "open_sora_2/text_encoder": manifest,
    "open_sora_plan/text_encoder": manifest,
}
