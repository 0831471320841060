"""Write man pages, help and completion scripts into a checkout: run it after changing a tool's arguments or manual."""

from pathlib import Path

from vme.commands.help import help_file
from vme.manual import read_manual
from vme.reference import bash, fish, zsh
from vme.reference.arguments import every_tool
from vme.reference.man import overview_page, page_name, page_of

# Beside bin/, so that man(1) finds the pages of a checkout whose bin/ is in PATH.
PAGES = "man/man1"
HELP = "src/vme/manual/help"


def made_files() -> dict[str, str]:
    """Every made file, as its path in the checkout and what it holds."""
    tools = every_tool()
    pages = {f"{PAGES}/{page_name(tool)}.1": page_of(tool, read_manual(tool.command.name)) for tool in tools}
    helps = {f"{HELP}/{help_file(program)}": text for tool in tools for program, text in tool.helps.items()}
    return (
        pages
        | helps
        | {
            f"{PAGES}/vme.1": overview_page(tools, read_manual("vme")),
            "completion/vme.bash": bash.script_for(tools),
            "completion/_vme": zsh.script_for(tools),
            "completion/vme.fish": fish.script_for(tools),
        }
    )


def main(root: Path) -> None:
    """Write them all, and remove pages and helps of tools that are no more."""
    files = made_files()
    for folder, kind in ((PAGES, "*.1"), (HELP, "*.txt")):
        for file in (root / folder).glob(kind):
            if f"{folder}/{file.name}" not in files:
                file.unlink()
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


if __name__ == "__main__":
    main(Path.cwd())
