"""Kill `kineograph train` without warning, again and again, and compare what comes out.

    python benchmarks/kill_and_resume.py [--kills 20] [--folder DIR] [--report FILE]

A miniature of the toybox recipe is trained on one cache: once in peace; once with SIGKILL, spread
over all stages, every second time at a random moment and every other time while a state is being
written; once where no file may grow beyond half a state, as on a full disk; and once where
the folder may not be written to. Each time the same command is said again. All weights have to be
equal bit for bit, and all journals but for their clocks. Prints a table.
"""

import argparse
import ctypes
import hashlib
import json
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

SEED = 0
STEPS = 8  # of each of the recipe's stages
CLOCKS = ("time", "seconds_per_step", "tokens_per_second", "data_wait_share", "memory_peak_gib")
DROP, OVERRIDE = 24, 1  # prctl: from now on not even root passes over permissions
MINIATURE = (
    "autoencoder.latent_channels=4", "autoencoder.base=8", "autoencoder.encoder_energy=8",
    "autoencoder.decoder_energy=8", "text.width=32", "text.heads=2", "denoiser.layers=2",
    "denoiser.heads=2", "denoiser.head_width=16", "denoiser.in_channels=4",
    "denoiser.out_channels=4", "denoiser.text_width=32", "denoiser.pooled_width=32",
    "denoiser.local.width=8", "cache.frames=5", "cache.size=16",
)  # fmt: skip


def changes(role: str, stages: int, steps: int) -> list[str]:
    """Overrides that make a recipe's stages short and small."""
    found = []
    for number in range(stages):
        found += [f"{role}.{number}.schedule.steps={steps}", f"{role}.{number}.schedule.batch=2"]
        if role == "autoencoder_stages":
            found += [f"{role}.{number}.clips.frames=5", f"{role}.{number}.clips.size=16"]
    return found


def command(
    verb: str, out: Path, extra: Sequence[str | Path], overrides: Sequence[str]
) -> list[str]:
    """One call of the command line, in one process of one thread."""
    words = [sys.executable, "-c", "from kineograph.cli.app import main; main()", verb]
    words += ["--out", str(out), "--processes", "1"]
    return [*words, *map(str, extra), *(word for one in overrides for word in ("--set", one))]


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of weights."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in sorted(folder.glob("*.safetensors"))
    }


def newest(run: Path) -> str:
    """The newest complete state of a run."""
    return max((path.name for path in (run / "states").glob("????????")), default="none")


def prepare(folder: Path, overrides: Sequence[str]) -> list[str | Path]:
    """Train an autoencoder for a few steps and make a cache; returns what `train` needs."""
    weights = folder / "autoencoder" / "weights"
    autoencoder = command("train-autoencoder", folder / "autoencoder", (), overrides)
    subprocess.run(autoencoder, check=True, stdout=subprocess.DEVNULL)
    clips = ("--autoencoder", weights, "--clips", "8")
    cache = command("cache", folder / "latents", clips, overrides)
    subprocess.run(cache, check=True, stdout=subprocess.DEVNULL)
    return ["--autoencoder", weights, "--data", folder / "latents", "--save-every", "1"]


