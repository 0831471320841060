"""Completion for fish: a `complete` for each thing a tool takes (complete(1) of fish)."""

from collections.abc import Iterator, Sequence

from vme.reference.arguments import Option, Tool, completed_by

_HEAD = """\
# fish completion for VME Tools. Made by `python -m vme.reference`.

function __vme_verb_is
    set -l words (commandline -opc)[2..]
    test (count $words) -ge (count $argv); and test "$words[1..$(count $argv)]" = "$argv"
end

function __vme_words_are
    set -l words (commandline -opc)[2..]
    test "$words" = "$argv"
end
"""


def script_for(tools: Sequence[Tool]) -> str:
    """The whole script, for `source` or a file of vendor_completions.d."""
    return "\n".join([_HEAD, *(line for tool in tools for line in _lines(tool)), ""])


def _lines(tool: Tool) -> Iterator[str]:
    verb = tool.command.verb
    first, _, second = verb.partition(" ")
    yield f"complete -c vme -f -n __vme_words_are -a {first} -d {_quoted('' if second else tool.command.help)}"
    if second:
        yield f"complete -c vme -f -n '__vme_words_are {first}' -a {second} -d {_quoted(tool.command.help)}"
    called = [f"-c vme -n '__vme_verb_is {verb}'"]
    if tool.stands_alone:
        called.append(f"-c {tool.command.name}")
    for call in called:
        yield from (f"complete {call} {_option(option)}" for option in tool.options)
        kinds = dict.fromkeys(word.completed for word in tool.words)
        if "files" not in kinds:
            yield f"complete {call} -f"
        yield from (f"complete {call} -a {_names(kind)}" for kind in kinds if kind and kind != "files")


def _option(option: Option) -> str:
    flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
    kind = completed_by(option.value) if not option.choices else None
    value = ""
    if option.choices:
        value = f" -x -a {_quoted(' '.join(option.choices))}"
    elif option.value is not None:
        value = " -r -F" if kind == "files" else f" -x -a {_names(kind)}" if kind else " -x"
    return f"{flags}{value} -d {_quoted(option.help)}"


def _names(kind: str) -> str:
    return _quoted(f"(vme --complete {kind} 2>/dev/null)")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
