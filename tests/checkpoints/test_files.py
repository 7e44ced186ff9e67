"""Weight files are read whole, written whole or not at all, and fit or say why not."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from kineograph.checkpoints import files
from kineograph.checkpoints.files import (
    Lazy,
    digest,
    load_into,
    read,
    read_config,
    read_metadata,
    write,
)
from kineograph.errors import CheckpointError


def state() -> dict[str, Tensor]:
    return {
        "enter.weight": torch.arange(6.0).reshape(2, 3),
        "enter.bias": torch.ones(2, dtype=torch.bfloat16),
        "steps": torch.tensor(7),
    }


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(
        a[name].dtype == b[name].dtype and torch.equal(a[name], b[name]) for name in a
    )


class Small(nn.Module):
    """Two parameters, a buffer that is stored, and one that is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(3, 2)
        self.register_buffer("steps", torch.tensor(0))
        self.register_buffer("table", torch.zeros(4), persistent=False)


def test_what_is_written_is_read_with_dtypes_and_metadata(tmp_path):
    path = tmp_path / "new" / "model.safetensors"
    write(path, state(), {"made": "by hand"})
    assert same(read(path), state())
    assert read_metadata(path) == {"made": "by hand"}
    assert [file.name for file in path.parent.iterdir()] == ["model.safetensors"]


def test_views_and_shared_tensors_can_be_written(tmp_path):
    whole = torch.arange(12.0).reshape(4, 3)
    parts = {"a": whole[:1], "b": whole[1:], "c": whole, "d": whole.T}
    write(tmp_path / "a.safetensors", parts, {})
    assert same(read(tmp_path / "a.safetensors"), parts)


@pytest.mark.parametrize("failure", ["OSError", "SafetensorError"])
def test_a_full_disk_is_said_and_leaves_the_old_file(tmp_path, monkeypatch, failure):
    path = tmp_path / "a.safetensors"
    write(path, state(), {})

    def full(tensors: object, part: Path, metadata: object) -> None:
        part.write_bytes(b"half a file")
        if failure == "OSError":
            raise OSError(28, "No space left on device")
        raise files.SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(files, "save_file", full)
    with pytest.raises(CheckpointError, match=r"a\.safetensors: the disk is full"):
        write(path, {}, {})
    assert same(read(path), state())
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        write(tmp_path / "file" / "a.safetensors", state(), {})


def test_shards_are_one_checkpoint(tmp_path):
    names = {
        "enter.weight": "1.safetensors",
        "enter.bias": "2.safetensors",
        "steps": "2.safetensors",
    }
    for shard in set(names.values()):
        save_file({n: t for n, t in state().items() if names[n] == shard}, tmp_path / shard)
    index = tmp_path / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    assert same(read(index), state())
    assert same(read(tmp_path), state())
    before = digest(tmp_path)
    save_file({"enter.weight": torch.zeros(2, 3)}, tmp_path / "1.safetensors")
    assert digest(tmp_path) != before
    index.write_text(json.dumps({"weight_map": {**names, "lost": "1.safetensors"}}))
    with pytest.raises(CheckpointError, match=r"lost in 1\.safetensors"):
        read(index)


def test_a_folder_means_its_weights_and_config(tmp_path):
    write(tmp_path / "diffusion_pytorch_model.safetensors", state(), {})
    write(tmp_path / "other.safetensors", {}, {})
    (tmp_path / "config.json").write_text('{"width": 8}')
    assert same(read(tmp_path), state())
    assert read_config(tmp_path) == {"width": 8}


def test_a_pipeline_folder_asks_for_a_part(tmp_path):
    (tmp_path / "model_index.json").write_text("{}")
    (tmp_path / "transformer").mkdir()
    with pytest.raises(CheckpointError, match="name one of its parts: transformer"):
        read(tmp_path)


