"""A key of role read changes nothing, whichever tool is tried."""

from tests.lab.vme import Vme
from tests.lab.wrapped import Wrapped, as_role
from vme.commands.registry import COMMANDS

XML = """\
<domain type='qemu'><name>web2</name><memory unit='MiB'>64</memory><os><type arch='x86_64'>hvm</type></os></domain>
"""
# What each tool that changes something is told, and the status it must end with. `read` is what only reads or asks no
# node; of keys install and its like a key with any role is refused.
REFUSED = {
    "create_guest": ("web2", "-s", "kvm03", "-d", "1"),
    "start_guest": ("web1",),
    "shutdown_guest": ("web1",),
    "reboot_guest": ("web1",),
    "stop_guest": ("web1", "--yes"),
    "suspend_guest": ("web1",),
    "resume_guest": ("web1",),
    "migrate_guest": ("web1", "kvm03"),
    "tag_guest": ("web1", "-a", "x"),
    "del_guest": ("web1", "--yes"),
    "add_disk_guest": ("web1", "-d", "1"),
    "remove_disk_guest": ("web1", "vda", "--yes"),
    "resize_disk_guest": ("web1", "vda", "2"),
    "define_guest": ("/run/web2.xml", "-s", "kvm03"),
    "edit_guest": ("web1", "--set", "vcpus=2", "--yes"),
    "save_guest": ("web1",),
    "undefine_guest": ("web1", "--yes"),
    "console_guest": ("web1", "--screenshot", "/run/web1.png"),
    "vme_keys_install": ("kvm03", "--role", "operate", "--yes"),
    "vme_keys_rotate": ("kvm03", "--yes"),
    "vme_keys_revoke": ("kvm03", "test-operate", "--yes"),
}
# Other statuses: virsh's own, that of the worst node's command, that of what is not there.
REFUSED_OTHERWISE = {
    "vme_virsh": (("undefine", "web1"), 1),
    "vme_nodes_run": (("kvm03", "--", "touch", "/run/changed"), 126),
    # Refused for its role before it looks for the disk. None is named: the disks of a node of the lab are the machine's
    # own. What it sends is tried verb by verb in test_wrapper_verbs.py and, all of it, in tests/unit/test_wrapper.py.
    "replace_disk": (("kvm03", "sdzzz", "--yes"), 3),
}
ONLY_READING = {
    *("list_guests", "node_list", "info_guest", "image_list", "disk_list", "vme_keys_list", "vme_log"),
    "history_guest",  # `--restore` is refused, which is tried apart
    *("image_add", "vme_keys_generate", "vme_keys_scan", "vme_init"),  # change this side only
    "vme_repair",  # acts on what is left unfinished, by the same calls as the tool that began it
}


def test_there_is_no_tool_of_which_a_read_key_is_not_tried() -> None:
    assert set(COMMANDS) == {*REFUSED, *REFUSED_OTHERWISE, *ONLY_READING}


def test_every_tool_that_changes_is_refused_with_a_read_key(node: Wrapped, vme: Vme) -> None:
    """A running and a stopped guest, their store, the node's keys and the node's files are afterwards as they were."""
    vme.create("web1", node.name, start=True)
    vme.create("web3", node.name)
    vme.write("mgmt", "/run/web2.xml", XML)
    vme.tool("edit_guest", "web3", "--set", "vcpus=2", "--yes")
    config = as_role(node, "read")
    own = node.key("read")
    before = state_of(node, vme)
    for tool, words in REFUSED.items():
        name = tool if not COMMANDS[tool].verb_only else f"vme {COMMANDS[tool].verb}"
        key = ("--key", own) if tool in ("vme_keys_install", "vme_keys_rotate") else ()
        said = vme.tool(*config, *name.split(), *words, *key, status=3).stderr
        assert f"our key may only read on {node.name}" in said or "vme_ssh_wrapper: refused" in said, (tool, said)
        assert state_of(node, vme) == before, tool
    for tool, (words, status) in REFUSED_OTHERWISE.items():
        name = tool if not COMMANDS[tool].verb_only else f"vme {COMMANDS[tool].verb}"
        vme.tool(*config, *name.split(), *words, status=status)
        assert state_of(node, vme) == before, tool
    vme.tool(*config, "history_guest", "web3", "--restore", "1", "--yes", status=3)
    assert state_of(node, vme) == before
    # What only reads does so.
    assert "web1" in vme.tool(*config, "vme_virsh", "--node", node.name, "list").stdout
    assert "+  <vcpu placement" in vme.tool(*config, "history_guest", "web3", "--diff").stdout
    # Its definition as it is has secrets.
    assert "role read" in vme.tool(*config, "history_guest", "web3", "--diff", "1", status=3).stderr


def state_of(node: Wrapped, vme: Vme) -> tuple[object, ...]:
    """What a tool could have changed."""
    guests = sorted(vme.guests_of(node.name))
    return (
        [vme.virsh(node.name, "dumpxml", guest, "--security-info") for guest in guests],
        vme.running("web1"),
        vme.on("mgmt", "sh", "-c", "find /srv/vme/*/virt-store ! -path '*/.vme/*' -printf '%p %s %m\\n' | sort"),
        node.access.read_text(),
        sorted(str(path) for path in (node.root / "run").iterdir()),
    )
