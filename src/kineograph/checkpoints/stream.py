"""Checkpoints from one layout into another, shard by shard, so that memory stays bounded.

What is read and written is planned from names, shapes and dtypes alone; then one output file
after the other is filled, each from the few tensors that it is made of.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from kineograph.checkpoints import files
from kineograph.checkpoints.files import Lazy, Shards
from kineograph.checkpoints.keymap import Constant, KeyMap, Step, constant_like
from kineograph.checkpoints.patterns import show
from kineograph.errors import CheckpointError

LIMIT = 2_000_000_000  # bytes of tensors in one file


class Source(Mapping[str, Tensor]):
    """A checkpoint, or the part of one whose names have a prefix, read tensor by tensor.

    `prefix` is cut off. A pickle is read as a whole, since its format leaves no other way.
    """

    def __init__(self, path: Path, prefix: str = "") -> None:
        self._prefix = prefix
        self._tensors: Mapping[str, Tensor]
        if files.locate(path).suffix in files.PICKLES:
            self._tensors = files.read(path)
            likes = {name: tensor.to("meta") for name, tensor in self._tensors.items()}
        else:
            opened: Lazy | Shards = files.opened(path)
            self._tensors = opened
            likes = {name: opened.like(name) for name in opened}
        self.likes: Mapping[str, Tensor] = {
            name.removeprefix(prefix): like
            for name, like in likes.items()
            if name.startswith(prefix)
        }

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[self._prefix + name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.likes)

    def __len__(self) -> int:
        return len(self.likes)


@dataclass(frozen=True, eq=False)
class Piece:
    """Tensors that are made together: shapes and dtypes by name, and what makes the values."""

    likes: Mapping[str, Tensor]
    make: Callable[[], Sequence[Tensor]]


def to_ours(keys: KeyMap, source: Source) -> list[Piece]:
    """The pieces of a public checkpoint, under our names.

    Raises:
        CheckpointError: names or shapes that do not fit, or a constant that differs.
    """
    pieces = []
    for step in keys.steps(source):
        if isinstance(step.rule, Constant):
            _run(step.rule.to_ours, step.public, source)  # compared, and then left out
        elif step.ours:
            pieces.append(_piece(step.rule.to_ours, (step.public, step.ours), source))
    return pieces


def to_public(keys: KeyMap, source: Source) -> list[Piece]:
    """The pieces of a checkpoint of ours, under public names.

    Raises:
        CheckpointError: names or shapes that do not fit.
    """
    pieces = []
    for step in keys.steps_back(source):
        if isinstance(step.rule, Constant):
            pieces.append(_constant(step, step.rule, source))
        else:
            pieces.append(_piece(step.rule.to_public, (step.ours, step.public), source))
    return pieces


def write(
    pieces: Sequence[Piece], place: Path, metadata: Mapping[str, str], limit: int = LIMIT
) -> list[Path]:
    """Write pieces into one file, or into several with an index beside them.

    Args:
        pieces: what is written, in this order.
        place: `FOLDER/STEM.safetensors`; several files are called `STEM-00001-of-00003` and so on.
        metadata: of every file.
        limit: bytes of tensors in one file; a single piece may be larger.

    Returns:
        The files with tensors.

    Raises:
        CheckpointError: the disk is full, the place cannot be written, or a tensor cannot be made.
    """
    shards = _divide(pieces, limit)
    count, stem = len(shards), place.stem
    names = [f"{stem}-{index:05d}-of-{count:05d}.safetensors" for index in range(1, count + 1)]
    paths = [place] if count == 1 else [place.with_name(name) for name in names]
    for path, shard in zip(paths, shards, strict=True):
        tensors: dict[str, Tensor] = {}
        for piece in shard:
            tensors.update(zip(piece.likes, piece.make(), strict=True))
        files.write(path, tensors, metadata)
        del tensors
    if count > 1:
        table = {
            name: path.name
            for path, shard in zip(paths, shards, strict=True)
            for piece in shard
            for name in piece.likes
        }
        index = {"metadata": {"total_size": sum(map(size, pieces))}, "weight_map": table}
        text = json.dumps(index, indent=0) + "\n"
        place.with_name(f"{place.name}.index.json").write_text(text, encoding="utf-8")
    return paths


def size(piece: Piece) -> int:
    """Bytes of a piece's tensors."""
    return sum(like.numel() * like.element_size() for like in piece.likes.values())


def _divide(pieces: Sequence[Piece], limit: int) -> list[list[Piece]]:
    shards: list[list[Piece]] = [[]]
    total = 0
    for piece in pieces:
        if shards[-1] and total + size(piece) > limit:
            shards.append([])
            total = 0
        shards[-1].append(piece)
        total += size(piece)
    return shards


Rule = Callable[[Sequence[Tensor]], Sequence[Tensor]]


def _piece(rule: Rule, names: tuple[tuple[str, ...], tuple[str, ...]], source: Source) -> Piece:
    """What a rule makes of the first names, under the second."""
    reads, writes = names
    likes = _run(rule, reads, source.likes)
    return Piece(dict(zip(writes, likes, strict=True)), partial(_run, rule, reads, source))


def _constant(step: Step, rule: Constant, source: Source) -> Piece:
    value = constant_like(rule.make(), source.likes.values())
    value = value if not value.is_meta else rule.make().to(value.dtype)
    return Piece({step.public[0]: value.to("meta")}, lambda: [value])


def _run(rule: Rule, reads: Sequence[str], state: Mapping[str, Tensor]) -> Sequence[Tensor]:
    parts = [state[name] for name in reads]
    try:
        return rule(parts)
    except (RuntimeError, ValueError, IndexError) as error:
        found = ", ".join(f"{name} {show(part)}" for name, part in zip(reads, parts, strict=True))
        reason = str(error).strip().splitlines()[-1].strip()
        raise CheckpointError(f"the keys do not fit:\n  {found}: {reason}") from error
