"""The command that makes a guest's XML."""

from dataclasses import replace

from vme.hypervisor.virt_install import Shape, argv_for

SHAPE = Shape("qemu", 2, 256, ("br0", "br1"), (), False, False, False, None, ())


def after(option: str, argv: tuple[str, ...]) -> list[str]:
    return [argv[i + 1] for i, word in enumerate(argv) if word == option]


def test_what_is_asked_of_virt_install() -> None:
    argv = argv_for("web1", SHAPE, "qemu+unix:///system?socket=/x")
    assert argv[:3] == ("virt-install", "--connect", "qemu+unix:///system?socket=/x")
    assert after("--name", argv) == ["web1"]
    assert after("--vcpus", argv) == ["2"]
    assert after("--memory", argv) == ["256"]
    assert after("--virt-type", argv) == ["qemu"]
    assert after("--network", argv) == ["bridge=br0,model=virtio", "bridge=br1,model=virtio"]
    assert "--print-xml" in argv


def test_it_touches_no_storage_and_shows_nothing_to_the_world() -> None:
    argv = argv_for("web1", SHAPE, "x")
    assert after("--disk", argv) == ["none"]
    assert after("--graphics", argv) == ["vnc,listen=127.0.0.1"]


def test_the_system_is_any_linux_unless_it_is_said() -> None:
    assert after("--osinfo", argv_for("web1", SHAPE, "x")) == ["name=linux2022"]
    assert after("--osinfo", argv_for("web1", replace(SHAPE, os_name="debian12"), "x")) == ["name=debian12"]


def test_what_follows_the_dashes_comes_last_so_that_it_wins() -> None:
    assert argv_for("web1", replace(SHAPE, extra=("--cpu", "host-model")), "x")[-2:] == ("--cpu", "host-model")


def test_a_tpm_only_if_it_is_asked_for() -> None:
    """virt-install gives one of its own accord to a UEFI guest, and its state stays behind on the node."""
    assert after("--tpm", argv_for("web1", replace(SHAPE, uefi=True), "x")) == ["none"]
    assert "emulator" in after("--tpm", argv_for("web1", replace(SHAPE, tpm=True), "x"))[0]


def test_firmware_and_boot_order() -> None:
    assert after("--boot", argv_for("web1", SHAPE, "x")) == []
    assert after("--boot", argv_for("web1", replace(SHAPE, boot=("hd", "cdrom")), "x")) == ["hd,cdrom"]
    (uefi,) = after("--boot", argv_for("web1", replace(SHAPE, uefi=True), "x"))
    assert uefi == "uefi,firmware.feature0.name=enrolled-keys,firmware.feature0.enabled=no"
    (secure,) = after("--boot", argv_for("web1", replace(SHAPE, uefi=True, secure_boot=True), "x"))
    assert secure.endswith("enabled=yes,firmware.feature1.name=secure-boot,firmware.feature1.enabled=yes")


def test_no_bridge_is_no_interface() -> None:
    assert after("--network", argv_for("web1", replace(SHAPE, bridges=()), "x")) == ["none"]
