"""Files of prompts are read as people write them, with settings of their own in every row."""

from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from kineograph.errors import ConfigError, DataError
from kineograph.generation.wishes import Wish, hints, read_wishes

SAME = ("a red ball, rolling", "a blue cube")
BASE = Wish(steps=4, negative="blur")


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
    assert tuple(wish.prompt for wish in read_wishes(path, BASE).wishes) == SAME


def test_rows_settle_what_they_say_and_leave_the_rest(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(
        "prompt,seed,image,at,frames,guidance,size,out\n"
        "a,7,first.png,8=mid.png;12=x.png,17,2.5,64x48,one.mp4\n"
        "b,,,,,,,\n"
    )
    one, other = read_wishes(path, BASE).wishes
    assert one == Wish(
        prompt="a",
        seed=7,
        image=tmp_path / "first.png",
        at=(f"8={tmp_path}/mid.png", f"12={tmp_path}/x.png"),
        frames=17,
        guidance=2.5,
        size="64x48",
        out=Path("one.mp4"),
        steps=4,
        negative="blur",
    )
    assert other == Wish(prompt="b", steps=4, negative="blur")
    assert sorted(one.files()) == ["at 12", "at 8", "image"]
    assert (one.plain().width, one.plain().height, one.plain().steps) == (64, 48, 4)


def test_numbers_keep_their_kind_in_every_format(tmp_path):
    lines = tmp_path / "p.jsonl"
    lines.write_text('{"prompt": "a", "seed": 3, "strength": 0.5, "at": ["4=m.png"]}\n')
    table = tmp_path / "p.parquet"
    parquet.write_table(
        pyarrow.table(
            {"prompt": ["a"], "seed": [3], "strength": [0.5], "at": ["4=m.png"], "note": ["x"]}
        ),
        table,
    )
    (one,), (other,) = read_wishes(lines, BASE).wishes, read_wishes(table, BASE).wishes
    assert one == other and (one.seed, one.strength) == (3, 0.5)


def test_columns_that_mean_nothing_are_named(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("prompt,sed,id\na,1,2\n")
    ignored = read_wishes(path, BASE).ignored
    assert ignored == ("sed", "id")
    assert "column 'sed' is not read; did you mean 'seed'?" in hints(ignored)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("p.csv", "caption\na red ball\n", "expected one named prompt"),
        ("p.csv", "prompt,seed\na,1\nb,x\n", "line 3: seed 'x': expected a whole number"),
        ("p.csv", "prompt,seed\na,1.5\n", "expected a whole number"),
        ("p.jsonl", '{"text": "a"}\n', "line 1: expected"),
        ("p.jsonl", '"a"\n{oops\n', "line 2: no valid JSON"),
        ("p.jsonl", '{"prompt": "a", "fps": true}\n', "fps True: expected a number"),
        ("p.yaml", "a", "expected .csv, .jsonl, .parquet or .txt"),
        ("p.txt", "\n", "no prompts"),
        ("p.parquet", "no table", "expected a parquet file"),
    ],
)
def test_a_bad_list_says_what_is_wrong_and_where(tmp_path, name, text, complaint):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=complaint):
        read_wishes(path, BASE)


def test_a_missing_list_is_named(tmp_path):
    for name in ("none.csv", "none.parquet"):
        with pytest.raises(DataError, match=rf"{name}: cannot be read"):
            read_wishes(tmp_path / name, BASE)


@pytest.mark.parametrize("text", ["mid.png", "x=mid.png", "3="])
def test_key_frames_are_written_as_frame_and_picture(text):
    with pytest.raises(ConfigError, match="expected FRAME=PICTURE"):
        Wish(at=(text,)).files()
