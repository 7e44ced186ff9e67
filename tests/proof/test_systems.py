"""The systems' tables are joined without one hiding another."""

from importlib import import_module
from pkgutil import iter_modules

from kineograph import proof
from kineograph.proof.systems import ADAPTERS

SYSTEMS = {"ltx_video", "open_sora_1", "open_sora_2", "open_sora_plan", "stiv"}
PARTS = [
    vars(import_module(f"kineograph.proof.{module.name}"))
    for module in iter_modules(proof.__path__)
]


def kinds(table: str) -> list[str]:
    """The kinds of all files that have such a table."""
    return [kind for part in PARTS for kind in part.get(table, ())]


def test_every_adapter_is_in_the_joined_table_under_its_own_kind():
    vectors, manifests = kinds("VECTORS"), kinds("MANIFESTS")
    assert sorted(vectors) == sorted(ADAPTERS.vectors)
    assert sorted(manifests) == sorted(ADAPTERS.manifests)


def test_kinds_begin_with_their_system():
    assert {kind.split("/")[0] for kind in (*ADAPTERS.vectors, *ADAPTERS.manifests)} <= SYSTEMS
