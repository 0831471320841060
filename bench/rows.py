"""What is timed beside what: our command line, the peer's, and the ratio of the two that is allowed."""

from dataclasses import dataclass

from lab.place import CHECKOUT

NODES = "kvm[01-03]"
EACH_NODE = "for node in kvm01 kvm02 kvm03; do"
VIRSH = "virsh -c qemu+ssh://kvm01/system"
# What classic script suites do; pdsh finds ssh by this variable.
PDSH = f"PDSH_RCMD_TYPE=ssh pdsh -S -w {NODES}"
ASK_ALL = (
    f"{EACH_NODE} virsh -c qemu+ssh://$node/system nodeinfo;"
    " ssh $node 'for guest in $(virsh list --all --name); do virsh dominfo $guest; done; cat /proc/loadavg'; done"
)
CLOSE = "for s in $XDG_RUNTIME_DIR/vme/*.ctl; do ssh -S $s -O exit node 2>/dev/null; done; true"
OTHER = "virsh -c qemu+ssh://kvm02/system"
MOVE = "migrate --live --persistent --undefinesource moving"
GO_HOME = (
    f"{VIRSH} -q destroy blank; {OTHER} -q domid moving && {OTHER} -q {MOVE} qemu+ssh://kvm01/system;"
    f" {VIRSH} -q domid moving || create_guest moving --node kvm01 --image tiny --memory 64 --start --yes;"
    " sleep 1"  # what that has left to do on its nodes ends meanwhile
)
STORE = "/srv/vme/east/virt-store"
TWENTY = " ".join(f"n{number:02}" for number in range(1, 21))
INSTALL = (
    f"for name in {TWENTY}; do mkdir {STORE}/$name;"
    f" qemu-img convert -O qcow2 {STORE}/.images/blank.qcow2 {STORE}/$name/vda.qcow2; chmod -R a+rwX {STORE}/$name;"
    # The same guest as ours, so that it costs its node the same: what it is made of is half of all.
    " virt-install -q --connect qemu+ssh://kvm01/system --name $name --memory 64 --vcpus 1 --import --osinfo linux2022"
    " --disk path=/srv/vme/virt-store/$name/vda.qcow2,cache=none --tpm none"
    " --virt-type qemu --network bridge=br0 --graphics vnc,listen=127.0.0.1 --noautoconsole || exit 1; done"
)
REMOVE = (
    f"{EACH_NODE} for name in {TWENTY}; do echo destroy $name; echo undefine $name; done |"
    f" virsh -q -c qemu+ssh://$node/system; done; rm -rf {STORE}/n??; sleep 1.1"
)
TWENTY_HOME = "migrate_guest 'n[01-20]' kvm01"
MOVE_TWENTY = (
    f"for name in {TWENTY}; do"
    f" {VIRSH} -q migrate --live --persistent --undefinesource $name qemu+ssh://kvm02/system || exit 1; done"
)
# virt-clone copies images only of the machine it runs on.
CLONE = (
    "ssh kvm01 'mkdir -m 777 /srv/vme/virt-store/twin && virt-clone -q --connect qemu:///system"
    " --original original --name twin --file /srv/vme/virt-store/twin/vda.qcow2'"
)
NO_TWIN = (
    f"{EACH_NODE} virsh -q -c qemu+ssh://$node/system undefine twin; done; rm -rf {STORE}/twin; sleep 1.1;"
    f" {VIRSH} -q dominfo original || create_guest original --node kvm01 --image blank --memory 64"
)


@dataclass(frozen=True)
class Row:
    """One of our commands, the peer it stands beside, and the ratio it must not exceed (None: shown only).

    Command lines are a shell's, which costs each of them 2 ms. `before` is run untimed before each run of either;
    `inner` prints after each run how many milliseconds of it were QEMU's own work. `needs` is a program that may be
    missing: the row is then said to be left out.
    """

    what: str
    ours: str
    peer: str
    peers: str
    at_most: float | None = None
    before: str = "true"
    inner: str = ""
    needs: str = "virsh"
    rounds: int = 15


