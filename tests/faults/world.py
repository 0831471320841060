"""What is so in the lab, asked behind the tools' back: process tables, libvirt's and the store's own files, virsh.

Nothing here goes through a client of the store (a hung one would hang us): the store is read on its server's brick.
"""

import hashlib
import os
import stat
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from xml.etree import ElementTree

from lab import witness
from lab.files import brick_mount, flat
from lab.host import powered, root_of, run_on
from lab.parallel import for_each
from lab.place import Lab
from lab.topology import Host, Zone
from tests.lab.vme import VIRSH, Vme

# The zone that the guests of most cells are in. Names in another zone's store have that zone before them: `west:web1`.
ZONE = "east"
# Earlier definitions are kept as long as the guest is there: neither litter nor part of it.
_HISTORY = "history"
_LIBRARY = ".images"
_TRASH = ".trash"
_OWN = ".vme"
_ON_NODES = "/srv/vme/virt-store/"
_QCOW2 = b"QFI\xfb"
_BLOCK = 1 << 16

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class FileState:
    """A file or directory of a guest; `digest` and `snapshots` (those inside a qcow2 image) are a file's."""

    owner: str
    mode: str
    digest: str | None = None
    snapshots: int = 0


@dataclass(frozen=True)
class Definition:
    """A guest's definition as libvirt keeps it on a node of that zone; `images` are files of the World."""

    uuid: str
    xml: str
    autostart: bool
    images: tuple[str, ...]
    zone: str = ZONE


@dataclass(frozen=True)
class Snapshot:
    """One snapshot's metadata: what decides its place in the tree."""

    parent: str | None
    created: str
    state: str
    current: bool


@dataclass(frozen=True)
class Count:
    """The answer of a guest that counts: both live in its memory alone."""

    count: int
    boot: str


@dataclass(frozen=True)
class World:
    """All that is so of the guests, their files and the tools' own. Keys of `(str, str)` are (guest, node)."""

    processes: Mapping[str, tuple[str, ...]]
    states: Mapping[tuple[str, str], str]
    definitions: Mapping[tuple[str, str], Definition]
    snapshots: Mapping[tuple[str, str], Mapping[str, Snapshot]]
    node_files: frozenset[str]
    files: Mapping[str, FileState]
    saved: Mapping[str, str]
    directories: frozenset[str]
    histories: frozenset[str]
    trash: frozenset[str]
    litter: frozenset[str]
    counts: Mapping[str, Count | None]

    @property
    def journal(self) -> frozenset[str]:
        """The journal's entries: work that is under way, or was left unfinished."""
        return frozenset(name for name in self.litter if f"{_OWN}/journal/" in name)

    def defined_on(self, guest: str) -> tuple[str, ...]:
        """The nodes that have a definition of this guest."""
        return tuple(sorted(node for name, node in self.definitions if name == guest))

    def files_of(self, guest: str) -> dict[str, FileState]:
        """The guest's own directory and what is in it, but for its saved XML, which is compared as XML."""
        return {
            path: state
            for path, state in self.files.items()
            if (path == guest or path.startswith(f"{guest}/")) and not is_saved_xml(path)
        }


def snapshot(vme: Vme, addresses: Mapping[str, str] | None = None, *, glance: bool = False) -> World:
    """Look at all zones' stores and nodes. `addresses`: of the guests that count.

    At a `glance` nobody is asked, neither libvirt for states nor a guest for its count: files and processes only.
    """
    lab = vme.lab
    nodes: dict[str, _OnNode] = {}

    def look(node: Host) -> None:
        nodes[node.name] = _look_at_node(lab, node, glance=glance)

    for_each(lab.topology.nodes, look)
    stores = [_look_at_store(lab, zone).named(zone.name) for zone in lab.topology.zones]
    return World(
        processes={guest: tuple(sorted(found)) for guest, found in witness.guests_running(lab).items()},
        states=_merged(node.states for node in nodes.values()),
        definitions=_merged(node.definitions for node in nodes.values()),
        snapshots=_merged(node.snapshots for node in nodes.values()),
        node_files=frozenset(file for node in nodes.values() for file in node.files),
        files=_merged(store.files for store in stores),
        saved=_merged(store.saved for store in stores),
        directories=frozenset(name for store in stores for name in store.directories),
        histories=frozenset(name for store in stores for name in store.histories),
        trash=frozenset(name for store in stores for name in store.trash),
        litter=frozenset(name for store in stores for name in store.litter),
        counts={} if glance else {guest: count_of(vme, address) for guest, address in (addresses or {}).items()},
    )


