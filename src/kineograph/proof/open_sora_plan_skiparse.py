"""Open-Sora Plan's groupings, blocks and embeddings by themselves against stored vectors."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from kineograph.checkpoints.files import load_into
from kineograph.checkpoints.keymap import KeyMap
from kineograph.checkpoints.public import open_sora_plan_denoiser as public
from kineograph.denoisers.skiparse import Block, Shared, SkiparseConfig
from kineograph.nn import distance
from kineograph.nn.attention import text_bias, token_bias
from kineograph.nn.embed import NumberEmbedding
from kineograph.nn.grouping import Full, Grouping, GroupSkip, SingleSkip
from kineograph.nn.mlp import MLP
from kineograph.nn.modulation import SharedModulation
from kineograph.nn.rotary import AxisPositions, grid_positions
from kineograph.proof import open_sora_plan
from kineograph.proof.vector import Results, Vector
from kineograph.types import Grid

NEXT_SAMPLE = 100000  # what a sample's tokens are numbered from


def permutations(vector: Vector) -> Results:
    """Where each position of each group comes from, (positions, groups); -1: padding."""
    outputs = {}
    for case in vector.meta["cases"]:
        grouping, grid = _grouping(case), _grid(case)
        numbers = torch.arange(grid.size) + NEXT_SAMPLE * torch.arange(2)[:, None]
        outputs[case["tag"]] = (grouping.split(numbers + 1, grid) - 1).mT.int()
    texts = torch.arange(6, dtype=torch.int).view(3, 2)
    outputs["kv_repeat_k_last"] = texts.repeat(1, vector.meta["cases"][-1]["k"])
    note = "texts are not repeated in the library, because blocks read them ungrouped"
    return Results(outputs, note=note)


def blocks(vector: Vector) -> Results:
    """Blocks of both groupings, with padding and masks."""
    outputs: dict[str, Tensor] = {}
    dumped: dict[str, Tensor] = {}
    for case in vector.meta["cases"]:
        tag = case["tag"]
        outputs[tag], state = _block(vector, tag, _grouping(case), _grid(case))
        dumped |= state
    return Results(outputs, dumped)


def small_numbers(vector: Vector) -> Results:
    """Modules whose inputs are so small that the norms' epsilon matters."""
    config = vector.config
    outputs: dict[str, Tensor] = {}
    dumped: dict[str, Tensor] = {}
    groupings: dict[str, Grouping] = {
        "block_dense_tiny": Full(),
        "block_single_tiny": SingleSkip(config["k"]),
        "block_group_tiny": GroupSkip(config["k"]),
    }
    for tag, grouping in groupings.items():
        outputs[tag], state = _block(vector, tag, grouping, _grid(config))
        dumped |= state
    residual = replace(
        vector,
        inputs={name: x for name, x in vector.inputs.items() if name.startswith("res")},
        state={name: x for name, x in vector.state.items() if name.startswith("res")},
    )
    for results in (open_sora_plan.modules(residual), _time(vector), _text(vector)):
        outputs |= results.outputs
        dumped |= results.dumped or {}
    return Results(outputs, dumped)


def average_attention_distance(vector: Vector) -> Results:
    """The formulas on several grids, and tokens counted one by one."""
    outputs: dict[str, Tensor] = {}
    expected: dict[str, Tensor] = {}
    for row in vector.meta["formula_tables"]:
        grid = _grid(row)
        for name, value in row.items():
            if name not in "THW":
                place = f"{grid.frames}x{grid.rows}x{grid.columns}/{name}"
                expected[place] = torch.tensor(value)
                outputs[place] = torch.tensor(_formula(name, grid))
    for row in vector.meta["enumerated_from_reference_permutation"]:
        grid, stride = _grid(row), row["k"]
        found = distance.distances((SingleSkip(stride), GroupSkip(stride)), grid)
        ours = {
            "tokens": torch.tensor(grid.size),
            "exact_average": found.float().mean(),
            "max_distance": found.max(),
            "formula": torch.tensor(distance.skiparse(grid, stride)),
        }
        place = f"counted {grid.frames}x{grid.rows}x{grid.columns}_k{stride}"
        outputs |= {f"{place}/{name}": value for name, value in ours.items()}
        expected |= {f"{place}/{name}": torch.tensor(row[name]) for name in ours}
    return Results(outputs, expected=expected)


