"""What is said about a clip when it is looked at: other words each time, some of them lost."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from kineograph.errors import DataError
from kineograph.recipes.stages import Stage
from kineograph.toybox.captions import caption
from kineograph.toybox.scene import from_json
from kineograph.types import TextEncoder

LOST = "\N{HORIZONTAL ELLIPSIS}x"  # reads as one word that is in no vocabulary


def say_again(
    records: Sequence[Mapping[str, Any]], stage: Stage, draw: random.Random, lost: str = LOST
) -> list[str]:
    """New captions of stored clips: other words each time, some lost, some captions empty.

    Args:
        records: of toybox scenes, or with `captions`, of which one is drawn.
        stage: how many captions and words are lost.
        draw: says which.
        lost: stands in the place of a lost word; empty: nothing does.

    Raises:
        DataError: a record of neither kind.
    """
    captions = []
    for record in records:
        if draw.random() < stage.text_dropout:
            captions.append("")
            continue
        words = _sentence(record, draw).split()
        kept = [lost if draw.random() < stage.words_lost else word for word in words]
        captions.append(" ".join(word for word in kept if word))
    return captions


def lost_word(text: TextEncoder) -> str:
    """What a lost word is replaced by; nothing where an encoder can spell every word."""
    return LOST if text.unknown(LOST) else ""


def _sentence(record: Mapping[str, Any], draw: random.Random) -> str:
    captions = record.get("captions")
    if captions is None and "toys" in record:
        return caption(from_json(record), draw)
    if not isinstance(captions, Sequence) or isinstance(captions, str) or not captions:
        raise DataError(
            f"clip {record.get('source', '')!r}: expected `captions` in its record, "
            f"found {', '.join(sorted(record))}"
        )
    chosen = captions[0] if len(captions) == 1 else draw.choice(captions)
    return str(chosen["text"] if isinstance(chosen, Mapping) else chosen)
