"""STIV's block, rotation, dropped tokens and inflation against vectors made from its equations.

There is no public code: weights are named as in the equations, and multiply on the right.
"""

from collections.abc import Callable, Mapping

import torch
from einops import rearrange
from torch.nn import functional

from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.keymap import KeyMap, Rename, Reshape
from kineograph.conditioning.token_dropping import SpatialDropping
from kineograph.denoisers.stiv import Block, Places, STIVConfig, sum_of_norms
from kineograph.denoisers.stiv_parents import inflated_in
from kineograph.errors import CheckpointError
from kineograph.nn.dropping import Gaps, pick
from kineograph.nn.modulation import Branch
from kineograph.nn.patches import Patch
from kineograph.nn.rotary import AxisPositions, Rotary, grid_positions
from kineograph.proof.vector import Results, Vector
from kineograph.types import Grid

TURNED = {  # columns of the equations' matrices are rows of a layer's weight
    "Wq": "space.query.weight",
    "Wk": "space.key.weight",
    "Wv": "space.value.weight",
    "Wo": "space.out.weight",
    "W1": "mlp.up.weight",
    "W2": "mlp.down.weight",
}
SAME = {
    "b1": "mlp.up.bias",
    "b2": "mlp.down.bias",
    "q_gain": "space.query_norm.weight",
    "k_gain": "space.key_norm.weight",
}
KEYS = KeyMap(
    (
        *(Reshape(public, ours, "i o -> o i") for public, ours in TURNED.items()),
        *(Rename(public, ours) for public, ours in SAME.items()),
    )
)


def blocks(vector: Vector) -> Results:
    """The two modulated branches of a block, and the singleton condition."""
    given, settings = vector.inputs, vector.config
    block = load(vector)
    branch = Branch(*(given[name].unsqueeze(2) for name in ("shift", "scale", "gate")))
    x = given["x"]
    numbered = [given[name] for name in sorted(given) if name.startswith("e")]
    outputs = {
        "mha": block.look(x, branch, Places(Grid(1, 1, x.shape[1]))),
        "ffn": block.transform(x, branch),
        "singleton": sum_of_norms(numbered, settings["ln_eps"]),
    }
    state = block.state_dict()
    ours = (*TURNED.values(), *SAME.values())
    return Results(outputs, KEYS.dump({name: state[name] for name in ours}))


def load(vector: Vector) -> Block:
    """A block with the vector's weights; attention's biases, which the equations lack, are 0."""
    settings, state = vector.config, vector.state
    width, heads = settings["dim"], settings["heads"]
    if settings.get("gelu", "tanh") != "tanh":
        raise CheckpointError(
            f"gelu = {settings['gelu']!r}: expected 'tanh', which ours is; the paper names none"
        )
    config = STIVConfig(
        heads=heads,
        head_width=width // heads,
        mlp_ratio=state["W1"].shape[1] / width,
        eps=settings["ln_eps"],
        head_eps=settings["rms_eps"],
    )
    block = Block(config).eval()
    none = {
        name: torch.zeros_like(tensor)
        for name, tensor in block.state_dict().items()
        if name.startswith("space.") and name.endswith(".bias")
    }
    load_into(block, {**block.state_dict(), **none, **KEYS.load(state)})
    return block


def rotation(vector: Vector) -> Results:
    """Tables of trained, interpolated and longer grids, and turned queries."""
    sizes = {name: _sizes(name) for name in vector.outputs if "/" in name}
    trained = {len(size): size for name, size in sizes.items() if "base" in name}
    outputs = {}
    for name, size in sizes.items():
        units = (1.0,) * len(size)
        if "interp" in name:
            base = trained[len(size)]
            units = tuple(long / short for long, short in zip(size, base, strict=True))
        table = _table(size, units, vector.config)
        one = table.cos if name.endswith("cos") else table.sin
        outputs[name] = one[0, :, 0].repeat_interleave(2, -1)  # pairs lie side by side
    query = vector.inputs["q"].transpose(1, 2)
    order = torch.arange(query.shape[-1]).view(-1, 2).T.flatten()
    turned = _table(trained[2], (1.0, 1.0), vector.config)(query[..., order])
    outputs["rotated_q"] = turned[..., torch.argsort(order)].transpose(1, 2)
    return Results(outputs)


def _sizes(name: str) -> tuple[int, ...]:
    """The grid in a name such as `interp_8x12/cos`."""
    return tuple(int(number) for number in name.split("/")[0].rsplit("_", 1)[1].split("x"))


def _table(
    size: tuple[int, ...], units: tuple[float, ...], settings: Mapping[str, float]
) -> Rotary:
    share = int(settings["head_dim"]) // len(size)
    places = AxisPositions(shares=(share,) * len(size), units=units, theta=settings["theta"])
    return places(grid_positions([torch.arange(side) for side in size], 1))


def dropping(vector: Vector) -> Results:
    """Dropped places and their return, and a patch embedding made longer in time."""
    given = vector.inputs
    tokens, kernel = given["tokens"], given["kernel2d"]
    frames, sites = tokens.shape[1:3]
    rule = SpatialDropping(share=vector.config["mask_ratio"])
    keep = rule(len(tokens), Grid(frames, 1, sites), lambda shape: given["scores"])
    kept = pick(tokens.flatten(1, 2), keep)
    gaps = Gaps(tokens.shape[-1])
    load_into(gaps, {"token": given["mask_token"]})
    restored = gaps(2 * kept + 1, keep, frames * sites)

    long = vector.outputs["kernel3d"].shape[2]
    flat = rearrange(kernel, "d c p q -> d (p q c)")
    still = given["frame"].unsqueeze(2)
    image, video = Patch(1, *kernel.shape[2:]), Patch(long, *kernel.shape[2:])
    longer = inflated_in(flat, long)
    inflated = longer.view(len(kernel), long, *kernel.shape[2:], kernel.shape[1])
    outputs = {
        "keep_indices": keep[:, : keep.shape[1] // frames],
        "kept_tokens": kept.view(*tokens.shape[:2], -1, tokens.shape[-1]),
        "restored": restored.view_as(tokens),
        "kernel3d": rearrange(inflated, "d t p q c -> d c t p q"),
        "embedding_image": functional.linear(image.split(still), flat).flatten(1),
        "embedding_static_video": functional.linear(
            video.split(still.expand(-1, -1, long, -1, -1)), longer
        ).flatten(1),
    }
    return Results(outputs)


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "stiv/blocks": blocks,
    "stiv/maskdit_inflation": dropping,
    "stiv/rope": rotation,
}
