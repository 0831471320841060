"""Sets of names as ClusterShell folds them: `kvm[01-08]`, `@group`. Import it late: it costs 30 ms."""

from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException, std_group_resolver
from ClusterShell.NodeUtils import GroupResolverError, GroupSourceError

from vme.set_size import refuse_too_large

# AssertionError: of a range that is too wide for ClusterShell, though a step may leave few names of it.
_WRONG = (NodeSetException, AssertionError)
_UNKNOWN = (GroupSourceError, GroupResolverError)


def expanded(text: str) -> tuple[str, ...]:
    """The names of a set, in its order; asks ClusterShell's group sources for `@group`. Raises ValueError."""
    try:
        refuse_too_large(text)
        return tuple(NodeSet(text))
    except (*_WRONG, *_UNKNOWN) as problem:
        raise ValueError(str(problem)) from None


def expanded_names(text: str) -> tuple[str, ...]:
    """The names of a set in which `@` and the like mean nothing: guests. Raises ValueError."""
    try:
        refuse_too_large(text)
        return tuple(NodeSet(text, resolver=RESOLVER_NOGROUP))
    except _WRONG as problem:
        raise ValueError(str(problem)) from None


def members(group: str) -> frozenset[str]:
    """The members of a group, `GROUP` or `SOURCE:GROUP`; without a source, of `genders` or else the default's.

    Raises ValueError. A group source is a command of a shell: the caller has checked the name.
    """
    try:
        source = "" if ":" in group or "genders" not in std_group_resolver().sources() else "genders:"
        return frozenset(NodeSet(f"@{source}{group}"))
    except (*_WRONG, *_UNKNOWN) as problem:
        raise ValueError(str(problem)) from None


def folded(names: list[str]) -> str:
    """The names as a person writes them: `kvm[01-03,07]`."""
    return str(NodeSet.fromlist(names, resolver=RESOLVER_NOGROUP))