def reached(run: Path) -> tuple[int, int]:
    """The stage and step of the newest complete state of a run, from 0."""
    try:
        text = (run / "states" / newest(run) / "state.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return 0, 0
    table = dict(json.loads(text)["table"])
    return table["stage"], table["step"]


def journal(run: Path) -> list[dict[str, object]]:
    """What a run has written down, without its clocks."""
    lines = (run / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    return [{name: v for name, v in one.items() if name not in CLOCKS} for one in found]


@dataclass(frozen=True)
class Kill:
    """One kill: when, what the newest state was before and after, what lay there half written."""

    writing: bool
    after: float
    before: str
    now: str
    place: tuple[int, int]
    half: bool
    finished: bool

    def row(self, number: int) -> str:
        """Of the table."""
        moment = "while a state is written" if self.writing else f"{self.after:.2f} s later"
        stage, step = self.place
        half, finished = ("yes" if one else "no" for one in (self.half, self.finished))
        return (
            f"| {number} | {moment} | {self.before} | {self.now} | {stage + 1}, {step} | {half} "
            f"| {finished} |"
        )


def kill(words: Sequence[str], run: Path, target: int, after: float, writing: bool) -> Kill:
    """Start the command, and kill it once its states have come so far.

    Args:
        words: the command.
        run: its folder.
        target: number of the state after which it is killed, and after a new one at least.
        after: seconds later, at most.
        writing: not at a moment, but when the next state begins to be written.
    """
    before = newest(run)
    least = max(target, 0 if before == "none" else int(before) + 1)
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)

    def far() -> bool:
        name = newest(run)
        return name != "none" and int(name) >= least

    while not far() and process.poll() is None:
        time.sleep(0.002)
    if writing:
        while not any((run / "states").glob("*.part")) and process.poll() is None:
            time.sleep(0.001)
    else:
        time.sleep(after)
    process.kill()
    finished = process.wait() == 0
    half = any((run / "states").glob("*.part"))
    return Kill(writing, after, before, newest(run), reached(run), half, finished)


def kills(words: Sequence[str], run: Path, count: int, states: int) -> list[Kill]:
    """So many kills, spread over a run that writes so many states; then it may end."""
    draw = random.Random(SEED)
    found = []
    for number in range(count):
        target = 1 + number * (states - STEPS) // max(1, count - 1)
        found.append(kill(words, run, target, 0.3 * draw.random(), bool(number % 2)))
        print(found[-1].row(number + 1), flush=True)
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return found


def obstructed(
    words: Sequence[str], run: Path, obstruct: Callable[[], None], during: Callable[[], None]
) -> str:
    """What the command says that goes on with a run under an obstacle; its states must stay.

    Args:
        words: the command.
        run: its folder.
        obstruct: stands in the way, in the process of the command.
        during: stands in the way outside of it.
    """
    before = states_of(run)
    during()
    ended = subprocess.run(words, preexec_fn=obstruct, capture_output=True, text=True, check=False)
    (run / "states").chmod(0o755)
    run.chmod(0o755)
    said = ended.stderr.strip().splitlines()
    kept = before.items() <= states_of(run).items()
    told = len(said) == 1 and said[0].startswith("kineograph: ")
    verdict = f"exit {ended.returncode}, {'states as before' if kept else 'STATES CHANGED'}"
    return f"{verdict}: {said[-1] if said else 'NOTHING'}" + ("" if told else " (MORE LINES)")


def states_of(run: Path) -> dict[str, str]:
    """The digest list of each complete state."""
    found = (run / "states").glob("????????/digests.json")
    return {path.parent.name: path.read_text(encoding="utf-8") for path in found}


def full(words: Sequence[str], run: Path) -> str:
    """No file may become longer than half of the tensors of a state."""
    tensors = next((run / "states").glob("????????/*.distcp")).stat().st_size

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (tensors // 2, tensors // 2))

    return obstructed(words, run, limit, lambda: None)


def locked(words: Sequence[str], run: Path) -> str:
    """Folder and states may be read only."""

    def drop() -> None:
        ctypes.CDLL(None).prctl(DROP, OVERRIDE, 0, 0, 0)  # root alone needs it, and may

    def close() -> None:
        run.chmod(0o555)
        (run / "states").chmod(0o555)

    return obstructed(words, run, drop, close)


def main() -> None:
    """Run all, print the report, exit with 1 where weights or journals differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--report", type=Path, default=None)
    told = parser.parse_args()
    folder = told.folder or Path(tempfile.mkdtemp(prefix="kineograph-kill-"))

    from kineograph import recipes

    toybox = recipes.get("toybox")
    stages = len(toybox.stages)
    overrides = [
        *MINIATURE,
        *changes("autoencoder_stages", len(toybox.autoencoder_stages), 2),
        *changes("stages", stages, STEPS),
    ]
    sources = prepare(folder, overrides)
    words = {
        name: command("train", folder / name, sources, overrides)
        for name in ("peace", "killed", "obstructed")
    }
    subprocess.run(words["peace"], check=True, stdout=subprocess.DEVNULL)
    found = kills(words["killed"], folder / "killed", told.kills, stages * (STEPS + 1))
    run = folder / "obstructed"
    kill(words["obstructed"], run, STEPS, 0.0, writing=False)
    obstacles = [full(words["obstructed"], run), locked(words["obstructed"], run)]
    subprocess.run(words["obstructed"], check=True, stdout=subprocess.DEVNULL)
    lines = report(folder, found, obstacles, stages)
    print("\n".join(lines))
    if told.report:
        told.report.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.exit(0 if all(same(folder, name) == "equal, equal" for name in words) else 1)


def same(folder: Path, name: str) -> str:
    """Whether a run has the weights and the journal of the one in peace."""
    one, other = folder / "peace", folder / name
    weights = digests(one / "weights") == digests(other / "weights") != {}
    told = journal(one) == journal(other)
    return ", ".join("equal" if good else "DIFFERENT" for good in (weights, told))


def report(folder: Path, found: Sequence[Kill], obstacles: Sequence[str], stages: int) -> list[str]:
    """The dated page."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    per_stage = [sum(one.place[0] == stage for one in found) for stage in range(stages)]
    return [
        f"# Killed {len(found)} times, {date.today().isoformat()}",
        "",
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, "
        f"commit {commit}; `python benchmarks/kill_and_resume.py --kills {len(found)}`",
        "",
        "Weights and journal (without its clocks), against the run in peace: of the run that was "
        f"killed **{same(folder, 'killed')}**, of the one that was obstructed "
        f"**{same(folder, 'obstructed')}**.",
        "",
        f"{stages} stages of {STEPS} steps, a state after every one. Kills by the stage that the "
        f"newest state stood in: {', '.join(map(str, per_stage))}. A state lay there half written "
        f"after {sum(one.half for one in found)} of them.",
        "",
        "| file | in peace | killed | obstructed |",
        "|---|---|---|---|",
        *(
            f"| {name} | {digest} | {digests(folder / 'killed/weights').get(name, 'missing')} "
            f"| {digests(folder / 'obstructed/weights').get(name, 'missing')} |"
            for name, digest in digests(folder / "peace" / "weights").items()
        ),
        "",
        "| obstacle | the command that goes on |",
        "|---|---|",
        f"| no file may grow beyond half a state | {obstacles[0].replace(str(folder), 'DIR')} |",
        f"| the folder may not be written to | {obstacles[1].replace(str(folder), 'DIR')} |",
        "",
        "| kill | when | newest state before | after | its stage, step | half written | ended |",
        "|---|---|---|---|---|---|---|",
        *(one.row(number) for number, one in enumerate(found, start=1)),
    ]


if __name__ == "__main__":
    main()
