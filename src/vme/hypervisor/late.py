"""What takes time is done when it is first needed: libvirt's library is loaded, a connection opened, a guest looked up.

The library and the fifty that it is linked with take 26 ms to load, more than all else of a listing that does not need
it. `from vme.hypervisor.late import libvirt` is for what such a listing imports; the rest imports libvirt itself.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    import libvirt as libvirt
else:

    class _Library:
        def __getattr__(self, name: str) -> Any:
            return getattr(load(), name)

    libvirt = _Library()


def load() -> Any:
    """libvirt's module, loaded unless it is."""
    import libvirt as module

    # It prints each error to stderr by itself; ours say it better, and once.
    module.registerErrorHandler(lambda _context, _error: None, None)
    return module


def once(make: Callable[[], T]) -> Callable[[], T]:
    """`make` as a function that works at its first call, and hands out the same result ever after."""
    made: list[T] = []
    turn = threading.Lock()

    def result() -> T:
        with turn:
            if not made:
                made.append(make())
        return made[0]

    return result
