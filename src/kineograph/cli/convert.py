"""`kineograph convert`: weights and adapters, from public names to ours and back."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from kineograph.errors import CheckpointError, ConfigError, nearest

if TYPE_CHECKING:
    from kineograph.checkpoints.public.kinds import Config, Match
    from kineograph.checkpoints.stream import Piece
    from kineograph.recipes.recipe import Recipe

Part = Literal["autoencoder", "text", "denoiser"]
TO = ("ours", "public")
GIGABYTE = 1_000_000_000
SETTINGS = "public_config"
"""Where the header of converted weights keeps the settings that stood beside them."""


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Convert weights of the published systems into ours, ours into theirs, and adapters.

    To `ours`: a public file, folder or hub id becomes a part of a weights folder. To `public`: a
    part of a weights folder becomes a checkpoint with public names. To `kineograph`, `diffusers`,
    `comfyui` or `kohya`: an adapter (LoRA) of any of these becomes one of another. Weights are
    read and written one file after the other, in the dtypes that they have.
    """

    source: Annotated[str, "weights or adapter to convert: file, folder, or hub id in the cache"]
    out: Annotated[Path, "folder to write to; a .safetensors file for adapters and single files"]
    to: Annotated[str, "ours, public; for adapters kineograph, diffusers, comfyui, kohya"] = "ours"
    kind: Annotated[str | None, "what the source is, e.g. ltx; default: recognised"] = None
    part: Annotated[Part | None, "which part of a weights folder or of a file with several"] = None
    layout: Annotated[str | None, "which public names, e.g. diffusers; default: the usual"] = None
    model: Annotated[str | None, "recipe or weights folder that the part or adapter is for"] = None
    adapter: Annotated[tuple[str, ...], "to ours from ours: merge FILE[:STRENGTH]"] = ()
    shard: Annotated[float, "most gigabytes in one file"] = 2.0

    def run(self) -> None:
        """Convert, and say what was recognised and written."""
        from kineograph.checkpoints.adapters import STYLES
        from kineograph.checkpoints.hub import local

        choices = (*TO, *STYLES)
        if self.to not in choices:
            raise ConfigError(f"--to {self.to}{nearest(self.to, choices)}")
        if not self.shard > 0:
            raise ConfigError(f"--shard {self.shard}: expected a number above 0")
        source = local(self.source)
        if self.out.resolve() == source.resolve():
            raise ConfigError(f"{self.out}: expected another place than the source's")
        if self.to in STYLES:
            self._adapter(source)
        elif self.to == "public":
            self._to_public(source)
        elif self.adapter:
            self._merge(source)
        else:
            self._to_ours(source)

    def _to_ours(self, path: Path) -> None:
        from kineograph.checkpoints import files, stream
        from kineograph.checkpoints.public import kinds
        from kineograph.config import to_data

        prefix = self._prefix(path)
        source = stream.Source(path, prefix)
        settings = files.read_config(path)
        match = kinds.recognise(source.likes, settings, self.kind)
        self._same_part(match)
        config = kinds.stacked_statistics(match.config, source)
        pieces = stream.to_ours(match.keys, source)
        dropped = match.keys.dropped(source)
        data = to_data(config)
        told = {"part": match.kind.role, "config": json.dumps(data)}
        told |= {SETTINGS: json.dumps(settings)} if settings else {}
        place = self.out / f"{match.kind.role}.safetensors"
        self._recipe(match.kind.role, data)
        self._write(pieces, place, told)
        self._say(path, match, pieces, place)
        if dropped:
            print(f"  left out, because nothing needs them: {', '.join(dropped[:6])}")

    def _to_public(self, path: Path) -> None:
        from kineograph.checkpoints import stream
        from kineograph.checkpoints.public import kinds

        role, weights = self._own(path)
        config = self._own_config(path, weights, role)
        match = kinds.of_config(config, self.layout)
        source = stream.Source(weights)
        pieces = stream.to_public(match.keys, source)
        single = self.out.suffix == ".safetensors"
        stem = "diffusion_pytorch_model" if match.layout == "diffusers" else "model"
        place = self.out if single else self.out / f"{stem}.safetensors"
        settings = _header(role, weights).get(SETTINGS)
        told = {"format": "pt", **({"config": settings} if single and settings else {})}
        self._write(pieces, place, told)
        if settings and not single:
            (self.out / "config.json").write_text(settings + "\n", encoding="utf-8")
        self._say(path, match, pieces, place)

    def _write(self, pieces: "list[Piece]", place: Path, told: dict[str, str]) -> None:
        """Write, then remove what an earlier conversion left under these names."""
        from kineograph.checkpoints import stream

        written = stream.write(pieces, place, told, int(self.shard * GIGABYTE))
        index = place.with_name(f"{place.name}.index.json")
        kept = {*written, *([index] if len(written) > 1 else [])}
        found = {place, index, *place.parent.glob(f"{place.stem}-*-of-*.safetensors")}
        for old in found - kept:
            old.unlink(missing_ok=True)

    def _say(self, path: Path, match: "Match", pieces: "list[Piece]", place: Path) -> None:
        from kineograph.checkpoints import stream

        tensors = sum(len(piece.likes) for piece in pieces)
        numbers = sum(like.numel() for piece in pieces for like in piece.likes.values())
        total = sum(map(stream.size, pieces))
        print(
            f"{path}: {match.kind.role} of kind {match.name}, layout {match.layout}: "
            f"{tensors} tensors, {numbers:,} numbers, {total / GIGABYTE:.3f} GB -> {place}"
        )

    def _prefix(self, path: Path) -> str:
        """What the names of the wanted part begin with."""
        from kineograph.checkpoints.public import kinds
        from kineograph.checkpoints.stream import Source

        names = tuple(Source(path).likes)
        wanted = self.part
        if wanted is None and self.kind is not None and self.kind in kinds.KINDS:
            wanted = kinds.KINDS[self.kind].role
        roles: tuple[Part, ...] = ("autoencoder", "text", "denoiser")
        held = {role: kinds.prefix_of(names, role) for role in roles}
        several = [role for role, prefix in held.items() if prefix]
        if wanted is None and len(several) > 1:
            raise ConfigError(f"{path} holds several parts; expected --part {' or '.join(several)}")
        return held[wanted or (several[0] if several else "text")]

    def _same_part(self, match: "Match") -> None:
        if self.part is not None and match.kind.role != self.part:
            raise ConfigError(f"--part {self.part}: {self.source} is a {match.kind.role}")

    def _recipe(self, role: Part, data: object) -> None:
        """Put a part's sizes into the recipe of the folder, or into a new one."""
        from kineograph import recipes
        from kineograph.config import from_data, to_data
        from kineograph.recipes.recipe import Recipe

        self.out.mkdir(parents=True, exist_ok=True)
        file = self.out / recipes.FILE
        if file.exists():
            recipe = recipes.read(self.out)
        elif self.model is not None:
            recipe = self._model()
        else:
            return
        whole = from_data(Recipe, {**to_data(recipe), role: data})
        file.write_text(json.dumps(to_data(whole), indent=1) + "\n", encoding="utf-8")

    def _own(self, path: Path) -> tuple[Part, Path]:
        """Which part of a weights folder is wanted, and where it lies."""
        from kineograph.checkpoints.parts import find

        roles: tuple[Part, ...] = ("autoencoder", "text", "denoiser")
        there = [role for role in roles if find(path, role).exists()]
        if self.part is not None and self.part in there:
            return self.part, find(path, self.part)
        if self.part is not None or not there:
            missing = self.part or "part of a model"
            raise CheckpointError(f"{path}: no {missing}; expected a weights folder of ours")
        if len(there) > 1:
            raise ConfigError(f"{path} holds several parts; expected --part {' or '.join(there)}")
        return there[0], find(path, there[0])

    def _own_config(self, folder: Path, weights: Path, role: Part) -> "Config":
        """A part's sizes: from the folder's recipe, else from the header of its weights."""
        from kineograph import recipes
        from kineograph.checkpoints.public.kinds import KINDS
        from kineograph.config import from_data, to_data

        if (folder / recipes.FILE).exists():
            recipe = recipes.read(folder)
            parts: dict[str, Config] = {
                "autoencoder": recipe.autoencoder,
                "text": recipe.text,
                "denoiser": recipe.denoiser,
            }
            return parts[role]
        data = json.loads(_header(role, weights).get("config", "{}"))
        for kind in KINDS.values():
            if kind.role == role and to_data(kind.published[0])["kind"] == data.get("kind"):
                return from_data(type(kind.published[0]), data)
        raise CheckpointError(
            f"{folder}: no {recipes.FILE}, and the header of {weights.name} does not say its sizes"
        )

    def _model(self) -> "Recipe":
        """The recipe that `--model` means."""
        from kineograph import recipes

        assert self.model is not None
        if self.model in recipes.names():
            folder = recipes.weights(self.model)
            return recipes.read(folder) if folder.is_dir() else recipes.get(self.model)
        return recipes.read(recipes.weights(self.model))

    def _adapter(self, path: Path) -> None:
        """An adapter in another key style."""
        from kineograph.checkpoints import adapters, files
        from kineograph.checkpoints.public.adapters import names
        from kineograph.checkpoints.public.kinds import KINDS

        if self.model is not None:
            config: Config = self._model().denoiser
        elif self.kind is not None and self.kind in KINDS:
            config = KINDS[self.kind].published[0]
        else:
            raise ConfigError("an adapter fits one model only; expected --model, or --kind")
        layouts, style = names(config), adapters.STYLES[self.to]
        changes = adapters.read(path, tuple(layouts.values()))
        about = files.read_metadata(path)
        about = {name: text for name, text in about.items() if name != adapters.METADATA}
        made = adapters.export(changes, layouts[self.to])
        adapters.write(self.out, made, style, about)
        ranks = sorted({one.rank for one in made.values()})
        print(
            f"{path}: adapter of {len(made)} layers, ranks {', '.join(map(str, ranks))}, "
            f"keys such as {style.layer(next(iter(made)))}.{style.down} -> {self.out}"
        )

    def _merge(self, path: Path) -> None:
        """A weights folder whose denoiser has the adapters added."""
        import shutil

        from kineograph import recipes
        from kineograph.checkpoints import files, parts
        from kineograph.generation.adapters import attach

        recipe = recipes.read(path)
        stored = files.read(parts.find(path, "denoiser"))
        module = recipe.denoiser.build()
        files.load_into(module, stored)
        attach(module, recipe.denoiser, self.adapter)
        shutil.copytree(path, self.out, dirs_exist_ok=True)
        merged = {name: one.to(stored[name].dtype) for name, one in module.state_dict().items()}
        parts.write(self.out, "denoiser", merged)
        print(f"{path}: denoiser with {', '.join(self.adapter)} -> {self.out}")


def _header(role: Part, weights: Path) -> dict[str, str]:
    """The texts in the header of a part's file, or of its first shard."""
    from kineograph.checkpoints import files

    if weights.name.endswith(".index.json"):
        weights = min(weights.parent.glob(f"{role}-*.safetensors"))
    return files.read_metadata(weights)
