"""Prompts as rows of ids, by the tokenizer files that were published with an encoder.

Letters: B prompts, L tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import torch
from torch import Tensor

from kineograph.errors import CheckpointError, ConfigError

SENTENCE_PIECES = "spiece.model"
WHOLE = "tokenizer.json"
WORDS, MERGES = "vocab.json", "merges.txt"
# What CLIP cuts a text into before its pairs are merged (Radford et al., 2021).
CLIP_WORDS = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)


class Tokeniser(Protocol):
    """A text as ids, without the tokens that begin or end a prompt."""

    def ids(self, text: str) -> list[int]:
        """All ids of a text."""
        ...

    def rest(self, text: str, kept: int) -> str:
        """What of a text its first `kept` ids do not say."""
        ...


class SentencePieces:
    """T5's and mT5's published tokenizer, a SentencePiece model."""

    def __init__(self, path: Path) -> None:
        library = _sentencepiece()
        try:
            self._model: Any = library.SentencePieceProcessor(model_file=str(path))
        except (OSError, RuntimeError) as error:
            raise CheckpointError(f"{path}: no SentencePiece model: {error}") from error

    def ids(self, text: str) -> list[int]:
        """All ids of a text."""
        return [int(one) for one in self._model.encode(text)]

    def rest(self, text: str, kept: int) -> str:
        """The further ids as text, which is normalised: single spaces, plain characters."""
        return str(self._model.decode(self.ids(text)[kept:]))


class Tokens:
    """A tokenizer in one file, `tokenizer.json`, or CLIP's in two."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def ids(self, text: str) -> list[int]:
        """All ids of a text."""
        return [int(one) for one in self._model.encode(text, add_special_tokens=False).ids]

    def rest(self, text: str, kept: int) -> str:
        """The text from where the next id begins."""
        starts = [start for start, _ in self._model.encode(text, add_special_tokens=False).offsets]
        return text[starts[kept] :] if kept < len(starts) else ""


def read_tokeniser(folder: Path) -> Tokeniser:
    """The tokenizer in a folder: `spiece.model`, `tokenizer.json`, or CLIP's two files.

    Raises:
        CheckpointError: there is none, or it is damaged.
        ConfigError: a package of the `models` extra is missing.
    """
    if (folder / SENTENCE_PIECES).exists():
        return SentencePieces(folder / SENTENCE_PIECES)
    whole, words, merges = folder / WHOLE, folder / WORDS, folder / MERGES
    found = whole if whole.exists() else words
    if not (whole.exists() or (words.exists() and merges.exists())):
        there = "no such folder"
        if folder.is_dir():
            names = ", ".join(sorted(file.name for file in folder.iterdir())[:8])
            there = f"it holds {names}" if names else "it is empty"
        raise CheckpointError(
            f"{folder}: no tokenizer: {there}; expected {SENTENCE_PIECES}, {WHOLE}, or {WORDS} "
            f"with {MERGES}"
        )
    library = _tokenizers()
    try:
        if found == whole:
            model = library.Tokenizer.from_file(str(whole))
            model.no_padding()
            model.no_truncation()
            return Tokens(model)
        return Tokens(_clip(library, words, merges))
    except Exception as error:  # the library raises nothing more exact
        raise CheckpointError(f"{found}: no tokenizer: {error}") from error


@dataclass(frozen=True, eq=False)
class Rows:
    """Ids (B, L), a mask (B, L), true where they are text, and what was cut off each prompt."""

    ids: Tensor
    mask: Tensor
    cut: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What stands around the ids of a prompt.

    vocabulary: how many ids the encoder knows; length: of a row; start: ids before the prompt;
    end: the id behind it; pad: fills the row.
    """

    vocabulary: int
    length: int
    start: tuple[int, ...] = ()
    end: int
    pad: int

    def __post_init__(self) -> None:
        least = len(self.start) + 1
        if self.length < least:
            raise ConfigError(f"length = {self.length}: expected {least} or more tokens")

    def rows(self, prompts: Sequence[str], tokeniser: Tokeniser) -> Rows:
        """Prompts as rows of one length; what does not fit is cut off the end, and told.

        Raises:
            CheckpointError: an id that the encoder does not know.
        """
        room = self.length - len(self.start) - 1
        ids = torch.full((len(prompts), self.length), self.pad)
        mask = torch.zeros(ids.shape, dtype=torch.bool)
        cut = []
        for row, prompt in enumerate(prompts):
            found = tokeniser.ids(prompt)
            whole = [*self.start, *found[:room], self.end]
            ids[row, : len(whole)] = torch.tensor(whole)
            mask[row, : len(whole)] = True
            cut.append(tokeniser.rest(prompt, room).strip() if len(found) > room else "")
        largest = int(ids.max()) if ids.numel() else 0
        if largest >= self.vocabulary:
            raise CheckpointError(
                f"the tokenizer has the id {largest}: expected ids below {self.vocabulary}, the "
                "encoder's vocabulary; the two do not belong together"
            )
        return Rows(ids, mask, tuple(cut))


class Prompts:
    """Prompts as rows of ids; the tokenizer's files are read with the first prompt."""

    def __init__(self, folder: str, frame: Frame) -> None:
        self.folder = folder
        self.frame = frame
        self._tokeniser: Tokeniser | None = None

    def __call__(self, prompts: Sequence[str]) -> Rows:
        """B prompts -> rows of ids.

        Raises:
            ConfigError: no folder is set, or a package of the `models` extra is missing.
            CheckpointError: the folder holds no tokenizer.
        """
        if isinstance(prompts, str):
            raise TypeError("prompts: a list of sentences is expected, not one string")
        if self._tokeniser is None:
            if not self.folder:
                raise ConfigError(
                    "tokenizer = '': expected the folder with the encoder's tokenizer files, e.g. "
                    f"{SENTENCE_PIECES}; nearest: --set text.tokenizer=FOLDER"
                )
            self._tokeniser = read_tokeniser(Path(self.folder))
        return self.frame.rows(prompts, self._tokeniser)


def _clip(library: ModuleType, words: Path, merges: Path) -> Any:
    """CLIP's byte pairs: lower case, single spaces, words, then merged pairs."""
    model = library.Tokenizer(
        library.models.BPE.from_file(
            str(words), str(merges), unk_token="<|endoftext|>", end_of_word_suffix="</w>"
        )
    )
    cleaned = library.normalizers
    model.normalizer = cleaned.Sequence(
        [cleaned.NFC(), cleaned.Replace(library.Regex(r"\s+"), " "), cleaned.Lowercase()]
    )
    split = library.pre_tokenizers
    model.pre_tokenizer = split.Sequence(
        [
            split.Split(library.Regex(CLIP_WORDS), behavior="removed", invert=True),
            split.ByteLevel(add_prefix_space=False),
        ]
    )
    return model


def _sentencepiece() -> ModuleType:
    try:
        import sentencepiece
    except ImportError as error:
        raise _absent("sentencepiece") from error
    module: ModuleType = sentencepiece
    return module


def _tokenizers() -> ModuleType:
    try:
        import tokenizers
        import tokenizers.models
        import tokenizers.normalizers
        import tokenizers.pre_tokenizers
    except ImportError as error:
        raise _absent("tokenizers") from error
    module: ModuleType = tokenizers
    return module


def _absent(package: str) -> ConfigError:
    return ConfigError(
        f"reading prompts needs the package {package}: pip install 'kineograph[models]'"
    )
