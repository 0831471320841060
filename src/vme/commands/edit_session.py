"""One guest's definition in an editor: shown, asked about and applied, or kept as a text; until one of these."""

import sys
from collections.abc import Callable

from vme.actions.redefine import ChangedMeanwhile, Plan, carry_out
from vme.commands.context import Context
from vme.commands.draft import Draft, kept_on_error
from vme.diff import coloured, unified
from vme.errors import Misused, Refused
from vme.hypervisor.guest import Guest


def edit_until_applied(
    context: Context, guest: Guest, before: str, plan: Callable[[str], Plan], *, dry_run: bool, yes: bool
) -> str:
    """Let the user edit the definition and apply it; on an error the editor is opened again with the same text.

    Returns the outcome for a person. Raises what stands in the way, saying where the text is kept.
    """
    draft = Draft(f"{guest.name}.xml", before)
    with kept_on_error(draft):
        while True:
            draft.edit()
            try:
                outcome = _apply(guest, before, draft.text, plan, dry_run=dry_run, yes=yes)
            except ChangedMeanwhile as problem:
                problem.hint = f"history_guest {guest.name} --diff shows it; define_guest FILE puts yours in its place"
                raise
            except Refused as problem:
                if not _edit_again(context, problem):
                    raise
                continue
            if outcome is not None:
                break
    draft.discard()
    return outcome


def _apply(
    guest: Guest, before: str, after: str, plan: Callable[[str], Plan], *, dry_run: bool, yes: bool
) -> str | None:
    """Show what changed, ask, and do it; None to edit again."""
    diff = unified(before, after, (f"{guest}, as it is", f"{guest}, as edited"))
    if not diff:
        return f"{guest}: unchanged"
    checked = plan(after)
    print(coloured(diff, sys.stdout), flush=True)
    if dry_run:
        raise Misused("nothing was done (--dry-run)")
    return carry_out(checked) if yes or _asked_to_apply() else None


def _asked_to_apply() -> bool:
    """True to apply, False to edit again. Raises Misused for no, and where there is nobody to ask."""
    answer = _answer("Apply this? [y]es, [e]dit again, [N]o: ")
    if answer in ("y", "yes"):
        return True
    if answer in ("e", "edit"):
        return False
    raise Misused("nothing was done")


def _edit_again(context: Context, problem: Refused) -> bool:
    """Show why it can't be applied, and ask whether to open the editor again; False where there is nobody to ask."""
    if not sys.stdin.isatty():
        return False
    context.warn(problem.message + (f"\n  hint: {problem.hint}" if problem.hint else ""))
    return _answer("Edit again? [Y/n]: ") in ("", "y", "yes")


def _answer(question: str) -> str:
    if not sys.stdin.isatty():
        raise Misused("this asks before it applies, and nobody is there to answer", hint="use --yes, or --set")
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower()
