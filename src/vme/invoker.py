"""Who runs a tool and where, for the records that people read: locks, journal, history, audit."""

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


def this_host() -> str:
    """This server, as such records name it."""
    return os.uname().nodename
