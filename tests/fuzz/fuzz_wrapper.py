"""Feed vme_ssh_wrapper with commands and policies that coverage leads to; atheris does not return unless told to.

.venv/bin/pip install atheris
.venv/bin/python tests/fuzz/fuzz_wrapper.py -max_total_time=60
"""

import sys
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[2])]

with atheris.instrument_imports():
    from vme.wrapper import vme_ssh_wrapper as wrapper

from tests.unit import wrapper_forms  # noqa: E402 (not to be instrumented)

# remote_connect_open_args of remote_protocol.x, for qemu:///system, with VIR_CONNECT_RO and VIR_CONNECT_NO_ALIASES.
OPENINGS = [b"\0\0\0\1\0\0\0\x0eqemu:///system\0\0\0\0\0" + flags for flags in (b"\1", b"\3")]


def one_input(data: bytes) -> None:
    """The first byte chooses: a policy, a message to libvirt's daemon, or a command of a role."""
    choice, rest = data[:1], data[1:]
    if choice == b"p":
        try:
            wrapper.parse_policy(rest.decode("utf-8"))
        except (UnicodeDecodeError, wrapper.PolicyError):
            return
        return
    if choice == b"m":
        may_pass = len(rest) >= 28 and not wrapper.why_not_pass(rest)
        if may_pass and wrapper.is_open(rest) and rest[28:] not in OPENINGS:
            raise AssertionError(f"{rest!r} may pass")
        return
    role = {b"r": "read", b"s": "storage", b"o": "operate"}.get(choice, "none")
    executed = set(wrapper.decide(rest, role).argvs)
    allowed = wrapper_forms.expected(rest, role)
    if not executed <= allowed or bool(executed) != bool(allowed):
        raise AssertionError(f"{role}: {rest!r} executes {executed}, allowed is {allowed}")
    wrapper.json_line({"command": rest.decode("utf-8", "surrogateescape")})


if __name__ == "__main__":
    atheris.Setup([*sys.argv, f"-dict={Path(__file__).with_name('wrapper.dict')}"], one_input)
    atheris.Fuzz()
