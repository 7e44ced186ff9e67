"""A ruler of level 1, and models that are perfect or frozen."""

import pytest

from kineograph.evaluation import prompts, reader
from kineograph.evaluation.ruler import Form, Ruler
from kineograph.toybox.render import render, times

PROMPTS = prompts.load(60)
BY_TEXT = {text: one for one in PROMPTS for text in (one.text, one.plain())}


@pytest.fixture(scope="session")
def ruler():
    form = Form(frames=17, height=64, width=64, fps=8, half=9, quarter=5)
    return Ruler(reader.judge(1), reader.load(), form)


@pytest.fixture(scope="session")
def truthful():
    """A model that cannot do better: it renders what it is asked for."""

    def generate(texts, seeds):
        scenes = [BY_TEXT[text].scene() for text in texts]
        return render(scenes, times(17, 8), (64, 64)).video

    return generate


@pytest.fixture(scope="session")
def knowing(truthful):
    """Completes every clip as it truly is."""

    def complete(task, given, text, seed):
        [video] = truthful([text], [seed])
        return video

    return complete


@pytest.fixture(scope="session")
def frozen():
    """Stays at the first given frame."""

    def complete(task, given, text, seed):
        return given[:1].expand(17, -1, -1, -1)

    return complete
