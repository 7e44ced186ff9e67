"""Steps are shared out so that a training ends when its time does."""

import json
from pathlib import Path
from types import ModuleType

SCRIPT = "train_in_time"
STAGES = {"images": 100, "videos": 300}


def test_as_many_steps_as_fit_and_one_of_each_stage_at_least(bench: ModuleType) -> None:
    paces = {"images": 1.0, "videos": 3.0}  # a quarter and three quarters of the steps: 2.5 s
    assert bench.steps_in(1000.0, STAGES, paces) == 400
    assert bench.steps_in(250.0, STAGES, paces) == 100
    assert bench.steps_in(-5.0, STAGES, paces) == 2


def test_a_pace_is_a_stages_last(bench: ModuleType, tmp_path: Path) -> None:
    records = [
        {"stage": "images", "step": 20, "seconds_per_step": 9.0},  # with starting up
        {"stage": "images", "step": 40, "seconds_per_step": 1.5},
        {"evaluation": "held-out", "psnr": 20.0},
        {"stage": "videos", "step": 3, "seconds_per_step": 4.0},
    ]
    path = tmp_path / "journal.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert bench.pace(path) == {"images": 1.5, "videos": 4.0}


def test_a_training_is_timed_first_and_fills_what_is_left(
    bench: ModuleType, tmp_path: Path, monkeypatch
) -> None:
    calls: list[list[str]] = []

    def run(call: list[str]) -> None:
        calls.append(call)
        folder = Path(call[call.index("--out") + 1])
        folder.mkdir()
        paces = [{"stage": name, "seconds_per_step": 0.5} for name in STAGES]
        (folder / "journal.jsonl").write_text("\n".join(map(json.dumps, paces)))

    monkeypatch.setattr(bench, "run", run)
    monkeypatch.setattr(bench.time, "monotonic", lambda: 40.0)
    plan = bench.Plan(tmp_path, "toybox", 1.0, "cpu", 1, 0, (1,), "", ("cache.size=16",))
    call = plan.command("train", "", "--data", "latents")
    assert bench.train(plan, STAGES, call, "denoiser", until=60.0) == 40
    outs = [call[call.index("--out") + 1] for call in calls]
    assert outs == [str(tmp_path / "denoiser-timed"), str(tmp_path / "denoiser")]
    assert [call[call.index("--steps") + 1] for call in calls] == [str(bench.PROBE), "40"]
    assert all("cache.size=16" in call for call in calls)
