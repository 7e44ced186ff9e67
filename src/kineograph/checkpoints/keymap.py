"""Key maps: a public checkpoint's names and layouts as rules that run in both directions.

A pattern is a dotted name with places: `{rest}`, as the last piece, stands for all remaining
pieces, any other `{place}` for a piece or a part of one. A rule reads its `public` names and
makes `ours`, and back, bit for bit and in the same dtype, on weights, gradients and meta tensors.
For every key the first rule that matches it counts, so special rules come before general ones.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from einops import rearrange
from torch import Tensor

from kineograph.checkpoints.patterns import Side, bind, plan, refuse, show, translate


class Rule(Protocol):
    """What each side of a rule is called, and how one side becomes the other.

    `optional`: it is no error when no key matches.
    """

    @property
    def public(self) -> str | tuple[str, ...]:
        """Patterns of the public names."""
        ...

    @property
    def ours(self) -> str | tuple[str, ...]:
        """Patterns of our names."""
        ...

    @property
    def optional(self) -> bool:
        """Whether the rule may find nothing."""
        ...

    def to_ours(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """The public tensors, in the order of `public`, as ours, in the order of `ours`."""
        ...

    def to_public(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """The inverse of `to_ours`."""
        ...


@dataclass(frozen=True)
class Rename:
    """Another name, the same tensor."""

    public: str
    ours: str
    optional: bool = False

    def to_ours(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """The same tensor."""
        return parts

    def to_public(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """The same tensor."""
        return parts


@dataclass(frozen=True)
class Permute:
    """Rows (dim 0) in another order: ours = public[order(n)], n the number of rows."""

    public: str
    ours: str
    order: Callable[[int], Tensor]
    optional: bool = False

    def to_ours(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """(n, ...) -> (n, ...), reordered."""
        return [_rows(part, self.order(part.shape[0])) for part in parts]

    def to_public(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """(n, ...) -> (n, ...), in the public order again."""
        return [_rows(part, torch.argsort(self.order(part.shape[0]))) for part in parts]


@dataclass(frozen=True)
class Reshape:
    """Another shape or order of dimensions, in einops' words, e.g. `o i 1 1 1 -> o i`.

    `sizes` gives the length of axes that the pattern alone does not determine.
    """

    public: str
    ours: str
    shape: str
    sizes: tuple[tuple[str, int], ...] = ()
    optional: bool = False

    def to_ours(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """The pattern from left to right."""
        return [rearrange(part, self.shape, **dict(self.sizes)) for part in parts]

    def to_public(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """The pattern from right to left."""
        left, right = self.shape.split("->")
        return [rearrange(part, f"{right} -> {left}", **dict(self.sizes)) for part in parts]


@dataclass(frozen=True)
class Join:
    """Several public tensors laid end to end along `dim` are one of ours.

    sizes: length of each part along `dim`; None: all the same.
    """

    public: tuple[str, ...]
    ours: str
    dim: int = 0
    sizes: tuple[int, ...] | None = None
    optional: bool = False

    def to_ours(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """Many -> one."""
        return [_join(parts, self.dim, self.sizes)]

    def to_public(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """One -> many."""
        return _cut(parts[0], self.dim, self.sizes, len(self.public))


@dataclass(frozen=True)
class Split:
    """One public tensor, cut along `dim`, is several of ours.

    sizes: length of each part along `dim`; None: all the same.
    """

    public: str
    ours: tuple[str, ...]
    dim: int = 0
    sizes: tuple[int, ...] | None = None
    optional: bool = False

    def to_ours(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """One -> many."""
        return _cut(parts[0], self.dim, self.sizes, len(self.ours))

    def to_public(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """Many -> one."""
        return [_join(parts, self.dim, self.sizes)]


@dataclass(frozen=True)
class Constant:
    """A public key that is no parameter of ours: checked on load, written again on dump.

    It is compared and written in the state's own dtype. `optional`: some files lack it.
    """

    public: str
    make: Callable[[], Tensor]
    optional: bool = False

    @property
    def ours(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def to_ours(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """One -> none, after a look."""
        (found,) = parts
        expected = self.make().to(found)
        if found.shape != expected.shape:
            raise ValueError(f"shape {show(found)}, expected {show(expected)}")
        if not found.is_meta and not torch.equal(found, expected):
            raise ValueError("it differs from the constant that the model computes")
        return []

    def to_public(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """None -> one."""
        return [self.make()]


@dataclass(frozen=True)
class Optional:
    """Public keys that some files have and nothing of ours needs: dropped on load."""

    public: str

    @property
    def ours(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    @property
    def optional(self) -> bool:
        """Always."""
        return True

    def to_ours(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """One -> none."""
        return []

    def to_public(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """Never asked for: a dump leaves optional keys out."""
        return []


@dataclass(frozen=True)
class Below:
    """Another rule, for names that begin with `outer` publicly and with `inner` here."""

    outer: str
    inner: str
    rule: Rule

    @property
    def public(self) -> tuple[str, ...]:
        """The rule's public patterns below `outer`."""
        return tuple(self.outer + name for name in _many(self.rule.public))

    @property
    def ours(self) -> tuple[str, ...]:
        """The rule's own patterns below `inner`."""
        return tuple(self.inner + name for name in _many(self.rule.ours))

    @property
    def optional(self) -> bool:
        """As the rule."""
        return self.rule.optional

    def to_ours(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """As the rule."""
        return self.rule.to_ours(parts)

    def to_public(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """As the rule."""
        return self.rule.to_public(parts)


@dataclass(frozen=True)
class Step:
    """A rule at work: the public names and ours that belong together."""

    rule: Rule
    public: tuple[str, ...]
    ours: tuple[str, ...]


@dataclass(frozen=True)
class KeyMap:
    """All rules of one public layout; `dump` undoes `load`."""

    rules: tuple[Rule, ...]

    def load(self, public: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Public names to ours.

        Raises:
            CheckpointError: keys that no rule knows, rules that find no key, a constant that
                differs, or a tensor of the wrong shape.
        """
        return translate(public, self._loading())

    def steps(self, public: Iterable[str]) -> list[Step]:
        """What `load` does with public keys of these names, in pieces that stand alone.

        Raises:
            CheckpointError: keys that no rule knows, or rules that find no key.
        """
        todo, problems = plan(public, self._loading())
        refuse(problems)
        return [Step(self.rules[one.index], one.reads, one.writes) for one in todo]

    def steps_back(self, ours: Iterable[str]) -> list[Step]:
        """What `dump` does with keys of these names, in pieces that stand alone.

        Raises:
            CheckpointError: as for `steps`.
        """
        rules = [rule for rule in self.rules if not isinstance(rule, Optional)]
        todo, problems = plan(ours, self._dumping())
        refuse(problems)
        return [Step(rules[one.index], one.writes, one.reads) for one in todo]

    def _dumping(self) -> list[Side]:
        return [
            Side(_many(r.ours), _many(r.public), r.to_public, not r.optional)
            for r in self.rules
            if not isinstance(r, Optional)
        ]

    def _loading(self) -> list[Side]:
        return [Side(_many(r.public), _many(r.ours), r.to_ours, not r.optional) for r in self.rules]

    def dump(self, ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Our names to the public ones.

        Raises:
            CheckpointError: as for `load`.
        """
        public = translate(ours, self._dumping())
        for rule in self.rules:
            if isinstance(rule, Constant):
                public[rule.public] = constant_like(public[rule.public], ours.values())
        return public

    def unknown(self, public: Iterable[str]) -> tuple[str, ...]:
        """Those of the public keys that no rule reads."""
        patterns = [pattern for rule in self.rules for pattern in _many(rule.public)]
        return tuple(key for key in public if all(bind(p, key) is None for p in patterns))

    def dropped(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Those of the public keys that `load` leaves out because they are optional."""
        optional = [rule.public for rule in self.rules if isinstance(rule, Optional)]
        return tuple(key for key in keys if any(bind(p, key) is not None for p in optional))


def _many(names: str | tuple[str, ...]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


def _rows(tensor: Tensor, order: Tensor) -> Tensor:
    if sorted(order.tolist()) != list(range(tensor.shape[0])):
        raise ValueError(f"the order of {len(order)} rows does not permute {tensor.shape[0]}")
    return tensor.index_select(0, order.to(tensor.device))


def _join(parts: Sequence[Tensor], dim: int, sizes: tuple[int, ...] | None) -> Tensor:
    found = tuple(part.shape[dim] for part in parts)
    expected = sizes or (found[0],) * len(found)
    if found != expected:
        raise ValueError(f"lengths {found} along dimension {dim}, expected {expected}")
    if len({part.dtype for part in parts}) > 1:
        raise ValueError("the parts of one tensor have different dtypes")
    return torch.cat(list(parts), dim)


def _cut(tensor: Tensor, dim: int, sizes: tuple[int, ...] | None, count: int) -> list[Tensor]:
    length = tensor.shape[dim]
    expected = sizes or (length // count,) * count
    if sum(expected) != length:
        raise ValueError(f"length {length} along dimension {dim}, expected {sum(expected)}")
    return list(torch.split(tensor, list(expected), dim))


def constant_like(constant: Tensor, state: Iterable[Tensor]) -> Tensor:
    """A constant on the state's device and, where the state has only one, in its float dtype."""
    tensors = list(state)
    device = tensors[0].device if tensors else constant.device
    dtypes = {tensor.dtype for tensor in tensors if tensor.is_floating_point()}
    alike = constant.is_floating_point() and len(dtypes) == 1
    return constant.to(device, dtypes.pop() if alike else constant.dtype)
