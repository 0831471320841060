"""Rows to text, JSON, YAML or CSV. What a program reads (`-o`) is stable: keys are the field names of the row."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TextIO

from vme.records import dataclass

FORMATS = ("text", "json", "yaml", "csv")


@dataclass(frozen=True)
class Column:
    """One column: its key for programs, its heading for people, and how a value is shown to a person.

    `meaning` is told by --columns help; `needs` names what has to be asked for its value beyond what is asked anyway.
    """

    key: str
    heading: str
    show: Callable[[Any], str] = str
    right: bool = False
    meaning: str = ""
    needs: str | None = None


def write_rows(rows: Sequence[dict[str, Any]], columns: Sequence[Column], form: str, out: TextIO | None = None) -> None:
    """Print rows in one of FORMATS. For programs every value is written as it is, in bytes, seconds and counts."""
    stream = out or sys.stdout
    plain = [{column.key: row[column.key] for column in columns} for row in rows]
    if form == "text":
        for line in text_lines(plain, columns):
            print(line, file=stream)
    elif form == "csv":
        _write_csv(plain, columns, stream)
    else:
        write_data(plain, form, stream)


def write_data(data: Any, form: str, out: TextIO | None = None) -> None:
    """Print nested data as JSON or YAML."""
    stream = out or sys.stdout
    if form == "yaml":
        import yaml

        yaml.safe_dump(data, stream, sort_keys=False, allow_unicode=True)
    else:
        import json

        json.dump(data, stream, indent=2, ensure_ascii=False)
        print(file=stream)


def text_lines(rows: Sequence[dict[str, Any]], columns: Sequence[Column]) -> Iterable[str]:
    """The aligned lines of a table, heading first; None is shown as a dash."""
    cells = [[_cell(column, row[column.key]) for column in columns] for row in rows]
    table = [[column.heading for column in columns], *cells]
    widths = [max(len(line[i]) for line in table) for i in range(len(columns))]
    for line in table:
        aligned = (
            text.rjust(width) if column.right else text.ljust(width)
            for text, width, column in zip(line, widths, columns, strict=True)
        )
        yield "  ".join(aligned).rstrip()


def _cell(column: Column, value: Any) -> str:
    return "-" if value is None else column.show(value)


def _write_csv(rows: Sequence[dict[str, Any]], columns: Sequence[Column], stream: TextIO) -> None:
    import csv

    writer = csv.DictWriter(stream, [column.key for column in columns], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _csv_cell(value) for key, value in row.items()} for row in rows)


def _csv_cell(value: Any) -> Any:
    """A list as its words, for none of them has a blank."""
    return " ".join(value) if isinstance(value, list) else value
