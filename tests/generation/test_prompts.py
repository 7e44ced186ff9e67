"""Lists of prompts are read as people write them."""

import pytest

from kineograph.errors import DataError
from kineograph.generation.prompts import read_prompts

SAME = ("a red ball, rolling", "a blue cube")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", 'id,prompt\n1,"a red ball, rolling"\n2,a blue cube\n'),
        ("p.csv", '\ufeffprompt,seed\r\n"a red ball, rolling",3\r\na blue cube,4\r\n'),
        ("p.jsonl", '{"prompt": "a red ball, rolling"}\n\n"a blue cube"\n'),
        ("p.txt", "a red ball, rolling\n  \na blue cube"),
    ],
)
def test_every_kind_of_list_gives_its_prompts_in_order(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert read_prompts(path) == SAME


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("p.csv", "caption\na red ball\n", "expected one named prompt"),
        ("p.jsonl", '{"text": "a"}\n', "line 1: expected"),
        ("p.jsonl", '"a"\n{oops\n', "line 2: no valid JSON"),
        ("p.yaml", "a", "expected .csv, .jsonl or .txt"),
        ("p.txt", "\n", "no prompts"),
    ],
)
def test_a_bad_list_says_what_is_wrong_and_where(tmp_path, name, text, complaint):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=complaint):
        read_prompts(path)


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: cannot be read"):
        read_prompts(tmp_path / "none.csv")
