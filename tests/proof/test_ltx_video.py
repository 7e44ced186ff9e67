"""LTX-Video's transformer is the reference's, in both layouts and at both sizes."""

from pathlib import Path

import pytest

from kineograph.proof.verify import verify

GOLDEN = Path(__file__).parent.parent / "golden" / "ltx_video"
VECTORS = ["transformer.diffusers_layout.json", "rope.real_widths.json"]
MANIFESTS = sorted(file.name for file in GOLDEN.glob("denoiser.*.manifest.json.gz"))


@pytest.mark.parametrize("name", VECTORS + MANIFESTS)
def test_the_reference_is_matched(name):
    (entry,) = verify([GOLDEN / name]).entries
    assert entry.status == "pass", entry.lines()
    assert entry.written is not False


def test_the_rotation_keeps_the_references_order_of_operations():
    """In another order the fastest angles would differ by thousandths."""
    (entry,) = verify([GOLDEN / "rope.real_widths.json"]).entries
    assert all(check.largest < 1e-6 for check in entry.checks)
