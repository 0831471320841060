"""The lab as a whole: up, down, and one host's power."""

import shutil
from functools import partial

from lab import capabilities, daemons, dhcp, files, keys, network, remains, requirements, storage, stores
from lab.errors import LabError
from lab.guest import build as guest
from lab.host import cut_power, init_of, must_on, switch_on
from lab.parallel import all_at_once, for_each
from lab.place import Lab
from lab.topology import Host, Role


def up(lab: Lab) -> None:
    """Start every host and prove that it answers. What an earlier lab left in the folder is cleared away first."""
    requirements.check(lab)
    if is_up(lab):
        raise LabError(f"this lab is up already, in {lab.folder}", hint="`lab status` shows it, `lab down` ends it")
    remains.clear_away(lab)
    shutil.rmtree(lab.logs, ignore_errors=True)
    prepare(lab)
    try:
        start(lab)
    except BaseException:
        remains.clear_away(lab)
        raise
    lab.up_mark.touch()


def is_up(lab: Lab) -> bool:
    """Whether the lab came up and none of its hosts has died since (one without power was switched off: it is well)."""
    if not lab.up_mark.exists():
        return False
    with_pid_file = [host for host in lab.topology.hosts if lab.pid_file_of(host).exists()]
    return bool(with_pid_file) and all(init_of(lab, host) for host in with_pid_file)


def must_be_up(lab: Lab) -> None:
    requirements.must_be_root()
    requirements.must_be_outside()
    if not lab.up_mark.exists():
        raise LabError(f"no lab is up in {lab.folder}", hint="`lab up` starts one")


def prepare(lab: Lab) -> None:
    """Write all hosts' folders."""
    lab.cache.mkdir(parents=True, exist_ok=True)
    keys.make_keys(lab)
    for host in lab.topology.hosts:
        files.prepare(lab, host)
        keys.lay_out_keys(lab, host)
        if host.role is Role.NODE:
            capabilities.recall(lab, host)
    dhcp_log = lab.log_of(lab.topology.switch)
    dhcp_log.mkdir(parents=True, exist_ok=True)
    dhcp.write_config(lab)
    files.write_management(lab)
    if lab.topology.has_stores:
        storage.make_images(lab)
        guest.build(lab)


def start(lab: Lab) -> None:
    topology = lab.topology
    for_each(topology.hosts, partial(switch_on, lab))
    network.set_up_switch(lab)
    for_each([host for host in topology.hosts if host.networks], partial(network.plug_in, lab))
    all_at_once(
        [
            partial(daemons.start_daemons, lab, topology.switch),
            partial(start_nodes, lab),
            *([partial(offer_stores, lab)] if topology.has_stores else []),
        ]
    )
    prove(lab)


def start_nodes(lab: Lab) -> None:
    nodes = lab.topology.nodes
    if lab.topology.guests_per_node and not capabilities.are_known(lab):
        daemons.start_daemons(lab, nodes[0])  # or each would look at the QEMUs itself, to read its definitions
        capabilities.learn(lab)
    for_each(nodes, partial(daemons.start_daemons, lab))
    capabilities.learn(lab)


def offer_stores(lab: Lab) -> None:
    """Start the storage server, and mount the stores everywhere as soon as it has them."""
    daemons.start_daemons(lab, lab.topology.storage)
    storage.offer_volumes(lab)
    for_each((lab.topology.management, *lab.topology.nodes), partial(mount_stores, lab))
    stores.make_virt_stores(lab)
    stores.offer_image(lab, guest.image_of(lab), guest.NAME)


def mount_stores(lab: Lab, host: Host) -> None:
    for which in stores.mounts_of(lab, host):
        stores.mount(lab, host, which)


def prove(lab: Lab) -> None:
    """Raise LabError unless each node answers: libvirtd on its socket, sshd to the management side, the store."""
    for_each(lab.topology.nodes, partial(prove_node, lab))


def prove_node(lab: Lab, node: Host) -> None:
    must_on(lab, node, ["virsh", "--quiet", "--connect", "qemu:///system", "list"])
    # `true`, because it is admitted by every role of vme_ssh_wrapper.
    must_on(lab, lab.topology.management, ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", node.name, "true"])
    if not lab.topology.has_stores:
        return
    said = must_on(lab, node, ["stat", "-f", "-c", "%T", "/srv/vme/virt-store"], timeout_s=20).strip()
    if said != "fuseblk":
        raise LabError(f"/srv/vme on {node.name} is {said}, not the store")


def down(lab: Lab) -> None:
    """Kill everything and remove everything but the cache and the logs. Raise LabError if something remains."""
    requirements.must_be_root()
    requirements.must_be_outside()
    lab.up_mark.unlink(missing_ok=True)
    remains.clear_away(lab)
    left = remains.look_for_remains(lab).sentences()
    if left:
        raise LabError(f"the lab is down, but this is left of it: {'; '.join(left)}")


def power_off(lab: Lab, host: Host) -> None:
    """Take a host's power: its peers hear nothing more of it. Its disks keep what was written."""
    if host.role is Role.SWITCH:
        raise LabError("the switch can't be without power: it is the network itself")
    if init_of(lab, host):
        network.pull_out(lab, host)
        cut_power(lab, host)


def power_on(lab: Lab, host: Host) -> None:
    """Give a host its power back, and wait until its daemons answer. Its store is mounted if the server is there."""
    if init_of(lab, host):
        return
    switch_on(lab, host)
    network.plug_in(lab, host)
    daemons.start_daemons(lab, host)
    if init_of(lab, lab.topology.storage):
        mount_stores(lab, host)
