"""A key map loses nothing in either direction and says what does not fit."""

import pytest
import torch
from torch import Tensor

from kineograph.checkpoints.keymap import (
    Below,
    Constant,
    Join,
    KeyMap,
    Optional,
    Permute,
    Rename,
    Reshape,
    Split,
)
from kineograph.errors import CheckpointError


def interleaved(rows: int) -> Tensor:
    """Pairs (0, 1), (2, 3), ... become halves (0, 2, ...), (1, 3, ...)."""
    return torch.arange(rows).reshape(-1, 2).T.reshape(-1)


def haar() -> Tensor:
    return torch.full((2, 1), 0.5)


MAP = KeyMap(
    (
        Permute("blocks.{i}.attn.to_q.{rest}", "layers.{i}.query.{rest}", interleaved),
        Join(
            ("blocks.{i}.attn.to_k.{rest}", "blocks.{i}.attn.to_v.{rest}"),
            "layers.{i}.key_value.{rest}",
        ),
        Split("blocks.{i}.table", ("layers.{i}.shift", "layers.{i}.scale"), sizes=(1, 2)),
        Reshape("proj_in.weight", "enter.weight", "o i 1 1 -> o i"),
        Reshape("fold.weight", "fold.weight", "(a b) c -> (b a) c", (("a", 2),)),
        Constant("wavelet.h", haar),
        Optional("model_ema.{rest}"),
        Rename("norm{i}.{rest}", "norms.{i}.{rest}"),
        Rename("extra.{rest}", "extra.{rest}", optional=True),
    )
)


