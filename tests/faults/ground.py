"""The lab as every cell finds it: a bystander with a snapshot, a guest that counts, and guests made for one cell.

All of them are in one zone; the other is empty.
"""

from dataclasses import dataclass, field

from lab import witness
from tests.faults.world import World, snapshot
from tests.lab.vme import Vme

BYSTANDER, COUNTING = "keeper", "web1"
# Not a node that the guest which counts ever goes to: this one may lose its power.
NODE = "kvm03"
MOVING = ("kvm01", "kvm02")
# Of another zone: where guests go with their images.
ACROSS_NODE = "kvm04"
_AT_ONCE = 10
_SMALL = "32M"
_FORGET = """\
for name in {names}; do
    rm -rf /srv/vme/*/virt-store/$name /srv/vme/*/virt-store/.vme/*/$name /srv/vme/*/virt-store/.trash/$name.*
done
"""
_REMOVE = """\
for name in {names}; do
    virsh -q destroy $name 2>/dev/null
    virsh -q undefine $name --nvram --managed-save --snapshots-metadata 2>/dev/null
done; :
"""


@dataclass
class Ground:
    """What there is before each cell. Guests of a cell have names of their own: no cache of a name can be stale."""

    vme: Vme
    addresses: dict[str, str] = field(default_factory=dict)
    count: int = 0
    pools: dict[str, list[str]] = field(default_factory=dict)
    used: list[str] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)

    def look(self) -> World:
        """The world as it is now, with the counter of the guest that counts."""
        return snapshot(self.vme, self.addresses)

    def glance(self) -> World:
        """The same from files and processes alone, which costs nothing."""
        return snapshot(self.vme, glance=True)

    def set_up(self) -> None:
        """Make the bystander: shut off, two snapshots, the first of them current."""
        self.vme.create(BYSTANDER, NODE)
        self._take_snapshots(NODE, BYSTANDER)

    def _take_snapshots(self, node: str, guest: str) -> None:
        """Two snapshots of a guest that is shut off, the first of them current."""
        for name in ("first", "second"):
            self.vme.virsh(node, "snapshot-create-as", guest, name)
        self.vme.virsh(node, "snapshot-current", guest, "first")

    def new_name(self) -> str:
        """A name no guest has had."""
        self.count += 1
        return f"c{self.count:03}"

    def new_guest(
        self, *, start: bool = False, snapshots: bool = False, data: bool = False, form: str = "qcow2"
    ) -> str:
        """A guest on NODE for one cell, with an empty disk, or with a small one that has some data.

        They are made several at once, which costs little more.
        """
        pool = self.pools.setdefault(form, [])
        if not pool:
            self._remove_used()
            pool += [self.new_name() for _ in range(_AT_ONCE)]
            self.vme.create(f"c[{pool[0][1:]}-{pool[-1][1:]}]", NODE, "--yes", "-t", form)
        name = pool.pop(0)
        if data:
            image = f"/srv/vme/east/virt-store/{name}/{name}-vda"
            if form == "raw":
                # All of it is copied while its guest runs: what is a hole a store like this one does not tell.
                self.vme.on("mgmt", "qemu-img", "resize", "-q", "--shrink", "-f", "raw", image, _SMALL)
            self.vme.on("mgmt", "qemu-io", "-f", form, "-c", "write -P 7 5M 3M", image)
        if snapshots:
            self._take_snapshots(NODE, name)
        if start:
            self.vme.virsh(NODE, "start", name)
        self.used.append(name)
        return name

    def counting_guest(self) -> tuple[str, str]:
        """The guest that counts, booted when it is first asked for; returns its node and its address."""
        if COUNTING not in self.addresses:
            self.vme.create(COUNTING, MOVING[0], image=True)
            self._take_snapshots(MOVING[0], COUNTING)
            self.vme.virsh(MOVING[0], "start", COUNTING)
            self.addresses[COUNTING] = witness.answering_address(self.vme.lab, COUNTING, patience_s=300)
        if not self.vme.running(COUNTING):  # the last cell took the power from the node that it had come to
            self.vme.tool("start_guest", COUNTING)
            witness.answering_address(self.vme.lab, COUNTING, patience_s=300)
        (node,) = self.vme.running(COUNTING)
        # libvirt keeps a limit as long as the QEMU lives.
        self.vme.virsh(node, "migrate-setspeed", COUNTING, "10000")
        return node, self.addresses[COUNTING]

    def put_away(self, guest: str, world: World) -> None:
        """A cell is done with its guest: it uses no processor any more, and goes when there are several."""
        if guest == COUNTING:
            return
        for node in world.processes.get(guest, ()):
            self.vme.virsh(node, "destroy", guest)
        if guest not in self.used:
            self.used.append(guest)

    def _remove_used(self) -> None:
        """Every trace of guests that were made for a cell, gone."""
        words = " ".join(name for name in self.used if name not in self.named.values())
        for node in self.vme.lab.topology.nodes:
            self.vme.on(node.name, "sh", "-c", _REMOVE.format(names=words))
        self.vme.on("mgmt", "sh", "-c", _FORGET.format(names=words))
        self.used.clear()
