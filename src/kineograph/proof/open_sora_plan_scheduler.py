"""Open-Sora Plan's noise table, objective and steps against stored vectors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from kineograph.conditioning.masked_video import MaskedVideo
from kineograph.diffusion.noise_table import (
    Leading,
    NoiseTable,
    Squares,
    Straight,
    Stratified,
    Trailing,
)
from kineograph.diffusion.objective import Objective
from kineograph.diffusion.prediction import Data, Noise, V
from kineograph.diffusion.process import Process
from kineograph.diffusion.samplers import Ancestral, Euler, Look
from kineograph.diffusion.times import Schedule
from kineograph.diffusion.weighting import Alike, MinSNR, MinSNRNoise, Weighting
from kineograph.errors import CheckpointError, nearest
from kineograph.proof.vector import Results, Vector
from kineograph.types import (
    Condition,
    Denoiser,
    Draws,
    Estimate,
    Grid,
    Layout,
    Path,
    Step,
    TextEmbedding,
    replayed,
)

NO_GRID = Grid(1, 1, 1)
DDIM = "DDIM"  # the other rule is called EulerAncestralDiscrete
LEAST = 2.0**-24  # alpha^2 that the reference's sampler leaves where there is no signal
GROWTHS: Mapping[str, Straight | Squares] = {"linear": Straight(), "scaled_linear": Squares()}
SPACINGS: Mapping[str, type[Trailing] | type[Leading]] = {"trailing": Trailing, "leading": Leading}
PREDICTIONS: Mapping[str, V | Noise | Data] = {
    "v_prediction": V(),
    "epsilon": Noise(),
    "sample": Data(),
}


def table(config: Mapping[str, Any], *, terminal: bool, least: float = 0.0) -> NoiseTable:
    """The noise table that a reference's scheduler describes."""
    growth = config.get("beta_schedule", "linear")
    if growth not in GROWTHS:
        raise CheckpointError(f"beta_schedule = {growth!r}{nearest(growth, GROWTHS)}")
    return NoiseTable(
        growth=GROWTHS[growth],
        steps=config.get("num_train_timesteps", 1000),
        first=config.get("beta_start", 1e-4),
        last=config.get("beta_end", 0.02),
        terminal=terminal,
        least=least,
    )


def sampled_path(config: Mapping[str, Any], rule: str) -> NoiseTable:
    """The table that a rule makes of a config; only DDIM leaves no signal at all."""
    terminal = not config.get("rescale_betas_zero_snr", False)
    least = 0.0 if terminal or rule == DDIM else LEAST
    return table(config, terminal=terminal, least=least)


@dataclass(frozen=True, kw_only=True)
class Strides:
    """DDIM as the reference has it: on by a fixed stride, even where its grid is not even."""

    stride: float

    def __call__(self, x: Tensor, estimate: Look, step: Step, path: Path, draws: Draws) -> Tensor:
        """Latents (B, C, F, H, W) a stride further."""
        then = (step.time - self.stride).clamp_min(0.0)
        return Euler()(x, estimate, replace(step, next=then), path, draws)


