"""LTX-Video's schedules, shifts and steps are the reference's."""

from pathlib import Path

import pytest

from kineograph.proof.compare import check, tolerance
from kineograph.proof.ltx_schedule import VECTORS
from kineograph.proof.vector import read_vector

GOLDEN = Path(__file__).parent.parent / "golden" / "ltx_video"


@pytest.mark.parametrize("kind", VECTORS)
def test_every_stored_output_is_matched(kind):
    vector = read_vector(GOLDEN / f"scheduler.{kind.split('/')[-1]}.json")
    assert vector.kind == kind
    found = VECTORS[kind](vector).outputs
    assert found.keys() == vector.outputs.keys()
    for name, reference in vector.outputs.items():
        result = check(name, found[name], reference, tolerance(kind, vector.meta, name))
        assert result.passed, result
