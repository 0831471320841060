"""Many things at once: most of what the lab does is waiting for daemons."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

T = TypeVar("T")


def all_at_once(actions: Iterable[Callable[[], object]]) -> None:
    """Do them all at once. When all have ended, raise the first error if there was one."""
    todo = list(actions)
    if not todo:
        return
    with ThreadPoolExecutor(max_workers=min(len(todo), 32)) as pool:
        futures = [pool.submit(action) for action in todo]
    for future in futures:
        future.result()


def for_each(items: Iterable[T], action: Callable[[T], object]) -> None:
    """Do it for each of them, all at once."""
    all_at_once(partial(action, item) for item in items)
