"""The MMDiT is the published equations, written down a second time over the public weights."""

import math

import pytest
import torch
from torch.nn import functional

from kineograph.checkpoints.public.open_sora_2 import mmdit_config, mmdit_key_map, mmdit_layout
from kineograph.proof.open_sora_2 import mmdit
from kineograph.proof.vector import Vector

CONFIG = {
    "in_channels": 12,
    "vec_in_dim": 7,
    "context_in_dim": 5,
    "hidden_size": 32,
    "mlp_ratio": 1.5,
    "num_heads": 2,
    "depth": 2,
    "depth_single_blocks": 1,
    "axes_dim": [4, 6, 6],
    "theta": 100,
    "qkv_bias": True,
    "guidance_embed": False,
    "cond_embed": True,
    "fused_qkv": False,
    "use_liger_rope": True,
    "patch_size": 2,
}
CHANGES = {
    "as published": {},
    "as FLUX": {
        "fused_qkv": True,
        "use_liger_rope": False,
        "guidance_embed": True,
        "cond_embed": False,
    },
    "fused, halves": {"fused_qkv": True, "guidance_embed": True},
    "apart, side by side": {"use_liger_rope": False, "theta": 10000},
    "no bias": {"qkv_bias": False, "fused_qkv": True},
    "no double blocks": {"depth": 0},
    "no single blocks": {"depth_single_blocks": 0},
    "patch of one cell": {"patch_size": 1},
}


class Equations:
    """One forward pass over a public state."""

    def __init__(self, config, state):
        self.config, self.state = config, state
        self.heads = config["num_heads"]

    def linear(self, name, x):
        return functional.linear(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"))

    def embed(self, name, x):
        return self.linear(f"{name}.out_layer", functional.silu(self.linear(f"{name}.in_layer", x)))

    def wave(self, number):
        rates = torch.exp(-math.log(10000) * torch.arange(128) / 128)
        angles = 1000 * number[:, None] * rates
        return torch.cat((angles.cos(), angles.sin()), -1)

    def modulate(self, name, count):
        return self.linear(name, functional.silu(self.vec))[:, None].chunk(count, -1)

    def enter(self, x, shift, scale):
        return (1 + scale) * functional.layer_norm(x, x.shape[-1:], eps=1e-6) + shift

    def norm(self, name, x):
        rms = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return rms * self.state[f"{name}.scale"]

    def turn(self, x):
        """(B, N, A, K), the two members of a pair side by side or half a head apart."""
        axes = zip(self.config["axes_dim"], self.ids.unbind(-1), strict=True)
        angles = [
            place[..., None] / self.config["theta"] ** (torch.arange(0, width, 2) / width)
            for width, place in axes
        ]
        angle = torch.cat(angles, -1)[:, :, None]
        near = not self.config["use_liger_rope"]
        a, b = (x[..., ::2], x[..., 1::2]) if near else x.chunk(2, -1)
        pair = (a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos())
        return torch.stack(pair, -1).flatten(-2) if near else torch.cat(pair, -1)

    def attend(self, query, key, value):
        scores = torch.einsum("bnak,blak->banl", self.turn(query), self.turn(key))
        weights = (scores / query.shape[-1] ** 0.5).softmax(-1)
        return torch.einsum("banl,blak->bnak", weights, value).flatten(2)

    def project(self, name, x, rest=None):
        """Query, key, value and, in single blocks, what is left of the last projection."""
        width = x.shape[-1]
        if self.config["fused_qkv"]:
            every = self.linear(name + (".qkv" if rest is None else ".linear1"), x)
        else:
            last = ".v_proj" if rest is None else ".v_mlp"
            every = torch.cat([self.linear(name + n, x) for n in (".q_proj", ".k_proj", last)], -1)
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)) for part in every[..., : 3 * width].chunk(3, -1)
        )
        return (
            self.norm(f"{name}.norm.query_norm", query),
            self.norm(f"{name}.norm.key_norm", key),
            value,
            every[..., 3 * width :],
        )

    def double(self, block, streams):
        gates = {kind: self.modulate(f"{block}.{kind}_mod.lin", 6) for kind in streams}
        parts = {
            kind: self.project(f"{block}.{kind}_attn", self.enter(x, *gates[kind][:2]))
            for kind, x in streams.items()
        }
        whole = [torch.cat((parts["txt"][i], parts["img"][i]), 1) for i in range(3)]
        words = streams["txt"].shape[1]
        found = dict(zip(("txt", "img"), self.attend(*whole).tensor_split([words], 1), strict=True))
        done = {}
        for kind, x in streams.items():
            gate = gates[kind]
            x = x + gate[2] * self.linear(f"{block}.{kind}_attn.proj", found[kind])
            hidden = self.linear(f"{block}.{kind}_mlp.0", self.enter(x, *gate[3:5]))
            hidden = functional.gelu(hidden, approximate="tanh")
            done[kind] = x + gate[5] * self.linear(f"{block}.{kind}_mlp.2", hidden)
        return done

    def single(self, block, x):
        shift, scale, gate = self.modulate(f"{block}.modulation.lin", 3)
        *parts, hidden = self.project(block, self.enter(x, shift, scale), rest=True)
        both = torch.cat((self.attend(*parts), functional.gelu(hidden, approximate="tanh")), -1)
        return x + gate * self.linear(f"{block}.linear2", both)

    def __call__(self, given):
        x = self.linear("img_in", given["img"])
        if self.config["cond_embed"]:
            x = x + self.linear("cond_in", given["cond"])
        self.vec = self.embed("time_in", self.wave(given["timesteps"]))
        self.vec = self.vec + self.embed("vector_in", given["y_vec"])
        if self.config["guidance_embed"]:
            self.vec = self.vec + self.embed("guidance_in", self.wave(given["guidance"]))
        self.ids = torch.cat((given["txt_ids"], given["img_ids"]), 1)
        streams = {"txt": self.linear("txt_in", given["txt"]), "img": x}
        for index in range(self.config["depth"]):
            streams = self.double(f"double_blocks.{index}", streams)
        both = torch.cat((streams["txt"], streams["img"]), 1)
        for index in range(self.config["depth_single_blocks"]):
            both = self.single(f"single_blocks.{index}", both)
        shift, scale = self.modulate("final_layer.adaLN_modulation.1", 2)
        return self.linear("final_layer.linear", self.enter(both[:, -x.shape[1] :], shift, scale))


