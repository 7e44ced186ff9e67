"""Low-rank changes of weights (LoRA, arXiv:2106.09685), and their way through a key map.

W' = W + strength * alpha / R * up @ down. A rule that moves rows of W moves rows of `up`, one
that moves columns moves those of `down`. Where one public weight is several of ours, each gets
its rows of `up` and the whole of `down`, or its share of it where the shares are evident.

Shapes: W (O, I), down (R, I), up (O, R).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kineograph.checkpoints.keymap import Below, KeyMap, Reshape, Rule, Step
from kineograph.checkpoints.manifest import Shape, dims
from kineograph.errors import CheckpointError, nearest

WEIGHT = ".weight"


@dataclass(frozen=True, eq=False)
class Factors:
    """The change of one weight.

    down: (R, I), in a public name's own shape (R, ...) where its weight has more dimensions;
    up: (O, R); alpha: divided by R it scales the product.
    """

    down: Tensor
    up: Tensor
    alpha: float

    @property
    def rank(self) -> int:
        """R."""
        return self.down.shape[0]

    def change(self) -> Tensor:
        """What is added to the weight at strength 1, (O, I), float32."""
        product = self.up.float() @ self.down.float().flatten(1)
        return product * (self.alpha / self.rank)


@dataclass(frozen=True)
class Way:
    """A rule's work in one direction: what it reads and writes, without `.weight`."""

    rule: Rule
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    run: Callable[[Sequence[Tensor]], Sequence[Tensor]]
    read_shapes: tuple[Shape, ...]
    write_shapes: tuple[Shape, ...]


def to_ours(
    keys: KeyMap, public: Mapping[str, Factors], shapes: Mapping[str, Shape]
) -> dict[str, Factors]:
    """Changes of public weights as changes of ours.

    Args:
        keys: the public names.
        public: module -> factors, in public names.
        shapes: of the public weights.

    Raises:
        CheckpointError: modules that the model has not, or factors of other shapes.
    """
    check(public, shapes)
    ours: dict[str, Factors] = {}
    for step in keys.steps(shapes):
        ours |= _carry(_forth(step, shapes), public)
    return ours


def to_public(
    keys: KeyMap, ours: Mapping[str, Factors], shapes: Mapping[str, Shape]
) -> dict[str, Factors]:
    """The inverse of `to_ours`; `shapes` are again those of the public weights."""
    public: dict[str, Factors] = {}
    for step in keys.steps(shapes):
        public |= _carry(_back(_forth(step, shapes)), ours)
    return public


def check(found: Mapping[str, Factors], shapes: Mapping[str, Shape]) -> None:
    """Make sure that every change has its weight, and fits it.

    Raises:
        CheckpointError: it does not; the nearest names are shown.
    """
    modules = {name.removesuffix(WEIGHT): shape for name, shape in shapes.items()}
    modules = {name: shape for name, shape in modules.items() if len(shape) > 1}
    strangers = [name for name in found if name not in modules]
    lines = [f"no layer {name}{nearest(name, modules)}" for name in strangers[:12]]
    if len(strangers) > 12:
        lines.append(f"... and {len(strangers) - 12} more")
    for name, one in found.items():
        shape = modules.get(name, ())
        if shape and not _fits(one, shape):
            lines.append(
                f"{name}: down {dims(tuple(one.down.shape))} and up {dims(tuple(one.up.shape))}, "
                f"expected ranks beside a weight of {dims(shape)}"
            )
        elif not (one.down.isfinite().all() and one.up.isfinite().all()):
            lines.append(f"{name}: values that are not finite")
    if lines:
        raise CheckpointError("\n  ".join(["the adapter does not fit:", *lines]))


def add(module: nn.Module, changes: Mapping[str, Factors], strength: float) -> None:
    """Change a module's weights for good, in their own dtype.

    Args:
        module: whose weights are changed.
        changes: layer -> factors, in the module's names.
        strength: what the changes are multiplied by; -1 undoes 1, up to rounding.

    Raises:
        CheckpointError: the module has no such layers, or factors have other shapes.
    """
    weights = {name: one for name, one in module.named_parameters() if name.endswith(WEIGHT)}
    check(changes, {name: tuple(one.shape) for name, one in weights.items()})
    with torch.no_grad():
        for name, change in changes.items():
            weight = weights[name + WEIGHT]
            more = (strength * change.change()).view(weight.shape).to(weight.device)
            weight.copy_(weight.float() + more)


