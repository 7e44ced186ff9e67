"""The bucket tables of the published systems' stages, as data.

Each length is (frames, batch), (frames, batch, probability of keeping), or those and the
probability of looking at it. Batches are those of one device with 80 GB.
"""

from kineograph.data.buckets import BucketTable, ComputedSizes, Length, OneDraw, Row

Entry = tuple[float, ...]


def row(size: str, *entries: Entry) -> Row:
    """A size class and its lengths."""
    lengths = []
    for frames, batch, *chances in entries:
        keep = chances[0] if chances else 1.0
        look = chances[1] if len(chances) > 1 else None
        lengths.append(Length(frames=int(frames), batch=int(batch), keep=keep, look=look))
    return Row(size=size, lengths=tuple(lengths))


def spread(frames: range, batch: int, keep: float = 1.0) -> tuple[Entry, ...]:
    """The same batch for many lengths."""
    return tuple((one, batch, keep) for one in frames)


# Open-Sora 1.2 (2412.20404), section 4.3.
OPEN_SORA_1_STAGE_1 = BucketTable(
    rows=(
        row(
            "144p",
            (1, 475),
            (51, 51),
            (102, 27, 1.0, 0.33),
            (204, 13, 1.0, 0.1),
            (408, 6, 1.0, 0.1),
        ),
        row(
            "256",
            (1, 297, 0.4),
            (51, 20, 0.5),
            (102, 10, 0.5, 0.33),
            (204, 5, 0.5, 0.1),
            (408, 2, 0.5, 0.1),
        ),
        row(
            "240p",
            (1, 297, 0.3),
            (51, 20, 0.4),
            (102, 10, 0.4, 0.33),
            (204, 5, 0.4, 0.1),
            (408, 2, 0.4, 0.1),
        ),
        row(
            "360p",
            (1, 141, 0.2),
            (51, 8, 0.15),
            (102, 4, 0.15, 0.33),
            (204, 2, 0.15, 0.1),
            (408, 1, 0.15, 0.1),
        ),
        row("512", (1, 141, 0.1)),
        row("480p", (1, 89, 0.1)),
        row("720p", (1, 36, 0.05)),
        row("1024", (1, 36, 0.05)),
        row("1080p", (1, 5, 0.1)),
        row("2048", (1, 5, 0.1)),
    ),
)

OPEN_SORA_1_STAGE_2 = BucketTable(
    rows=(
        row(
            "144p",
            (1, 475),
            (51, 51),
            (102, 27, 1.0, 0.33),
            (204, 13, 1.0, 0.1),
            (408, 6, 1.0, 0.1),
        ),
        row(
            "256",
            (1, 297, 0.4),
            (51, 20, 0.5),
            (102, 10, 0.5, 0.33),
            (204, 5, 0.5, 1.0),
            (408, 2, 0.5, 1.0),
        ),
        row(
            "240p",
            (1, 297, 0.3),
            (51, 20, 0.4),
            (102, 10, 0.4, 0.33),
            (204, 5, 0.4, 1.0),
            (408, 2, 0.4, 1.0),
        ),
        row(
            "360p",
            (1, 141, 0.5),
            (51, 8, 0.15),
            (102, 4, 0.3, 0.5),
            (204, 2, 0.3, 1.0),
            (408, 1, 0.5, 0.5),
        ),
        row(
            "512",
            (1, 141, 0.4),
            (51, 8, 0.15),
            (102, 4, 0.2, 0.4),
            (204, 2, 0.2, 1.0),
            (408, 1, 0.4, 0.5),
        ),
        row("480p", (1, 89, 0.5), (51, 5, 0.2), (102, 2, 0.2), (204, 1, 0.1)),
        row("720p", (1, 36, 0.1), (51, 1, 0.03)),
        row("1024", (1, 36, 0.1), (51, 1, 0.02)),
        row("1080p", (1, 5, 0.01)),
        row("2048", (1, 5, 0.01)),
    ),
)

