"""One shape per step on every process; what that costs is told."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kineograph.data.grouped import GroupedOrder, frequent, unseen

SHAPES = ["93x352x640"] * 8 + ["29x320x320"] * 4 + ["1x256x256"] * 3


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=40), st.integers(1, 3), st.integers(1, 3)
)
def test_every_batch_has_one_shape_and_full_size(shapes, batch, ranks):
    order = GroupedOrder(batch=batch, ranks=ranks)
    for piece in order.steps(shapes):
        assert len(piece) == ranks
        for rows in piece:
            assert len(rows) == batch and len({shapes[row] for row in rows}) == 1


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from("ab"), min_size=1, max_size=40), st.integers(1, 3), st.integers(1, 3)
)
def test_regardless_of_shapes_every_row_is_seen(shapes, batch, ranks):
    steps = GroupedOrder(batch=batch, ranks=ranks, grouped=False).steps(shapes)
    assert unseen(steps, len(shapes)) == []


def test_groups_in_whole_steps_lose_nothing_and_never_mix_a_step():
    shapes = ["a"] * 8 + ["b"] * 4
    steps = GroupedOrder(batch=2, ranks=2).steps(shapes)
    assert unseen(steps, 12) == []
    assert all(len({shapes[row] for rows in piece for row in rows}) == 1 for piece in steps)


def test_rows_that_another_shape_takes_over_are_told():
    shapes = ["a", "a", "a", "b"]
    steps = GroupedOrder(batch=4).steps(shapes)
    assert unseen(steps, 4) == [3]


def test_processes_see_their_own_part_and_go_on_after_a_stop():
    order = GroupedOrder(batch=2, ranks=2)
    own = [list(order.batches(SHAPES, rank)) for rank in range(2)]
    assert all(not set(a) & set(b) for a, b in zip(*own, strict=True) if len({*a, *b}) == 4)
    assert list(order.batches(SHAPES, 1, skip=2)) == own[1][2:]


def test_rare_shapes_can_be_left_out():
    assert frequent(SHAPES, 4) == list(range(12))
