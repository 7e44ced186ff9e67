"""Whole samplings of LTX-Video end where the reference's programs end."""

from pathlib import Path

import pytest
import torch

from kineograph.proof.ltx_pipeline import guidance_091, guidance_of, times_of
from kineograph.proof.ltx_sampling import latent_size, read_setting
from kineograph.proof.vector import read_vector
from kineograph.proof.verify import verify
from kineograph.types import Grid

GOLDEN = Path(__file__).parent.parent / "golden" / "ltx_video"
STORED = sorted(file.name for file in GOLDEN.glob("pipeline.*.json"))
SD3 = {"shifting": "SD3", "target_shift_terminal": 0.1}
GRID = Grid(3, 2, 3)


@pytest.mark.parametrize("name", STORED)
def test_the_reference_is_matched(name):
    (entry,) = verify([GOLDEN / name]).entries
    assert entry.status == "pass", entry.lines()
    assert entry.written


def test_stored_draws_become_cells_of_the_right_frames():
    vector = read_vector(GOLDEN / "pipeline.t2v_cfg.json")
    setting = read_setting(vector, vector.config["pipeline_kwargs"], causal=False)
    drawn = setting.draws(setting.shape)
    assert setting.grid == GRID
    tokens = vector.inputs["draw/00"]
    assert (drawn[1, :, 2, 1, 0] == tokens[1, 2 * 6 + 3]).all()


def test_skipped_steps_leave_a_last_jump_to_nought():
    said = {"num_inference_steps": 5}
    whole = times_of(said, SD3, GRID)
    some = times_of(
        {**said, "skip_initial_inference_steps": 2, "skip_final_inference_steps": 1}, SD3, GRID
    )
    assert some.tolist() == [*whole[2:4].tolist(), 0.0]


def test_listed_times_need_no_number_of_steps():
    said = {"timesteps": [1.0, 0.9094, 0.725], "num_inference_steps": None}
    assert times_of(said, SD3, GRID).tolist() == pytest.approx([1.0, 0.9094, 0.725, 0.0])


@pytest.mark.parametrize(
    ("scheduler", "first"),
    [
        ({"sampler": "LinearQuadratic"}, 0.9875),
        ({"sampler": "Uniform"}, 0.75),
        ({"sampler": "Constant", "shift": 0.0}, 0.75),
        ({"shifting": "SimpleDiffusion", "base_resolution": 18}, 0.75),
    ],
)
def test_every_rule_of_the_references_scheduler_is_known(scheduler, first):
    times = times_of({"num_inference_steps": 4}, scheduler, GRID)
    assert float(times[1]) == pytest.approx(first)


def test_numbers_hold_for_all_of_the_schedule_and_lists_for_their_parts():
    said = {"stg_scale": 1, "rescaling_scale": 0.7, "skip_block_list": [2]}
    one = guidance_of({**said, "guidance_scale": 3.0}, "AttentionValues", 4)
    assert [(p.since, p.text, p.layers) for p in one.phases] == [(0.0, 3.0, (2,))]
    lists = {"guidance_scale": [1, 8], "guidance_timesteps": [0.9, 0.5]}
    two = guidance_of({**said, **lists}, "AttentionSkip", 4)
    assert [(p.since, p.text, p.skip) for p in two.phases] == [(0.9, 1, 1), (0.5, 8, 1)]
    assert two.how == "attention"


@pytest.mark.parametrize("strategy", [None, "Residual"])
def test_a_strategy_that_changes_nothing_in_the_reference_disturbs_no_layer(strategy):
    said = {"guidance_scale": 1, "stg_scale": 1, "rescaling_scale": 1, "skip_block_list": [2]}
    (phase,) = guidance_of(said, strategy, 4).phases
    assert phase.layers == () and phase.rescale == 0.0


@pytest.mark.parametrize(
    ("size", "drawn", "expected"),
    [
        ((17, 64, 96), (2, 18, 8), (3, 2, 3)),
        ((20, 70, 90), (1, 4 * 3 * 3, 8), (4, 3, 3)),  # a script rounds up before
        ((20, 72, 104), (1, 3 * 2 * 3, 8), (3, 2, 3)),  # the pipeline itself rounds down
        ((1, 64, 64), (1, 8, 1, 2, 2), (1, 2, 2)),
    ],
)
def test_the_noise_tells_how_a_size_that_is_no_multiple_was_rounded(size, drawn, expected):
    said = dict(zip(("num_frames", "height", "width"), size, strict=True))
    assert latent_size(said, [torch.zeros(drawn)]) == expected


def test_the_old_pipeline_rescales_completely_where_it_says_one():
    said = {"guidance_scale": 3, "stg_scale": 1, "skip_block_list": [1], "rescaling_scale": 1.0}
    (on,) = guidance_091({**said, "do_rescaling": True}, 4).phases
    (off,) = guidance_091(said, 4).phases
    assert (on.rescale, off.rescale) == (1.0, 0.0)
