"""Changes of a domain's XML in virt-install's words, made by virt-xml: text in, text out.

It is given libvirt's built-in test driver to connect to, so that it asks no node and looks at no storage.
"""

import re

from vme.errors import Misused, Refused
from vme.process import run

_TIMEOUT_S = 60.0
# What a domain has one of; and devices, with the property that says which one is meant.
_SINGLE = (
    *("memory", "vcpus", "cpu", "boot", "metadata", "features", "clock", "pm", "events", "iothreads", "cputune"),
    *("numatune", "memtune", "blkiotune", "memorybacking", "resource", "sysinfo", "seclabel", "graphics", "video"),
)
_DEVICES = {"disk": "target", "network": "mac"}
_SIZE = re.compile(r"(\d+)([MG])?(?:i?B)?", re.ASCII)


def option_for(setting: str) -> tuple[str, str]:
    """The options of virt-xml for `memory=4G`, `cpu=host-model`, `disk/vda=cache=none`. Raises Misused."""
    key, equals, value = setting.partition("=")
    kind, slash, which = key.partition("/")
    if equals and value and not slash and kind in _SINGLE:
        return "--edit", f"--{kind}={_in_mib(value) if kind == 'memory' else value}"
    if equals and value and which and kind in _DEVICES:
        return f"--edit={_DEVICES[kind]}={which}", f"--{kind}={value}"
    raise Misused(
        f"{setting!a} is not a setting",
        hint=f"write KEY=VALUE as for virt-install; KEY is {', '.join(_SINGLE)}, disk/TARGET or network/MAC",
    )


def with_setting(xml: str, setting: str, *, subject: str) -> str:
    """The XML with one setting changed. Raises Misused, or Refused with virt-xml's own words."""
    argv = ("virt-xml", "--connect", "test:///default", *option_for(setting), "--print-xml")
    done = run(argv, timeout_s=_TIMEOUT_S, stdin=xml)
    if done.status != 0 or "<domain" not in done.output:
        words = [line.removeprefix("ERROR").strip() for line in done.error.splitlines() if line.strip()]
        raise Refused(f"{subject}: virt-xml refuses {setting!a}", [" ".join(words[-2:]) or done.last_words])
    return done.output[done.output.index("<domain") :]


def _in_mib(value: str) -> str:
    """virt-xml counts memory in MiB; people write 4G too."""
    size = _SIZE.fullmatch(value)
    if size is None:
        return value
    return str(int(size[1]) * (1024 if size[2] == "G" else 1))
