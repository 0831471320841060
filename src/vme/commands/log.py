"""vme log: what was done from this server, by guest, node, user, tool and time."""

import argparse
from datetime import UTC, datetime

from vme.actions.audit_log import Wanted, moment, read_lines
from vme.audit import audit_file
from vme.commands.context import Context, add_format
from vme.commands.registry import Command
from vme.names import shown
from vme.report import Column, write_data, write_rows


def _names(names: list[str]) -> str:
    return ",".join(map(shown, names)) or "-"


COLUMNS = (
    Column("time", "TIME"),
    Column("user", "USER"),
    Column("sudo_user", "SUDO"),
    Column("tool", "TOOL"),
    Column("guests", "GUESTS", _names),
    Column("nodes", "NODES", _names),
    Column("status", "STATUS", right=True),
    Column("duration_s", "SECONDS", lambda seconds: f"{seconds:.1f}", right=True),
    Column("reason", "REASON", shown),
    Column("message", "OUTCOME", lambda text: shown(text.partition("\n")[0])),
)


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    parser.add_argument("--guest", metavar="GUEST", help="only what was done to this guest")
    parser.add_argument("--node", metavar="NODE", help="only what touched this node")
    parser.add_argument("--user", metavar="USER", help="only what this user did, also by sudo")
    parser.add_argument("--tool", metavar="TOOL", help="only this tool, for example migrate_guest")
    parser.add_argument("--since", metavar="TIME", help="from then on: 2h, 3d, 2026-11-24, '2026-11-24 15:00'")
    parser.add_argument("--until", metavar="TIME", help="up to then")
    add_format(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    now = datetime.now(UTC)
    wanted = Wanted(
        guest=arguments.guest,
        node=arguments.node,
        user=arguments.user,
        tool=arguments.tool,
        since=moment(arguments.since, now) if arguments.since else None,
        until=moment(arguments.until, now) if arguments.until else None,
    )
    lines = list(read_lines(audit_file(context.config), wanted, context.warn))
    if arguments.output in ("json", "yaml"):
        write_data(lines, arguments.output)
    else:
        rows = [{column.key: line.get(column.key) for column in COLUMNS} for line in lines]
        write_rows(
            [row | {"guests": row["guests"] or [], "nodes": row["nodes"] or []} for row in rows],
            COLUMNS,
            arguments.output,
        )
    return 0
