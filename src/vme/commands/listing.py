"""What list_guests and node_list have in common: columns to choose, an order, formats, and watching."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from vme.commands.context import seconds
from vme.errors import Misused, VmeError
from vme.records import dataclass
from vme.report import FORMATS, Column, write_rows
from vme.units import MIB, size_text

LISTING_FORMATS = ("text", "wide", *FORMATS[1:], "name")
_WATCH_S = 2.0
_CLEAR = "\x1b[H\x1b[2J"


@dataclass(frozen=True)
class Table:
    """The columns a listing has, and the keys of those shown to a person, to one with a wide screen, to a program."""

    columns: tuple[Column, ...]
    text: tuple[str, ...]
    wide: tuple[str, ...]
    data: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(column.key for column in self.columns)

    def column(self, key: str) -> Column:
        """The column of that key. Raises Misused."""
        for column in self.columns:
            if column.key == key:
                return column
        raise Misused(f"there is no column {key!a}", hint="--columns help tells those there are")

    def by_default(self, form: str) -> tuple[str, ...]:
        """The keys shown in a format where no columns are chosen."""
        return {"text": self.text, "wide": self.wide}.get(form, self.data)


def add_listing(parser: argparse.ArgumentParser) -> None:
    """--columns, --sort, -o, --watch and -g."""
    parser.add_argument(
        "--columns",
        metavar="COLUMNS",
        help="show these, with commas between; `help` tells all, `default` are the usual",
    )
    parser.add_argument(
        "--sort", metavar="COLUMNS", help="order by these columns; --sort=-COLUMN has the greatest first"
    )
    parser.add_argument(
        "-o",
        "--output",
        choices=LISTING_FORMATS,
        default="text",
        help="print for a person (text, wide), for a program, or names only",
    )
    parser.add_argument(
        "--watch", nargs="?", type=seconds, const=_WATCH_S, metavar="S", help="again every S seconds (2), until Ctrl-C"
    )
    parser.add_argument(
        "-g",
        "--group",
        action="append",
        default=[],
        metavar="GROUP",
        help="only nodes of this group (genders and others)",
    )


def columns_of(arguments: argparse.Namespace, table: Table) -> list[Column]:
    """The columns that the arguments choose, in that order. Raises Misused for one there is not."""
    keys: list[str] = []
    for word in (arguments.columns or "default").split(","):
        keys += {"default": table.by_default(arguments.output), "all": table.keys}.get(word, (word,))
    return [table.column(key) for key in dict.fromkeys(keys)]


def order_of(arguments: argparse.Namespace, table: Table) -> list[tuple[Column, bool]]:
    """The columns to sort by, each with whether the greatest goes first. Raises Misused for one there is not."""
    words = arguments.sort.split(",") if arguments.sort else []
    return [(table.column(word.removeprefix("-")), word.startswith("-")) for word in words]


def columns_help(table: Table) -> str:
    """Every column and what it means."""
    width = max(len(key) for key in table.keys)
    lines = [f"{column.key:<{width}}  {column.meaning}" for column in table.columns]
    defaults = {"by default": table.text, "with -o wide": table.wide, "for programs": table.data}
    return "\n".join([*lines, "", *(f"{what}: {','.join(keys)}" for what, keys in defaults.items())])


def in_order(rows: list[dict[str, Any]], order: Sequence[tuple[Column, bool]]) -> list[dict[str, Any]]:
    """The rows in that order, what is not known last; rows alike stay as they were."""
    ordered = list(rows)
    for column, descending in reversed(order):
        known = [row for row in ordered if row[column.key] is not None]
        unknown = [row for row in ordered if row[column.key] is None]
        known.sort(key=lambda row: row[column.key], reverse=descending)
        ordered = known + unknown
    return ordered


def write_listing(
    arguments: argparse.Namespace, rows: list[dict[str, Any]], columns: Sequence[Column], *, name: Column
) -> None:
    """Print the rows in the format asked for; while watching a terminal, in place of what it showed."""
    if arguments.watch and sys.stdout.isatty():
        sys.stdout.write(_CLEAR)
    if arguments.output == "name":
        for row in rows:
            print(name.show(row[name.key]))
        return
    write_rows(rows, columns, "text" if arguments.output == "wide" else arguments.output)


def watched(arguments: argparse.Namespace, tool: str, list_once: Callable[[], int]) -> int:
    """List once, or with --watch again and again until Ctrl-C, which is then no failure.

    Each round is a process of its own: whatever hangs in it, at a node that is silent for hours, ends with it.
    """
    if arguments.watch is None:
        return list_once()
    from vme.forked import in_child

    def one_round() -> int:
        try:
            return list_once()
        except VmeError as problem:
            sys.stdout.flush()
            print(f"{tool}: {problem.message}", file=sys.stderr)
            return problem.exit_status

    try:
        while True:
            in_child(one_round)
            time.sleep(arguments.watch)
    except KeyboardInterrupt:
        return 0


def mib_text(mib: int) -> str:
    """A column's MiB for a person."""
    return size_text(mib * MIB)


def rate_text(bytes_s: int) -> str:
    """A column's bytes a second for a person."""
    return f"{size_text(bytes_s)}/s"


def percent_text(percent: float) -> str:
    """A column's per cent for a person."""
    return f"{percent:.0f} %"
