"""STDiT-3 written down once more, over public names, as plain functions of its description.

It is slow and knows no grouping: every sample, frame and site is looked at by itself. Configs are
drawn at random, so that sizes, paddings and switches meet that no stored vector has.
"""

import math
import random

import pytest
import torch
from torch.nn import functional

from kineograph.checkpoints.public.open_sora_1 import stdit_config, stdit_key_map
from kineograph.proof.open_sora_1 import transformer
from kineograph.proof.vector import Vector


def linear(s, name, x):
    return functional.linear(x, s[f"{name}.weight"], s[f"{name}.bias"])


def embedded(s, name, values):
    f = torch.exp(-math.log(10000) * torch.arange(128) / 128)
    a = values[:, None] * f
    return linear(
        s,
        f"{name}.mlp.2",
        functional.silu(linear(s, f"{name}.mlp.0", torch.cat((a.cos(), a.sin()), 1))),
    )


def normed(x, size=None):
    return functional.layer_norm(x, x.shape[-1:], eps=1e-6)


def rms(x, weight):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * weight


def attend(q, k, v):
    """(heads, n, K), (heads, m, K), (heads, m, K)."""
    return torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), -1) @ v


def turned(x, freqs):
    """(heads, T, K), neighbours are pairs."""
    a = torch.arange(x.shape[1])[:, None] * freqs
    one, two = x[..., 0::2], x[..., 1::2]
    pair = (one * a.cos() - two * a.sin(), two * a.cos() + one * a.sin())
    return torch.stack(pair, -1).flatten(-2)


def self_attention(s, name, x, heads, freqs):
    """One sequence (n, C)."""
    q, k, v = linear(s, f"{name}.qkv", x).view(len(x), 3, heads, -1).permute(1, 2, 0, 3)
    if f"{name}.q_norm.weight" in s:
        q, k = rms(q, s[f"{name}.q_norm.weight"]), rms(k, s[f"{name}.k_norm.weight"])
    if freqs is not None:
        q, k = turned(q, freqs), turned(k, freqs)
    return linear(s, f"{name}.proj", attend(q, k, v).transpose(0, 1).flatten(1))


def read(s, name, x, words, heads):
    """All tokens of a sample (n, C) read its words (l, C)."""
    q = linear(s, f"{name}.q_linear", x).view(len(x), heads, -1).transpose(0, 1)
    k, v = linear(s, f"{name}.kv_linear", words).view(len(words), 2, heads, -1).permute(1, 2, 0, 3)
    return linear(s, f"{name}.proj", attend(q, k, v).transpose(0, 1).flatten(1))


def block(s, name, x, six, words, heads, freqs):
    """X (T, S, C); six: (T, 6, C) of the frames' times; freqs: None in a spatial block."""
    rows = s[f"{name}.scale_shift_table"] + six
    shift, scale, gate, shift2, scale2, gate2 = (rows[:, i, None] for i in range(6))
    h = normed(x) * (1 + scale) + shift
    if freqs is None:
        h = torch.stack([self_attention(s, f"{name}.attn", frame, heads, None) for frame in h])
    else:
        sites = [
            self_attention(s, f"{name}.attn", h[:, i], heads, freqs) for i in range(h.shape[1])
        ]
        h = torch.stack(sites, 1)
    x = x + gate * h
    x = x + read(s, f"{name}.cross_attn", x.flatten(0, 1), words, heads).view_as(x)
    h = normed(x) * (1 + scale2) + shift2
    h = functional.gelu(linear(s, f"{name}.mlp.fc1", h), approximate="tanh")
    return x + gate2 * linear(s, f"{name}.mlp.fc2", h)


