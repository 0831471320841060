"""Tables and data, for people and programs, as golden files."""

import csv
import io
import json
from typing import Any

import pytest
import yaml

from tests.unit.golden import agrees
from vme.report import FORMATS, Column, text_lines, write_data, write_rows

COLUMNS = (
    Column("name", "NAME"),
    Column("size", "SIZE", lambda size: f"{size} B", right=True),
    Column("note", "NOTE"),
)
ROWS: list[dict[str, Any]] = [
    {"name": "web1", "size": 512, "note": 'a, "b"\nc', "hidden": 1},
    {"name": "db-master", "size": None, "note": "ü: yes", "hidden": 2},
    {"name": "x", "size": 0, "note": None, "hidden": 3},
]


def written(form: str) -> str:
    out = io.StringIO()
    rows = ROWS if form != "text" else [{**row, "note": (row["note"] or "").replace("\n", " ") or None} for row in ROWS]
    write_rows(rows, COLUMNS, form, out)
    return out.getvalue()


@pytest.mark.parametrize("form", FORMATS)
def test_rows(form: str) -> None:
    agrees(f"rows.{form}", written(form))


def test_programs_read_back_the_values_themselves() -> None:
    plain = [{key: row[key] for key in ("name", "size", "note")} for row in ROWS]
    assert json.loads(written("json")) == plain
    assert yaml.safe_load(written("yaml")) == plain
    read = list(csv.DictReader(io.StringIO(written("csv"))))
    assert [row["note"] for row in read] == ['a, "b"\nc', "ü: yes", ""]
    assert [row["size"] for row in read] == ["512", "", "0"]


def test_no_rows() -> None:
    assert list(text_lines([], COLUMNS)) == ["NAME  SIZE  NOTE"]
    for form, text in (("json", "[]\n"), ("yaml", "[]\n"), ("csv", "name,size,note\n")):
        out = io.StringIO()
        write_rows([], COLUMNS, form, out)
        assert out.getvalue() == text


def test_nested_data_and_names_that_are_not_text_in_yaml() -> None:
    out = io.StringIO()
    write_data({"b": [1, {"a": "no"}], "a": "1e3"}, "yaml", out)
    assert yaml.safe_load(out.getvalue()) == {"b": [1, {"a": "no"}], "a": "1e3"}
    assert out.getvalue().startswith("b:")  # in the order given
