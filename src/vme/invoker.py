"""Who runs a tool, for the records that people read: locks, history, audit."""

import os


def user_name() -> str:
    """The account this process runs as, or its number where it has no name."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def person() -> str:
    """The person behind it: who called sudo, or else the account."""
    return os.environ.get("SUDO_USER") or user_name()
