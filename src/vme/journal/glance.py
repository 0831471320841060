"""Whether there is an entry of a guest: all that who starts one needs of the journal, and quick to load."""

import os
from collections.abc import Sequence
from contextlib import suppress

from vme.config import Store
from vme.names import is_allowed
from vme.store.layout import journal_file


def has_entry(guest: str, stores: Sequence[Store]) -> bool:
    """Whether one of these stores has an entry of work on the guest, or a note of it: one open() a store.

    None is seen where we may not look, nor where the store is not mounted here. Raises OSError where it is broken;
    hangs while the store does.
    """
    for store in stores if is_allowed(guest) else ():
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            os.close(os.open(journal_file(store, guest), os.O_RDONLY | os.O_CLOEXEC))
            return True
    return False