def _formula(name: str, grid: Grid) -> float:
    """A formula by its name, such as `skiparse_k4_limit`."""
    rule, _, rest = name.partition("_k")
    if not rest:
        return {"full": 1.0, "paper_2p1d": distance.divided(grid)}[rule]
    stride = int(rest.removesuffix("_limit"))
    if rest.endswith("_limit"):
        return distance.skiparse_limit(stride)
    rules = {"skiparse": distance.skiparse, "skip_window": distance.skip_and_window}
    return rules[rule](grid, stride)


def _grid(case: Mapping[str, int]) -> Grid:
    return Grid(case["T"], case["H"], case["W"])


def _grouping(case: Mapping[str, int]) -> Grouping:
    return GroupSkip(case["k"]) if case["group"] else SingleSkip(case["k"])


def _block(
    vector: Vector, tag: str, grouping: Grouping, grid: Grid
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """One block's output, and its weights under their public names."""
    size = vector.config
    config = SkiparseConfig(heads=size["heads"], head_width=size["head_dim"])
    block = Block(config, grouping).eval()
    keys = KeyMap(tuple(public.block(f"{tag}.", "", config.head_width)))
    state = {name: x for name, x in vector.state.items() if name.startswith(f"{tag}.")}
    load_into(block, keys.load(state))
    given = {
        name.removeprefix(f"{tag}/"): x
        for name, x in vector.inputs.items()
        if name.startswith(f"{tag}/")
    }
    share = config.head_width // 3
    places = AxisPositions(shares=(share, share, share), units=config.units)
    sides = [torch.arange(side) for side in (grid.frames, grid.rows, grid.columns)]
    dtype = given["tokens"].dtype
    shared = Shared(
        modulation=given["modulation6"].transpose(0, 1)[:, None] + _one_in_scales(),
        text=given["context"],
        text_bias=text_bias(given["context_valid"], dtype),
        bias=token_bias(given.get("token_valid"), dtype),
        rotary=places(grid_positions(sides, batch=1)),
        grid=grid,
    )
    return block(given["tokens"], shared), keys.dump(block.state_dict())


def _one_in_scales() -> Tensor:
    """Our scales are 1 + the reference's; rows are shift, scale and gate, twice."""
    return torch.tensor([0.0, 1.0, 0.0] * 2)[:, None]


def _time(vector: Vector) -> Results:
    """The time embedding, and the modulation of all blocks made of it."""
    tag = "adaln_single"
    state = {name: x for name, x in vector.state.items() if name.startswith(f"{tag}.")}
    width = len(state[f"{tag}.emb.timestep_embedder.linear_2.bias"])
    embedding, modulation = NumberEmbedding(width), SharedModulation(width, branches=2)
    both = nn.ModuleDict({"time": embedding, "modulation": modulation}).eval()
    keys = KeyMap(tuple(public.time(f"{tag}.", "")))
    load_into(both, keys.load(state))
    embedded = embedding(vector.inputs[f"{tag}/timestep"])
    six = modulation(embedded[:, None])[:, 0] - _one_in_scales()
    outputs = {f"{tag}/embedded": embedded, f"{tag}/six": six.flatten(1)}
    return Results(outputs, keys.dump(both.state_dict()))


def _text(vector: Vector) -> Results:
    """The two layers that text tokens go through."""
    tag = "caption_projection"
    state = {name: x for name, x in vector.state.items() if name.startswith(f"{tag}.")}
    width, inputs = state[f"{tag}.linear_1.weight"].shape
    layers = MLP(inputs, width, width).eval()
    keys = KeyMap(tuple(public.text(f"{tag}.", "")))
    load_into(layers, keys.load(state))
    return Results({tag: layers(vector.inputs[tag])}, keys.dump(layers.state_dict()))


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_plan/skiparse/permutations": permutations,
    "open_sora_plan/skiparse/blocks": blocks,
    "open_sora_plan/skiparse/average_attention_distance": average_attention_distance,
    "open_sora_plan/epsilon_and_embeddings": small_numbers,
}
