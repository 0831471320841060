"""The faults: what each does while a tool has stopped at a point, how the tool goes on, and how all is set right."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lab.run import Completed
from tests.faults.stopped import Tool
from tests.lab.vme import Vme, eventually

# How long a frozen tool, or a store that hangs under it, stays so.
PAUSE_S = 2.0
# A fault lasts until the tool has ended, but no longer than this.
LASTS_S = 13.0
_TWIN_UUID = "0b7c5f0e-7c46-4a3e-9d4b-0000000000ff"


@dataclass
class Scene:
    """One case: a guest, the nodes it is about (both the same where it does not move), and the tool at work on it."""

    vme: Vme
    guest: str
    source: str
    destination: str
    words: tuple[str, ...]
    others: list[Completed] = field(default_factory=list)
    started: list[Tool] = field(default_factory=list)

    @property
    def tool(self) -> Tool:
        return self.started[-1]

    def zone_of(self, node: str) -> str:
        """The zone that a node is in."""
        lab = self.vme.lab
        return lab.topology.zone_of(lab.host(node)).name


Deed = Callable[[Scene], None]


def _nothing(_scene: Scene) -> None:
    pass


def _goes_on(scene: Scene) -> None:
    scene.tool.go_on()


@dataclass(frozen=True)
class Fault:
    """A row. `cause` happens while the tool stands still, `release` lets it go on, `heal` comes when it has ended.

    `kills`: the tool itself is killed, so it says nothing. `stops`: the guest's QEMU may die of it. `check`: what else
    must be so, when all is healed. `lasts_s`: when it heals, though the tool has not ended.
    """

    help: str
    cause: Deed = _nothing
    heal: Deed = _nothing
    release: Deed = _goes_on
    kills: bool = False
    stops: bool = False
    lasts_s: float = LASTS_S
    check: Callable[[Scene], list[str]] = field(default=lambda _scene: [])


def _kill(scene: Scene) -> None:
    scene.tool.kill()


def _signals(*numbers: signal.Signals) -> Deed:
    def release(scene: Scene) -> None:
        for count, number in enumerate(numbers):
            if count:
                time.sleep(0.4)  # it is undoing by now, or done
            scene.tool.send(number)
            scene.tool.go_on()

    return release


def _stay_frozen(scene: Scene) -> None:
    time.sleep(PAUSE_S)
    scene.tool.go_on()


def _stay_frozen_and_die(scene: Scene) -> None:
    time.sleep(PAUSE_S)
    _kill(scene)


def _on(which: str, scene: Scene) -> str:
    return scene.source if which == "source" else scene.destination


def _daemon(which: str, deed: str, remedy: str) -> tuple[Deed, Deed]:
    def cause(scene: Scene) -> None:
        scene.vme.fault(deed, _on(which, scene), "libvirtd")

    def heal(scene: Scene) -> None:
        scene.vme.fault(remedy, _on(which, scene), "libvirtd")

    return cause, heal


def _link(one: str, other: str) -> tuple[Deed, Deed]:
    def ends(scene: Scene) -> tuple[str, str]:
        return ("mgmt" if one == "mgmt" else _on(one, scene)), _on(other, scene)

    return lambda scene: scene.vme.fault("cut", *ends(scene)), lambda scene: scene.vme.fault("heal", *ends(scene))


def _kill_qemu(which: str) -> Deed:
    def cause(scene: Scene) -> None:
        scene.vme.fault("kill-qemu", _on(which, scene), scene.guest)
        # libvirt notices at once, or nearly: what follows must not meet it half aware.
        eventually(lambda: _on(which, scene) not in scene.vme.running(scene.guest), "the QEMU is gone")

    return cause


def _power(which: str) -> tuple[Deed, Deed]:
    return (
        lambda scene: scene.vme.fault("power-off", _on(which, scene)),
        lambda scene: scene.vme.fault("power-on", _on(which, scene)),
    )


def _unmount(host: str, whose: str) -> tuple[Deed, Deed]:
    """Take the store of the source's or the destination's zone from a host."""

    def where(scene: Scene) -> tuple[str, str]:
        return ("mgmt" if host == "mgmt" else _on(host, scene)), scene.zone_of(_on(whose, scene))

    return (
        lambda scene: scene.vme.fault("unmount", *where(scene)),
        lambda scene: scene.vme.fault("mount", *where(scene)),
    )


def _fill(whose: str) -> tuple[Deed, Deed]:
    def zone(scene: Scene) -> str:
        return scene.zone_of(_on(whose, scene))

    return lambda scene: scene.vme.fault("fill", zone(scene)), lambda scene: scene.vme.fault("free", zone(scene))


def _store_hangs(host: str) -> Deed:
    """The client of the store stands still, and comes back while the tool is waiting for it."""

    def release(scene: Scene) -> None:
        where = "mgmt" if host == "mgmt" else _on(host, scene)
        scene.vme.fault("freeze", where, "glusterfs")
        scene.tool.go_on()
        time.sleep(PAUSE_S)
        scene.vme.fault("thaw", where, "glusterfs")

    return release


def _stale_definition(scene: Scene) -> None:
    node = scene.destination
    xml = _MINIMAL.format(name=scene.guest, uuid=_TWIN_UUID)
    scene.vme.write(node, "/tmp/stale.xml", xml)
    scene.vme.virsh(node, "define", "/tmp/stale.xml")


def _remove_stale_definition(scene: Scene) -> None:
    scene.vme.status_on(scene.destination, "virsh", "-q", "undefine", _TWIN_UUID)  # if it was defined at all


def _second_manager(scene: Scene) -> None:
    scene.others.append(scene.vme.tool(*scene.words, status=None))


def _second_was_refused(scene: Scene) -> list[str]:
    (other,) = scene.others
    said = other.stderr
    if other.status == 3 and ("has been working on it since" in said or "by root on mgmt" in said):
        return []
    return [f"the second manager was not refused with who is at work: status {other.status}: {said}"]


def _kill_and_try_again(scene: Scene) -> None:
    _kill(scene)
    scene.tool.process.wait(timeout=20)
    scene.others.append(scene.vme.tool(*scene.words, status=None))


FAULTS: dict[str, Fault] = {
    "killed": Fault("the tool is killed (SIGKILL)", release=_kill, kills=True),
    "killed, tried again": Fault(
        "the tool is killed, and its caller tries again", release=_kill_and_try_again, kills=True
    ),
    "interrupted": Fault("Ctrl-C", release=_signals(signal.SIGINT)),
    "interrupted twice": Fault("Ctrl-C, and again", release=_signals(signal.SIGINT, signal.SIGINT)),
    "terminated": Fault("SIGTERM", release=_signals(signal.SIGTERM)),
    "frozen": Fault("the tool stands still for two seconds", release=_stay_frozen),
    "frozen, then killed": Fault(
        "the tool stands still for two seconds, and is killed", release=_stay_frozen_and_die, kills=True
    ),
    "second manager": Fault(
        "another does the same at the same moment", cause=_second_manager, check=_second_was_refused
    ),
    "libvirtd killed": Fault("libvirtd of its node dies", *_daemon("source", "kill", "start")),
    "libvirtd frozen": Fault("libvirtd of its node hangs", *_daemon("source", "freeze", "thaw")),
    "destination's libvirtd killed": Fault(
        "libvirtd of the destination dies", *_daemon("destination", "kill", "start")
    ),
    "destination's libvirtd frozen": Fault(
        "libvirtd of the destination hangs", *_daemon("destination", "freeze", "thaw")
    ),
    "QEMU killed": Fault("the guest's QEMU dies", _kill_qemu("source"), stops=True),
    "destination's QEMU killed": Fault("what has arrived at the destination dies", _kill_qemu("destination")),
    # Shorter than QEMU's patience with a connection: it goes on.
    "nodes' link cut": Fault(
        "no frame passes between the nodes for three seconds", *_link("source", "destination"), lasts_s=3.0
    ),
    "link to node cut": Fault("no frame passes to its node", *_link("mgmt", "source")),
    "link to destination cut": Fault("no frame passes to the destination", *_link("mgmt", "destination")),
    "store unmounted here": Fault("the manager loses the store", *_unmount("mgmt", "source")),
    "destination's store unmounted here": Fault(
        "the manager loses the other zone's store", *_unmount("mgmt", "destination")
    ),
    "store unmounted on node": Fault("its node loses the store", *_unmount("source", "source")),
    "store unmounted on destination": Fault("the destination loses the store", *_unmount("destination", "destination")),
    "store hangs": Fault("the manager's store stands still for two seconds", release=_store_hangs("mgmt")),
    "store full": Fault("the store has no block left", *_fill("source")),
    "destination's store full": Fault("the other zone's store has no block left", *_fill("destination")),
    "node without power": Fault("its node loses its power", *_power("source"), stops=True),
    "destination without power": Fault("the destination loses its power", *_power("destination")),
    "stale definition": Fault(
        "another guest of its name is defined where it goes", _stale_definition, _remove_stale_definition
    ),
}
_MINIMAL = """\
<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>16</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
</domain>
"""
