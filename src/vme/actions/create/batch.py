"""A batch of guests from a YAML file: hostile input, every key known and of its type, every error names the entry.

The schema is in docs/create.md: `defaults:` for all, `guests:` a list of entries with a `name:` or a set of names, and
in both the long options of create_guest as keys.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from vme.actions.create.options import Options, merged, requests_of
from vme.actions.create.seed import YAML_VALUE_ERRORS
from vme.actions.create.wish import Request
from vme.config import Defaults
from vme.errors import Misused

_LONGEST_BYTES = 1 << 20
_MOST_GUESTS = 1000
_FLAGS = ("linked", "uefi", "secure_boot", "tpm", "pxe", "start")
_WHOLE = ("vcpus", "memory")
_LISTS = ("disk", "bridge", "ssh_key", "address")
_TYPES = ("raw", "qcow2")
_TOP = ("defaults", "guests")


def read_batch(file: Path, general: Options, defaults: Defaults, extra: tuple[str, ...]) -> tuple[Request, ...]:
    """The guests of a file; `general` is what the command line says for those that say nothing. Raises Misused."""
    content = _load(file)
    if not isinstance(content, dict) or not isinstance(content.get("guests"), list) or not content["guests"]:
        raise Misused(f"{file}: there must be a list of guests", hint="write `guests:`, then `- name: web1` and so on")
    _refuse_unknown(f"{file}", content, _TOP)
    for_all = merged(general, _options(f"{file}: defaults", content.get("defaults") or {}))
    requests: list[Request] = []
    for number, entry in enumerate(content["guests"], 1):
        requests += _entry(file, number, entry, for_all, defaults, extra)
        if len(requests) > _MOST_GUESTS:
            raise Misused(f"{file}: more than {_MOST_GUESTS} guests at once")
    return tuple(requests)


def names_of(text: str) -> tuple[str, ...]:
    """A guest's name, or the names of a set: web[01-20]. Raises Misused."""
    if "[" not in text and "," not in text:
        return (text,)
    from vme.nodesets import expanded_names

    try:
        names = expanded_names(text)
    except ValueError as problem:
        raise Misused(f"{text!a} is not a set of names: {problem}", hint="write it as web[01-20]") from None
    if len(names) > _MOST_GUESTS:
        raise Misused(f"{text!a} is more than {_MOST_GUESTS} guests at once")
    return names


def _entry(
    file: Path, number: int, entry: object, for_all: Options, defaults: Defaults, extra: tuple[str, ...]
) -> tuple[Request, ...]:
    where = f"{file}: guest {number}"
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise Misused(f"{where}: it has no name", hint="each entry is `- name: web1` with more keys below it")
    where = f"{where} ({entry['name']!a})"
    own = _options(where, {key: value for key, value in entry.items() if key != "name"})
    try:
        return requests_of(names_of(entry["name"]), merged(for_all, own), defaults, extra)
    except Misused as problem:
        raise Misused(f"{where}: {problem.message}", hint=problem.hint) from None


def _options(where: str, table: object) -> Options:
    """The options of an entry, each of its type."""
    if not isinstance(table, dict):
        raise Misused(f"{where}: this must be keys and values", hint="write it as `memory: 2048`")
    known = tuple(_key(field.name) for field in fields(Options))
    _refuse_unknown(where, table, (*known, "name"))
    values = {}
    for field in fields(Options):
        key = _key(field.name)
        if table.get(key) is not None:
            values[field.name] = _value(f"{where}: {key}", field.name, table[key])
    return Options(**values)


def _key(field: str) -> str:
    """A field's key in the file: the long option, with - for _; `from` for the field `source`."""
    return "from" if field == "source" else field.replace("_", "-")


def _value(where: str, field: str, value: object) -> Any:
    if field in _FLAGS:
        if not isinstance(value, bool):
            raise Misused(f"{where}: must be true or false, not {value!a}")
        return value
    if field in _WHOLE:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 1 << 40:
            raise Misused(f"{where}: must be a whole number above 0, not {value!a}")
        return value
    if field in _LISTS:
        listed = value if isinstance(value, list) else [value]
        return tuple(_text(where, item) for item in listed)
    text = _text(where, value)
    if field == "type" and text not in _TYPES:
        raise Misused(f"{where}: {text!a} is not known", hint=f"choose one of: {', '.join(_TYPES)}")
    return text


def _text(where: str, value: object) -> str:
    """A text; a number is one too, so that a disk's size need not be quoted."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise Misused(f"{where}: must be a text, not {value!a}")
    return str(value)


def _refuse_unknown(where: str, table: Mapping[object, object], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            import difflib

            near = difflib.get_close_matches(str(key), known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
            raise Misused(f"{where}: unknown key {key!a}", hint=hint)


def _load(file: Path) -> Any:
    import yaml

    class NoAliases(yaml.SafeLoader):
        """A few lines of aliases can stand for gigabytes; a list of guests needs none."""

        def compose_node(self, parent: Any, index: int) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("aliases (*name) are not allowed here")
            return super().compose_node(parent, index)

    try:
        if file.stat().st_size > _LONGEST_BYTES:
            raise Misused(f"{file} is larger than {_LONGEST_BYTES >> 20} MiB")
        return yaml.load(file.read_text(encoding="utf-8"), Loader=NoAliases)
    except OSError as problem:
        raise Misused(f"{file} can't be read: {problem.strerror}") from None
    except (yaml.YAMLError, *YAML_VALUE_ERRORS) as problem:
        raise Misused(f"{file} is not YAML: {' '.join(str(problem).split())}") from None
