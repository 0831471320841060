"""Guests by nodes, as a table and as rows for programs; and under the table, for people, every reason."""

from collections.abc import Iterator, Sequence
from typing import Any

from vme.actions.migrate.precheck.assess import Assessment, Verdict
from vme.names import shown
from vme.report import Column, text_lines

# What a program gets, a row for each guest and node; json and yaml have `details` as well.
COLUMNS = (
    Column("guest", "GUEST"),
    Column("from", "FROM"),
    Column("to", "TO"),
    Column("verdict", "VERDICT"),
    Column("against", "AGAINST"),
    Column("warnings", "WARNINGS"),
)
DETAILS = (*COLUMNS, Column("details", "DETAILS"))


def rows(assessments: Sequence[Assessment]) -> list[dict[str, Any]]:
    """For each guest and node whether it can go there, and the codes of what speaks against it."""
    return [_row(one, verdict) for one in assessments for verdict in one.verdicts]


def lines(assessments: Sequence[Assessment]) -> Iterator[str]:
    """The table, a row a guest and a column a node, and below it the reasons."""
    nodes = sorted({verdict.node.name for one in assessments for verdict in one.verdicts})
    nodes = sorted({*nodes, *(one.guest.node.name for one in assessments if len(nodes) > 1)})
    columns = [Column("guest", "GUEST", show=shown), Column("from", "ON"), *(Column(node, node) for node in nodes)]
    yield from text_lines([_cells(one, nodes) for one in assessments], columns)
    for one in assessments:
        yield from _said(one)


def _row(assessment: Assessment, verdict: Verdict) -> dict[str, Any]:
    against = (*assessment.anywhere, *verdict.against)
    warnings = (*assessment.warnings, *verdict.warnings)
    details = ({"code": one.code, "text": one.text, "mend": one.mend, "warns": one.warns} for one in against + warnings)
    return {
        "guest": assessment.guest.name,
        "from": assessment.guest.node.name,
        "to": verdict.node.name,
        "verdict": _mark(assessment, verdict),
        "against": list(dict.fromkeys(one.code for one in against)),
        "warnings": list(dict.fromkeys(one.code for one in warnings)),
        "details": list(details),
    }


def _mark(assessment: Assessment, verdict: Verdict) -> str:
    if verdict.silent:
        return "silent"
    return "no" if assessment.anywhere or verdict.against else "yes"


def _cells(assessment: Assessment, nodes: Sequence[str]) -> dict[str, Any]:
    cells: dict[str, Any] = dict.fromkeys(nodes)
    cells |= {"guest": assessment.guest.name, "from": assessment.guest.node.name}
    cells |= {verdict.node.name: _mark(assessment, verdict) for verdict in assessment.verdicts}
    if assessment.guest.node.name in nodes:
        cells[assessment.guest.node.name] = "here"
    return cells


def _said(assessment: Assessment) -> Iterator[str]:
    name = shown(assessment.guest.name)
    if assessment.anywhere or assessment.warnings:
        yield f"{name}, wherever it goes:"
        yield from (f"  - {reason}" for reason in assessment.anywhere)
        yield from (f"  - (a warning) {reason}" for reason in assessment.warnings)
    for verdict in assessment.verdicts:
        if verdict.against or verdict.warnings:
            yield f"{name} to {verdict.node.name}:"
            yield from (f"  - {reason}" for reason in verdict.against)
            yield from (f"  - (a warning) {reason}" for reason in verdict.warnings)
