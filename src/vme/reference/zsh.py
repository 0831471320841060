"""Completion for zsh: what each tool takes as specifications for _arguments (zshcompsys(1))."""

from collections.abc import Sequence

from vme.reference.arguments import Option, Tool, Word, completed_by

_FUNCTIONS = """\
_vme_names() {
    local -a names
    names=(${(f)"$(vme --complete $1 2>/dev/null)"})
    compadd -a names
}

_vme_verb() {
    local verb
    for verb in "$words[2] $words[3]" $words[2]; do
        if (( $#words > ${(w)#verb} + 1 )) && (( $+_vme_summaries[$verb] )); then
            shift ${(w)#verb} words
            (( CURRENT -= ${(w)#verb} ))
            _vme_tool "vme $verb"
            return
        fi
    done
    local -a next
    for verb in ${(ko)_vme_summaries}; do
        if (( CURRENT == 2 )) && [[ $verb != *' '* ]]; then
            next+=("$verb:$_vme_summaries[$verb]")
        elif (( CURRENT == 2 )); then
            next+=("${verb%% *}")
        elif [[ $verb == "$words[2] "* ]]; then
            next+=("${verb#* }:$_vme_summaries[$verb]")
        fi
    done
    _describe verb next
}
"""


def script_for(tools: Sequence[Tool]) -> str:
    """The whole script, to be the file `_vme` in a directory of $fpath."""
    names = " ".join(tool.command.name for tool in tools if tool.stands_alone)
    summaries = "\n".join(f"    {_quoted(tool.command.verb)} {_quoted(tool.command.help)}" for tool in tools)
    cases = "\n".join(_case(tool) for tool in tools)
    return (
        f"#compdef vme {names}\n# Made by `python -m vme.reference`.\n\n"
        f"typeset -gA _vme_summaries=(\n{summaries}\n)\n\n{_FUNCTIONS}\n"
        f"_vme_tool() {{\n    case $1 in\n{cases}\n    esac\n}}\n\n"
        'if [[ $service == vme ]]; then\n    _vme_verb\nelse\n    _vme_tool "$service"\nfi\n'
    )


def _case(tool: Tool) -> str:
    names = "|".join(dict.fromkeys((tool.command.name, f"'vme {tool.command.verb}'")))
    lines = [*map(_option, tool.options), *map(_word, _told_apart(tool.words))]
    specs = " \\\n".join(f"                {line}" for line in lines)
    return f"        {names})\n            _arguments -s -S \\\n{specs}\n            ;;"


def _told_apart(words: Sequence[Word]) -> Sequence[Word]:
    """The words up to the one of which there may be many: what follows it would be taken for the first of all."""
    ends = [place for place, word in enumerate(words, 1) if word.many]
    return words[: ends[0]] if ends else words


def _option(option: Option) -> str:
    completed = None if option.choices else completed_by(option.value)
    value = "" if option.value is None else f":{_plain(option.value)}:{_action(completed, option.choices)}"
    text = f"[{_plain(option.help)}]{value}"
    once = "*" if option.repeatable else ""
    if len(option.flags) == 1:
        return _quoted(f"{once}{option.flags[0]}{text}")
    before = "'*'" if once else _quoted(f"({' '.join(option.flags)})")
    return f"{before}{{{','.join(option.flags)}}}{_quoted(text)}"


def _word(word: Word) -> str:
    return _quoted(f"{'*' if word.many else ''}:{_plain(word.name)}:{_action(word.completed, ())}")


def _action(kind: str | None, choices: Sequence[str]) -> str:
    if choices:
        return f"({' '.join(choices)})"
    # The blank at the beginning: call it with these words and no others.
    return "_files" if kind == "files" else f" _vme_names {kind}" if kind else " "


def _plain(text: str) -> str:
    """Text without what _arguments reads as its own."""
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
