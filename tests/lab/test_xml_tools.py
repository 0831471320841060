"""define, edit, save, undefine and history: on a guest that runs and on one that does not."""

import json
import re
import signal
import time
from pathlib import Path

from tests.faults.stopped import begin
from tests.lab.vme import Vme, eventually

STORE = "/srv/vme/east/virt-store"
HISTORY = f"{STORE}/.vme/history"
# Two CPUs instead of one, by an editor that needs no person.
TWO_CPUS = "s/\\(<vcpu[^>]*>\\)1</\\12</"


def editor(vme: Vme, script: str, name: str = "editor") -> str:
    """Put an editor on the management side; $1 is the file. Returns the word that makes a tool use it."""
    vme.write("mgmt", f"/tmp/{name}", f"#!/bin/sh\n{script}\n")
    vme.on("mgmt", "chmod", "755", f"/tmp/{name}")
    return f"EDITOR=/tmp/{name}"


def edit(vme: Vme, word: str, *words: str, status: int = 0) -> tuple[str, str]:
    done = vme.tool("env", "-u", "VISUAL", word, "edit_guest", *words, status=status)
    return done.stdout, done.stderr


def kept_text(vme: Vme, said: str) -> str:
    """The text that an edit left, from the path that it named."""
    return vme.on("mgmt", "cat", said.split("your text is kept in ")[1].split()[0])


def drafts(vme: Vme) -> list[str]:
    return vme.on("mgmt", "find", "/tmp", "-maxdepth", "1", "-name", "vme-edit-*").split()


def cpus(vme: Vme, name: str, node: str) -> str:
    return vme.virsh(node, "vcpucount", name, "--maximum", "--config").strip()


def uuid_of(vme: Vme, name: str, node: str) -> str:
    return vme.virsh(node, "domuuid", name).strip()


def past(vme: Vme, name: str = "web1") -> list[tuple[int, str, str | None]]:
    return [(one["number"], one["tool"], one["reason"]) for one in vme.json("history_guest", name)]


def test_edit_a_stopped_and_a_running_guest(vme: Vme) -> None:
    vme.create("web1", "kvm01", "--reason", "ticket 1")
    before = drafts(vme)  # of an earlier run on this machine, whose texts were kept
    shown, _ = edit(vme, editor(vme, f"sed -i '{TWO_CPUS}' $1"), "web1", "--yes", "--reason", "ticket 2")
    assert "-  <vcpu placement='static'>1</vcpu>\n+  <vcpu placement='static'>2</vcpu>" in shown
    assert "\033[" not in shown
    assert shown.endswith("web1 on kvm01: its definition is changed\n")
    assert cpus(vme, "web1", "kvm01") == "2"
    assert drafts(vme) == before
    assert vme.on("mgmt", "grep", "-c", "<vcpu placement='static'>2<", f"{STORE}/web1/web1.xml").strip() == "1"

    vme.tool("start_guest", "web1", "--reason", "ticket 3")
    said = vme.tool("edit_guest", "web1", "--set", "vcpus=3", "--set", "memory=1G", "--reason", "ticket 4").stdout
    assert "it is running, so the change takes effect at its next start" in said
    assert cpus(vme, "web1", "kvm01") == "3"
    assert vme.virsh("kvm01", "vcpucount", "web1", "--maximum", "--live").strip() == "2"
    assert "<memory unit='KiB'>1048576<" in vme.virsh("kvm01", "dumpxml", "--inactive", "web1")
    assert "unchanged: it is so already" in vme.tool("edit_guest", "web1", "--set", "vcpus=3").stdout

    assert past(vme) == [(1, "create_guest", "ticket 1"), (2, "edit_guest", "ticket 2"), (3, "edit_guest", "ticket 4")]
    audit = [json.loads(line) for line in vme.on("mgmt", "tail", "-20", "/var/log/vme/audit.log").splitlines()]
    assert [line["reason"] for line in audit if line["tool"] == "start_guest"][-1] == "ticket 3"