def _fits(one: Factors, shape: Shape) -> bool:
    inputs = math.prod(shape[1:])
    rank = one.rank if one.down.ndim else 0
    return rank > 0 and one.down.numel() == rank * inputs and one.up.shape == (shape[0], rank)


def _forth(step: Step, shapes: Mapping[str, Shape]) -> Way:
    """From the public names to ours."""
    like = [torch.empty(shapes[name], device="meta") for name in step.public]
    made = tuple(tuple(one.shape) for one in step.rule.to_ours(like))
    return Way(
        rule=step.rule,
        reads=tuple(name.removesuffix(WEIGHT) for name in step.public),
        writes=tuple(name.removesuffix(WEIGHT) for name in step.ours),
        run=step.rule.to_ours,
        read_shapes=tuple(shapes[name] for name in step.public),
        write_shapes=made,
    )


def _back(way: Way) -> Way:
    """From our names to the public ones."""
    return Way(
        rule=way.rule,
        reads=way.writes,
        writes=way.reads,
        run=way.rule.to_public,
        read_shapes=way.write_shapes,
        write_shapes=way.read_shapes,
    )


def _carry(way: Way, given: Mapping[str, Factors]) -> dict[str, Factors]:
    """The factors of one rule, from the names on one side to those on the other."""
    parts = [given.get(name) for name in way.reads]
    present = [part for part in parts if part is not None]
    if not present:
        return {}
    if _moves_columns(way.rule):
        (one,) = present
        down = one.down.reshape(one.rank, *way.read_shapes[0][1:])
        return {way.writes[0]: Factors(way.run([down])[0], one.up, one.alpha)}
    if len(parts) == 1:
        whole, ups = present[0], [present[0].up]
    else:
        whole, ups = _together(parts, [shape[0] for shape in way.read_shapes])
    made = zip(way.writes, _apart(whole, way.run(ups)), strict=True)
    return {name: factors for name, factors in made if factors is not None}


def _moves_columns(rule: Rule) -> bool:
    """Whether a rule leaves rows as they are and orders columns instead."""
    if isinstance(rule, Below):
        return _moves_columns(rule.rule)
    if not isinstance(rule, Reshape):
        return False
    left, right = (side.split()[0] for side in rule.shape.split("->"))
    return left == right


def _together(
    parts: Sequence[Factors | None], heights: Sequence[int]
) -> tuple[Factors, list[Tensor]]:
    """Factors of several weights over one `down`: a common one as it is, others laid end to end.

    Returns:
        Factors without meaning in `up`, and `up` of each part, (O, R of all).
    """
    present = [part for part in parts if part is not None]
    first = present[0]
    common = len(present) == len(parts) and all(
        one.alpha == first.alpha and torch.equal(one.down, first.down) for one in present
    )
    if common:
        return first, [one.up for one in present]
    total = sum(one.rank for one in present)
    alpha = first.alpha * total / first.rank
    ups, begin = [], 0
    for part, height in zip(parts, heights, strict=True):
        up = first.up.new_zeros(height, total)
        if part is not None:
            ratio = (part.alpha / part.rank) / (first.alpha / first.rank)
            up[:, begin : begin + part.rank] = part.up if ratio == 1.0 else part.up * ratio
            begin += part.rank
        ups.append(up)
    down = torch.cat([one.down for one in present])
    return Factors(down, first.up, alpha), ups


def _apart(whole: Factors, ups: Sequence[Tensor]) -> list[Factors | None]:
    """The factors of several weights, each with the ranks that it alone uses, or with all."""
    owners = _owners(ups) if len(ups) > 1 else None
    if owners is None:
        return [Factors(whole.down, up, whole.alpha) for up in ups]
    parts: list[Factors | None] = []
    for index, up in enumerate(ups):
        own = owners == index
        rank = int(own.sum())
        alpha = whole.alpha * rank / whole.rank
        parts.append(Factors(whole.down[own], up[:, own], alpha) if rank else None)
    return parts


def _owners(ups: Sequence[Tensor]) -> Tensor | None:
    """Which of several weights uses each rank, (R,); None where some are used by several.

    Equal shares, one after the other, are tried first: factors that were not trained are zero.
    """
    used = torch.stack([up.any(0) for up in ups])
    ranks = used.shape[1]
    if ranks % len(ups) == 0:
        even = torch.arange(len(ups)).repeat_interleave(ranks // len(ups)).to(used.device)
        if bool((used.sum(0) == used.gather(0, even[None])[0]).all()):
            return even
    owners = used.int().argmax(0)
    alone = bool((used.sum(0) == 1).all())
    return owners if alone and bool((owners.diff() >= 0).all()) else None
