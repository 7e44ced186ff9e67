"""LTX-Video's times of training and its losses are what the formulas say."""

from pathlib import Path

import pytest

from kineograph.proof.verify import verify

GOLDEN = Path(__file__).parent.parent / "golden" / "ltx_video"


@pytest.mark.parametrize("name", ["training.losses.json", "training.timestep_sampling.json"])
def test_the_formulas_are_matched(name):
    (entry,) = verify([GOLDEN / name]).entries
    assert entry.status == "pass", entry.lines()
    assert all(check.passed for check in entry.checks)


def test_only_the_public_trainers_own_reading_is_informative():
    (entry,) = verify([GOLDEN / "training.timestep_sampling.json"]).entries
    names = {check.name.rsplit("_n", 1)[0] for check in entry.checks if check.informative}
    assert names == {"stretched", "stretched_uniform10"}