def count_of(vme: Vme, address: str) -> Count | None:
    """The guest's counter and the boot it counts since, or None if it does not answer."""
    ask = f"echo x | timeout 3 busybox nc {address} 7"
    words = run_on(vme.lab, vme.lab.topology.management, ["sh", "-c", ask]).stdout.split()
    return Count(int(words[0]), words[1]) if len(words) == 3 else None


def plain(xml: str) -> str:
    """XML without what libvirt changes on the way: comments, and indentation after a migration."""
    return ElementTree.canonicalize(xml, strip_text=True)


def in_zone(zone: str, name: str) -> str:
    """What the World calls a file or directory of a zone's store."""
    return name if zone == ZONE else f"{zone}:{name}"


def is_saved_xml(file: str) -> bool:
    """Whether it is a guest's saved XML, which is compared as XML."""
    directory, _, name = file.partition("/")
    return name == f"{directory.rpartition(':')[2]}.xml"


@dataclass(frozen=True)
class _OnNode:
    states: dict[tuple[str, str], str]
    definitions: dict[tuple[str, str], Definition]
    snapshots: dict[tuple[str, str], dict[str, Snapshot]]
    files: list[str]


def _look_at_node(lab: Lab, node: Host, *, glance: bool) -> _OnNode:
    # The folders that the node has mounted, so that they can be read without going there.
    etc = lab.home_of(node) / flat("/etc/libvirt") / "qemu"
    state = lab.home_of(node) / flat("/var/lib/libvirt") / "qemu"
    states = {} if glance else _states_on(lab, node)
    zone = lab.topology.zone_of(node).name
    definitions = {(file.stem, node.name): _definition(file, zone) for file in sorted(etc.glob("*.xml"))}
    snapshots = {
        (folder.name, node.name): dict(map(_snapshot, sorted(folder.glob("*.xml"))))
        for folder in sorted((state / "snapshot").glob("*"))
        if any(folder.iterdir())
    }
    kept = [*state.glob("save/*"), *state.glob("nvram/*"), *(etc / "autostart").glob("*.xml")]
    return _OnNode(states, definitions, snapshots, [f"{node.name}:{file.parent.name}/{file.name}" for file in kept])


def _states_on(lab: Lab, node: Host) -> dict[tuple[str, str], str]:
    listed = run_on(lab, node, ["timeout", "10", *VIRSH, "list", "--all"])
    assert listed.status == 0, f"{node.name}: {listed.stderr}"
    rows = [line.split(maxsplit=2) for line in listed.stdout.splitlines() if line.strip()]
    return {(name, node.name): state.strip() for _number, name, state in rows}


def _definition(file: Path, zone: str) -> Definition:
    text = file.read_text()
    root = ElementTree.fromstring(text)
    sources = [source.get("file", "") for source in root.iterfind("devices/disk/source") if source.get("file")]
    images = [in_zone(zone, source.removeprefix(_ON_NODES)) for source in sources]
    autostart = os.path.lexists(file.parent / "autostart" / file.name)
    return Definition(root.findtext("uuid", "none"), plain(text), autostart, tuple(images), zone)


def _snapshot(file: Path) -> tuple[str, Snapshot]:
    root = ElementTree.parse(file).getroot()
    return root.findtext("name", file.stem), Snapshot(
        root.findtext("parent/name"),
        root.findtext("creationTime", "never"),
        root.findtext("state", "unknown"),
        root.findtext("active") == "1",
    )


