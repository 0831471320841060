"""The invariants: what must be so of every guest whatever went wrong, and what is not so, a sentence each.

An expectation is a World too: the one before, as a deed that was done wholly would have left it (deeds.py).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tests.faults.world import Count, Definition, FileState, Snapshot, World, in_zone, is_saved_xml

K = TypeVar("K")

# What a message says of a guest that moved: running or shut off, as it was.
THERE = "there"
ACTIVE = ("running", "paused", "in shutdown", "pmsuspended")
_STATES = "running|runs|paused|shut off|crashed"
_MOVED = re.compile(r"^(?P<guest>[\w.-]+): moved from (?P<source>[\w-]+) to (?P<node>[\w-]+) in", re.MULTILINE)
_IS = re.compile(rf"\b(?:it is|it|and) (?P<state>{_STATES}) on (?P<node>[\w-]+)")
_RUNS_AGAIN = re.compile(r"\bit was paused on (?P<node>[\w-]+) and runs there again")


@dataclass(frozen=True)
class Verdict:
    """Which of the outcomes that may be came true, and what is not as it should be in it."""

    outcome: str
    violations: tuple[str, ...]


@dataclass(frozen=True)
class Claim:
    """Where a message says that the guest is, and whether it runs (THERE: as it did before)."""

    state: str
    node: str


def verdict(after: World, expectations: Mapping[str, World], guest: str, said: str = "") -> Verdict:
    """Hold what is so against each outcome that may be; the one it comes nearest to counts."""
    always = [*standing_violations(after), *contradictions(said, guest, after)]
    found = {outcome: differences(expected, after) for outcome, expected in expectations.items()}
    outcome = min(found, key=lambda name: len(found[name]))
    return Verdict(outcome, (*always, *found[outcome]))


def standing_violations(world: World) -> list[str]:
    """What must never be so, whatever was done before."""
    return [
        *_running_violations(world),
        *_definition_violations(world),
        *_store_violations(world),
        *(f"left in the store: {name}" for name in sorted(world.litter)),
    ]


def _running_violations(world: World) -> list[str]:
    found = [
        f"{guest} runs more than once: on {', '.join(nodes)}"
        for guest, nodes in world.processes.items()
        if len(nodes) > 1
    ]
    for guest, nodes in world.processes.items():
        found += [
            f"{guest} runs on {node}, and libvirt there says: {world.states.get((guest, node), 'no such guest')}"
            for node in set(nodes)
            if world.states.get((guest, node)) not in ACTIVE
        ]
    for (guest, node), state in world.states.items():
        if state in ACTIVE and node not in world.processes.get(guest, ()):
            found.append(f"{guest} is {state} on {node}, says libvirt, but no process is there")
        if (guest, node) not in world.definitions:
            found.append(f"{guest} is {state} on {node} without a definition")
    return found


def _definition_violations(world: World) -> list[str]:
    found = []
    guests = sorted({guest for guest, _ in world.definitions})
    for guest in guests:
        nodes = world.defined_on(guest)
        if len(nodes) > 1:
            found.append(f"{guest} is defined more than once: on {', '.join(nodes)}")
    seen: dict[str, str] = {}
    for (guest, node), definition in world.definitions.items():
        if seen.setdefault(definition.uuid, guest) != guest:
            found.append(f"{guest} on {node} has the UUID of {seen[definition.uuid]}")
    found += [
        f"{node} keeps snapshots of {guest}, which is not defined there"
        for guest, node in world.snapshots
        if (guest, node) not in world.definitions
    ]
    return found


def _store_violations(world: World) -> list[str]:
    found = []
    for (guest, node), definition in world.definitions.items():
        saved = world.saved.get(in_zone(definition.zone, guest))
        if saved is None:
            found.append(f"{guest} has no saved XML")
        elif saved != definition.xml:
            found.append(f"the saved XML of {guest} is not its definition on {node}")
        found += [f"{guest} has no image {image}" for image in definition.images if image not in world.files]
    defined = {in_zone(definition.zone, guest) for (guest, _), definition in world.definitions.items()}
    found += [f"a directory is there without a guest: {name}" for name in sorted(world.directories - defined)]
    found += [f"a history is there without a guest: {name}" for name in sorted(world.histories - defined)]
    return found


def differences(expected: World, after: World) -> list[str]:
    """What is not as it should be, of all guests."""
    return [
        *_mapping("where it runs", expected.processes, after.processes),
        *_mapping("state", expected.states, after.states),
        *_definitions(expected.definitions, after.definitions),
        *_snapshots(expected.snapshots, after.snapshots),
        *_files(expected.files, after.files),
        *_names("on the node", expected.node_files, after.node_files),
        *_names("in the trash", expected.trash, after.trash),
        *_names("history", expected.histories, after.histories),
        *_counts(expected.counts, after.counts),
    ]


def _mapping(what: str, expected: Mapping[K, object], after: Mapping[K, object]) -> list[str]:
    return [
        f"{what} of {_key(key)}: {_value(expected.get(key))} expected, and it is {_value(after.get(key))}"
        for key in sorted({*expected, *after}, key=str)
        if expected.get(key) != after.get(key)
    ]


def _key(key: object) -> str:
    return " on ".join(key) if isinstance(key, tuple) else str(key)


def _value(value: object) -> str:
    return "nothing" if value is None else ", ".join(value) if isinstance(value, tuple) else str(value)


def _definitions(
    expected: Mapping[tuple[str, str], Definition], after: Mapping[tuple[str, str], Definition]
) -> list[str]:
    found = []
    for key in sorted({*expected, *after}):
        was, now = expected.get(key), after.get(key)
        if was is None or now is None:
            found.append(f"definition of {_key(key)}: {'there' if was is None else 'gone'}, against expectation")
        elif was.autostart != now.autostart:
            found.append(f"autostart of {_key(key)}: {was.autostart} expected, and it is {now.autostart}")
        elif was != now:
            found.append(f"the definition of {_key(key)} has changed")
    return found


def _snapshots(
    expected: Mapping[tuple[str, str], Mapping[str, Snapshot]], after: Mapping[tuple[str, str], Mapping[str, Snapshot]]
) -> list[str]:
    found = []
    for key in sorted({*expected, *after}):
        was, now = expected.get(key, {}), after.get(key, {})
        found += [f"snapshot {name} of {_key(key)} is lost" for name in sorted(set(was) - set(now))]
        found += [f"snapshot {name} of {_key(key)} was not there" for name in sorted(set(now) - set(was))]
        found += [
            f"snapshot {name} of {_key(key)} has changed: {was[name]} is now {now[name]}"
            for name in sorted(set(was) & set(now))
            if was[name] != now[name]
        ]
    return found


def _files(expected: Mapping[str, FileState], after: Mapping[str, FileState]) -> list[str]:
    found = []
    for path in sorted({*expected, *after}):
        was, now = expected.get(path), after.get(path)
        if is_saved_xml(path) and was is not None and now is not None:
            continue  # compared as XML, with the definition
        if was is None:
            found.append(f"file {path} was not there")
        elif now is None:
            found.append(f"file {path} is gone")
        else:
            found += _changes(path, was, now)
    return found


def _changes(path: str, was: FileState, now: FileState) -> list[str]:
    found = []
    if (was.owner, was.mode) != (now.owner, now.mode):
        found.append(f"file {path}: owner {was.owner}, mode {was.mode} expected, it is {now.owner}, {now.mode}")
    if was.snapshots != now.snapshots:
        found.append(f"file {path}: {was.snapshots} snapshots inside expected, there are {now.snapshots}")
    elif was.digest != now.digest:
        found.append(f"file {path}: its content has changed")
    return found


def _names(where: str, expected: frozenset[str], after: frozenset[str]) -> list[str]:
    return [
        *(f"{where}: {name} is gone" for name in sorted(expected - after)),
        *(f"{where}: {name} was not there" for name in sorted(after - expected)),
    ]


def _counts(expected: Mapping[str, Count | None], after: Mapping[str, Count | None]) -> list[str]:
    found = []
    for guest, was in expected.items():
        now = after.get(guest)
        if was is None:
            continue
        if now is None:
            found.append(f"{guest} does not answer")
        elif now.boot != was.boot:
            found.append(f"{guest} has rebooted: its memory is lost")
        elif now.count <= was.count:
            found.append(f"the counter of {guest} went back from {was.count} to {now.count}")
    return found


def claims(said: str, guest: str) -> list[Claim]:
    """Where a tool's words say that the guest is; the last of them is its last word."""
    found = [(match.start(), Claim(THERE, match["node"])) for match in _MOVED.finditer(said) if match["guest"] == guest]
    found += [
        (match.start(), Claim("running" if match["state"] == "runs" else match["state"], match["node"]))
        for match in _IS.finditer(said)
    ]
    found += [(match.start(), Claim("running", match["node"])) for match in _RUNS_AGAIN.finditer(said)]
    return [claim for _, claim in sorted(found, key=lambda pair: pair[0])]


def contradictions(said: str, guest: str, after: World) -> list[str]:
    """Where the tool's last word on where the guest is is not so."""
    last: Sequence[Claim] = claims(said, guest)[-1:]
    found = []
    for claim in last:
        if claim.state == THERE:
            if (guest, claim.node) not in after.definitions or set(after.processes.get(guest, ())) - {claim.node}:
                found.append(f"said to be on {claim.node}, but it is defined on: {', '.join(after.defined_on(guest))}")
            continue
        active = claim.state in ACTIVE
        is_there = after.processes.get(guest, ()) == (claim.node,) if active else not after.processes.get(guest)
        if not is_there or after.states.get((guest, claim.node)) != claim.state:
            where = ", ".join(after.processes.get(guest, ())) or "nowhere"
            found.append(f"said to be {claim.state} on {claim.node}, but a process of {guest} is on: {where}")
    return found
