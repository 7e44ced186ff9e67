"""The report of an evaluation: numbers as JSON, tables as Markdown, pictures as PNG."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from kineograph.config import to_data
from kineograph.evaluation.adherence import Outcome, tally
from kineograph.evaluation.checks import Animated, Reconstructed
from kineograph.evaluation.kept import Kept
from kineograph.evaluation.share import Share
from kineograph.media.encode import replaced, write_image
from kineograph.media.sheet import contact_sheet

TEXT = "text-to-video"
"""The folder, inside that of an evaluation, that keeps the clips of the prompts."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that an evaluation found; `model` and `digest` say of which weights."""

    model: str
    digest: str
    level: int
    text: tuple[Outcome, ...]
    animated: tuple[Animated, ...]
    reconstructed: tuple[Reconstructed, ...]

    def adherence(self) -> dict[str, dict[str, Share]]:
        """Shares by group of prompts: those of seen and of held-out combinations, and all."""
        return {
            "seen": tally([one for one in self.text if not one.held_out]),
            "held-out": tally([one for one in self.text if one.held_out]),
            "all": tally(self.text),
        }

    def image_to_video(self) -> tuple[Share, float]:
        """Motions read right, and the mean PSNR in dB of the first frame to the given picture."""
        outcomes = [one.outcome for one in self.animated]
        return tally(outcomes)["motion"], mean(one.first_frame for one in self.animated)

    def autoencoder(self) -> tuple[dict[str, Share], float, float]:
        """Attributes read back, and mean PSNR in dB everywhere and on the object."""
        return (
            tally([one.outcome for one in self.reconstructed]),
            mean(one.everywhere for one in self.reconstructed),
            mean(one.on_object for one in self.reconstructed),
        )

    def data(self) -> dict[str, Any]:
        """Summary and single results as plain data."""
        motion, first = self.image_to_video()
        read_back, everywhere, on_object = self.autoencoder()
        summary = {
            "adherence": {
                group: {name: _numbers(share) for name, share in shares.items()}
                for group, shares in self.adherence().items()
            },
            "image_to_video": {"motion": _numbers(motion), "first_frame_psnr": round(first, 2)},
            "autoencoder": {
                "read_back": {name: _numbers(share) for name, share in read_back.items()},
                "psnr": round(everywhere, 2),
                "psnr_on_object": round(on_object, 2),
            },
        }
        return {"summary": summary, **to_data(self)}

    def markdown(self) -> str:
        """Tables of the summary, and a line for every prompt."""
        groups = self.adherence()
        motion, first = self.image_to_video()
        read_back, everywhere, on_object = self.autoencoder()
        lines = [
            f"# Score card of {self.model}",
            "",
            f"Weights {self.digest}, toybox level {self.level}, {len(self.text)} prompts. "
            "Shares of prompts whose attributes were read back, with 95 % intervals.",
            "",
            "| attribute | seen combinations | held-out combinations |",
            "|---|---|---|",
            *(
                f"| {n} | {share} | {groups['held-out'][n]} |"
                for n, share in groups["seen"].items()
            ),
            "",
            "| further checks, held-out combinations only | |",
            "|---|---|",
            f"| image-to-video: motion | {motion} |",
            f"| image-to-video: first frame to the given picture | {first:.1f} dB |",
            f"| autoencoder: PSNR | {everywhere:.1f} dB, on the object {on_object:.1f} dB |",
            *(f"| autoencoder: {name} read back | {share} |" for name, share in read_back.items()),
            "",
            "| prompt | combination | asked | read otherwise |",
            "|---|---|---|---|",
            *(_row(outcome) for outcome in self.text),
        ]
        return "\n".join(lines) + "\n"


def write(report: Report, folder: Path) -> None:
    """Write report.json, report.md and sheet.png, which shows every text-to-video clip."""
    text = json.dumps(report.data(), indent=1, ensure_ascii=False) + "\n"
    for name, content in (("report.json", text), ("report.md", report.markdown())):
        with replaced(folder / name) as part:
            part.write_text(content, encoding="utf-8")
    kept = Kept(folder / TEXT, Outcome)
    clips = [kept.frames(index) for index in range(len(report.text))]
    sheet = contact_sheet(clips, [_label(one) for one in report.text], columns=5, height=96)
    write_image(folder / "sheet.png", sheet)


def wrong(outcome: Outcome) -> tuple[str, ...]:
    """The attributes that were asked and not read."""
    return tuple(name for name in outcome.asked if not outcome.right([name]))


def _row(outcome: Outcome) -> str:
    asked = ", ".join(outcome.asked.values())
    read = ", ".join(_misread(outcome))
    return f"| {outcome.text} | {'held-out' if outcome.held_out else 'seen'} | {asked} | {read} |"


def _label(outcome: Outcome) -> str:
    return "  |  ".join([outcome.text, *_misread(outcome)])


def _misread(outcome: Outcome) -> Sequence[str]:
    return [
        f"{name}: {outcome.read[name]} ({outcome.confidence[name]:.2f})" for name in wrong(outcome)
    ]


def _numbers(share: Share) -> dict[str, float | list[float]]:
    low, high = share.interval
    return {
        "right": share.right,
        "of": share.total,
        "share": round(share.value, 4),
        "interval": [round(low, 4), round(high, 4)],
    }
