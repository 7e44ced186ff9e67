"""What was asked is read back; shares are counted right; toys are told apart."""

import pytest

from kineograph.errors import ConfigError
from kineograph.evaluation.adherence import ALL, TOGETHER, Outcome, groups, outcome, tally
from kineograph.evaluation.prompts import load
from kineograph.evaluation.reading import Said, Sight, ToySeen
from kineograph.evaluation.text_clips import Making
from kineograph.parallel.replicas import Replicas

PROMPTS = load(60)


def silent(line):
    """Says nothing."""


def result(asked=None, held_out=False, **wrong):
    true = asked or {"colour": "red", "shape": "cube", "motion": "left", "floor": "grey"}
    sure = dict.fromkeys(true, 1.0)
    return Outcome(
        text="", seed=0, held_out=held_out, asked=true, read=true | wrong, confidence=sure
    )


class Blind:
    """A judge that is certified for colour and floor, and does not know the floor."""

    def __init__(self):
        self.level, self.accuracy = 1, {"colour": 0.99, "shape": 0.9, "floor": 0.98}

    def look(self, video):
        toy = ToySeen(said={"colour": Said("red", 0.8), "shape": Said("cube", 0.5)})
        return (Sight(known=1.0, toys=(toy,), scene={"floor": Said()}),)


def test_shares_are_counted_by_attribute_and_together():
    shares = tally([result(), result(motion="right"), result(floor="wooden")])
    found = {name: (share.right, share.total) for name, share in shares.items()}
    assert found == {
        "colour": (3, 3), "shape": (3, 3), "motion": (2, 3), "floor": (2, 3),
        TOGETHER: (2, 3), ALL: (1, 3),
    }  # fmt: skip


def test_all_toys_must_be_right():
    asked = {"colour": "red", "colour2": "blue", "shape": "cube", "shape2": "ball"}
    good, swapped = result(asked), result(asked, colour="blue", colour2="red")
    shares = tally([good, swapped])
    assert (shares["colour"].right, shares["shape"].right, shares[ALL].right) == (1, 2, 1)
    assert swapped.wrong() == ("colour", "colour2")


def test_groups_are_seen_held_out_and_numbers_of_toys():
    two = {"shape": "cube", "shape2": "ball"}
    found = groups([result(), result(held_out=True, motion="right"), result(two)])
    assert found["seen"][ALL].total == 2 and found["held-out"]["motion"].right == 0
    assert found["1 toy"][ALL].total == 2 and found["2 toys"][ALL].total == 1
    assert "1 toy" not in groups([result()])


def test_only_what_the_judge_reads_well_is_asked_and_not_knowing_is_wrong(ruler, truthful):
    prompt = next(one for one in PROMPTS if "floor" in one.asked and one.asked["colour"] == "red")
    found = outcome(Blind(), prompt, truthful([prompt.text], [0])[0])
    assert found.asked.keys() == {"colour", "floor"}
    assert found.right(["colour"]) and not found.right(["floor"])
    assert found.wrong() == ("floor",)


def test_a_truthful_model_is_right_and_a_stubborn_one_is_not(ruler, tmp_path, truthful):
    some = PROMPTS[:4]
    good = Making(truthful, ruler, tmp_path / "good", silent).clips(some)
    assert tally([one.outcome for one in good])[ALL].value == 1
    assert all(one.flow == one.true_flow and one.features == one.true_features for one in good)

    def stubborn(texts, seeds):
        return truthful([some[0].text] * len(texts), seeds)

    bad = Making(stubborn, ruler, tmp_path / "bad", silent).clips(some)
    shares = tally([one.outcome for one in bad])
    assert shares[ALL].right < 4 and bad[0].outcome.right(some[0].asked)


def test_of_a_picture_nothing_is_asked_that_moves(ruler, truthful):
    found = ruler.outcome(PROMPTS[0], truthful([PROMPTS[0].text], [0])[0, :1])
    assert "motion" not in found.asked and "motion" in PROMPTS[0].asked
    assert not found.wrong()


def test_an_interrupted_measurement_goes_on_with_the_same_batches(ruler, tmp_path, truthful):
    asked = []

    def failing(texts, seeds):
        asked.append(list(texts))
        if len(asked) == 2:
            raise KeyboardInterrupt
        return truthful(texts, seeds)

    making = Making(failing, ruler, tmp_path, silent, together=2)
    texts = [one.text for one in PROMPTS[:4]]
    try:
        making.clips(PROMPTS[:4])
    except KeyboardInterrupt:
        found = making.clips(PROMPTS[:4])
    assert asked == [texts[:2], texts[2:], texts[2:]]
    assert [one.outcome.text for one in found] == texts


class Unlucky(Replicas):
    """The first of two processes; the second one fails."""

    def wait(self):
        """The other one is here, too."""

    def collect(self, number):
        return [number, 1.0]


def test_what_another_process_cannot_make_is_an_error_here_too(ruler, tmp_path, truthful):
    making = Making(truthful, ruler, tmp_path, silent, together=2, place=Unlucky(0, 2))
    with pytest.raises(ConfigError, match="another process could not go on"):
        making.clips(PROMPTS[:4])
    assert len(list(tmp_path.rglob("*.json"))) == 2  # its own share
    with pytest.raises(ConfigError, match="another process could not go on"):
        making.clips(PROMPTS[:4])
    assert len(list(tmp_path.rglob("*.json"))) == 4  # what is missing is shared anew
