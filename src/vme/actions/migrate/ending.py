"""How a migration that failed or was cancelled ended: what is to be done, and said, given what both nodes tell."""

from vme.hypervisor.guest import Guest
from vme.records import dataclass

# Why a destination has the guest shut off (virDomainShutoffReason), unless it failed before it ran or its daemon gave
# it up on its way in. After a restart of the daemon it is "unknown".
_RAN_THERE_OR_MAY_HAVE = ("shutdown", "destroyed", "crashed", "unknown")

# The guest as a node has it, None if it has it not, or why that can't be said.
Seen = Guest | str | None


@dataclass(frozen=True)
class Ending:
    """What to say once the deeds, if there are any, are done; `otherwise` is what is so if a deed fails.

    Deeds are done in this order: `remove` pulls the plug of what arrived and never ran (or of what is left of a guest
    that ran on, and ended, elsewhere), `undefine` removes a definition that the migration left, `resume` lets the guest
    run again. `clear` says that then nothing is left to look at, `known` that both nodes were heard.
    """

    says: str
    remove: Guest | None = None
    undefine: Guest | None = None
    resume: Guest | None = None
    otherwise: str = ""
    clear: bool = True
    known: bool = True


def ending_of(source: Seen, destination: Seen, source_node: str, destination_node: str) -> Ending:
    """Decide, touching nothing. Resumed is only what can run nowhere else, and removed only what never ran.

    The destination had nothing of the guest before, which is looked at before a migration: what it has now is of it.
    """
    if isinstance(source, str) or isinstance(destination, str):
        said = [text for text in (source, destination) if isinstance(text, str)]
        says = f"where it runs is not known: {'; '.join(said)}; look at both nodes before anything else"
        return Ending(says, clear=False, known=False)
    if source is not None and destination is not None and source.active and destination.active:
        return _on_both(source, destination)
    if source is not None and source.active:
        return _at_source(source, destination, destination_node)
    if destination is not None and destination.active:
        return _without(source, f"it is {destination.state} on {destination_node}", source_node)
    if source is not None and destination is not None and source.reason == "migrated":
        # It ran there and was shut off since: that side has its newest state.
        return _without(source, f"it is {destination.state} on {destination_node}", source_node)
    if source is not None:
        return _without(destination, f"it is {source.state} on {source_node}", destination_node)
    if destination is not None:
        return Ending(f"it is {destination.state} on {destination_node}")
    return Ending("neither node has it any more", clear=False)


def _on_both(source: Guest, destination: Guest) -> Ending:
    both = f"it is {source.state} on {source.node.name} and {destination.state} on {destination.node.name}"
    if source.state == "running" and destination.state == "paused":
        says = f"it runs on {source.node.name}; what had arrived on {destination.node.name} was removed"
        return Ending(says, remove=destination, otherwise=both)
    if _stopped_midway(source) and destination.arriving:
        # Nobody told the destination to run: libvirt pauses the source first, and starts the destination last.
        says = f"it was paused on both, and runs on {source.node.name} again"
        return Ending(says, remove=destination, resume=source, otherwise=both)
    if source.reason.startswith("post-copy") or destination.reason.startswith("post-copy"):
        return Ending(
            f"{both}, in the midst of post-copy: each has a part of its memory, so it can run on neither alone; kill "
            "neither: by itself, or by `virsh migrate --postcopy-resume`, it may still arrive",
            clear=False,
        )
    return Ending(f"{both}: look at both, and let it run on one only", clear=False)


def _at_source(source: Guest, destination: Guest | None, destination_node: str) -> Ending:
    if source.state == "paused" and source.reason.startswith("post-copy"):
        return Ending(
            f"it is paused on {source.node.name}, and part of its memory went to {destination_node}, which has it no "
            "more: it can't go on; stop_guest it, vme repair it, then start_guest it",
            clear=False,
        )
    if _stopped_midway(source) and destination is not None and destination.reason in _RAN_THERE_OR_MAY_HAVE:
        return _may_have_run_there(source, destination)
    if source.state == "paused":
        again = _without(destination, f"it was paused on {source.node.name} and runs there again", destination_node)
        paused = f"it is paused on {source.node.name}; vme repair lets it run there again"
        return Ending(again.says, undefine=again.undefine, resume=source, otherwise=paused)
    return _without(destination, f"it is {source.state} on {source.node.name}", destination_node)


def _may_have_run_there(source: Guest, destination: Guest) -> Ending:
    """Its definition came, which libvirt's Finish does before it lets the guest run, and the source was told nothing.

    To let the source go on would be to write the memory of before over images of after.
    """
    node = destination.node.name
    both = f"it is paused on {source.node.name}, in the midst of its move, and {destination.state} on {node}"
    if destination.reason == "shutdown":
        says = f"it ran on {node} and was shut down there; what was still paused on {source.node.name} was removed"
        return Ending(says, remove=source, undefine=source, otherwise=both)
    return Ending(
        f"{both} ({destination.reason}), where it may have run, so it can't be said which side is the newer; if it ran "
        f"there, end it on {source.node.name} (virsh destroy, then undefine), else undefine it on {node} (virsh "
        "undefine); vme repair does the rest",
        clear=False,
    )


def _without(other: Guest | None, says: str, other_node: str) -> Ending:
    """The guest is where `says` says, and of the other node nothing must remain but, at most, nothing."""
    if other is None:
        return Ending(f"{says}, and nothing of it on {other_node}")
    left = f"a definition of it, {other.state}, is left on {other_node}: never start it, undefine it there"
    return Ending(
        f"{says}; a definition of it that was left on {other_node} was removed",
        undefine=other,
        otherwise=f"{says}; {left}",
    )


def _stopped_midway(source: Guest) -> bool:
    return source.state == "paused" and source.reason == "migrating"
