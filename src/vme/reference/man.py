"""A tool's man page (man(7), groff_man(7)): the hand-written prose, and the options as its parser knows them."""

import re
from collections.abc import Sequence

from vme.manual import Manual
from vme.reference.arguments import Option, Tool, Word

_STATUSES = (
    ("0", "done, or it was so already"),
    ("1", "failed: work began; the message lists what remains and how to finish it"),
    ("2", "misused or misconfigured: no node was changed"),
    ("3", "refused: nothing was changed; all reasons are listed"),
    ("4", "not found, and the whole fleet answered; or on more than one node, which are named"),
    ("5", "some nodes gave no answer in time; what the others said was printed"),
    ("6", "of several guests none was done; each one's own line says why"),
    ("130", "interrupted; the message says what was undone, or where things stand"),
)
_FILES = (
    ("$VME_CONFIG, ~/.config/vme/vme.toml, /etc/vme/vme.toml", "the configuration; the first that there is counts"),
    ("/var/log/vme/audit.log, ~/.local/state/vme/audit.log", "root's audit log, and yours: a line for each run"),
)


def page_of(tool: Tool, manual: Manual) -> str:
    """The man page of one tool."""
    lines = [
        *_head(tool.program.replace(" ", "-"), tool.command.help),
        ".SH SYNOPSIS",
        f".B {_text(tool.program)}",
        _text(tool.usage.removeprefix(tool.program).strip()),
        ".SH DESCRIPTION",
        *_prose(manual.description),
        *([".PP", _text(tool.remark)] if tool.remark else []),
        ".SH OPTIONS",
        *(line for word in tool.words for line in _word(word)),
        *(line for option in tool.options for line in _option(option)),
    ]
    for title, text in manual.sections:
        lines += [f".SH {_text(title.upper())}", *_prose(text)]
    lines += [*_examples(manual), ".SH EXIT STATUS", *_table(_STATUSES), ".SH FILES", *_table(_FILES)]
    return "\n".join([*lines, *_see_also(["vme"]), ""])


def overview_page(tools: Sequence[Tool], manual: Manual) -> str:
    """The man page of `vme` itself: every tool with its verb."""
    lines = [
        *_head("vme", "manage many hypervisors that share storage"),
        ".SH SYNOPSIS",
        r".B vme \fIVERB\fR ...",
        ".SH DESCRIPTION",
        *_prose(manual.description),
        ".SH TOOLS",
        *_table([(_called(tool), tool.command.help) for tool in tools]),
        *_examples(manual),
        ".SH EXIT STATUS",
        *_table(_STATUSES),
        ".SH FILES",
        *_table(_FILES),
    ]
    return "\n".join([*lines, *_see_also([page_name(tool) for tool in tools]), ""])


def page_name(tool: Tool) -> str:
    """The name of a tool's page: `list_guests`, or `vme-init` for what is a verb only."""
    return tool.program.replace(" ", "-")


def _called(tool: Tool) -> str:
    verb = f"vme {tool.command.verb}"
    return f"{tool.program}, {verb}" if tool.stands_alone else verb


def _head(name: str, summary: str) -> list[str]:
    return [
        ".\\\" Made by `python -m vme.reference`; what it says is in src/vme/manual and in the tool's arguments.",
        f'.TH {_text(name.upper())} 1 "" "VME Tools"',
        ".ad l",
        ".nh",
        ".SH NAME",
        rf"{_text(name)} \- {_text(summary)}",
    ]


def _word(word: Word) -> list[str]:
    return [".TP", rf"\fI{_text(word.name)}\fR", _text(word.help)]


def _option(option: Option) -> list[str]:
    value = rf" \fI{_text(option.written)}\fR" if option.written else ""
    flags = ", ".join(rf"\fB{_text(flag)}\fR" for flag in option.flags)
    return [".TP", f"{flags}{value}", _text(option.help)]


def _examples(manual: Manual) -> list[str]:
    lines = [".SH EXAMPLES"]
    for example in manual.examples:
        lines += [".PP", f"{_text(example.text)}:", ".PP", ".RS 4", ".EX", _text(example.command), ".EE", ".RE"]
    return lines


def _table(rows: Sequence[tuple[str, str]]) -> list[str]:
    return [line for left, right in rows for line in (".TP", rf"\fB{_text(left)}\fR", _text(right))]


def _see_also(names: Sequence[str]) -> list[str]:
    links = [rf"\fB{_text(name)}\fR(1)" for name in names]
    return [".SH SEE ALSO", ",\n".join(links)]


def _prose(text: str) -> list[str]:
    """Paragraphs as roff: `code` in bold, indented lines as they are."""
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("    "):
            lines += [".PP", ".RS 4", ".EX", *(_text(line[4:]) for line in paragraph.splitlines()), ".EE", ".RE"]
        else:
            lines += [".PP", _with_code(" ".join(paragraph.split()))]
    return lines


def _with_code(paragraph: str) -> str:
    return re.sub("`([^`]*)`", r"\\fB\1\\fR", _text(paragraph, ticks=True))


def _text(text: str, *, ticks: bool = False) -> str:
    """Text that roff prints as it is written: no line of it is a request, hyphens can be copied (groff_char(7))."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("^", r"\(ha")
    escaped = escaped.replace("~", r"\(ti").replace('"', r"\(dq")
    escaped = escaped if ticks else escaped.replace("`", r"\(ga")
    return rf"\&{escaped}" if escaped.startswith(".") else escaped
