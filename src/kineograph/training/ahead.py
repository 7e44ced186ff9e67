"""Work that is done ahead: other processes draw the next clips while the model learns."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from torch.utils.data import DataLoader, Dataset

from kineograph.errors import KineographError

ItemT = TypeVar("ItemT")
FoundT = TypeVar("FoundT")


def ahead(
    work: Callable[[ItemT], FoundT], items: Sequence[ItemT], workers: int
) -> Iterator[FoundT]:
    """The results of some work, in order.

    Args:
        work: what is done with one item; with workers it must be picklable, and so must items and
            results.
        items: one for each result.
        workers: processes that do it, each up to two items ahead; 0: it is done here, when its
            result is asked for.

    Raises:
        KineographError: what the work raised of this kind.
    """
    if workers == 0:
        yield from map(work, items)
        return
    # New processes, because one that was forked could not use an accelerator's libraries.
    loader: DataLoader[Any] = DataLoader(
        _Results(work, items),
        batch_size=None,
        num_workers=workers,
        multiprocessing_context="spawn",
        collate_fn=_as_it_is,
    )
    for found in loader:
        if isinstance(found, KineographError):
            raise found
        yield found


class _Results(Dataset[Any], Generic[ItemT, FoundT]):
    """The items' results, by number."""

    def __init__(self, work: Callable[[ItemT], FoundT], items: Sequence[ItemT]) -> None:
        self.work, self.items = work, items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> FoundT | KineographError:
        """An error for the user comes back as it is: a loader would wrap it in a traceback."""
        try:
            return self.work(self.items[index])
        except KineographError as error:
            return error


def _as_it_is(found: FoundT) -> FoundT:
    """Instead of torch's conversion of what it knows."""
    return found
