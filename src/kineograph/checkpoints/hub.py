"""Where the files of a hub's model lie on this machine; nothing is ever downloaded.

The hub's own library keeps `models--OWNER--NAME/snapshots/COMMIT/` in a cache folder, and in
`refs/` which commit a branch means.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from kineograph.errors import CheckpointError

NAME = re.compile(r"[\w.-]+/[\w.-]+(@[\w.-]+)?(/[\w.-]+)*")


def local(text: str, environment: Mapping[str, str] | None = None) -> Path:
    """The file or folder that a text means: a path, or a model of a hub that is in the cache.

    Args:
        text: a path, or `owner/name`, with `@revision` behind it for another branch or commit than
            `main`, and `/folder` or `/file` for a part of the model.
        environment: where HF_HUB_CACHE and HF_HOME stand; None: the process's own.

    Raises:
        CheckpointError: there is neither.
    """
    path = Path(text)
    if path.exists():
        return path
    if NAME.fullmatch(text) is None:
        raise CheckpointError(f"{text}: no such file or folder, and no hub id (owner/name)")
    owner, rest = text.split("/", 1)
    name, *inside = rest.split("/")
    name, _, revision = name.partition("@")
    home = cache(os.environ if environment is None else environment)
    model = home / f"models--{owner}--{name}"
    if not model.is_dir():
        raise CheckpointError(
            f"{text}: no such file or folder, and the hub's cache {home} has no {owner}/{name}; "
            f"fetch it with: hf download {owner}/{name}"
        )
    found = _snapshot(model, revision or "main").joinpath(*inside)
    if not found.exists():
        raise CheckpointError(f"{text}: {found.parent} has no {found.name}{_has(found.parent)}")
    return found


def cache(environment: Mapping[str, str]) -> Path:
    """The folder in which the hub's library keeps models."""
    if "HF_HUB_CACHE" in environment:
        return Path(environment["HF_HUB_CACHE"]).expanduser()
    home = environment.get("HF_HOME")
    if home is None:
        home = f"{environment.get('XDG_CACHE_HOME', '~/.cache')}/huggingface"
    return Path(home).expanduser() / "hub"


def _snapshot(model: Path, revision: str) -> Path:
    """The files of a branch, a commit, or the beginning of a commit."""
    snapshots = model / "snapshots"
    branch = model / "refs" / revision
    commit = branch.read_text(encoding="utf-8").strip() if branch.is_file() else revision
    if (snapshots / commit).is_dir():
        return snapshots / commit
    fitting = sorted(snapshots.glob(f"{commit}*")) if snapshots.is_dir() else []
    if len(fitting) == 1:
        return fitting[0]
    raise CheckpointError(f"{model}: the cache has no revision {revision!r}{_has(snapshots)}")


def _has(folder: Path) -> str:
    """What there is instead."""
    names = sorted(child.name for child in folder.iterdir()) if folder.is_dir() else []
    return f"; there is: {', '.join(names[:8])}" if names else ""
