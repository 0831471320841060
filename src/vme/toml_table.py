"""A table of vme.toml, read key by key with its type; what was not read is an unknown key, and an error."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from vme.errors import Misconfigured
from vme.home import at_home
from vme.parse_cache import remembered

OptionValue = bool | int | float | str | tuple[str, ...]

# Beside the keys of the file; no TOML key is empty unless it is quoted, and none of ours is.
_EXPANDED = ""


def open_table(file: Path) -> "Table":
    """Parse a TOML file, or take what was parsed before. Raises Misconfigured with the line where it can't be read."""
    return Table(file, "", remembered(file, lambda: _parsed(file)))


def _parsed(file: Path) -> dict[str, Any]:
    """The file's tables. Node sets that ask no group source are expanded here, so that they are expanded once."""
    import tomllib

    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise Misconfigured(
            f"{file}: {problem.strerror}", hint="mend its permissions, or name another in $VME_CONFIG"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise Misconfigured(
            f"{file}: not TOML: {problem}", hint="`vme init FILE` writes an example to compare with"
        ) from None
    return values | {_EXPANDED: _expand_all(values)}


def _expand_all(values: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Text -> names, for the node sets of all zones; those that ask groups, or are wrong, are left to node_set()."""
    from vme.nodesets import expanded

    zones = values.get("zones")
    texts = [zone.get("nodes") for zone in zones.values() if isinstance(zone, dict)] if isinstance(zones, dict) else []
    known = {}
    for text in texts:
        if isinstance(text, str) and text and "@" not in text:
            with suppress(ValueError):
                known[text] = expanded(text)
    return known


class Table:
    """One table of the file; remembers which keys were asked for, so that finish() can name the others."""

    def __init__(
        self, file: Path, prefix: str, values: dict[str, Any], known_sets: dict[str, tuple[str, ...]] | None = None
    ) -> None:
        self._file = file
        self._known_sets = values.get(_EXPANDED, {}) if known_sets is None else known_sets
        self._prefix = prefix
        self._values = values
        self._asked: set[str] = {_EXPANDED}

    def error(self, key: str | None, problem: str, mend: str) -> Misconfigured:
        """The error to raise for a key of this table (None: for the table itself)."""
        full = ".".join(part for part in (self._prefix, key) if part)
        return Misconfigured(f"{self._file}: {full}: {problem}" if full else f"{self._file}: {problem}", hint=mend)

    def finish(self, known: tuple[str, ...] = ()) -> None:
        """Raise Misconfigured if the table has a key that nobody asked for."""
        for key in self._values:
            if key not in self._asked and key not in known:
                raise self.error(key, "unknown key", _did_you_mean(key, sorted(self._asked | set(known))))

    def names(self) -> list[str]:
        """The keys of this table, all of them subtables."""
        return list(self._values)

    def table(self, key: str) -> "Table":
        """The subtable of that name, empty if there is none."""
        value = self._take(key)
        if value is not None and not isinstance(value, dict):
            raise self.error(key, "must be a table", f"write it as [{'.'.join(filter(None, (self._prefix, key)))}]")
        return Table(self._file, ".".join(filter(None, (self._prefix, key))), value or {}, self._known_sets)

    def text(self, key: str) -> str | None:
        value = self._take(key)
        if value is not None and (not isinstance(value, str) or not value):
            raise self.error(key, "must be a text", 'write it in quotation marks, for example "root"')
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._take(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self.error(key, "must be a list of texts", 'write it as ["br0", "br1"]')
        return tuple(value)

    def choice(self, key: str, choices: tuple[str, ...]) -> str | None:
        value = self.text(key)
        if value is not None and value not in choices:
            raise self.error(key, f"{value!a} is not known", f"choose one of: {', '.join(choices)}")
        return value

    def whole(self, key: str, *, lowest: int, highest: int = 2**40) -> int | None:
        value = self._take(key)
        if value is not None and (
            not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest
        ):
            raise self.error(
                key, "must be a whole number in its range", f"write a number from {lowest} to {highest}, without quotes"
            )
        return value

    def options(self) -> dict[str, OptionValue]:
        """All keys of the table with their plain values: options of a tool, which knows itself what it takes."""
        found: dict[str, OptionValue] = {}
        for key in self._values:
            value = self._take(key)
            items = value if isinstance(value, list) else [value]
            if not all(isinstance(item, bool | int | float | str) for item in items):
                raise self.error(key, "must be a text, a number, true or false, or a list", 'write it as "name,node"')
            found[key] = tuple(str(item) for item in items) if isinstance(value, list) else value
        return found

    def flag(self, key: str) -> bool | None:
        value = self._take(key)
        if value is not None and not isinstance(value, bool):
            raise self.error(key, "must be true or false", "write true or false, without quotes")
        return value

    def seconds(self, key: str, highest: int = 3600) -> float | None:
        value = self._take(key)
        if value is not None and (
            not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= highest
        ):
            raise self.error(
                key, "must be a number of seconds", f"write a number above 0, {highest} at most, for example 5"
            )
        return None if value is None else float(value)

    def mode(self, key: str, default: int) -> int:
        """A file mode, written as a text of octal digits as chmod takes it."""
        value = self.text(key)
        if value is None:
            return default
        if not (3 <= len(value) <= 4 and all(digit in "01234567" for digit in value)):
            raise self.error(key, f"{value!a} is not a mode", 'write it as chmod does, in quotation marks: "0660"')
        return int(value, 8)

    def path(self, key: str) -> Path | None:
        value = self.text(key)
        if value is None:
            return None
        path = at_home(value) if value.startswith("~/") else Path(value)
        if not path.is_absolute() or ".." in path.parts:
            raise self.error(
                key, f"{value!a} is not an absolute path", "write the whole path, beginning with /, without .."
            )
        return path

    def needed_path(self, key: str) -> Path:
        path = self.path(key)
        if path is None:
            raise self.error(key, "is missing", f'add {key} = "/srv/vme/..." to it')
        return path

    def node_set(self, key: str) -> tuple[str, ...]:
        """The nodes of a ClusterShell node set, in its order: `kvm[01-08]`, `@group`, `@genders:virt`."""
        text = self.text(key)
        if text is None:
            raise self.error(key, "is missing", f'add {key} = "kvm[01-08]" (or a group: "@hypervisors")')
        if text in self._known_sets:
            return self._known_sets[text]
        from vme.nodesets import expanded

        try:
            nodes = expanded(text)
        except ValueError as problem:
            raise self.error(
                key, f"{text!a} is not a node set: {problem}", 'write it as "kvm[01-08]" or "@group"'
            ) from None
        if not nodes:
            raise self.error(key, f"{text!a} names no node", "name at least one node, or a group that has members")
        return nodes

    def _take(self, key: str) -> Any:
        self._asked.add(key)
        return self._values.get(key)


def _did_you_mean(key: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(key, known, 1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known) or 'nothing'}"
