"""tag_guest: on a guest that runs and on one that does not; what is written stays with the guest."""

from pathlib import PurePosixPath

import pytest

from tests.lab.batch import GUEST, define
from tests.lab.calls import counted_calls
from tests.lab.test_connections import forget_masters
from tests.lab.vme import Vme

TAGS = ("--columns", "name,tags,title,description")


def labels(vme: Vme, *words: str) -> dict[str, tuple[str, str | None]]:
    """Name -> tags and title, as list_guests tells them."""
    rows = vme.json("list_guests", *words, *TAGS)
    return {row["name"]: (",".join(row["tags"]), row["title"]) for row in rows}


def test_a_running_and_a_stopped_guest(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.create("web2", "kvm02")
    assert vme.tool("tag_guest", "web1").stdout == "web1 on kvm01: no tags\n"
    planned = vme.tool("tag_guest", "web1", "--add", "prod", "--dry-run").stdout
    assert planned == "web1 on kvm01: tags prod (was: no tags)\n"
    assert labels(vme) == {"web1": ("", None), "web2": ("", None)}
    for name, node in (("web1", "kvm01"), ("web2", "kvm02")):
        done = vme.tool(
            "tag_guest", name, "-a", "prod,web", "-a", "@x", "--title", "Shop & <co>", "--description", "a\nb"
        )
        assert done.stdout == f"{name} on {node}: tags prod, web, x; title Shop & <co>; description 'a\\nb'\n"
        assert "already" in vme.tool("tag_guest", name, "-a", "web").stdout
        vme.tool("tag_guest", name, "-r", "x", "-r", "notthere")
        # What libvirt says is in force now, and after the next start; and what is saved beside the images.
        for xml in (
            vme.virsh(node, "dumpxml", name),
            vme.virsh(node, "dumpxml", "--inactive", name),
            vme.on("mgmt", "cat", f"/srv/vme/east/virt-store/{name}/{name}.xml"),
        ):
            assert xml.count("<vme:tag>") == 2
            assert "<title>Shop &amp; &lt;co&gt;</title>" in xml
            assert "<description>a\nb</description>" in xml
        assert vme.virsh(node, "desc", "--title", name).strip() == "Shop & <co>"
    assert labels(vme, "@web") == {"web1": ("prod,web", "Shop & <co>"), "web2": ("prod,web", "Shop & <co>")}
    vme.tool("tag_guest", "@web", "--clear", "--add", "new", "--title", "")
    assert labels(vme) == {"web1": ("new", None), "web2": ("new", None)}
    vme.tool("tag_guest", "--all", "--clear")
    assert "vme:guest" not in vme.virsh("kvm01", "dumpxml", "web1")
    assert "libosinfo" in vme.virsh("kvm01", "dumpxml", "web1")


def test_labels_travel_with_the_guest(vme: Vme) -> None:
    vme.create("web1", "kvm01", start=True)
    vme.tool("tag_guest", "web1", "--add", "prod", "--title", "Shop")
    vme.tool("migrate_guest", "web1", "kvm03")
    assert labels(vme, "@prod") == {"web1": ("prod", "Shop")}
    vme.tool("stop_guest", "@prod", "--yes")
    assert labels(vme, "kvm03", "@prod") == {"web1": ("prod", "Shop")}
    # And back from the saved XML.
    vme.virsh("kvm03", "undefine", "web1")
    saved = vme.on("mgmt", "cat", "/srv/vme/east/virt-store/web1/web1.xml")
    vme.write("kvm02", "/tmp/saved.xml", saved)
    vme.virsh("kvm02", "define", "--validate", "/tmp/saved.xml")
    assert labels(vme, "@prod") == {"web1": ("prod", "Shop")}


def test_what_can_not_be_written(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    for words, said in (
        (["--add", "a b"], "can't be the name of a tag"),
        (["--add", "--title"], "expected one argument"),
        (["--add", "west"], "west can't be a tag: it is a zone"),
        (["--add", "a", "--remove", "a"], "a: to be added and removed"),
        (["--title", "two\nlines"], "a title is one line"),
        (["--description", "\x1b[2J"], "a description is printable text"),
    ):
        assert said in vme.tool("tag_guest", "web1", *words, status=2).stderr
    assert labels(vme) == {"web1": ("", None)}


def test_two_people_at_once_lose_nothing(vme: Vme) -> None:
    """Each tag is there at the end, or its tool said that another one was at work."""
    vme.create("web1", "kvm01")
    tools = [vme.begin("tag_guest", "web1", "--add", f"t{number}") for number in range(4)]
    done = {f"t{number}" for number, tool in enumerate(tools) if not tool.wait()}
    assert done
    assert set(labels(vme)["web1"][0].split(",")) == done


def test_a_guest_that_was_never_defined_only_run(vme: Vme) -> None:
    vme.write(
        "kvm01", "/tmp/transient.xml", GUEST.format(name="tr1", uuid="", metadata="").replace("<uuid></uuid>", "")
    )
    vme.virsh("kvm01", "create", "/tmp/transient.xml")
    vme.tool("tag_guest", "tr1", "--add", "prod")
    assert labels(vme, "@prod") == {"tr1": ("prod", None)}


def test_another_s_metadata_stays_and_another_s_tag_is_read(vme: Vme) -> None:
    vme.create("web1", "kvm01")
    uri = "https://vme-tools.org/xmlns/1"
    more = "<guest><tag>theirs</tag><tag>no tag!</tag><later>kept</later></guest>"
    vme.virsh("kvm01", "metadata", "web1", uri, "--key", "vme", "--set", more, "--config")
    vme.virsh("kvm01", "metadata", "web1", "urn:other", "--key", "o", "--set", "<x>y</x>", "--config")
    assert labels(vme, "@theirs") == {"web1": ("theirs", None)}
    vme.tool("tag_guest", "web1", "--add", "ours")
    xml = vme.virsh("kvm01", "dumpxml", "web1")
    assert "<vme:later>kept</vme:later>" in xml
    assert "<o:x " in xml
    assert labels(vme) == {"web1": ("ours,theirs", None)}


@pytest.mark.not_under("read", reason="such a key may not read the files: each guest is asked")
def test_a_file_that_libvirt_does_not_agree_with_selects_nothing_to_act_on(vme: Vme) -> None:
    """Somebody edits libvirt's file by hand, and has not restarted it."""
    define(vme, "kvm01", {"web1": "prod", "web2": None})
    file = PurePosixPath("/etc/libvirt/qemu")
    vme.on("kvm01", "sh", "-ec", f"sed 's/web1/web2/g' {file}/web1.xml >/tmp/f; uuid=$(virsh domuuid web2); "
           f"sed -i \"s,<uuid>.*</uuid>,<uuid>$(echo $uuid)</uuid>,\" /tmp/f; cp /tmp/f {file}/web2.xml")  # fmt: skip
    assert set(labels(vme, "@prod")) == {"web1", "web2"}
    planned = vme.tool("stop_guest", "@prod", "--dry-run").stdout
    assert planned.split()[0] == "web1"
    assert len(planned.splitlines()) == 1


@pytest.mark.not_under("operate", reason="its own line for the key would have to replace the wrapper's")
def test_where_the_files_can_not_be_read_each_guest_is_asked(vme: Vme) -> None:
    """A key that lets libvirt through and no command."""
    define(vme, "kvm01", {"web1": "prod", "web2": None})
    vme.tool("list_guests")
    keys = "$HOME/.ssh/authorized_keys"
    only_libvirt = 'restrict,port-forwarding,command="/bin/false" '
    vme.on("kvm01", "sh", "-c", f"cp {keys} {keys}.away; sed -i 's#^ssh-#{only_libvirt}ssh-#' {keys}")
    try:
        forget_masters(vme)
        with counted_calls(vme, ["kvm01"]) as calls:
            assert set(labels(vme, "@prod")) == {"web1"}
        assert calls["kvm01"] == {"get_all_domain_stats": 1, "get_metadata": 3 * 2}
    finally:
        vme.on("kvm01", "sh", "-c", f"mv {keys}.away {keys}")
        forget_masters(vme)
