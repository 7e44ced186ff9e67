"""Captions lose what is no language, and nothing else."""

import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kineograph.errors import ConfigError
from kineograph.text.cleaning import Cleaning, Lowering, mended, without_markup

clean = Cleaning()


@pytest.mark.parametrize(
    ("dirty", "shiny"),
    [
        ("A heron lands on a lake.", "a heron lands on a lake."),
        ("a%20heron+lands", "a heron lands"),
        ("heron at https://birds.example.org/heron now", "heron at now"),
        ("<b>A heron</b><!-- shot 3 --> lands", "a heron lands"),
        ("heron @birdwatch lands", "heron lands"),
        ("a heron 鹭 lands サギ", "a heron lands サギ"),
        ("a “heron” — lands", 'a "heron" - lands'),
        ("heron_on_the_lake_2 lands", "heron on the lake 2 lands"),
        ("heron-on-the lake", "heron-on-the lake"),
        ("heron IMG_2231.jpg lands", "heron lands"),
        ("heron ab1234 lands", "heron lands"),
        ("heron 1920x1080, page 12", "heron"),
        ("herons ½ & more …", "herons more …"),
        ('"A heron lands"', "a heron lands"),
        ("heron,lands/now", "heron, lands now"),
        ("ｈｅｒｏｎ", "heron"),
    ],
)
def test_one_thing_at_a_time(dirty, shiny):
    assert clean(dirty) == shiny


def test_chinese_stays_where_the_encoder_reads_it():
    assert Cleaning(chinese=True)("A heron 鹭") == "a heron 鹭"


def test_a_second_pass_may_find_more():
    dirty = "page 12 of the book, 1920x1080 video, click for details"
    assert Cleaning(passes=1)(dirty) == "of the book, video," != clean(dirty)


def test_lowering_leaves_everything_else():
    assert Lowering()("  A <b>Heron</b> ") == "a <b>heron</b>"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("no markup; 3 > 2", "no markup; 3 > 2"),
        ("a<br>b</br>c", "abc"),
        ("a<script>x</script>b<style>y</style>", "ab"),
        ("<p>a<rt>b<i>c</i></rt>d", "ad"),
        ("a<![CDATA[b]]>c", "abc"),
        ("&eacute;&#233;&#xe9;&foo; 1 & 2", "ééé&foo 1 & 2"),
        ("</p>a<p/>b", "ab"),
    ],
)
def test_markup_is_read_as_a_page_shows_it(markup, text):
    assert without_markup(markup) == text


@settings(max_examples=25)
@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_needs_no_mending(text):
    ftfy = pytest.importorskip("ftfy")
    if "&" not in text:  # entities are resolved afterwards anyway
        assert mended(text) == ftfy.fix_text(text)


@settings(max_examples=25)
@given(st.text(max_size=40))
def test_any_text_can_be_cleaned(text):
    found = clean(text)
    assert found == found.strip() and "  " not in found


def test_without_ftfy_plain_prompts_work_and_others_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ftfy", None)
    assert clean("A heron lands.") == "a heron lands."
    with pytest.raises(ConfigError, match=r"'é' needs the package ftfy; install kineograph\[mod"):
        clean("a café")


@pytest.mark.parametrize("word", [".", "a.b", "1x", "aaa111", "<", "&"])
def test_a_word_without_end_is_cleaned_in_no_time(word):
    began = time.process_time()
    clean(word * 5000)
    assert time.process_time() - began < 2.0
