"""Open-Sora 1.x's transformer, times, losses, masks and samplings are the reference's."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kineograph.proof.open_sora_1 import VECTORS, load, unpacked
from kineograph.proof.vector import Vector, read_vector
from kineograph.proof.verify import verify

GOLDEN = Path(__file__).parent.parent / "golden" / "open_sora_1"
FILES = sorted(GOLDEN.glob("*.json")) + sorted(GOLDEN.glob("*.manifest.json.gz"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.split(".json")[0])
def test_the_reference_is_matched(path):
    (entry,) = verify([path]).entries
    assert entry.status == "pass", entry.lines()
    assert entry.written is not False


def masked() -> Vector:
    """The forward pass that is inside the stored training step: frames masked, text ragged."""
    step = read_vector(GOLDEN / "scheduler.train_masked.json")
    inputs = {**step.inputs, "x": step.mids["x_t"], "timestep": step.inputs["t"]}
    output = {"output": step.outputs["model_output"]}
    return replace(step, kind="open_sora_1/stdit3", inputs=inputs, outputs=output)


def output(vector: Vector) -> torch.Tensor:
    return VECTORS["open_sora_1/stdit3"](vector).outputs["output"]


def test_masked_frames_are_the_references_in_every_channel():
    vector = masked()
    torch.testing.assert_close(output(vector), vector.outputs["output"], rtol=0, atol=2e-5)


def test_the_state_comes_back_bit_for_bit():
    vector = masked()
    dumped = VECTORS["open_sora_1/stdit3"](vector).dumped
    assert dumped is not None and dumped.keys() == vector.state.keys()
    assert all(torch.equal(dumped[name], vector.state[name]) for name in dumped)


def test_fewer_masks_fps_and_sizes_than_samples_count_again():
    vector = masked()
    two = {name: tensor[:2] for name, tensor in vector.inputs.items()}
    four = {name: torch.cat((tensor, tensor)) for name, tensor in two.items()}
    short = {**four, **{name: two[name] for name in ("mask", "fps", "height", "width")}}
    doubled = output(replace(vector, inputs=short))
    assert torch.equal(doubled, output(replace(vector, inputs=four)))


def test_embedded_captions_that_are_packed_give_the_same():
    vector = masked()
    model, _ = load(vector)
    mask = vector.inputs["mask"]
    with torch.no_grad():
        words = model.captions(vector.inputs["y"][:, 0])[mask == 1]
    packed = {**vector.inputs, "y": words[None], "mask": mask.sum(1)}
    meta = {**vector.meta, "config": {**vector.config, "skip_y_embedder": True}}
    found = output(replace(vector, inputs=packed, meta=meta))
    torch.testing.assert_close(found, output(vector))


def test_captions_one_after_the_other_are_laid_side_by_side():
    text = unpacked(torch.arange(5.0).view(1, 5, 1), torch.tensor([2, 3]))
    assert text.tokens[..., 0].tolist() == [[0, 1, 0], [2, 3, 4]]
    assert text.mask is not None
    assert text.mask.tolist() == [[True, True, False], [True, True, True]]
