"""The cost benchmark measures what it says: equal work on both sides, right counts, no GPU here."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from kineograph.denoisers.ltx import LTXConfig
from kineograph.denoisers.mmdit import MMDiTConfig
from kineograph.types import Grid

CPU = torch.device("cpu")

SCRIPT = "denoiser_blocks"


@pytest.fixture(scope="module")
def tiny(bench):
    return bench.Size(blocks=2, tokens=12, heads=2, head_width=8, words=4)


@pytest.fixture(scope="module")
def peer():
    """Diffusers, whose slow import happens here."""
    return pytest.importorskip(
        "diffusers.models.transformers.transformer_ltx", reason="diffusers is in the extra 'test'"
    )


@torch.no_grad()
def test_both_stacks_do_the_same_counted_work(bench, tiny, peer):
    counts, outputs = [], []
    for work in bench.stacks(tiny, CPU):
        # The counter knows matrix products, but not the CPU's fused attention.
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            outputs.append(work())
        counts.append(counter.get_total_flops())
    assert counts == [tiny.flops, tiny.flops]
    ours, theirs = outputs
    assert (ours - theirs).norm() < 1e-5 * theirs.norm()


def test_a_row_of_the_table_is_complete(bench, tiny, peer):
    cells = bench.compare(tiny, CPU, rounds=1).split("|")[1:-1]
    assert len(cells) == len(bench.BLOCKS)
    assert [cell.strip() for cell in cells[:4]] == ["12", "float32", "2", "no"]


def test_works_take_turns(bench):
    order = []
    works = {name: lambda name=name: order.append(name) for name in "ab"}
    taken = bench.alternate(works, rounds=2, device=CPU)
    assert order == ["a", "b", "b", "a", "a", "b"]  # once before the clock runs
    assert {name: len(times) for name, times in taken.items()} == {"a": 2, "b": 2}


def test_ratios_are_of_the_least_and_in_the_median(bench):
    assert bench.ratio([1.0, 4.0, 9.0], [2.0, 4.0, 3.0]) == (0.5, 1.0)


@torch.no_grad()
def test_every_layer_of_the_sweep_attends_with_its_grouping(bench):
    grid = Grid(1, 2, 8)
    parts = [torch.randn(1, grid.size, 2, 4) for _ in range(3)]
    found = {name: bench.looks(g, parts, grid) for name, g in bench.groupings((2,)).items()}
    assert list(found) == ["dense", "k = 2, tokens", "k = 2, runs"]
    every = slice(None, None, 2)
    alone = bench.looks(bench.Full(), [part[:, every] for part in parts], Grid(1, 2, 4))
    assert torch.allclose(found["k = 2, tokens"][:, every], alone, atol=1e-6)


@pytest.mark.parametrize(
    ("quicker", "expected"), [((16, 32, 64), 16), ((64,), 64), ((16, 64), 64), ((), None)]
)
def test_sparse_pays_from_where_it_stays_quicker(bench, quicker, expected):
    sweep = {n: {"dense": [1.0], "sparse": [0.5 if n in quicker else 2.0]} for n in (16, 32, 64)}
    assert bench.pays_from(sweep, "sparse") == expected


def test_the_use_of_a_gpu_counts_every_step(bench):
    config = LTXConfig(layers=1, heads=2, head_width=8, in_channels=4, out_channels=4, text_width=6)
    took, rate = bench.ltx_clip(config, Grid(1, 2, 2), 3, CPU, compiled=False)
    size = bench.Size(blocks=1, tokens=4, heads=2, head_width=8)
    assert took * rate == pytest.approx(3 * size.flops)


def test_the_use_of_a_training_step_follows_the_formula(bench):
    config = MMDiTConfig(
        channels=2,
        heads=2,
        shares=(2, 2, 4),
        double_layers=1,
        single_layers=2,
        text_width=6,
        pooled_width=5,
    )
    took, rate = bench.mmdit_use(config, Grid(1, 2, 2), 3, CPU, compiled=False)
    parameters = sum(p.numel() for p in config.build().parameters())
    assert took * rate == pytest.approx(6 * parameters * 7 + 12 * 3 * 16 * 7**2)


def test_without_a_gpu_it_says_so(bench, capsys):
    bench.main(["models", "--device", "cpu"])
    assert capsys.readouterr().out.startswith("no GPU here")