def test_an_edit_that_is_shown_only(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    said = vme.tool("edit_guest", "web1", "--set", "vcpus=3", "--dry-run").stdout
    assert '+  <vcpu placement="static">3</vcpu>' in said
    assert cpus(vme, "web1", "kvm01") == "1"
    # An editor, and nobody to say yes: the work of the person is kept.
    _, said = edit(vme, editor(vme, f"sed -i '{TWO_CPUS}' $1"), "web1", status=2)
    assert "nobody is there to answer" in said
    assert "<vcpu placement='static'>2</vcpu>" in kept_text(vme, said)
    assert cpus(vme, "web1", "kvm01") == "1"
    assert edit(vme, editor(vme, ":"), "web1")[0] == "web1 on kvm01: unchanged\n"


def test_xml_that_can_t_be_applied_is_kept_and_changes_nothing(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    before = vme.virsh("kvm01", "dumpxml", "web1")
    for change, reason in {
        "s/<vcpu/<vcpuu/": "this is not XML: mismatched tag",
        "s/<acpi/<nonsense/": "failed to validate against schema",
        "s/q35-7.2/q35-77/": "q35-77",
        "s/<name>web1/<name>web2/": "the name in it is web2, not web1",
        "/<uuid>/d": "the UUID in it is missing",
        's/bridge=.br0./bridge="br77"/': "kvm01 has no bridge br77",
        "s/web1-vda/web1-vdz/": "kvm01 does not see image /srv/vme/virt-store/web1/web1-vdz",
    }.items():
        _, said = edit(vme, editor(vme, f"sed -i '{change}' $1"), "web1", "--yes", status=3)
        assert reason in said, said
        assert kept_text(vme, said) != before
    assert vme.virsh("kvm01", "dumpxml", "web1") == before
    assert past(vme) == [(1, "create_guest", None)]


def test_an_editor_that_dies(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    _, said = edit(vme, editor(vme, f"sed -i '{TWO_CPUS}' $1; kill -9 $$"), "web1", "--yes", status=1)
    assert "the editor was killed by signal 9, so nothing was changed" in said
    assert "<vcpu placement='static'>2</vcpu>" in kept_text(vme, said)
    _, said = edit(vme, editor(vme, "exit 1"), "web1", "--yes", status=1)
    assert said == "edit_guest: the editor ended with exit status 1, so nothing was changed\n"
    _, said = edit(vme, "EDITOR=no-such-editor", "web1", "--yes", status=1)
    assert "no-such-editor is not installed" in said
    assert cpus(vme, "web1", "kvm01") == "1"


def test_two_people_edit_at_once(vme: Vme) -> None:
    """The second to apply is told by whom and why, and has the text still."""
    vme.create("web1", "kvm01")
    slow = editor(
        vme, f"touch /tmp/slow-began; until test -e /tmp/go; do sleep 0.1; done; sed -i '{TWO_CPUS}' $1", "slow"
    )
    vme.on("mgmt", "rm", "-f", "/tmp/slow-began", "/tmp/go")
    second = vme.begin("env", slow, "edit_guest", "web1", "--yes")
    eventually(lambda: vme.status_on("mgmt", "test", "-e", "/tmp/slow-began") == 0, "the editor is open")
    vme.tool("edit_guest", "web1", "--set", "memory=256", "--reason", "ticket 7")
    vme.on("mgmt", "touch", "/tmp/go")
    _, said = second.communicate(timeout=60)
    assert second.returncode == 3
    assert "its definition was changed meanwhile by root with edit_guest at 2" in said
    assert "(ticket 7)" in said
    assert "<vcpu placement='static'>2</vcpu>" in kept_text(vme, said)
    assert cpus(vme, "web1", "kvm01") == "1"


def test_a_terminal_is_asked_and_the_editor_opened_again(vme: Vme) -> None:
    """First the text is no XML; then it is right, and the answer is yes."""
    vme.create("web1", "kvm01")
    right, wrong = f"sed -i '{TWO_CPUS}; s/<acpii/<acpi/' $1", "sed -i 's/<acpi/<acpii/' $1"
    once = editor(vme, f"if test -e /tmp/again; then {right}; else {wrong}; fi; touch /tmp/again")
    vme.on("mgmt", "rm", "-f", "/tmp/again")
    answers = "sleep 4; echo y; sleep 4; echo y; sleep 4; echo y; sleep 4"
    done = vme.tool("sh", "-c", f"({answers}) | {once} script -qec 'edit_guest web1' /dev/null")
    assert "Apply this? [y]es, [e]dit again, [N]o: " in done.stdout
    assert "Edit again? [Y/n]: " in done.stdout
    assert "\033[32m+  <vcpu placement='static'>2</vcpu>" in done.stdout
    assert cpus(vme, "web1", "kvm01") == "2"


def test_history_finds_what_virsh_did_and_brings_back_what_was(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    first = vme.virsh("kvm01", "dumpxml", "web1")
    vme.virsh("kvm01", "setvcpus", "web1", "4", "--maximum", "--config")
    vme.tool("edit_guest", "web1", "--set", "memory=256", "--reason", "ticket 7")
    assert past(vme) == [(1, "create_guest", None), (2, "found", None), (3, "edit_guest", "ticket 7")]
    assert [one["user"] for one in vme.json("history_guest", "web1")] == ["root", None, "root"]
    listing = vme.tool("history_guest", "web1").stdout.splitlines()
    assert listing[0].split() == ["VERSION", "TIME", "(UTC)", "USER", "HOST", "TOOL", "NODE", "REASON"]
    assert len(listing) == 4
    assert '-  <vcpu placement="static">1</vcpu>' in vme.tool("history_guest", "web1", "--diff", "1", "2").stdout
    assert "<memory unit" in vme.tool("history_guest", "web1", "--diff").stdout
    said = vme.tool("history_guest", "web1", "--diff", "9", status=4).stderr
    assert "there is no version 9; there are 1 to 3" in said

    vme.tool("start_guest", "web1")
    assert "nobody is there" in vme.tool("history_guest", "web1", "--restore", "1", status=2).stderr
    said = vme.tool("history_guest", "web1", "--restore", "1", "--yes").stdout
    assert "takes effect at its next start" in said
    assert vme.virsh("kvm01", "dumpxml", "--inactive", "web1") == first
    assert past(vme)[3:] == [(4, "history_guest", "version 1 restored")]
    assert "unchanged" in vme.tool("history_guest", "web1", "--restore", "1").stdout
    # A silent node hides no history.
    vme.fault("freeze", "kvm01", "libvirtd")
    assert len(past(vme)) == 4


def test_save_says_what_it_did(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.create("web2", "kvm02", start=True)
    vme.virsh("kvm02", "setvcpus", "web2", "4", "--maximum", "--config")
    vme.on("mgmt", "qemu-img", "create", "-q", "-f", "raw", f"{STORE}/elsewhere.img", "1M")
    lone = vme.virsh("kvm01", "dumpxml", "web1").replace("web1/web1-vda", "elsewhere.img").replace("web1", "lone")
    for tag in ("uuid", "mac"):
        lone = "\n".join(line for line in lone.splitlines() if f"<{tag}" not in line)
    vme.write("kvm01", "/tmp/lone.xml", lone)
    vme.virsh("kvm01", "define", "/tmp/lone.xml")
    assert sorted(vme.tool("save_guest", "--all").stdout.splitlines()) == [
        "lone on kvm01: has no directory on a virt-store of zone east; kept in its history only",
        f"web1 on kvm01: unchanged: {STORE}/web1/web1.xml",
        f"web2 on kvm02: updated: {STORE}/web2/web2.xml",
    ]
    assert vme.on("mgmt", "cat", f"{STORE}/web2/web2.xml") == vme.virsh("kvm02", "dumpxml", "--inactive", "web2")
    assert past(vme, "lone") == [(1, "found", None)]
    assert past(vme, "web2")[1:] == [(2, "found", None)]
    vme.on("mgmt", "rm", f"{STORE}/web1/web1.xml")
    assert vme.tool("save_guest", "web1").stdout == f"web1 on kvm01: saved: {STORE}/web1/web1.xml\n"


def test_undefine_and_define_on_another_node(vme: Vme) -> None:
    """Snapshots, and that it starts with its node, come along."""
    vme.create("web1", "kvm01")
    uuid = uuid_of(vme, "web1", "kvm01")
    for name in ("first", "second"):
        vme.virsh("kvm01", "snapshot-create-as", "web1", name)
    vme.virsh("kvm01", "snapshot-revert", "web1", "first")
    vme.virsh("kvm01", "autostart", "web1")
    assert "asks first" in vme.tool("undefine_guest", "web1", status=2).stderr
    said = vme.tool("undefine_guest", "web1", "--yes", "--reason", "moving").stdout
    assert "image /srv/vme/virt-store/web1/web1-vda" in said
    assert "the descriptions of 2 snapshot(s), that it starts with its node" in said
    assert "it comes back with: define_guest web1" in said
    assert vme.guests_of("kvm01") == set()
    assert vme.store() == {"web1"}
    assert past(vme) == [(1, "create_guest", None), (2, "undefine_guest", "moving")]
    assert "it is not defined" in vme.tool("history_guest", "web1", "--restore", "1", status=4).stderr
    assert "is there already" in vme.tool("create_guest", "web1", "-d", "1", "-s", "kvm02", status=3).stderr

    assert "define guest web1 on kvm02" in vme.tool("define_guest", "web1", "kvm02", "--dry-run").stdout
    assert vme.guests_of("kvm02") == set()
    vme.tool("define_guest", "web1", "kvm02")
    assert uuid_of(vme, "web1", "kvm02") == uuid
    assert vme.virsh("kvm02", "snapshot-list", "web1", "--name", "--topological").split() == ["first", "second"]
    assert vme.virsh("kvm02", "snapshot-current", "web1", "--name").strip() == "first"
    assert "enable" in vme.virsh("kvm02", "dominfo", "web1")
    assert vme.on("mgmt", "ls", f"{STORE}/.vme/kept") == ""
    vme.virsh("kvm02", "snapshot-revert", "web1", "second")
    vme.tool("start_guest", "web1")
    assert vme.running("web1") == ["kvm02"]
    # With no node said it comes back where it was last.
    vme.tool("stop_guest", "--yes", "web1")
    vme.tool("undefine_guest", "--yes", "web1")
    assert "web1 on kvm02: defined" in vme.tool("define_guest", "web1").stdout


def test_saved_xml_that_qemus_user_may_have_written_is_not_defined(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    saved = f"{STORE}/web1/web1.xml"
    vme.on("mgmt", "sh", "-c", f"rm {saved}; mkfifo {saved}")
    assert vme.tool("save_guest", "web1").stdout == f"web1 on kvm01: updated: {saved}\n"
    vme.tool("undefine_guest", "web1", "--yes")
    vme.on("mgmt", "sh", "-c", f"cp {saved} /tmp/web1.xml; chown 64055 {saved}")
    said = vme.tool("define_guest", "web1", "kvm02", status=3).stderr
    assert f"{saved} is not a file that only we may write" in said
    assert f"define_guest {saved}" in said
    vme.on("mgmt", "ln", "-sf", "/tmp/web1.xml", saved)
    vme.tool("define_guest", "web1", "kvm02", status=3)
    vme.tool("define_guest", "/tmp/web1.xml", "kvm02")
    assert vme.guests_of("kvm02") == {"web1"}
    assert "web1.xml" not in vme.on("mgmt", "find", f"{STORE}/web1", "-type", "l")


def test_a_guest_that_can_t_be_brought_back_whole_is_not_defined(vme: Vme) -> None:
    """And nothing of what is kept is lost by the attempt."""
    vme.create("web1", "kvm01")
    vme.virsh("kvm01", "snapshot-create-as", "web1", "first")
    vme.tool("undefine_guest", "web1", "--yes")
    kept = f"{STORE}/.vme/kept/web1"
    vme.on("mgmt", "sed", "-i.whole", "s/<domainsnapshot>/<broken>/", f"{kept}/snapshot-0000.xml")
    vme.tool("define_guest", "web1", "kvm02", status=3)
    assert vme.guests_of("kvm02") == set()
    vme.on("mgmt", "mv", f"{kept}/snapshot-0000.xml.whole", f"{kept}/snapshot-0000.xml")
    vme.tool("define_guest", "web1", "kvm02")
    assert vme.virsh("kvm02", "snapshot-list", "web1", "--name").split() == ["first"]


def test_undefine_refuses_what_would_lose_something(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    assert "web1 on kvm01: is running" in vme.tool("undefine_guest", "--yes", "web1", status=3).stderr
    vme.virsh("kvm01", "managedsave", "web1")
    said = vme.tool("undefine_guest", "--yes", "web1", status=3).stderr
    assert "has a managed save, which is its memory" in said
    assert "so its next start still restores it" in vme.tool("edit_guest", "web1", "--set", "vcpus=2").stdout
    assert vme.guests_of("kvm01") == {"web1"}
    assert "discard its saved memory" in vme.tool("undefine_guest", "--force", "--dry-run", "web1").stdout
    vme.tool("undefine_guest", "--yes", "--force", "web1")
    assert vme.guests_of("kvm01") == set()
    vme.create("web2", "kvm01")
    vme.fault("unmount", "mgmt", "east")
    assert "is it mounted?" in vme.tool("undefine_guest", "--yes", "web2", status=3).stderr
    assert vme.guests_of("kvm01") == {"web2"}
    # A store that can't be looked into is not an empty one; and nobody edits for an hour in vain.
    assert "whether it has a history is not known" in vme.tool("history_guest", "web2", status=3).stderr
    assert "whether its XML is saved is not known" in vme.tool("define_guest", "web3", status=3).stderr
    assert "is it mounted?" in vme.tool("env", "EDITOR=true", "edit_guest", "web2", status=3).stderr


def test_a_uefi_guest_has_its_variables_on_the_next_node(vme: Vme) -> None:
    """The NVRAM is a file of the node; so is the state of a TPM."""
    vme.create("web1", "kvm01", "--", "--boot", "uefi", "--tpm", "backend.type=emulator,backend.version=2.0")
    # create_guest puts the variables on the store; other tools leave them where libvirt has them, on the node.
    nvram = "/var/lib/libvirt/qemu/nvram/web1_VARS.fd"
    xml = vme.virsh("kvm01", "dumpxml", "--inactive", "--security-info", "web1")
    vme.write("kvm01", "/tmp/web1.xml", re.sub("(<nvram[^>]*>)[^<]*<", rf"\g<1>{nvram}<", xml))
    vme.virsh("kvm01", "define", "/tmp/web1.xml")
    vme.on("kvm01", "mkdir", "-p", "/var/lib/libvirt/qemu/nvram")
    tpm = f"/var/lib/libvirt/swtpm/{uuid_of(vme, 'web1', 'kvm01')}"
    # As they are after a first start; what is inside only has to come back.
    owner = "chown -R libvirt-qemu:kvm"
    vme.on("kvm01", "sh", "-c", f"head -c 540672 /dev/urandom >{nvram}; {owner} {nvram}; chmod 600 {nvram}")
    vme.on("kvm01", "sh", "-c", f"mkdir -p {tpm}/tpm2; echo state >{tpm}/tpm2/tpm2-00.permall; {owner} {tpm}/tpm2")
    look = f"sha256sum {nvram} {tpm}/tpm2/*; stat -c '%n %U %G %a' {nvram} {tpm}/tpm2/*"
    before = vme.on("kvm01", "sh", "-c", look)

    said = vme.tool("undefine_guest", "--yes", "web1").stdout
    assert f"{STORE}/.vme/kept/web1: {nvram}, {tpm}" in said
    assert vme.status_on("kvm01", "test", "-e", nvram) != 0
    assert vme.status_on("kvm01", "test", "-e", tpm) != 0
    vme.on("kvm02", "mkdir", "-p", "/var/lib/libvirt/qemu/nvram")
    vme.on("kvm02", "touch", nvram)
    assert f"kvm02 has {nvram} already" in vme.tool("define_guest", "web1", "kvm02", status=3).stderr
    vme.on("kvm02", "rm", nvram)
    vme.tool("define_guest", "web1", "kvm02")
    assert vme.on("kvm02", "sh", "-c", look) == before
    # Where it can't be copied to the store nothing is done; by force it stays where it is.
    vme.on("kvm02", "mount", "--bind", "/bin/false", "/usr/bin/base64")  # in this node's own mount namespace only
    try:
        assert "--force leaves it on kvm02" in vme.tool("undefine_guest", "--yes", "web1", status=3).stderr
        said = vme.tool("undefine_guest", "--yes", "--force", "web1").stdout
    finally:
        vme.on("kvm02", "umount", "/usr/bin/base64")
    assert f"on kvm02: {nvram}" in said
    assert vme.on("kvm02", "sh", "-c", look) == before


def test_define_refuses_what_is_another_guest_s(vme: Vme, tmp_path: Path) -> None:
    vme.create("web1", "kvm01")
    vme.create("web2", "kvm02", start=True)
    xml = vme.virsh("kvm01", "dumpxml", "web1")
    uuid, other = uuid_of(vme, "web1", "kvm01"), uuid_of(vme, "web2", "kvm02")

    def define(text: str, node: str, status: int = 3, *words: str) -> str:
        vme.write("mgmt", "/tmp/guest.xml", text)
        done = vme.tool("define_guest", "/tmp/guest.xml", "-s", node, *words, status=status)
        return done.stderr if status else done.stdout

    assert "it is shut off on kvm01: migrate_guest it, or undefine_guest it there first" in define(xml, "kvm02")
    assert "it is shut off on kvm01" in vme.tool("define_guest", "web1", "kvm03", status=3).stderr
    assert f"a guest of that name is shut off on kvm01, with UUID {uuid}" in define(xml.replace(uuid, other), "kvm03")
    renamed = xml.replace("<name>web1<", "<name>web3<")
    assert "web1 on kvm01 (shut off) has the same UUID" in define(renamed, "kvm01")
    assert "web1 on kvm01 (shut off) has the same UUID" in define(renamed.replace(uuid, uuid.upper()), "kvm04")
    fresh = renamed.replace(f"<uuid>{uuid}</uuid>", "")
    said = define(fresh, "kvm03")
    assert "image /srv/vme/virt-store/web1/web1-vda is disk vda of guest web1 on kvm01" in said
    assert "is that of guest web1 on kvm01" in said
    assert "does not see image" in define(fresh, "kvm04")
    assert "failed to validate" in define(fresh.replace("<acpi/>", "<nonsense/>"), "kvm03", 3, "--force")
    assert "not of a <domain>" in define("<network/>", "kvm03")
    assert "this is not XML" in define("<domain", "kvm03")
    assert "can't be the name" in define(fresh.replace(">web3<", ">../x<"), "kvm03", 2)
    assert vme.guests_of("kvm03") == set()
    assert vme.store() == {"web1", "web2"}

    # A new form of the same guest, on the same node, is no collision; one that runs has it at its next start.
    assert "its definition is changed" in define(xml.replace(">1</vcpu>", ">2</vcpu>"), "kvm01", 0, "--reason", "more")
    assert past(vme)[-1] == (2, "define_guest", "more")
    running = vme.virsh("kvm02", "dumpxml", "--inactive", "web2").replace(">1</vcpu>", ">2</vcpu>")
    assert "it is running, so the change takes effect at its next start" in define(running, "kvm02", 0)
    # A silent node may have it.
    vme.fault("freeze", "kvm05", "libvirtd")
    new = fresh.replace("web1/web1-vda", "new.img")
    new = "\n".join(line for line in new.splitlines() if "<mac" not in line)
    vme.on("mgmt", "qemu-img", "create", "-q", "-f", "qcow2", f"{STORE}/new.img", "1M")
    assert "it may exist on a silent node: kvm05" in define(new, "kvm03")
    assert "web3 on kvm03: defined" in define(new, "kvm03", 0, "--force")


def test_ctrl_c_takes_a_new_guest_back_and_claims_nothing_of_one_that_was_there(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    xml = vme.virsh("kvm01", "dumpxml", "web1")
    vme.tool("undefine_guest", "web1", "--yes")
    tool = begin(vme, "defining it", "define_guest", "web1")
    tool.wait_until_stopped()
    vme.fault("freeze", "kvm01", "libvirtd")
    tool.go_on()
    time.sleep(1)  # the call is under way
    tool.send(signal.SIGINT)
    vme.fault("thaw", "kvm01", "libvirtd")
    said = tool.end()
    assert (said.status, "web1: interrupted; everything was undone" in said.text) == (130, True), said
    assert vme.guests_of("kvm01") == set()
    vme.tool("define_guest", "web1")

    vme.write("mgmt", "/tmp/guest.xml", xml.replace(">1</vcpu>", ">2</vcpu>"))
    tool = begin(vme, "defining it", "define_guest", "/tmp/guest.xml")
    tool.wait_until_stopped()
    tool.send(signal.SIGINT)
    tool.go_on()
    said = tool.end()
    assert (said.status, "undone" in said.text) == (130, False), said
    assert "web1: interrupted midway" in said.text
    assert "done: save its definition" in vme.tool("vme", "repair", "web1").stdout


def test_xml_without_a_uuid_gets_one_and_keeps_what_is_qemu_s_own(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    xml = vme.virsh("kvm01", "dumpxml", "web1")
    vme.tool("del_guest", "web1", "--yes")
    xml = re.sub("<uuid>.*</uuid>|<mac .*/>", "", xml).replace("web1/web1-vda", "new.img")
    own = "<qemu:commandline><qemu:env name='A' value='B'/></qemu:commandline></domain>"
    xml = xml.replace("<domain ", "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' ")
    vme.write("mgmt", "/tmp/guest.xml", xml.replace("</domain>", own))
    vme.on("mgmt", "qemu-img", "create", "-q", "-f", "qcow2", f"{STORE}/new.img", "1M")
    assert "web1 on kvm01: defined" in vme.tool("define_guest", "/tmp/guest.xml", "-s", "kvm01").stdout
    assert "<qemu:env name='A' value='B'/>" in vme.virsh("kvm01", "dumpxml", "web1")
    vme.on("mgmt", "rm", f"{STORE}/new.img")


def test_what_is_deleted_takes_its_history_along(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    vme.tool("edit_guest", "web1", "--set", "vcpus=2")
    vme.tool("del_guest", "--yes", "web1", "--reason", "over")
    assert vme.on("mgmt", "ls", HISTORY) == ""
    (place,) = vme.on("mgmt", "sh", "-c", f"echo {STORE}/.trash/web1.*").split()
    last = json.loads(vme.on("mgmt", "cat", f"{place}/history/000003.json"))
    assert (last["tool"], last["reason"], last["user"]) == ("del_guest", "over", "root")
    vme.create("web1", "kvm01")
    assert past(vme) == [(1, "create_guest", None)]
    vme.tool("del_guest", "--yes", "--purge", "web1")
    assert vme.on("mgmt", "ls", HISTORY) == ""


def test_tags_and_migration_are_changes_too(vme: Vme) -> None:
    vme.boot("web1", "kvm01")
    vme.tool("tag_guest", "web1", "--add", "web", "--reason", "ticket 9")
    vme.tool("migrate_guest", "web1", "kvm02", "--reason", "kvm01 is to be serviced")
    assert past(vme) == [(1, "create_guest", None), (2, "tag_guest", "ticket 9")]
    vme.tool("edit_guest", "web1", "--set", "vcpus=2")
    assert vme.json("history_guest", "web1")[-1]["node"] == "kvm02"
