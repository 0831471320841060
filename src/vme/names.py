"""Which names are allowed, and how a foreign one is shown: the one place that decides either.

libvirt accepts `..`, `-h`, `$(id)`, tabs and right-to-left marks as names of guests; none of these may become a path or
an argument of ours. Names that come back from nodes pass through here too.
"""

import re

from vme.errors import Misused

LONGEST = 63
_ALLOWED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_RULE = f"a letter or digit, then letters, digits, dots, underscores and hyphens; {LONGEST} at most; not digits alone"


def is_allowed(name: str) -> bool:
    """Whether this may name a guest, node, zone, disk or snapshot. Not digits alone: virsh takes them as ids."""
    return _ALLOWED.fullmatch(name) is not None and not name.isdigit()


def checked(name: str, kind: str) -> str:
    """The same name, if it is allowed; `kind` ("guest", "node") is for the message. Raises Misused."""
    if is_allowed(name):
        return name
    a_kind = f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
    raise Misused(f"{shown(name)} can't be the name of {a_kind}", hint=f"{a_kind}'s name is {_RULE}")


def shown(text: str) -> str:
    """A foreign name as it may stand in a terminal: unchanged if harmless, otherwise quoted with escapes."""
    harmless = text.isascii() and text.isprintable() and text.strip() == text and text != ""
    return text if harmless else ascii(text)
