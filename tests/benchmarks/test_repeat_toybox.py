"""Two journals are compared at the steps of their first stage that both have."""

import json
from pathlib import Path
from types import ModuleType

SCRIPT = "repeat_toybox"


def journal(path: Path, losses: list[float], stage: str = "images") -> Path:
    records = [
        {"evaluation": "held-out", "psnr": 20.0},
        *({"stage": stage, "step": 20 * n, "loss": loss} for n, loss in enumerate(losses, 1)),
        {"stage": "another", "step": 20, "loss": 99.0},
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_a_curve_has_the_steps_that_both_runs_have(bench: ModuleType, tmp_path: Path) -> None:
    here = journal(tmp_path / "here", [2.0, 1.0, 0.5, 0.42])
    long = journal(tmp_path / "long", [1.0, 1.0, 0.5, 0.4, 0.3])
    curve = bench.compared(here, long)
    assert curve.steps == (20, 40, 60, 80)
    assert abs(curve.ratio - 1.025) < 1e-9, "the first two records still show the start"
    text = bench.report(curve, 10.0)
    assert "| 80 | 0.4200 | 0.4000 | 1.050 |" in text and "long run is 1.025" in text


def test_the_journal_of_the_shipped_model_is_there_to_be_compared_with(bench: ModuleType) -> None:
    found = bench.losses(bench.LONG)
    assert found[20] == 3.03831 and len(found) > 20
