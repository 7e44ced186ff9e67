"""LTX-Video's times of training and parts of its losses against values from its formulas."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from kineograph.autoencoders.losses import video_wavelet_difference
from kineograph.diffusion.paths import RectifiedFlow
from kineograph.diffusion.prediction import Velocity
from kineograph.diffusion.times import HeldTails, LogitNormal, Stretched, TokenShift
from kineograph.nn.wavelet import VOLUME_GAIN, haar_3d
from kineograph.proof.vector import Results, Vector
from kineograph.types import Grid, Posterior, replayed

BANDS = ("LLL", "LLH", "LHL", "LHH", "HLL", "HLH", "HHL", "HHH")  # time, rows, columns


def timestep_sampling(vector: Vector) -> Results:
    """Times from stored numbers, and densities; a name ends in the number of tokens."""
    given, config = vector.inputs, vector.config
    low, high = config["z_lo"], config["z_hi"]
    std = config.get("std", 1.0)
    held = HeldTails(low=low, high=high, std=std)
    free = HeldTails(low=-torch.inf, high=torch.inf, std=std)
    stored = [given["normal"], *(torch.special.ndtri(given[n]) for n in ("uniform", "mix"))]
    shares = {"stretched": 0.0, "stretched_uniform10": config["uniform_prob"]}
    outputs = {}
    for name in vector.outputs:
        rule, tokens = name.rsplit("_n", 1)
        grid = Grid(1, 1, int(tokens))
        if rule in shares:
            stretched = Stretched(
                low=low, high=high, std=std, least=config["eps"], uniform=shares[rule]
            )
            outputs[name] = stretched.sample(len(stored[0]), replayed(stored), grid)
        elif rule == "plain":
            plain = LogitNormal(std=std, shift=TokenShift())
            outputs[name] = plain.sample(len(stored[0]), replayed(stored), grid)
        else:
            density = (held if rule == "pdf_clamped" else free).density(given["t_grid"], grid)
            outputs[name] = density.float()
    informative = frozenset(name for name in outputs if name.startswith("stretched"))
    return Results(outputs, informative=informative)


def losses(vector: Vector) -> Results:
    """What the denoiser is trained on; divergence; the eight bands of a wavelet level."""
    given = vector.inputs
    c = RectifiedFlow().at(given["t"][..., None])
    mean = given["kl_mean_in"]
    logvar = given["kl_logvar_shared"].expand_as(mean)
    one_by_one = Posterior(mean.reshape(-1, 1), logvar.reshape(-1, 1)).kl()
    bands = haar_3d(given["video"]) * (8**-0.5 / VOLUME_GAIN)
    named = dict(zip(BANDS, bands.chunk(8, 1), strict=True))
    outputs: dict[str, Tensor] = {
        "z_t": c.alpha * given["x"] + c.sigma * given["eps"],
        "velocity": Velocity().target(given["x"], given["eps"], c),
        "kl_elementwise": one_by_one.view_as(mean),
        "kl_mean": Posterior(mean, logvar).kl().sum() / mean.numel(),
        "haar_l1_vs_zero": video_wavelet_difference(
            given["video"], torch.zeros_like(given["video"])
        ),
        **{f"haar_{letters}": band for letters, band in named.items()},
    }
    return Results(outputs)


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "ltx_video/training/losses": losses,
    "ltx_video/training/timestep_sampling": timestep_sampling,
}
