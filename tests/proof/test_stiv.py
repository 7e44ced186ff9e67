"""STIV's block, rotation, replacement, guidance and sampling are those of its equations."""

from pathlib import Path

import pytest

from kineograph.proof import stiv, stiv_sampling
from kineograph.proof.vector import read_vector
from kineograph.proof.verify import verify

GOLDEN = Path(__file__).parent.parent / "golden" / "stiv"
FILES = sorted(GOLDEN.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_reference_is_matched(path):
    (entry,) = verify([path]).entries
    assert entry.status == "pass", entry.lines()
    assert all(check.passed for check in entry.checks)
    assert entry.written is not False


def test_every_kind_has_a_vector():
    assert {read_vector(path).kind for path in FILES} == set(stiv.VECTORS) | set(
        stiv_sampling.VECTORS
    )
