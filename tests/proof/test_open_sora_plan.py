"""Open-Sora Plan's autoencoder, losses and rotary positions are the reference's."""

from pathlib import Path

import pytest

from kineograph.proof.verify import verify

GOLDEN = Path(__file__).parent.parent / "golden" / "open_sora_plan"
FILES = sorted(GOLDEN.glob("*.json")) + sorted(GOLDEN.glob("*.manifest.json.gz"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.split(".json")[0])
def test_the_reference_is_matched(path):
    (entry,) = verify([path]).entries
    assert entry.status == "pass", entry.lines()
    assert entry.written is not False
