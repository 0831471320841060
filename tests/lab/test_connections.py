"""One kept ssh connection a node: lost, refused, forbidden, replaced."""

from lab.topology import DEFAULT
from tests.lab.vme import Vme

NODES = ("kvm01", "kvm02", "kvm03", "kvm04", "kvm05")


def masters(vme: Vme) -> dict[str, int]:
    """Node -> pid of the ssh that is kept for it on the management side."""
    lines = vme.on("mgmt", "ps", "-ww", "-eo", "pid,args").splitlines()
    found = [line.split() for line in lines if "ControlMaster=yes" in line]
    return {words[-1]: int(words[0]) for words in found if words[-1] in NODES}


def forget_masters(vme: Vme) -> None:
    vme.status_on("mgmt", "pkill", "-x", "ssh")


def test_one_master_a_node_is_kept_and_used_again(vme: Vme) -> None:
    forget_masters(vme)
    vme.tool("list_guests")
    first = masters(vme)
    assert sorted(first) == list(NODES)
    vme.tool("node_list")
    assert masters(vme) == first


def test_a_killed_master_is_replaced(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.on("mgmt", "pkill", "-KILL", "-x", "ssh")
    assert vme.json("list_guests")[0]["name"] == "web1"
    assert sorted(masters(vme)) == list(NODES)


def test_a_restarted_libvirtd_is_found_again(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.fault("kill", "kvm01", "libvirtd")
    said = vme.tool("list_guests", status=5).stderr
    assert "kvm01 (" in said
    assert "is libvirtd" not in vme.tool("list_guests", "kvm02").stderr
    vme.fault("start", "kvm01", "libvirtd")
    assert vme.json("list_guests")[0]["name"] == "web1"


def test_a_key_that_forbids_forwarding_still_works(vme: Vme) -> None:
    """All tools, migration included, through virt-ssh-helper over the same kept connection."""
    keys = "$HOME/.ssh/authorized_keys"
    for node in ("kvm01", "kvm02", "kvm03"):
        vme.on(node, "sh", "-c", f"sed -i 's/^ssh-/restrict ssh-/' {keys}")
    forget_masters(vme)
    try:
        vme.create("web1", "kvm01", start=True)
        assert vme.json("list_guests")[0]["name"] == "web1"
        assert {row["state"] for row in vme.json("node_list")} == {"up"}
        vme.tool("migrate_guest", "web1", "kvm02")
        assert vme.running("web1") == ["kvm02"]
        vme.tool("stop_guest", "--yes", "web1")
        vme.tool("del_guest", "--yes", "web1")
    finally:
        for node in ("kvm01", "kvm02", "kvm03"):
            vme.on(node, "sh", "-c", f"sed -i 's/^restrict //' {keys}")
        forget_masters(vme)


def test_modular_daemons(vme: Vme) -> None:
    """A node that has virtqemud's socket only: made of libvirtd's, whose protocol is the same."""
    vme.create("web1", "kvm03", start=True)
    vme.on("kvm03", "mv", "/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")
    try:
        assert vme.json("list_guests")[0]["state"] == "running"
        vme.tool("suspend_guest", "web1")
    finally:
        vme.on("kvm03", "mv", "/run/libvirt/virtqemud-sock", "/run/libvirt/libvirt-sock")
    assert vme.json("list_guests")[0]["state"] == "paused"


def test_an_unknown_host_key_is_never_accepted(vme: Vme) -> None:
    vme.on("mgmt", "sh", "-c", "sed -i.bak /^kvm02/d $HOME/.ssh/known_hosts")
    forget_masters(vme)
    try:
        said = vme.tool("list_guests", status=5).stderr
        assert "kvm02 (Host key verification failed.)" in said
    finally:
        vme.on("mgmt", "sh", "-c", "mv $HOME/.ssh/known_hosts.bak $HOME/.ssh/known_hosts")
    vme.tool("list_guests")


def test_a_login_that_is_refused_is_said(vme: Vme) -> None:
    vme.on("kvm02", "sh", "-c", "mv $HOME/.ssh/authorized_keys $HOME/.ssh/away")
    forget_masters(vme)
    try:
        assert "kvm02 (root@kvm02: Permission denied (publickey).)" in vme.tool("list_guests", status=5).stderr
    finally:
        vme.on("kvm02", "sh", "-c", "mv $HOME/.ssh/away $HOME/.ssh/authorized_keys")


def test_no_socket_is_open_to_others(vme: Vme) -> None:
    vme.tool("list_guests")
    directory = "/run/user/0/vme"
    assert vme.on("mgmt", "stat", "-c", "%a %U", directory).strip() == "700 root"
    listening = vme.on("mgmt", "ss", "-Hltn")
    assert listening.strip() == ""


def test_groups_name_nodes(vme: Vme) -> None:
    """ClusterShell's own group sources: its files, and genders' through the same."""
    assert DEFAULT.zones[0].name == "east"
    vme.create("web1", "kvm01")
    vme.create("web4", "kvm04")
    groups = f"{vme.lab.home_of(vme.lab.host('mgmt'))}/root/.config/clustershell"
    vme.on("mgmt", "mkdir", "-p", groups)
    source = "[Main]\ndefault: mine\n[mine]\nmap: [ $GROUP = old ] && echo kvm[03-04] || :\n"
    vme.write("mgmt", f"{groups}/groups.conf", source)
    assert "names no node" in vme.tool("list_guests", "--node", "@young", status=2).stderr
    assert [guest["name"] for guest in vme.json("list_guests", "--node", "@old")] == ["web4"]
    assert [guest["name"] for guest in vme.json("list_guests", "-g", "old")] == ["web4"]
    assert [guest["name"] for guest in vme.json("list_guests", "@east")] == ["web1"]
    assert [row["node"] for row in vme.json("node_list", "kvm[01-02]", "kvm05")] == ["kvm01", "kvm02", "kvm05"]
    config = vme.on("mgmt", "sh", "-c", "cat $HOME/../vme.toml")
    vme.write("mgmt", "/tmp/groups.toml", config.replace('"kvm[01-03]"', '"@old"').replace('"kvm[04-05]"', '"kvm05"'))
    named = vme.tool("env", "VME_CONFIG=/tmp/groups.toml", "list_guests", "-o", "csv").stdout
    assert [line.split(",")[0] for line in named.splitlines()[1:]] == ["web4"]
    vme.on("mgmt", "rm", "-r", groups)
