"""Lines of authorized_keys: read, and written so that every line but our own stays byte for byte. See sshd(8)."""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence

from vme.records import dataclass
from vme.ssh import WRAPPER

_TYPES = re.compile(r"(?:ssh|sk-ssh|ecdsa|sk-ecdsa)-[A-Za-z0-9@.-]+")
_FORCED = re.compile(rf"/usr/bin/python3 -IS {re.escape(WRAPPER)} ([\w.-]+) (\w+) ([\w.-]+)", re.ASCII)


@dataclass(frozen=True)
class PublicKey:
    """A public key: its type, its body in base64, and its comment."""

    type: str
    body: str
    comment: str

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen -l prints it."""
        try:
            raw = base64.b64decode(self.body, validate=True)
        except binascii.Error:
            return "not a key"
        return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


@dataclass(frozen=True)
class Forced:
    """What a line of ours says: the key's name, its role, and the line's own mark."""

    name: str
    role: str
    mark: str


@dataclass(frozen=True)
class KeyLine:
    """One line that lets a key in: its options as written, and the key."""

    text: str
    options: str
    key: PublicKey

    def option(self, name: str) -> str | None:
        """The value of an option, without its quotation marks; None if the line does not have it."""
        for part in _split_outside_quotes(self.options, ","):
            key, equals, value = part.partition("=")
            if key.lower() == name:
                return value.strip('"').replace('\\"', '"') if equals else ""
        return None

    @property
    def forced(self) -> Forced | None:
        """What vme_ssh_wrapper is told by this line; None if the line does not lead there."""
        found = _FORCED.fullmatch(self.option("command") or "")
        return Forced(*found.groups()) if found else None

    @property
    def is_unrestricted(self) -> bool:
        """Whether the key may run any command."""
        return self.option("command") is None


def read_public_key(text: str) -> PublicKey | None:
    """The key in a .pub file, or None if it is none."""
    line = _parsed(text.strip())
    return line.key if line is not None and not line.options else None


def key_lines(text: str) -> tuple[KeyLine, ...]:
    """The lines of authorized_keys that let a key in, in their order."""
    return tuple(line for line in map(_parsed, _lines(text)) if line is not None)


def our_line(key: PublicKey, forced: Forced, sources: Sequence[str]) -> str:
    """The line that lets this key in to its role, from these addresses only."""
    command = f"/usr/bin/python3 -IS {WRAPPER} {forced.name} {forced.role} {forced.mark}"
    return f'restrict,from="{",".join(sources)}",command="{command}" {key.type} {key.body} {forced.name}'


def with_line(text: str, line: str, *, before: Callable[[KeyLine], bool]) -> str:
    """The text with one more line: before the first that `before` finds, for sshd takes the first; else at the end."""
    kept = _lines(text)
    for index, old in enumerate(kept):
        parsed = _parsed(old)
        if parsed is not None and before(parsed):
            return "".join((*kept[:index], f"{line}\n", *kept[index:]))
    ending = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{ending}{line}\n"


def without_lines(text: str, gone: Callable[[KeyLine], bool]) -> str:
    """The text without the lines that `gone` finds."""
    kept = []
    for line in _lines(text):
        parsed = _parsed(line)
        if parsed is None or not gone(parsed):
            kept.append(line)
    return "".join(kept)


def _lines(text: str) -> list[str]:
    """The lines with their ends, as sshd sees them: only a newline ends one (str.splitlines knows many more)."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _parsed(line: str) -> KeyLine | None:
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    first, *rest = _split_outside_quotes(text, " \t")
    options = ""
    if not _TYPES.fullmatch(first):
        options = first
        first, *rest = rest or [""]
    if not _TYPES.fullmatch(first) or not rest:
        return None
    return KeyLine(line, options, PublicKey(first, rest[0], " ".join(rest[1:])))


def _split_outside_quotes(text: str, separators: str) -> list[str]:
    """The parts between separators; within quotation marks there are none, and a backslash takes a mark's meaning."""
    parts = [""]
    quoted = False
    for index, character in enumerate(text):
        if character == '"' and not (index and text[index - 1] == "\\"):
            quoted = not quoted
        if character in separators and not quoted:
            if parts[-1]:
                parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part]