@dataclass(frozen=True)
class _OnStore:
    files: dict[str, FileState]
    saved: dict[str, str]
    directories: list[str]
    histories: list[str]
    trash: list[str]
    litter: list[str]

    def named(self, zone: str) -> "_OnStore":
        """The same by the names it has in the World."""

        def names(found: list[str]) -> list[str]:
            return [in_zone(zone, name) for name in found]

        return _OnStore(
            {in_zone(zone, name): state for name, state in self.files.items()},
            {in_zone(zone, guest): xml for guest, xml in self.saved.items()},
            names(self.directories),
            names(self.histories),
            names(self.trash),
            names(self.litter),
        )


def _look_at_store(lab: Lab, zone: Zone) -> _OnStore:
    top = root_of(powered(lab, lab.topology.storage)) / brick_mount(zone.name).lstrip("/") / "brick/virt-store"
    found = _OnStore({}, {}, [], [], [], [])
    for path in sorted(top.iterdir()):
        if path.name == _OWN:
            _look_at_own(path, found)
        elif path.name == _TRASH:
            found.trash.extend(item.name for item in path.iterdir())
        elif path.name == _LIBRARY:
            found.litter.extend(f"{_LIBRARY}/{item.name}" for item in path.iterdir() if _is_temporary(item))
        elif path.is_dir():
            _look_at_directory(path, found)
        else:
            found.litter.append(path.name)
    return found


def _look_at_own(own: Path, found: _OnStore) -> None:
    """The tools' own files: histories are kept, all else but empty folders is of work that is not done."""
    for path in own.rglob("*"):
        below = path.relative_to(own)
        if below.parts[0] == _HISTORY:
            if len(below.parts) == 2 and any(path.iterdir()):
                found.histories.append(path.name)
            if not _is_temporary(path):
                continue
        if not path.is_dir():
            found.litter.append(f"{_OWN}/{below}")


def _look_at_directory(directory: Path, found: _OnStore) -> None:
    guest = directory.name
    found.directories.append(guest)
    found.files[guest] = _file_state(directory)
    for path in sorted(directory.rglob("*")):
        name = f"{guest}/{path.relative_to(directory)}"
        if _is_temporary(path):
            found.litter.append(name)
        else:
            found.files[name] = _file_state(path)
    if (directory / f"{guest}.xml").is_file():
        found.saved[guest] = plain((directory / f"{guest}.xml").read_text())


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(".") or path.suffix in (".part", ".tmp", ".new")


def _file_state(path: Path) -> FileState:
    about = path.lstat()
    owner, mode = f"{about.st_uid}:{about.st_gid}", f"{about.st_mode:o}"
    if not stat.S_ISREG(about.st_mode):
        return FileState(owner, mode)
    with path.open("rb") as file:
        head = file.read(72)
        inside = struct.unpack(">I", head[60:64])[0] if head[:4] == _QCOW2 else 0
        return FileState(owner, mode, _digest(file.fileno(), about.st_size), inside)


def _digest(handle: int, size: int) -> str:
    """A digest of what a file holds; its holes are read as what they are: an empty disk of 1 GiB takes no time."""
    digest, position = hashlib.sha256(str(size).encode()), 0
    while position < size:
        try:
            begin = os.lseek(handle, position, os.SEEK_DATA)
        except OSError:
            break  # nothing but a hole follows
        # Whole blocks: which parts of one are holes is the file system's affair.
        position = max(position, begin - begin % _BLOCK)
        end = os.lseek(handle, begin, os.SEEK_HOLE)
        while position < end:
            block = os.pread(handle, _BLOCK, position)
            if block.strip(b"\0"):
                digest.update(f"{position} {hashlib.sha256(block).hexdigest()} ".encode())
            position += _BLOCK
    return digest.hexdigest()[:16]


def _merged(parts: Iterable[Mapping[K, V]]) -> dict[K, V]:
    return {key: value for part in parts for key, value in part.items()}
