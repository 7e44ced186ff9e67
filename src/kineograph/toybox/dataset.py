"""Writing the world as a dataset: shards of clips with captions and scenes, as tar files.

A folder holds `dataset.json`, which says how it was made, and shards in WebDataset's layout: for
each clip `KEY.mp4` (or a lossless `KEY.npz` with `video` and `masks`), `KEY.txt` (a caption) and
`KEY.json` (the scene and what is known exactly), and files for what was asked for beyond that.
A shard is written under a `.part` name and renamed when complete; complete shards are kept.
"""

import io
import json
import multiprocessing
import random
import tarfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from kineograph.errors import DataError, nearest
from kineograph.media.encode import write_video
from kineograph.toybox.camera import view
from kineograph.toybox.captions import attributes, canonical, caption
from kineograph.toybox.edges import canny, sketch
from kineograph.toybox.geometry import depth, flow, motion_score, positions
from kineograph.toybox.render import Rendered, render, times
from kineograph.toybox.scene import Scene, to_json
from kineograph.toybox.views import views
from kineograph.toybox.world import LEVELS, is_held_out, sample_scene

DESCRIPTION = "dataset.json"
FORMATS = ("mp4", "npz")
EXTRAS = ("masks", "depth", "flow", "canny", "sketch", "views", "cameras", "positions")
"""What can be written beyond clip, caption and scene."""

VIEW_AZIMUTHS = (-1.0, -0.5, 0.0, 0.5, 1.0)
"""From where the extra `views` look at the first frame's moment, in radians."""

SEEDS_PER_DATASET = 10**9

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to write.

    size is (Y, X). Clip k of seed s is the scene of seed s x 10**9 + k, so that the clips of two
    seeds differ. held_out: only combinations that are never trained on, instead of none.
    """

    level: int = 1
    clips: int = 1000
    frames: int = 17
    fps: float = 8.0
    size: tuple[int, int] = (128, 128)
    seed: int = 0
    held_out: bool = False
    format: Literal["mp4", "npz"] = "mp4"
    extras: tuple[str, ...] = ()
    shard: int = 250

    def shards(self) -> range:
        """The numbers of the shards; each holds `shard` clips, the last one the rest."""
        return range(-(-self.clips // self.shard))

    def numbers(self, shard: int) -> range:
        """The numbers of the clips in a shard."""
        return range(shard * self.shard, min((shard + 1) * self.shard, self.clips))


def write(
    plan: Plan, folder: Path, *, workers: int = 2, watch: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Write the shards that are missing.

    Args:
        plan: what to write.
        folder: where; made if missing. Another plan's dataset in it is an error.
        workers: processes of one thread each; 1 writes in this process.
        watch: called with the clips that are done and all clips.

    Returns:
        All shards, in order.
    """
    check(plan)
    _claim(plan, folder)
    paths = [folder / f"toybox-{number:06d}.tar" for number in plan.shards()]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    done = sum(len(plan.numbers(n)) for n in plan.shards() if n not in missing)
    for number in _worked(plan, paths, missing, workers):
        done += len(plan.numbers(number))
        if watch is not None:
            watch(done, plan.clips)
    return paths


def check(plan: Plan) -> None:
    """Raise a DataError for what cannot be written."""
    if plan.level not in LEVELS:
        raise DataError(f"level {plan.level}: expected one of {', '.join(map(str, LEVELS))}")
    if plan.format not in FORMATS:
        raise DataError(f"format {plan.format!r}: expected mp4 or npz")
    for extra in plan.extras:
        if extra not in EXTRAS:
            raise DataError(f"extra {extra!r} is not known{nearest(extra, EXTRAS)}")
    numbers = {"clips": plan.clips, "frames": plan.frames, "shard": plan.shard, "fps": plan.fps}
    for name, number in numbers.items():
        if number <= 0:
            raise DataError(f"{name} {number}: expected more than 0")
    if min(plan.size) < 16 or max(plan.size) > 2048:
        raise DataError(f"size {plan.size[1]}x{plan.size[0]}: expected 16 to 2048 pixels each way")


def write_shard(plan: Plan, shard: int, path: Path) -> int:
    """Write one shard, whole or not at all; returns its number."""
    part = path.with_name(path.name + ".part")
    try:
        with tarfile.open(part, "w") as tar:
            for number in plan.numbers(shard):
                for name, content in sample(plan, number).items():
                    entry = tarfile.TarInfo(f"{number:09d}.{name}")
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))
        part.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return shard


