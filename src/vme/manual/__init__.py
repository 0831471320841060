"""The hand-written part of each tool's manual: what it does in prose, and examples, shown by --help and in man pages.

One TOML file a tool, beside this one: `description`, paragraphs in which `code` stands in backticks and indented lines
are shown as they are; `[[examples]]` with `text` and `command`; `[[sections]]`, if need be, with `title` and `text`.
"""

from pathlib import Path

from vme.records import dataclass


@dataclass(frozen=True)
class Example:
    """A command line as a person types it, and what it is for."""

    text: str
    command: str


@dataclass(frozen=True)
class Manual:
    """What a person wrote about a tool. `sections` are (title, text)."""

    description: str
    examples: tuple[Example, ...]
    sections: tuple[tuple[str, str], ...]


def manual_file(tool: str) -> Path:
    """Where a tool's manual is, or would be."""
    return Path(__file__).with_name(f"{tool}.toml")


def read_manual(tool: str) -> Manual:
    """A tool's manual. Raises OSError where it has none, TOMLDecodeError or KeyError where it is not one."""
    import tomllib

    values = tomllib.loads(manual_file(tool).read_text(encoding="utf-8"))
    return Manual(
        description=values["description"].strip(),
        examples=tuple(Example(one["text"], one["command"]) for one in values["examples"]),
        sections=tuple((one["title"], one["text"].strip()) for one in values.get("sections", ())),
    )
