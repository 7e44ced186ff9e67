"""Lists of prompts in files."""

import csv
import json
from pathlib import Path

from kineograph.errors import DataError


def read_prompts(path: Path) -> tuple[str, ...]:
    """The prompts of a file, in order.

    Args:
        path: .csv with a column `prompt`; .jsonl with an entry `prompt` in each line, or plain
            strings; .txt with a prompt in each line. Empty lines do not count.

    Raises:
        DataError: the file is missing, of another kind, empty, or a line has no prompt.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected a text file") from None
    match path.suffix.lower():
        case ".csv":
            found = _csv(path, lines)
        case ".jsonl":
            found = [_json(path, number, line) for number, line in _filled(lines)]
        case ".txt":
            found = [line.strip() for _, line in _filled(lines)]
        case ending:
            raise DataError(f"{path}: ending {ending!r}; expected .csv, .jsonl or .txt")
    if not found:
        raise DataError(f"{path}: no prompts; expected at least one")
    return tuple(found)


def _filled(lines: list[str]) -> list[tuple[int, str]]:
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _csv(path: Path, lines: list[str]) -> list[str]:
    rows = csv.DictReader(lines)
    columns = rows.fieldnames or []
    if "prompt" not in columns:
        raise DataError(f"{path}: columns {', '.join(columns)}; expected one named prompt")
    return [row["prompt"].strip() for row in rows if (row["prompt"] or "").strip()]


def _json(path: Path, number: int, line: str) -> str:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {number}: no valid JSON ({error.msg})") from None
    prompt = entry.get("prompt") if isinstance(entry, dict) else entry
    if not isinstance(prompt, str):
        raise DataError(f'{path}, line {number}: expected {{"prompt": "..."}} or a string')
    return prompt