def sampler(config: Mapping[str, Any], rule: str, count: int) -> Ancestral | Strides:
    """One step of a rule."""
    steps = config.get("num_train_timesteps", 1000)
    return Strides(stride=steps // count / steps) if rule == DDIM else Ancestral()


def prediction(config: Mapping[str, Any]) -> V | Noise | Data:
    """What a denoiser's output means."""
    return PREDICTIONS[config.get("prediction_type", "v_prediction")]


def training(vector: Vector) -> Results:
    """Tables with and without terminal signal, what is trained, and four losses of each."""
    given, outputs = vector.inputs, dict[str, Tensor]()
    for case, terminal in (("plain", True), ("zsnr", False)):
        path = table(vector.config, terminal=terminal)
        time = ((given["timesteps"].double() + 1) / path.steps).view(-1, 1, 1, 1, 1)
        c = path.at(time)
        limited = _limited(vector.config)
        found = {
            "alphas_cumprod": path.signal(),
            "betas": path.betas(),
            "noisy": c.alpha * given["latents"] + c.sigma * given["noise"],
            "velocity": prediction(vector.config).target(given["latents"], given["noise"], c),
            "snr": (c.alpha / c.sigma).square().flatten(),
            "min_snr_weight": limited(c).flatten(),
        }
        weightings: dict[str, Weighting] = {"plain": Alike(), "min_snr": limited}
        for rule, weighting in weightings.items():
            for masked in ("masked", "unmasked"):
                valid = given["valid_mask"][:, None] if masked == "masked" else None
                found[f"loss_{masked}_{rule}"] = _loss(vector, path, weighting, valid)
        outputs |= {f"{case}/{name}": value for name, value in found.items()}
    return Results(outputs)


def _limited(config: Mapping[str, Any]) -> MinSNR | MinSNRNoise:
    """The weights of the loss that belong to what is predicted."""
    noise = isinstance(prediction(config), Noise)
    return (MinSNRNoise if noise else MinSNR)(limit=config.get("gamma", 5.0))


def _loss(vector: Vector, path: NoiseTable, weighting: Weighting, valid: Tensor | None) -> Tensor:
    """The loss of stored predictions; `valid` is (B, 1, F, H, W)."""
    given = vector.inputs
    entries = (given["timesteps"].double() + 0.5) / path.steps
    draws = replayed([torch.special.ndtri(entries), given["noise"]])
    objective = Objective(times=Stratified(steps=path.steps), weighting=weighting, cells_alike=True)
    process = Process(path=path, prediction=prediction(vector.config), injection=MaskedVideo())
    condition = Condition(text=TextEmbedding(torch.zeros(1, 1, 1)), layout=Layout(valid=valid))
    denoiser = _Stored(given["prediction"])
    return objective(denoiser, process, given["latents"], condition, draws).mean


class _Stored(Denoiser):
    """Predicts what was stored, whatever it sees."""

    clock = "sample"

    def __init__(self, output: Tensor) -> None:
        self.output = output

    def __call__(self, x: Tensor, time: Tensor, condition: Condition) -> Tensor:
        """(B, C, F, H, W)."""
        return self.output


def inference(vector: Vector) -> Results:
    """The times of several numbers of steps, and runs with stored predictions."""
    outputs: dict[str, Tensor] = {}
    for case in vector.meta["cases"]:
        name = case["case"]
        rule, count = name.rsplit("_", 1)
        found = _steps(vector, name, rule, int(count))
        outputs |= {key: x for key, x in found.items() if key in vector.outputs}
    return Results(outputs)


def times(config: Mapping[str, Any], count: int) -> Tensor:
    """Falling times (count + 1,) in float64, of which the reference's entries are exact."""
    steps = int(config.get("num_train_timesteps", 1000))
    spacing = config.get("timestep_spacing", "leading")
    if spacing not in SPACINGS:
        raise CheckpointError(f"timestep_spacing = {spacing!r}{nearest(spacing, SPACINGS)}")
    schedule: Schedule = SPACINGS[spacing](table=steps)
    return (schedule(count, NO_GRID).double() * steps).round() / steps


def _steps(vector: Vector, case: str, rule: str, count: int) -> dict[str, Tensor]:
    """A run of a rule; x of EulerAncestralDiscrete is ours over alpha."""
    path, grid = sampled_path(vector.config, rule), times(vector.config, count)
    c = path.at(grid)
    outputs = {
        f"{case}/timesteps": (grid[:-1] * path.steps - 1).float(),
        f"{case}/sigmas": c.sigma / c.alpha,
    }
    if f"{case}/initial" not in vector.inputs:
        return outputs
    scale = torch.ones_like(c.alpha) if rule == DDIM else c.alpha
    x = vector.inputs[f"{case}/initial"].double() * scale[0]
    draws = replayed(list(vector.inputs.get(f"{case}/step_noises", ())))
    move = sampler(vector.config, rule, count)
    inputs, samples = [], []
    for index, predicted in enumerate(vector.inputs[f"{case}/predictions"]):
        inputs.append(x)
        step = Step(index, count, grid[index], grid[index + 1])
        x = move(x, _look(vector, path, predicted), step, path, draws)
        samples.append(x / scale[index + 1])
    outputs[f"{case}/model_inputs"] = torch.stack(inputs)
    outputs[f"{case}/samples"] = torch.stack(samples)
    return outputs


def _look(vector: Vector, path: NoiseTable, predicted: Tensor) -> Look:
    """What a stored prediction says."""

    def look(x: Tensor, step: Step) -> Estimate:
        return prediction(vector.config).split(predicted, x, path.at(step.time))

    return look


def stratified_timesteps(vector: Vector) -> Results:
    """Entries that stored uniform numbers lead to; the reference uses the last half of them."""
    outputs, expected = dict[str, Tensor](), dict[str, Tensor]()
    for row in vector.meta["rows"]:
        name = f"{row['rank']} of {row['world']}"
        expected[name] = torch.tensor(row["timesteps_from_last_four"])
        uniform = torch.tensor(row["uniforms_consumed"], dtype=torch.float64)[
            -len(expected[name]) :
        ]
        draws = replayed([torch.special.ndtri(uniform)])
        stratified = Stratified(share=row["rank"], shares=row["world"])
        time = stratified.sample(len(uniform), draws, NO_GRID)
        outputs[name] = (time * stratified.steps - 1).round().long()
    return Results(outputs, expected=expected)


VECTORS: Mapping[str, Callable[[Vector], Results]] = {
    "open_sora_plan/scheduler/training": training,
    "open_sora_plan/scheduler/inference": inference,
    "open_sora_plan/scheduler/stratified_timesteps": stratified_timesteps,
}
