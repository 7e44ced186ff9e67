"""Sizes are read as they are written, and what is free is known."""

import pytest
import torch

from kineograph.errors import ConfigError
from kineograph.generation import memory


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4 * 10**9), ("1.5 gb", 1_500_000_000), ("2GiB", 2**31), ("700m", 7 * 10**8), ("9", 9)],
)
def test_a_size_is_read(text, size):
    assert memory.size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-4GB", "0", "4 XB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ConfigError, match="4GB"):
        memory.size(text)


def test_some_memory_is_free_but_not_more_than_there_is():
    assert 0 < memory.free(torch.device("cpu")) < 1 << 50


def test_a_container_s_limit_counts(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    monkeypatch.setattr(memory, "GROUP", tmp_path)
    assert memory.free(torch.device("cpu")) == 600
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free(torch.device("cpu")) > 600


def test_the_limit_is_a_share_of_it_unless_one_is_given(monkeypatch):
    monkeypatch.setattr(memory, "free", lambda device: 1000)
    assert memory.bounded(None, None, torch.device("cpu"), print).limit == 800
    assert memory.bounded(None, 5, torch.device("cpu"), print).limit == 5