def sample(plan: Plan, number: int) -> dict[str, bytes]:
    """The files of one clip by the ending of their name."""
    seed = plan.seed * SEEDS_PER_DATASET + number
    scene = sample_scene(plan.level, seed, held_out=plan.held_out)
    moments = times(plan.frames, plan.fps)
    drawn = render([scene], moments, plan.size)
    text = caption(scene, random.Random(f"caption {seed}"))
    record = {
        "scene": to_json(scene),
        "canonical": canonical(scene),
        "attributes": attributes(scene),
        "held_out": is_held_out(scene),
        "motion_score": round(motion_score(scene, moments, plan.size), 3),
        "fps": plan.fps,
        "frames": plan.frames,
        "size": list(plan.size),
    }
    record |= _numbers(plan, scene)
    files = {"txt": text.encode(), "json": json.dumps(record).encode()}
    if plan.format == "npz":
        files["npz"] = _packed({"video": drawn.video[0].numpy(), "masks": drawn.masks[0].numpy()})
    else:
        files["mp4"] = _encoded(drawn, plan.fps, text)
    for name, arrays in _arrays(plan, scene, drawn).items():
        files[f"{name}.npz"] = _packed(arrays)
    return files


def _worked(plan: Plan, paths: list[Path], missing: list[int], workers: int) -> Iterator[int]:
    """Write the missing shards here or in other processes, giving each number when it is done."""
    if workers <= 1 or len(missing) < 2:
        for number in missing:
            yield write_shard(plan, number, paths[number])
        return
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        workers, fresh, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        jobs = [pool.submit(write_shard, plan, number, paths[number]) for number in missing]
        try:
            for job in as_completed(jobs):
                yield job.result()
        finally:
            for job in jobs:
                job.cancel()


def _claim(plan: Plan, folder: Path) -> None:
    """Write the folder's description, or compare it to the one that is there."""
    path = folder / DESCRIPTION
    wanted = json.loads(json.dumps(asdict(plan)))
    if not path.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            part = path.with_name(path.name + ".part")
            part.write_text(json.dumps(wanted, indent=2) + "\n")
            part.replace(path)
        except OSError as error:
            raise DataError(f"{folder}: cannot be written: {error}") from error
        return
    found = json.loads(path.read_text())
    differing = [name for name in wanted if found.get(name) != wanted[name]]
    if differing:
        name = differing[0]
        raise DataError(
            f"{path}: {name} is {found.get(name)!r} there and {wanted[name]!r} now; "
            "expected the same plan, or an empty folder"
        )


def _numbers(plan: Plan, scene: Scene) -> dict[str, Any]:
    """The extras that go into the JSON record."""
    moments = times(plan.frames, plan.fps)
    record: dict[str, Any] = {}
    if "cameras" in plan.extras:
        seen = view(scene.camera, moments, scene.seconds)
        record["intrinsics"] = seen.intrinsics(plan.size).tolist()
        record["world_to_camera"] = seen.world_to_camera().tolist()
    if "positions" in plan.extras:
        record["positions"] = positions(scene, moments, plan.size).tolist()
    return record


def _arrays(plan: Plan, scene: Scene, drawn: Rendered) -> dict[str, Arrays]:
    """The extras that are arrays, each for a file of its own."""
    moments = times(plan.frames, plan.fps)
    found: dict[str, Arrays] = {}
    if "masks" in plan.extras and plan.format == "mp4":
        found["masks"] = {"masks": drawn.masks[0].numpy()}
    if "depth" in plan.extras:
        away = depth([scene], moments, plan.size)[0]
        found["depth"] = {"depth": away.numpy().astype(np.float16)}
    if "flow" in plan.extras:
        moved = flow(scene, moments, plan.size)
        found["flow"] = {"flow": moved.numpy().astype(np.float16)}
    if "canny" in plan.extras:
        found["canny"] = {"canny": canny(drawn.video[0]).numpy()}
    if "sketch" in plan.extras:
        found["sketch"] = {"sketch": sketch(drawn.video[0]).numpy()}
    if "views" in plan.extras:
        seen = views(scene, 0.0, VIEW_AZIMUTHS, plan.size)
        found["views"] = {
            "video": seen.video.numpy(),
            "masks": seen.masks.numpy(),
            "intrinsics": seen.cameras.intrinsics(plan.size).numpy(),
            "world_to_camera": seen.cameras.world_to_camera().numpy(),
        }
    return found


def _packed(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **dict(arrays))
    return buffer.getvalue()


def _encoded(drawn: Rendered, fps: float, text: str) -> bytes:
    """The clip as an H.264 file that knows its caption."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_video(path, drawn.video[0], fps, metadata={"comment": text})
        return path.read_bytes()