def public(dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    shapes = {"proj_in.weight": (4, 3, 1, 1), "fold.weight": (6, 2), "norm1.weight": (4,)}
    for i in range(2):
        for name in ("to_q", "to_k", "to_v"):
            shapes[f"blocks.{i}.attn.{name}.weight"] = (4, 3)
            shapes[f"blocks.{i}.attn.{name}.bias"] = (4,)
        shapes[f"blocks.{i}.table"] = (3, 2)
    generator = torch.Generator().manual_seed(0)
    state = {
        key: torch.randn(shape, generator=generator).to(dtype) for key, shape in shapes.items()
    }
    return state | {"wavelet.h": haar().to(dtype)}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(
        a[key].dtype == b[key].dtype and torch.equal(a[key], b[key]) for key in a
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_dump_undoes_load_bit_for_bit(dtype):
    assert same(MAP.dump(MAP.load(public(dtype))), public(dtype))


def test_load_undoes_dump_bit_for_bit():
    ours = MAP.load(public())
    assert same(MAP.load(MAP.dump(ours)), ours)


def test_dtypes_that_differ_inside_one_state_are_kept():
    state = public() | {"norm1.weight": torch.ones(4, dtype=torch.bfloat16)}
    assert same(MAP.dump(MAP.load(state)), state)


def test_each_rule_does_what_its_name_says():
    state, ours = public(), MAP.load(public())
    rows = state["blocks.1.attn.to_q.weight"]
    assert torch.equal(ours["layers.1.query.weight"], rows[[0, 2, 1, 3]])
    joined = [state[f"blocks.0.attn.{name}.bias"] for name in ("to_k", "to_v")]
    assert torch.equal(ours["layers.0.key_value.bias"], torch.cat(joined))
    assert torch.equal(ours["layers.0.scale"], state["blocks.0.table"][1:])
    assert torch.equal(ours["enter.weight"], state["proj_in.weight"][:, :, 0, 0])
    assert torch.equal(ours["fold.weight"], state["fold.weight"][[0, 3, 1, 4, 2, 5]])
    assert torch.equal(ours["norms.1.weight"], state["norm1.weight"])
    assert not any("wavelet" in key for key in ours)


def test_meta_tensors_give_names_and_shapes_without_memory():
    meta = {key: tensor.to("meta") for key, tensor in public().items()}
    there = MAP.load(meta)
    assert {k: t.shape for k, t in there.items()} == {
        k: t.shape for k, t in MAP.load(public()).items()
    }
    back = MAP.dump(there)
    assert {k: t.shape for k, t in back.items()} == {k: t.shape for k, t in public().items()}
    assert all(tensor.is_meta for tensor in back.values())


def test_optional_keys_are_dropped_and_named():
    state = public() | {"model_ema.decay": torch.ones(())}
    assert same(MAP.load(state), MAP.load(public()))
    assert MAP.dropped(state) == ("model_ema.decay",)


def test_a_stranger_is_named_with_the_nearest_pattern():
    state = public() | {"blocks.0.attn.to_g.weight": torch.ones(4, 3)}
    state["blocks.1.attn.to_g.weight"] = torch.ones(4, 3)
    with pytest.raises(CheckpointError, match=r"to_g.weight and 1 more .*\{i\}\.attn\.to_"):
        MAP.load(state)


def test_a_rule_without_keys_is_an_error_unless_it_is_optional():
    state = public()
    del state["norm1.weight"]
    with pytest.raises(CheckpointError, match=r"no key matches norm\{i\}"):
        MAP.load(state)


def test_half_of_a_join_is_an_error():
    state = public()
    del state["blocks.0.attn.to_v.bias"]
    with pytest.raises(CheckpointError, match=r"to_k.bias needs blocks.0.attn.to_v.bias"):
        MAP.load(state)


def test_a_constant_that_differs_is_an_error():
    with pytest.raises(CheckpointError, match=r"wavelet.h.*differs"):
        MAP.load(public() | {"wavelet.h": torch.zeros(2, 1)})


def test_a_missing_constant_is_an_error_unless_it_is_optional():
    with pytest.raises(CheckpointError, match=r"no key matches wavelet.h"):
        MAP.load({key: tensor for key, tensor in public().items() if key != "wavelet.h"})
    assert KeyMap((Constant("wavelet.h", haar, optional=True),)).load({}) == {}


def test_an_unknown_key_of_ours_is_an_error_on_dump():
    with pytest.raises(CheckpointError, match=r"no rule for enter.bias .*enter.weight"):
        MAP.dump(MAP.load(public()) | {"enter.bias": torch.ones(4)})


def test_two_keys_for_one_parameter_are_an_error():
    twice = KeyMap((Rename("a", "x"), Rename("b", "x")))
    with pytest.raises(CheckpointError, match=r"b: x is already made"):
        twice.load({"a": torch.ones(1), "b": torch.ones(1)})


def test_a_wrong_shape_names_the_key_and_the_shape():
    with pytest.raises(CheckpointError, match=r"table 5x2: length 5 .* expected 3"):
        MAP.load(public() | {"blocks.0.table": torch.ones(5, 2)})


def test_the_first_matching_rule_counts():
    rules = KeyMap((Rename("a.special", "b.first"), Rename("a.{rest}", "b.{rest}")))
    ours = rules.load({"a.special": torch.ones(1), "a.c.d": torch.zeros(1)})
    assert ours.keys() == {"b.first", "b.c.d"}
    assert rules.dump(ours).keys() == {"a.special", "a.c.d"}


def test_a_rule_below_prefixes_is_the_same_rule():
    rule = Join(("q.{rest}", "k.{rest}"), "both.{rest}", optional=True)
    keys = KeyMap((Below("public.", "ours.", rule),))
    public = {"public.q.weight": torch.zeros(1, 2), "public.k.weight": torch.ones(1, 2)}
    ours = keys.load(public)
    assert {name: tensor.tolist() for name, tensor in ours.items()} == {
        "ours.both.weight": [[0.0, 0.0], [1.0, 1.0]]
    }
    assert all(torch.equal(tensor, public[name]) for name, tensor in keys.dump(ours).items())
    assert keys.load({}) == {}
    with pytest.raises(CheckpointError, match=r"no rule for q.weight"):
        keys.load({"q.weight": torch.zeros(1, 2)})
