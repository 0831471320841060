"""What programs are promised of the listings: the schemas in docs/ and the tables agree."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.unit.made import EAST, guest, hypervisor
from vme.commands import guest_table, node_list, node_table
from vme.commands.listing import Table
from vme.fleet.everywhere import Answer, Replies, Silence
from vme.fleet.report import NodeRates, NodeReport
from vme.fleet.twins import find_twins
from vme.fleet.usage import Usage
from vme.hypervisor.facts import NodeFacts
from vme.hypervisor.guest import STATES, GuestSize, Labels

DOCS = Path(__file__).parents[2] / "docs"
TABLES = {"list_guests": guest_table.TABLE, "node_list": node_table.TABLE}
UUID = "46fed7f0-ac8d-4455-a657-4d4ac7aeea34"


def schema_of(tool: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((DOCS / f"{tool}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


@pytest.mark.parametrize(("tool", "table"), TABLES.items())
def test_every_column_is_in_the_schema_and_nothing_else(tool: str, table: Table) -> None:
    assert set(schema_of(tool)["items"]["properties"]) == set(table.keys)


def test_every_state_is_in_the_schema() -> None:
    assert set(schema_of("list_guests")["items"]["properties"]["state"]["enum"]) == set(STATES.values())


def guest_rows() -> list[dict[str, Any]]:
    plain = guest(uuid=UUID)
    labelled = replace(plain, labels=Labels(("prod",), "Shop", "two\nlines"))
    twins = find_twins([plain, guest("web1", "paused", "kvm02", uuid=UUID)])
    usage = Usage(2, 1024, 300, 12.5, 0, 1, 2, 3)
    return [guest_table.row_of(plain, twins), guest_table.row_of(labelled, twins, usage)]


def node_rows() -> list[dict[str, Any]]:
    facts = NodeFacts(8, 32000, "9.0.0", "7.2.22", 4000)
    up = NodeReport(hypervisor("kvm01"), facts, (guest(),), 512, {}, 0.5, NodeRates(3.5, 0, 0, 0, 0))
    slow = NodeReport(hypervisor("kvm02"), facts, (), 512, {guest().uuid: GuestSize(1, 1)})
    replies = Replies((Answer(EAST[0], up, True), Answer(EAST[1], slow, False)), (Silence(EAST[2], "no answer"),))
    return node_list.rows_of(EAST, replies)


@pytest.mark.parametrize(("tool", "rows"), [("list_guests", guest_rows()), ("node_list", node_rows())])
def test_rows_are_as_the_schema_says(tool: str, rows: list[dict[str, Any]]) -> None:
    jsonschema.validate(rows, schema_of(tool), jsonschema.Draft202012Validator)
    for broken in ({"zone": 1}, {"more": "x"}, {"state": "asleep"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate([rows[0] | broken], schema_of(tool), jsonschema.Draft202012Validator)
