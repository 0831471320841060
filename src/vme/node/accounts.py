"""Numeric ids of users and groups on a node: shared storage knows numbers only, and machines may differ."""

from vme.config import Node, SshConfig
from vme.node.verbs import GROUP, USER, ask


def user_id(node: Node, ssh: SshConfig, user: str, *, timeout_s: float) -> int | None:
    """The uid of a user on a node, or None if it has no such user (getent(1))."""
    return _id_in(ask(node, ssh, USER, user, timeout_s=timeout_s).output, user)


def group_id(node: Node, ssh: SshConfig, group: str, *, timeout_s: float) -> int | None:
    """The gid of a group on a node, or None if it has no such group."""
    return _id_in(ask(node, ssh, GROUP, group, timeout_s=timeout_s).output, group)


def _id_in(text: str, name: str) -> int | None:
    """The third field of the first line of passwd(5) or group(5), where both keep the number."""
    fields = text.partition("\n")[0].split(":")
    if len(fields) < 4 or not fields[2].isdigit() or (fields[0] != name and fields[2] != name):
        return None
    return int(fields[2])
