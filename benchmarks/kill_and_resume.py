"""Kill `kineograph train` without warning, again and again, and compare what comes out.

    python benchmarks/kill_and_resume.py [--kills 20] [--folder DIR] [--report FILE]

A miniature of the toybox recipe is trained twice on the same cache: once in peace, and once
with SIGKILL at random moments, each time started again with the same command. The weights of
both have to be equal bit for bit. Prints a table of the kills.
"""

import argparse
import hashlib
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

SEED = 0
STEPS = 40  # of each of the recipe's stages
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


def kill(words: Sequence[str], run: Path, after: float) -> tuple[str, str, bool]:
    """Start the command, kill it `after` seconds past its first sign of work.

    Returns:
        The newest states before and after, and whether the command had already finished.
    """
    before = newest(run)
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    while newest(run) == before and process.poll() is None:
        time.sleep(0.005)
    time.sleep(after)
    process.kill()
    return before, newest(run), process.wait() == 0


def main() -> None:
    """Run both, print the report, exit with 1 where the weights differ."""
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
    overrides = [
        *MINIATURE,
        *changes("autoencoder_stages", len(toybox.autoencoder_stages), 2),
        *changes("stages", len(toybox.stages), STEPS),
    ]
    sources = prepare(folder, overrides)
    subprocess.run(
        command("train", folder / "peace", sources, overrides),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    words = command("train", folder / "killed", sources, overrides)
    draw = random.Random(SEED)
    rows = []
    for number in range(1, told.kills + 1):
        after = 1.5 * draw.random()
        before, now, finished = kill(words, folder / "killed", after)
        rows.append(
            f"| {number} | {after:.2f} | {before} | {now} | {'yes' if finished else 'no'} |"
        )
        print(rows[-1], flush=True)
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    peace, killed = (digests(folder / name / "weights") for name in ("peace", "killed"))
    lines = report(rows, peace, killed)
    print("\n".join(lines))
    if told.report:
        told.report.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.exit(0 if peace and peace == killed else 1)


def report(rows: Sequence[str], peace: dict[str, str], killed: dict[str, str]) -> list[str]:
    """The dated page."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    verdict = "equal" if peace and peace == killed else "DIFFERENT"
    return [
        f"# Killed {len(rows)} times, {date.today().isoformat()}",
        "",
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, "
        f"commit {commit}; `python benchmarks/kill_and_resume.py --kills {len(rows)}`",
        "",
        f"Weights of the run in peace and of the run that was killed: **{verdict}**.",
        "",
        "| file | in peace | killed |",
        "|---|---|---|",
        *(f"| {name} | {peace[name]} | {killed.get(name, 'missing')} |" for name in peace),
        "",
        "| kill | seconds after its first new state | newest state before | after | had finished |",
        "|---|---|---|---|---|",
        *rows,
    ]


if __name__ == "__main__":
    main()
