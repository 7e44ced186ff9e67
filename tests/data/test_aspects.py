"""Size classes hold what their names say, in every shape."""

import pytest

from kineograph.data.aspects import area, open_sora_1, open_sora_2, rounded_up, tall
from kineograph.errors import ConfigError


@pytest.mark.parametrize("name", ["144p", "720p", "4k", "256", "2048"])
def test_labels_are_height_over_width(name):
    for one in open_sora_1(name).aspects:
        assert one.height / one.width == pytest.approx(one.ratio, abs=0.031)


@pytest.mark.parametrize("multiple", [16, 32])
@pytest.mark.parametrize("training", [True, False])
def test_computed_sizes_are_multiples_near_the_area(multiple, training):
    sizes = open_sora_2("768px", multiple=multiple, training=training)
    for one in sizes.aspects:
        assert one.height % multiple == one.width % multiple == 0
        assert 0.9 < one.height * one.width / sizes.pixels < 1.1


def test_every_shape_lies_and_stands():
    sizes = {(one.height, one.width) for one in open_sora_2("1024px").aspects}
    assert sizes == {(width, height) for height, width in sizes}


def test_training_has_no_size_twice_and_is_nearer_to_the_area():
    def off(training):
        sizes = open_sora_2("256px", training=training)
        return {one.label: abs(one.height * one.width - 65536) for one in sizes.aspects}

    trained, asked = off(True), off(False)
    assert len(trained) < len(asked)
    assert all(trained[label] <= asked[label] for label in trained)


def test_the_first_of_equally_near_shapes_counts():
    sizes = open_sora_1("144p")
    assert sizes.closest(100, 100).label == "1.00"
    assert sizes.closest(505, 1000).label == "0.50"
    assert open_sora_2("768px").closest(720, 1280).label == "16:9"


def test_areas_by_name():
    assert (area("256px"), area("480p"), area("720p")) == (65536, 409600, 921600)
    assert rounded_up(17, 512) == (32, 512)
    assert tall("16:9") == 0.5625


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: open_sora_1("702p"), "did you mean '720p'"),
        (lambda: open_sora_2("large"), "such as 256px"),
        (lambda: open_sora_2("16px", multiple=32), "too small"),
        (lambda: open_sora_2("768px").named("16:8"), "did you mean '16:9'"),
        (lambda: tall("4x3"), "such as 16:9"),
    ],
)
def test_what_there_is_not_is_said(ask, message):
    with pytest.raises(ConfigError, match=message):
        ask()