OPEN_SORA_1_STAGE_3 = BucketTable(
    rows=(
        row("144p", (1, 475), (51, 51), (102, 27), (204, 13), (408, 6)),
        row("256", (1, 297), (51, 20, 0.5), (102, 10, 0.5), (204, 5, 0.5), (408, 2, 0.5, 0.5)),
        row("240p", (1, 297), (51, 20, 0.5), (102, 10, 0.5), (204, 5, 0.5), (408, 2, 0.5, 0.4)),
        row("360p", (1, 141), (51, 8, 0.5), (102, 4, 0.5), (204, 2, 0.5), (408, 1, 0.5, 0.3)),
        row("512", (1, 141), (51, 8, 0.5), (102, 4, 0.5), (204, 2, 0.5), (408, 1, 0.5, 0.2)),
        row("480p", (1, 89), (51, 5, 0.5), (102, 3, 0.5), (204, 1, 0.5, 0.5), (408, 0, 0.0)),
        row("720p", (1, 36, 0.3), (51, 2, 0.2), (102, 1, 0.1), (204, 0, 0.0)),
        row("1024", (1, 36, 0.3), (51, 2, 0.1), (102, 1, 0.1), (204, 0, 0.0)),
        row("1080p", (1, 5, 0.1)),
        row("2048", (1, 5, 0.05)),
    ),
)

# Open-Sora 2.0 (2503.09642), section 4.2 and its published configurations.
_LARGE_PICTURES = row("1024px", (1, 7, 0.5))

OPEN_SORA_2_STAGE_1 = BucketTable(
    sizes=ComputedSizes(),
    rule=OneDraw(),
    rows=(
        row(
            "256px",
            (1, 45),
            *spread(range(5, 34, 4), 12),
            *spread(range(37, 66, 4), 6),
            *spread(range(69, 98, 4), 4),
            *spread(range(101, 130, 4), 3),
        ),
        row("768px", (1, 13, 0.5)),
        _LARGE_PICTURES,
    ),
)

OPEN_SORA_2_STAGE_2 = BucketTable(
    sizes=ComputedSizes(),
    rule=OneDraw(),
    rows=(
        row(
            "256px",
            (1, 130),
            *spread(range(5, 34, 4), 14),
            *spread(range(37, 66, 4), 10),
            *spread(range(73, 98, 4), 7),
            *spread(range(101, 130, 4), 6),
        ),
        row(
            "768px",
            (1, 38),
            *spread(range(5, 34, 4), 6),
            *spread(range(37, 66, 4), 4),
            *spread(range(69, 98, 4), 3),
            *spread(range(101, 130, 4), 2),
        ),
    ),
)

OPEN_SORA_2_STAGE_2_I2V = BucketTable(
    sizes=ComputedSizes(),
    rule=OneDraw(),
    rows=(
        row(
            "256px",
            (1, 195),
            *spread(range(5, 34, 4), 80),
            *spread(range(37, 66, 4), 40),
            *spread(range(69, 98, 4), 28),
            *spread(range(101, 130, 4), 23),
        ),
        row(
            "768px",
            (1, 38, 0.5),
            *spread(range(5, 34, 4), 10, 0.5),
            *spread(range(37, 66, 4), 5, 0.5),
            *spread(range(69, 98, 4), 3, 0.5),
            *spread(range(101, 130, 4), 2, 0.5),
        ),
    ),
)

OPEN_SORA_2_HIGH_COMPRESSION = BucketTable(
    sizes=ComputedSizes(multiple=32),
    rule=OneDraw(),
    rows=(
        row(
            "768px",
            (1, 20),
            *spread(range(16, 33, 4), 8),
            *spread(range(36, 65, 4), 4),
            *spread(range(68, 97, 4), 3),
            *spread(range(100, 129, 4), 2),
        ),
    ),
)

TABLES = {
    "open-sora-1-stage-1": OPEN_SORA_1_STAGE_1,
    "open-sora-1-stage-2": OPEN_SORA_1_STAGE_2,
    "open-sora-1-stage-3": OPEN_SORA_1_STAGE_3,
    "open-sora-2-stage-1": OPEN_SORA_2_STAGE_1,
    "open-sora-2-stage-2": OPEN_SORA_2_STAGE_2,
    "open-sora-2-stage-2-i2v": OPEN_SORA_2_STAGE_2_I2V,
    "open-sora-2-high-compression": OPEN_SORA_2_HIGH_COMPRESSION,
}
"""All of them by name."""
