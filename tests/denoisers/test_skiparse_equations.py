"""Open-Sora Plan's denoiser written down once more, over public names, as plain functions.

Groups are lists of token numbers, and every sub-sequence is looked at by itself. Configs are drawn
at random, so that sizes, paddings, masks and switches meet that no stored vector has.
"""

import math
import random

import pytest
import torch
from torch.nn import functional

from kineograph.checkpoints.public.open_sora_plan_denoiser import denoiser_config, denoiser_key_map
from kineograph.proof.open_sora_plan_denoiser import denoiser
from kineograph.proof.vector import Vector

PAD, MASKED = -9980.0, -10000.0


def linear(s, name, x):
    return functional.linear(x, s[f"{name}.weight"], s.get(f"{name}.bias"))


def normed(x):
    return functional.layer_norm(x, x.shape[-1:], eps=1e-6)


def gelu(x):
    return functional.gelu(x, approximate="tanh")


def turned(x, places, units):
    """(n, heads, K): three shares, one for each axis, halves of a share are pairs."""
    out = []
    for part, axis, unit in zip(x.chunk(3, -1), range(3), units, strict=True):
        size = part.shape[-1]
        f = 10000 ** (-2 * torch.arange(size // 2, dtype=torch.float32) / size)
        angle = (places[:, axis].float() / unit)[:, None, None] * f
        one, two = part.chunk(2, -1)
        pair = (one * angle.cos() - two * angle.sin(), two * angle.cos() + one * angle.sin())
        out.append(torch.cat(pair, -1))
    return torch.cat(out, -1)


def groups(count, layer, k, sparse):
    """Lists of positions, those from `count` on are padding."""
    if not sparse or not 2 <= layer < 30 or k == 1:
        return [list(range(count))]
    total = -(-count // k**2) * k**2
    if layer % 2 == 0:
        return [list(range(j, total, k)) for j in range(k)]
    return [[p for p in range(total) if p // k % k == m] for m in range(k)]


def attend(q, k, v, bias):
    """(n, heads, K), (m, heads, K), (m, heads, K), (m,)."""
    scores = torch.einsum("nak,mak->anm", q, k) / math.sqrt(q.shape[-1]) + bias
    return torch.einsum("anm,mak->nak", torch.softmax(scores, -1), v)


def self_attention(s, name, x, heads, valid, places, units, parts):
    q, k, v = (linear(s, f"{name}.to_{part}", x).view(len(x), heads, -1) for part in "qkv")
    q, k = turned(q, places, units), turned(k, places, units)
    most = max(max(part) for part in parts) + 1 - len(x)
    q, k, v = (functional.pad(one, (0, 0, 0, 0, 0, most)) for one in (q, k, v))
    bias = torch.cat(((1 - valid) * MASKED, torch.full((most,), PAD)))
    found = torch.zeros_like(v)
    for part in parts:
        found[part] = attend(q[part], k[part], v[part], bias[part])
    return linear(s, f"{name}.to_out.0", found[: len(x)].flatten(1))


def sinusoid(t):
    a = t.float()[:, None] * torch.exp(-math.log(10000) * torch.arange(128) / 128)
    return torch.cat((a.cos(), a.sin()), 1)


def embedded(s, name, x, patch):
    return functional.conv2d(x, s[f"{name}.proj.weight"], s[f"{name}.proj.bias"], stride=patch)


def tokens(s, c, x):
    """Channels (C, T, H, W) of one sample -> (n, D)."""
    frames, patch = x.transpose(0, 1), c["patch_size"]
    flat = lambda cells: cells.permute(0, 2, 3, 1).flatten(0, 2)  # noqa: E731
    if "vae_scale_factor_t" not in c:
        return flat(embedded(s, "pos_embed", frames, patch))
    own, known, mask = frames.split([c["in_channels"]] * 2 + [c["vae_scale_factor_t"]], 1)
    total = flat(embedded(s, "pos_embed", own, patch))
    for name, part in (("masked_hidden_states", known), ("mask", mask)):
        cells = flat(embedded(s, f"pos_embed_{name}.0", part, patch))
        total = total + linear(s, f"pos_embed_{name}.1", cells)
    return total


def skiparse(s, c, given):
    heads, patch, out = c["num_attention_heads"], c["patch_size"], []
    x = given["hidden_states"]
    frames, rows, columns = x.shape[2], x.shape[3] // patch, x.shape[4] // patch
    places = torch.cartesian_prod(*map(torch.arange, (frames, rows, columns))).view(-1, 3)
    units = [c[f"interpolation_scale_{axis}"] for axis in "thw"]
    time = "adaln_single.emb.timestep_embedder.linear_"
    e = linear(s, f"{time}1", sinusoid(given["timestep"]))
    e = linear(s, f"{time}2", functional.silu(e))
    six = linear(s, "adaln_single.linear", functional.silu(e))
    for b in range(len(x)):
        h = tokens(s, c, x[b])
        words = linear(s, "caption_projection.linear_1", given["encoder_hidden_states"][b, 0])
        words = linear(s, "caption_projection.linear_2", gelu(words))
        text_bias = (1 - given["encoder_attention_mask"][b, 0].float()) * MASKED
        valid = functional.max_pool2d(given["attention_mask"][b], patch).flatten()
        for i in range(c["num_layers"]):
            name = f"transformer_blocks.{i}"
            table = s[f"{name}.scale_shift_table"] + six[b].view(6, -1)
            shift, scale, gate, shift2, scale2, gate2 = table
            parts = groups(len(h), i, c["sparse_n"], c["sparse1d"])
            y = normed(h) * (1 + scale) + shift
            look = self_attention(s, f"{name}.attn1", y, heads, valid, places, units, parts)
            h = h + gate * look
            q = linear(s, f"{name}.attn2.to_q", h).view(len(h), heads, -1)
            k, v = (
                linear(s, f"{name}.attn2.to_{p}", words).view(len(words), heads, -1) for p in "kv"
            )
            h = h + linear(s, f"{name}.attn2.to_out.0", attend(q, k, v, text_bias).flatten(1))
            y = gelu(linear(s, f"{name}.ff.net.0.proj", normed(h) * (1 + scale2) + shift2))
            h = h + gate2 * linear(s, f"{name}.ff.net.2", y)
        shift, scale = s["scale_shift_table"] + e[b]
        h = linear(s, "proj_out", normed(h) * (1 + scale) + shift)
        h = h.view(frames, rows, columns, patch, patch, -1).permute(5, 0, 1, 3, 2, 4)
        out.append(h.reshape(-1, *x.shape[2:]))
    return torch.stack(out)


def drawn(seed):
    """A config, weights of it, and inputs, at random."""
    dice, _ = random.Random(seed), torch.manual_seed(seed)
    heads, head, patch = dice.choice([1, 2]), dice.choice([6, 12, 18]), dice.choice([2, 2, 1])
    sparse = dice.random() < 0.8
    channels = dice.choice([4, 2])
    config = {
        "num_layers": dice.choice([1, 3, 5]),
        "num_attention_heads": heads,
        "attention_head_dim": head,
        "in_channels": channels,
        "out_channels": dice.choice([channels, channels + 1]),
        "caption_channels": 7,
        "cross_attention_dim": heads * head,
        "attention_bias": dice.random() < 0.7,
        "patch_size": patch,
        "patch_size_t": 1,
        "sparse1d": sparse,
        "sparse_n": dice.choice([4, 4, 1]) if sparse else 1,
        **{f"interpolation_scale_{axis}": dice.choice([1.0, 1.5]) for axis in "thw"},
    }
    if dice.random() < 0.3:
        config["vae_scale_factor_t"] = dice.choice([4, 2])
    ours = denoiser_config(config)
    state = denoiser_key_map(ours).dump(ours.build().state_dict())
    state = {name: torch.randn_like(one) * 0.15 for name, one in state.items()}
    samples, sides = (
        dice.choice([1, 2, 3]),
        dice.choice([(1, 3, 2), (2, 3, 5), (3, 5, 4), (5, 2, 3)]),
    )
    size = (sides[0], sides[1] * patch, sides[2] * patch)  # sides differ: no table is shared
    inputs = (
        2 * channels + config["vae_scale_factor_t"] if "vae_scale_factor_t" in config else channels
    )
    given = {
        "hidden_states": torch.randn(samples, inputs, *size),
        "timestep": torch.randint(0, 1000, (samples,)),
        "encoder_hidden_states": torch.randn(samples, 1, 5, 7),
        "attention_mask": torch.ones(samples, *size),
        "encoder_attention_mask": (torch.arange(5) < torch.tensor([[3], [5], [0]])).long()[
            :samples, None
        ],
    }
    if dice.random() < 0.6:
        given["attention_mask"] = (torch.rand(samples, *size) < dice.choice([0.5, 0.1])).float()
        given["attention_mask"][-1] = dice.choice([0.0, 1.0])
    return config, state, given


@pytest.mark.parametrize("seed", range(8))
@torch.no_grad()
def test_the_equations_are_matched(tmp_path, seed):
    config, state, given = drawn(seed)
    vector = Vector("drawn", "open_sora_plan/denoiser", tmp_path, {"config": config}, state, given)
    found = denoiser(vector)
    expected = skiparse(state, config, given)
    assert found.outputs["sample"].shape == expected.shape
    assert (found.outputs["sample"] - expected).norm() < 5e-5 * expected.norm()
    assert all(torch.equal(found.dumped[name], state[name]) for name in state)