def sites(rows, columns, width, scale, base):
    half = width // 2
    f = 10000 ** (-2 * torch.arange(half // 2, dtype=torch.float64) / half)
    column = torch.arange(columns).double() / scale * (base / columns)
    row = torch.arange(rows).double() / scale * (base / rows)
    waves = lambda at: torch.cat(((at[:, None] * f).sin(), (at[:, None] * f).cos()), 1)  # noqa: E731
    grid = torch.cat((waves(column).repeat(rows, 1), waves(row).repeat_interleave(columns, 0)), 1)
    return grid.float()


def stdit3(s, c, given):
    x, out = given["x"], []
    heads, width, (pt, ph, pw) = c["num_heads"], c["hidden_size"], c["patch_size"]
    size = x.shape[2:]
    x = functional.pad(x, (0, -size[2] % pw, 0, -size[1] % ph, 0, -size[0] % pt))
    frames, rows, columns = x.shape[2] // pt, x.shape[3] // ph, x.shape[4] // pw
    scale = math.sqrt(given["height"][0] * given["width"][0]) / c["input_sq_size"]
    place = sites(rows, columns, width, scale, round(math.sqrt(rows * columns)))
    fps = embedded(s, "fps_embedder", given["fps"]).repeat(len(x) // len(given["fps"]), 1)
    times = embedded(s, "t_embedder", given["timestep"]) + fps
    still = embedded(s, "t_embedder", torch.zeros_like(given["timestep"])) + fps
    words = given["y"][:, 0]
    words = linear(
        s,
        "y_embedder.y_proj.fc2",
        functional.gelu(linear(s, "y_embedder.y_proj.fc1", words), approximate="tanh"),
    )
    for b in range(len(x)):
        kernel = s["x_embedder.proj.weight"]
        h = functional.conv3d(x[b : b + 1], kernel, s["x_embedder.proj.bias"], stride=(pt, ph, pw))
        h = h[0].flatten(2).permute(1, 2, 0) + place
        moves = given["x_mask"][b] if "x_mask" in given else torch.ones(frames, dtype=torch.bool)
        each = torch.where(moves[:, None], times[b], still[b])
        six = linear(s, "t_block.1", functional.silu(each)).view(frames, 6, width)
        own = words[b]
        if "mask" in given:
            own = own[given["mask"][b % len(given["mask"])] != 0]
        for i in range(c["depth"]):
            h = block(s, f"spatial_blocks.{i}", h, six, own, heads, None)
            h = block(s, f"temporal_blocks.{i}", h, six, own, heads, s["rope.freqs"])
        table = s["final_layer.scale_shift_table"]
        once = normed(h) * (1 + table[1] + times[b]) + table[0] + times[b]
        twice = normed(once) * (1 + table[1] + still[b]) + table[0] + still[b]
        h = linear(s, "final_layer.linear", torch.where(moves[:, None, None], once, twice))
        h = h.view(frames, rows, columns, pt, ph, pw, -1).permute(6, 0, 3, 1, 4, 2, 5)
        out.append(h.reshape(-1, frames * pt, rows * ph, columns * pw))
    return torch.stack(out)[:, :, : size[0], : size[1], : size[2]]


def drawn(seed):
    """A config, weights of it, and inputs, at random."""
    dice, _ = random.Random(seed), torch.manual_seed(seed)
    heads = dice.choice([1, 2, 3])
    config = {
        "depth": dice.choice([1, 2]),
        "num_heads": heads,
        "hidden_size": heads * dice.choice([8, 16]),
        "in_channels": dice.choice([4, 3]),
        "patch_size": [1, *dice.choice([(2, 2), (1, 1), (2, 4)])],
        "mlp_ratio": dice.choice([4.0, 2.5]),
        "caption_channels": 6,
        "model_max_length": 5,
        "input_sq_size": dice.choice([512, 64]),
        "pred_sigma": dice.random() < 0.5,
        "qk_norm": dice.random() < 0.7,
    }
    ours = stdit_config(config)
    state = stdit_key_map(ours).dump(ours.build().state_dict())
    for name, tensor in state.items():
        if name != "rope.freqs":
            state[name] = torch.randn_like(tensor) * 0.3
    frames, samples = dice.choice([1, 2, 5]), dice.choice([1, 2, 4])
    told = samples // 2 if samples > 1 and dice.random() < 0.5 else samples
    given = {
        "x": torch.randn(
            samples, config["in_channels"], frames, dice.choice([3, 4, 6]), dice.choice([2, 5])
        ),
        "timestep": torch.rand(samples) * 1000,
        "y": torch.randn(samples, 1, 5, 6),
        "fps": torch.tensor([24.0, 120.0, 8.0, 1.0])[:told],
        "height": torch.tensor([64.0, 512, 100, 30])[:told],
        "width": torch.tensor([96.0, 512, 33, 30])[:told],
    }
    if dice.random() < 0.7:
        lengths = torch.tensor([[3], [5], [1], [2]])[:told]
        given["mask"] = (torch.arange(5) < lengths).long()
    if dice.random() < 0.6:
        given["x_mask"] = torch.rand(samples, frames) < 0.5
    return config, state, given


@pytest.mark.parametrize("seed", range(8))
@torch.no_grad()
def test_the_equations_are_matched(tmp_path, seed):
    config, state, given = drawn(seed)
    vector = Vector("drawn", "open_sora_1/stdit3", tmp_path, {"config": config}, state, given)
    found = transformer(vector)
    expected = stdit3(state, config, given)
    assert found.outputs["output"].shape == expected.shape
    assert (found.outputs["output"] - expected).norm() < 2e-5 * expected.norm()
    assert all(torch.equal(found.dumped[name], state[name]) for name in state)
