"""What cloud-init is told: read back by YAML and, for the image, by another reader of ISO 9660."""

import base64
import io
from pathlib import Path

import pycdlib
import pytest
import yaml

from vme.actions.create.seed import network_config, public_keys, read_source, seed_files
from vme.actions.create.wish import AddressWish, SeedWish
from vme.errors import Misused
from vme.store.seed_iso import seed_iso

BLOB = base64.b64encode(b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + b"k" * 32).decode()
KEY = f"ssh-ed25519 {BLOB} me@home"


def written(tmp_path: Path, name: str, text: str) -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_a_key_a_name_and_an_address(tmp_path: Path) -> None:
    wish = SeedWish(
        ssh_keys=(written(tmp_path, "k.pub", KEY + "\n"),),
        hostname="www.example.org",
        addresses=(AddressWish("10.0.0.5/24", "10.0.0.1", ("10.0.0.2",)),),
    )
    files = seed_files(read_source(wish), "web1", "some-uuid", ("52:54:00:00:00:01", "52:54:00:00:00:02"))
    assert files["user-data"].startswith("#cloud-config\n")
    assert yaml.safe_load(files["user-data"]) == {"ssh_authorized_keys": [KEY]}
    assert yaml.safe_load(files["meta-data"]) == {"instance-id": "some-uuid", "local-hostname": "www.example.org"}
    assert yaml.safe_load(files["network-config"]) == {
        "version": 2,
        "ethernets": {
            "nic0": {
                "match": {"macaddress": "52:54:00:00:00:01"},
                "addresses": ["10.0.0.5/24"],
                "routes": [{"to": "0.0.0.0/0", "via": "10.0.0.1"}],
                "nameservers": {"addresses": ["10.0.0.2"]},
            },
            "nic1": {"match": {"macaddress": "52:54:00:00:00:02"}, "dhcp4": True},
        },
    }


def test_user_data_of_ones_own_is_not_touched(tmp_path: Path) -> None:
    text = "#cloud-config\n# a comment\npackages: [vim]\n"
    source = read_source(SeedWish(user_data=written(tmp_path, "u", text)))
    files = seed_files(source, "web1", "u", ())
    assert files["user-data"] == text
    assert yaml.safe_load(files["meta-data"])["local-hostname"] == "web1"
    assert "network-config" not in files


def test_keys_are_added_to_user_data(tmp_path: Path) -> None:
    text = f"#cloud-config\nssh_authorized_keys: ['{KEY} first']\npackages: [vim]\n"
    wish = SeedWish(user_data=written(tmp_path, "u", text), ssh_keys=(written(tmp_path, "k", KEY),))
    user_data = yaml.safe_load(seed_files(read_source(wish), "web1", "u", ())["user-data"])
    assert user_data == {"ssh_authorized_keys": [f"{KEY} first", KEY], "packages": ["vim"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("packages: [vim]\n", "cloud-init would ignore it"),
        ("#cloud-config\n- a\n", "not a list of settings"),
        ("#cloud-config\na: [\n", "not YAML"),
        ("#cloud-config\nexpire: 2026-02-30\n", "not YAML: day is out of range"),
        ("#cloud-config\nexpire: !!timestamp soon\n", "not YAML"),
        ("#cloud-config\nexpire: !!bool perhaps\n", "not YAML"),
        ("#!/bin/sh\n", "can't be added"),
    ],
)
def test_user_data_that_is_refused(tmp_path: Path, text: str, said: str) -> None:
    wish = SeedWish(user_data=written(tmp_path, "u", text), ssh_keys=(written(tmp_path, "k", KEY),))
    with pytest.raises(Misused, match=said):
        read_source(wish)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "ssh-ed25519\n",
        "ssh-ed25519 AAAA\n",
        f"ssh-rsa {BLOB}\n",
        f"command=x ssh-ed25519 {BLOB}\n",
        f"ssh-ed25519 {BLOB} a\x1b[31m\n",
    ],
)
def test_keys_that_are_refused(text: str) -> None:
    with pytest.raises(Misused, match="not an ssh public key"):
        public_keys(text, "k.pub")


def test_a_private_key_never_gets_into_a_seed() -> None:
    with pytest.raises(Misused, match="private key"):
        public_keys("-----BEGIN OPENSSH PRIVATE KEY-----\n", "k")


def test_more_addresses_than_interfaces() -> None:
    with pytest.raises(Misused):
        network_config((AddressWish("10.0.0.5/24", None, ()),), ())


def test_the_image_is_named_cidata_and_has_the_files() -> None:
    image = seed_iso({"user-data": "#cloud-config\n", "meta-data": "é\n"})
    iso = pycdlib.PyCdlib()
    iso.open_fp(io.BytesIO(image))
    assert iso.pvd.volume_identifier.decode().strip() == "cidata"
    for reading in ("rr_path", "joliet_path"):
        content = io.BytesIO()
        iso.get_file_from_iso_fp(content, **{reading: "/meta-data"})
        assert content.getvalue().decode() == "é\n"
    iso.close()
