"""The command `kineograph`: a verb is a frozen dataclass in a file of its name.

The fields are the command line: without default they are positional, the others are
flags; the annotation is the help. `run()` does the job and may return an exit code.
A verb's file is imported when that verb is asked for, and imports torch in `run()` only.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done in part, 130 interrupted.
"""

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, NoReturn, Protocol, get_args, get_origin, get_type_hints

import typer

from kineograph.errors import KineographError, nearest

KEYWORD = inspect.Parameter.KEYWORD_ONLY
VERBS = {
    "generate": "make a video from a sentence",
    "decode": "finish a generation whose latents were kept",
    "replay": "make a video again from what its file says",
    "reconstruct": "take a video through an autoencoder and back",
    "toybox": "render the procedural world as a captioned dataset",
    "data-check": "decode every clip of a dataset: row, reason, fix",
    "data-stats": "bucket table and funnel of a dataset, before training",
    "data-import": "read any list of clips into a ledger",
    "data-export": "write a dataset for others",
    "cache": "store clips as latents, ready for training",
    "train": "train a recipe's denoiser",
    "train-autoencoder": "train a recipe's autoencoder",
    "latents": "say what an autoencoder's latents are like",
    "evaluate": "measure a model: the score card",
    "evaluate-compare": "say in what two score cards differ",
    "plan": "say what a video or training costs, before it begins",
    "doctor": "say what this machine has, and what is missing",
    "convert": "convert weights and adapters to ours and back",
    "verify": "compare with the published systems",
    "models": "list the recipes",
    "show": "print what a recipe says",
}
"""Every verb with its line of help; `find` says where its class is."""


class Command(Protocol):
    """A command line that was read."""

    def run(self) -> int | None:
        """Do the job; None means exit code 0."""
        ...


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line, by default the process's own; always raises SystemExit."""
    # Threads that spin for long while they wait slow a busy machine down by far.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    given = _joined(list(sys.argv[1:] if arguments is None else arguments)) or ["--help"]
    wanted = given[0]
    if wanted not in VERBS and not wanted.startswith("-"):
        family = [verb for verb in VERBS if verb.startswith(f"{wanted}-")]
        _stop(f"no verb {wanted!r}{nearest(wanted, VERBS) if not family else _choice(family)}", 2)
    # Without rich, typer is twice as fast to show a page of help.
    app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    app.callback()(_whole)
    for verb, summary in VERBS.items():
        if verb == wanted:
            app.command(verb, help=inspect.getdoc(find(verb)))(_function(find(verb)))
        else:
            app.command(verb, help=summary)(_other)
    app(given, prog_name="kineograph")


def _joined(words: list[str]) -> list[str]:
    """`data check` is the verb `data-check`, in two words."""
    two = "-".join(words[:2])
    return [two, *words[2:]] if len(words) > 1 and two in VERBS else words


def _choice(family: list[str]) -> str:
    return "; there is: " + ", ".join(verb.replace("-", " ") for verb in family)


def find(verb: str) -> type[Command]:
    """The dataclass of a verb: `train-autoencoder` is TrainAutoencoder in train_autoencoder.py."""
    module = importlib.import_module(f"kineograph.cli.{verb.replace('-', '_')}")
    command: type[Command] = vars(module)[verb.title().replace("-", "")]
    return command


def _version(asked: bool) -> None:
    if asked:
        from kineograph import __version__

        print(f"kineograph {__version__}")
        raise typer.Exit


def _whole(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version")
    ] = False,
) -> None:
    """Text/image-to-video generation, from raw videos to a served model."""


def _other() -> None:
    """Stands in the list of verbs for one that was not asked for."""


def _function(command: type[Any]) -> Callable[..., None]:
    """The function that typer reads: a verb's fields as parameters."""
    hints = get_type_hints(command, include_extras=True)

    def call(**values: Any) -> None:
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        _run(command(**{**values, **lists}))

    parameters = [_parameter(field, hints[field.name]) for field in fields(command)]
    vars(call)["__signature__"] = inspect.Signature(parameters)
    return call


def _parameter(field: Field[Any], hint: Any) -> inspect.Parameter:
    """A field for typer: an argument if it has no default, a flag if it has one.

    A field with a default is an argument, too, where its metadata says `positional`.
    """
    kind, text = get_args(hint) if get_origin(hint) is Annotated else (hint, "")
    if get_origin(kind) is tuple and Ellipsis in get_args(kind):
        kind = list[get_args(kind)[0]]  # type: ignore[misc]
    default: Any = field.default if field.default_factory is MISSING else field.default_factory()
    needed = default is MISSING
    place: Any
    if needed or "positional" in field.metadata:
        place = typer.Argument(help=text, metavar=field.name.upper(), show_default=False)
    else:
        place = typer.Option(_flag(field.name, default), help=text)
    return inspect.Parameter(
        field.name,
        KEYWORD,
        default=inspect.Parameter.empty if needed else default,
        annotation=Annotated[kind, place],
    )


def _flag(name: str, default: object) -> str:
    """`--like-this`; a switch that is on can be turned off."""
    dashed = name.replace("_", "-")
    return f"--{dashed}/--no-{dashed}" if default is True else f"--{dashed}"


def _run(command: Command) -> None:
    try:
        code = command.run()
    except KineographError as error:
        _stop(str(error), 1)
    except KeyboardInterrupt:
        _stop("interrupted", 130)
    raise SystemExit(code or 0)


def _stop(message: str, code: int) -> NoReturn:
    print(f"kineograph: {message}", file=sys.stderr)
    raise SystemExit(code)
