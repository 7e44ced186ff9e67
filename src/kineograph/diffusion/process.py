"""The parts that training and sampling must share."""

from dataclasses import dataclass

from kineograph.errors import ConfigError
from kineograph.types import Injection, Path, Prediction, RecipeDenoiser

CLOCKS = ("sample", "frame", "token")  # each includes the ones before


@dataclass(frozen=True, kw_only=True)
class Process:
    """How data is destroyed, what the denoiser says about it, how given frames enter."""

    path: Path
    prediction: Prediction
    injection: Injection

    def check(self, denoiser: RecipeDenoiser) -> None:
        """Refuse a denoiser that cannot see what the injection does.

        Raises:
            ConfigError: its time is too coarse, or it does not read what stands beside the
                latents; the message names the pair and what would work.
        """
        needed, found = self.injection.clock, denoiser.clock
        name, other = type(self.injection).__name__, type(denoiser).__name__
        if CLOCKS.index(found) < CLOCKS.index(needed):
            raise ConfigError(
                f"injection {name} gives each {needed} its own time, but denoiser {other} knows "
                f"one time per {found}; expected a denoiser whose clock is "
                f"{' or '.join(CLOCKS[CLOCKS.index(needed) :])}"
            )
        if self.injection.beside and not denoiser.reads_known:
            raise ConfigError(
                f"injection {name} shows given frames beside the latents, but denoiser {other} "
                "does not read them there; expected one that does (mmdit with `given`, skiparse "
                "with `mask_channels`, laboratory with a `picture`), or an injection into the "
                "latents, such as 'replaced_frames'"
            )