# By keys that forbid forwarding, the forced command in force: bench.place.wrapped_nodes.
FORCED = "VME_CONFIG=${HOME%/root}/vme-operate.toml HOME=$HOME/.ssh/test-operate.home"
FLOORS = (
    f"{{ {GO_HOME}; }} >/dev/null; for node in kvm01 kvm02; do"
    " ssh -f -N -M -S /run/floors-$node.ctl -L /run/floors-$node:/run/libvirt/libvirt-sock $node; done;"
    f" /usr/bin/python3 {CHECKOUT}/bench/floors.py; status=$?;"
    " for node in kvm01 kvm02; do ssh -S /run/floors-$node.ctl -O exit $node 2>/dev/null; done; exit $status"
)
LISTING = "list_guests, three nodes, warm"
COLD = "list_guests, three nodes, cold"
ONE_NODE = f"{VIRSH} list --all"
ALL_NODES = f"{PDSH} virsh list --all"
ROWS = (
    Row(LISTING, "list_guests", "virsh of one node", ONE_NODE, 0.3, rounds=25),
    Row(
        LISTING,
        "list_guests",
        "virsh of each in turn",
        f"{EACH_NODE} virsh -c qemu+ssh://$node/system list --all; done",
    ),
    Row(LISTING, "list_guests", "pdsh + virsh", ALL_NODES, 0.25, needs="pdsh"),
    Row(LISTING, "list_guests", "clush + virsh", f"clush -w {NODES} virsh list --all", needs="clush"),
    Row(
        LISTING,
        "list_guests",
        "ansible's module virt",
        f"ansible -i kvm01,kvm02,kvm03 -e ansible_python_interpreter={CHECKOUT}/.venv-bench/bin/python all"
        " -m community.libvirt.virt -a command=list_vms",
        needs="ansible",
        rounds=3,
    ),
    Row(LISTING, "list_guests", "kcli list vm", "kcli -C all list vm", needs="kcli", rounds=5),
    Row(COLD, "list_guests", "pdsh + virsh", ALL_NODES, 1.0, before=CLOSE, needs="pdsh"),
    Row("node_list, three nodes, warm", "node_list", "virsh and ssh, node by node", ASK_ALL, 0.05, rounds=5),
    Row("info_guest, its node not told", "info_guest g1-1", "virsh dominfo, told its node", f"{VIRSH} dominfo g1-1"),
    Row("list_guests, forced command, warm", f"{FORCED} list_guests", "virsh of one node", ONE_NODE, 0.6),
    Row("list_guests, forced command, warm", f"{FORCED} list_guests", "pdsh + virsh", ALL_NODES, 0.5, needs="pdsh"),
    Row(
        "list_guests, forced command, cold",
        f"{FORCED} list_guests",
        "pdsh + virsh",
        ALL_NODES,
        2.0,
        before=f"pkill -f [w]ire.keeper; {CLOSE}",
        needs="pdsh",
        rounds=9,
    ),
    Row("node_list, forced command", f"{FORCED} node_list", "virsh and ssh, node by node", ASK_ALL, 0.1, rounds=3),
    Row("list_guests --help", "list_guests --help", "virsh --help", "virsh --help"),
    Row("a guest's name completed", "vme --complete guests", "virsh --help", "virsh --help"),
    Row(
        "start_guest, its node not told",
        "start_guest blank",
        "virsh start, told its node",
        f"{VIRSH} start blank",
        0.6,
        before=f"{VIRSH} -q destroy blank; sleep 1",
    ),
    Row(
        "start_guest, forced command",
        f"{FORCED} start_guest blank",
        "virsh start, told its node",
        f"{VIRSH} start blank",
        1.2,
        before=f"{VIRSH} -q destroy blank; sleep 1",
        rounds=9,
    ),
    Row(
        "migrate_guest, forced command",
        f"{FORCED} migrate_guest moving kvm02",
        "virsh migrate",
        f"{VIRSH} -q {MOVE} qemu+ssh://kvm02/system",
        2.2,
        before=GO_HOME,
        rounds=5,
    ),
    Row(
        "migrate_guest",
        "migrate_guest moving kvm02",
        "virsh migrate",
        f"{VIRSH} -q {MOVE} qemu+ssh://kvm02/system",
        1.1,
        before=GO_HOME,
        inner=f"{OTHER} domjobinfo moving --completed | awk '/^Time elapsed:/ {{print $3}}'",
        rounds=7,
    ),
    Row(
        "create_guest --from, its node not told",
        "create_guest twin --from original",
        "virt-clone, on the node",
        CLONE,
        before=NO_TWIN,
        needs="virt-clone",
        rounds=5,
    ),
    Row(
        "create_guest, twenty from an image",
        "create_guest 'n[01-20]' --node kvm01 --image blank --memory 64 --start --yes",
        "twenty times virt-install --import",
        INSTALL,
        0.25,
        before=f"{VIRSH} -q destroy moving; {REMOVE}",
        needs="virt-install",
        rounds=1,
    ),
    Row(
        "migrate_guest, twenty",
        "migrate_guest 'n[01-20]' kvm02",
        "virsh migrate, twenty times",
        MOVE_TWENTY,
        before=TWENTY_HOME,
        rounds=1,
    ),
)
