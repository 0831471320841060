"""What cloud-init finds in a new guest (NoCloud: user-data, meta-data, network-config), from what was asked for.

Sources: cloud-init's documentation of the NoCloud data source and of networking config version 2.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from vme.actions.create.wish import AddressWish, SeedWish
from vme.errors import Misused
from vme.records import dataclass

_CLOUD_CONFIG = "#cloud-config"
# What cloud-init takes for user-data beside its own format.
_OTHER_BEGINNINGS = ("#!", "#include", "#cloud-", "## template:", "Content-Type:", "MIME-Version:")
# What PyYAML raises beside its own, of a value that is not what its form or its tag says: the date 2026-02-30.
YAML_VALUE_ERRORS = (ArithmeticError, AttributeError, LookupError, RecursionError, ValueError)
_LONGEST_BYTES = 1 << 20
_KEY_TYPE = re.compile(r"(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+")


@dataclass(frozen=True)
class SeedSource:
    """What was read for a seed: the user-data as its author wrote it, and the public keys."""

    wish: SeedWish
    user_data: str | None
    keys: tuple[str, ...]


def read_source(wish: SeedWish) -> SeedSource:
    """Read the files that a seed is made of. Raises Misused where one is not what it should be."""
    user_data = None if wish.user_data is None else _read(wish.user_data, "user-data")
    keys = tuple(key for path in wish.ssh_keys for key in public_keys(_read(path, "ssh key"), str(path)))
    if user_data is not None:
        _check_user_data(user_data, str(wish.user_data), merged=bool(keys))
    return SeedSource(wish, user_data, keys)


def seed_files(source: SeedSource, name: str, uuid: str, macs: Sequence[str | None]) -> dict[str, str]:
    """File name -> text of a guest's seed. Raises Misused where there are more addresses than interfaces."""
    hostname = source.wish.hostname or name
    files = {
        "user-data": _user_data(source),
        "meta-data": _yaml({"instance-id": uuid, "local-hostname": hostname}),
    }
    if source.wish.addresses:
        files["network-config"] = _yaml(network_config(source.wish.addresses, macs))
    return files


def network_config(addresses: Sequence[AddressWish], macs: Sequence[str | None]) -> dict[str, Any]:
    """networking config version 2: these addresses for the first interfaces, DHCP for the others."""
    if len(addresses) > len(macs):
        raise Misused(f"{len(addresses)} addresses are given, and the guest has {len(macs)} interfaces")
    interfaces: dict[str, Any] = {}
    for number, mac in enumerate(macs):
        settings: dict[str, Any] = {"match": {"macaddress": mac}}
        if number < len(addresses):
            settings |= _static(addresses[number])
        else:
            settings |= {"dhcp4": True}
        interfaces[f"nic{number}"] = settings
    return {"version": 2, "ethernets": interfaces}


def public_keys(text: str, where: str) -> tuple[str, ...]:
    """The lines of an ssh public key file. Raises Misused for anything else, a private key above all."""
    if "PRIVATE KEY" in text:
        raise Misused(f"{where} is a private key, which must not leave your hands", hint=f"name {where}.pub instead")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    bad = [line for line in lines if not _is_public_key(line)]
    if bad or not lines:
        raise Misused(f"{where} is not an ssh public key", hint="name the file that ssh-keygen wrote, ending with .pub")
    return tuple(lines)


def _is_public_key(line: str) -> bool:
    """`TYPE BASE64 [COMMENT]`, where the base64 begins with the type again (RFC 4253, 6.6)."""
    kind, _, rest = line.partition(" ")
    try:
        blob = base64.b64decode(rest.split(" ")[0], validate=True)
    except (binascii.Error, ValueError):
        return False
    length = int.from_bytes(blob[:4], "big")
    return bool(_KEY_TYPE.fullmatch(kind)) and blob[4 : 4 + length] == kind.encode() and line.isprintable()


def _static(wish: AddressWish) -> dict[str, Any]:
    settings: dict[str, Any] = {"addresses": [wish.address]}
    if wish.gateway is not None:
        # "default" is not known to every cloud-init that is still about; the network of all addresses is.
        to = "0.0.0.0/0" if ip_interface(wish.address).version == 4 else "::/0"
        settings["routes"] = [{"to": to, "via": wish.gateway}]
    if wish.dns:
        settings["nameservers"] = {"addresses": list(wish.dns)}
    return settings


def _user_data(source: SeedSource) -> str:
    """The author's own text, untouched if nothing is to be added to it."""
    if source.user_data is not None and not source.keys:
        return source.user_data
    content = {} if source.user_data is None else _load(source.user_data)
    own = content.get("ssh_authorized_keys") or []
    content["ssh_authorized_keys"] = [*own, *source.keys]
    return f"{_CLOUD_CONFIG}\n{_yaml(content)}"


def _check_user_data(text: str, where: str, *, merged: bool) -> None:
    first = text.partition("\n")[0].strip()
    if first != _CLOUD_CONFIG:
        if not text.startswith(_OTHER_BEGINNINGS):
            raise Misused(
                f"{where} is no user-data: cloud-init would ignore it", hint=f"its first line must be {_CLOUD_CONFIG}"
            )
        if merged:
            raise Misused(f"--ssh-key can't be added to {where}, which is not {_CLOUD_CONFIG}", hint="add it there")
        return
    content = _load(text)
    if not isinstance(content, dict):
        raise Misused(f"{where} is {_CLOUD_CONFIG}, but not a list of settings", hint="write it as `key: value`")
    if merged and not isinstance(content.get("ssh_authorized_keys") or [], list):
        raise Misused(f"{where}: ssh_authorized_keys must be a list")


def _load(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text) or {}
    except (yaml.YAMLError, *YAML_VALUE_ERRORS) as problem:
        raise Misused(f"the user-data is not YAML: {problem}") from None


def _yaml(content: object) -> str:
    import yaml

    return yaml.safe_dump(content, sort_keys=False, default_flow_style=False, allow_unicode=True)


def _read(path: Path, what: str) -> str:
    try:
        if path.stat().st_size > _LONGEST_BYTES:
            raise Misused(f"{path} is too large for {what}: {_LONGEST_BYTES >> 20} MiB at most")
        return path.read_text(encoding="utf-8")
    except OSError as problem:
        raise Misused(f"{path} can't be read: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise Misused(f"{path} is not text in UTF-8, as {what} must be") from None