def test_several_files_in_a_folder_ask_for_one(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.safetensors", state(), {})
    with pytest.raises(CheckpointError, match=r"name one: a\.safetensors, b\.safetensors"):
        read(tmp_path)


def test_a_part_of_a_single_file_is_read_by_its_prefix(tmp_path):
    path = tmp_path / "all.safetensors"
    both = {f"vae.{n}": t for n, t in state().items()}
    both["model.diffusion_model.w"] = torch.ones(1)
    write(path, both, {"config": '{"vae": {"width": 8}}'})
    assert same(read(path, "vae."), state())
    assert read_config(path) == {"vae": {"width": 8}}
    with pytest.raises(CheckpointError, match=r"begins with 'vea\.'; there is: model\., vae\."):
        read(path, "vea.")


def test_of_a_training_checkpoint_the_averaged_weights_come_first(tmp_path):
    path = tmp_path / "merged.ckpt"
    average = {f"module.{n}": t for n, t in state().items()}
    other = {n: torch.zeros_like(t) for n, t in state().items()}
    everything = {"ema_state_dict": average, "state_dict": {"gen_model": other}, "step": 3}
    torch.save(everything, path)
    assert same(read(path), state())
    torch.save({"ema_state_dict": {}, "state_dict": {"gen_model": state()}}, path)
    assert same(read(tmp_path), state())
    torch.save({"state_dict": state()}, path)
    assert same(read(path), state())
    torch.save(state(), path)
    assert same(read(path), state())


class Harm:
    """A pickle that would run a function when it is opened."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("the pickle ran",)


def test_a_pickle_is_never_executed(tmp_path, capsys):
    torch.save({"a": torch.ones(1), "b": Harm()}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(pickle.dumps(Harm(), protocol=2))
    for name in ("a.pt", "b.pt"):
        with pytest.raises(CheckpointError, match="refused"):
            read(tmp_path / name)
    assert capsys.readouterr().out == ""


def test_a_pickle_of_other_things_is_refused(tmp_path):
    torch.save({"epoch": 3, "a": torch.ones(1)}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="it holds epoch"):
        read(tmp_path / "a.pt")


@pytest.mark.parametrize("name", ["a.safetensors", "a.ckpt", "model.safetensors.index.json"])
@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"PK\x03\x04 no archive"])
def test_a_damaged_file_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
        read(tmp_path / name)


def test_a_missing_or_unknown_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        read(tmp_path / "none.safetensors")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(CheckpointError, match=r"expected a folder or one of \.safetensors"):
        read(tmp_path / "a.txt")


def test_lazy_tensors_are_read_by_name(tmp_path):
    write(tmp_path / "a.safetensors", state(), {})
    lazy = Lazy(tmp_path / "a.safetensors")
    assert (len(lazy), "steps" in lazy, "step" in lazy) == (3, True, False)
    assert same(dict(lazy), state())


def test_the_digest_depends_on_the_content_alone(tmp_path):
    for name, tensors in (("a", state()), ("b", state()), ("c", {"x": torch.ones(1)})):
        write(tmp_path / f"{name}.safetensors", tensors, {})
    a, b, c = (digest(tmp_path / f"{name}.safetensors") for name in "abc")
    assert a == b != c
    assert len(a) == 16


def test_weights_are_copied_into_the_modules_dtype():
    module = Small()
    assert load_into(module, state()) == ()
    assert torch.equal(module.enter.weight, state()["enter.weight"])
    assert (module.enter.bias.dtype, int(module.steps)) == (torch.float32, 7)


def test_a_meta_module_takes_the_tensors_as_they_are():
    with torch.device("meta"):
        module = Small()
    load_into(module, state())
    assert module.enter.bias.dtype == torch.bfloat16
    assert isinstance(module.enter.weight, nn.Parameter)


def test_computed_buffers_are_left_out_and_named():
    assert load_into(Small(), state() | {"table": torch.ones(4)}) == ("table",)


def test_weights_that_do_not_fit_are_listed_by_module():
    wrong = {"enter.weight": torch.ones(2, 4), "enter.bais": torch.ones(2), "steps": torch.ones(())}
    with pytest.raises(CheckpointError) as caught:
        load_into(Small(), wrong)
    message = str(caught.value)
    assert "missing: 1, in enter (1)\n    enter.bias 2" in message
    assert "enter.bais 2; did you mean 'enter.bias'?" in message
    assert "enter.weight 2x4, expected 2x3" in message


def test_nothing_is_loaded_when_something_does_not_fit():
    module = Small()
    before = module.enter.weight.clone()
    with pytest.raises(CheckpointError):
        load_into(module, {"enter.weight": torch.ones(2, 3)})
    assert torch.equal(module.enter.weight, before)