def stored(config):
    """Random weights and inputs under their public names."""
    generator = torch.Generator().manual_seed(0)
    ours = mmdit_config(config)
    state = mmdit_key_map(ours, mmdit_layout(config)).dump(ours.build().state_dict())
    state = {
        name: 0.3 * torch.randn(value.shape, generator=generator) for name, value in state.items()
    }
    tokens, words = 8, 3
    ids = torch.stack(torch.meshgrid(*(torch.arange(2.0) for _ in range(3)), indexing="ij"), -1)
    shapes = {
        "img": (2, tokens, config["in_channels"]),
        "cond": (2, tokens, config["in_channels"] + config["patch_size"] ** 2),
        "txt": (2, words, config["context_in_dim"]),
        "y_vec": (2, config["vec_in_dim"]),
    }
    inputs = {n: torch.randn(s, generator=generator) for n, s in shapes.items()}
    if not config["cond_embed"]:
        del inputs["cond"]
    inputs["timesteps"] = torch.tensor([0.25, 1.0])
    inputs["guidance"] = torch.tensor([4.0, 1.5])
    inputs["img_ids"] = ids.reshape(1, tokens, 3).expand(2, -1, -1)
    inputs["txt_ids"] = torch.zeros(2, words, 3)
    return state, inputs


@torch.no_grad()
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_configuration_is_the_equations(change, tmp_path):
    config = {**CONFIG, **change}
    state, inputs = stored(config)
    vector = Vector("tiny", "open_sora_2/mmdit", tmp_path, {"config": config}, state, inputs)
    found = mmdit(vector)
    expected = Equations(config, state)(inputs)
    error = (found.outputs["velocity"] - expected).norm() / expected.norm()
    assert error < 2e-5
    assert all(torch.equal(found.dumped[name], value) for name, value in state.items())
