"""argv -> Command -> exit status; the one place that catches our errors and writes the audit line."""

import gc
import os
import signal
import sys
import time
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from pathlib import PurePath
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, NoReturn

from vme import __version__
from vme.commands.help import print_prepared
from vme.commands.registry import COMMANDS, VERBS, Command
from vme.errors import Failed, Interrupted, Misconfigured, VmeError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from vme.commands.context import Context
    from vme.config import Config

# A listing makes some 30 objects a guest and keeps them all: looking for garbage among them costs a fifth of its time.
_OBJECTS_BEFORE_GC = 100_000


def main() -> NoReturn:
    """Run the tool that argv names, and end the process with its exit status.

    The end is os._exit: threads that hang in a call to a silent node must not keep a tool that is done from ending.
    """
    gc.set_threshold(_OBJECTS_BEFORE_GC)
    _open_what_is_closed()
    _keep_to_ourselves_what_was_handed_down()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, as some would have it, no process could be waited for
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a foreign name may hold what can't be encoded
    status = _run_and_write_out(PurePath(sys.argv[0]).name, sys.argv[1:])
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(status)


def _run_and_write_out(program: str, words: list[str]) -> int:
    """Run the tool and write out all it said; returns its status. What ends it from without is said in one line."""
    status = 0
    try:
        status = run(program, words)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        status, problem = 130, "interrupted"
    except BrokenPipeError:
        return status or 1
    except OSError as error:
        status, problem = status or 1, f"{error.filename or 'its output is not all written'}: {error.strerror or error}"
    with suppress(OSError):
        print(f"vme: {problem}", file=sys.stderr)
    return status


def _open_what_is_closed() -> None:
    """Nothing that is opened later may become stdin, stdout or stderr: what we say would go into it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode)  # noqa: PTH123, SIM115 (the lowest number that is free; open until the end)
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)


def _keep_to_ourselves_what_was_handed_down() -> None:
    """A process of ours may outlive us, on a store that hangs: it must not hold the lock that cron's flock took."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(name) > 2:
            with suppress(OSError):  # the directory's own
                os.set_inheritable(int(name), False)


def run(program: str, words: list[str]) -> int:
    """Run one tool, called `list_guests ...` or `vme list ...`; returns its exit status."""
    if program in COMMANDS:
        return _run_command(COMMANDS[program], program, words)
    for count in (2, 1):
        verb = " ".join(words[:count])
        if verb in VERBS:
            return _run_command(VERBS[verb], f"vme {verb}", words[count:])
    if words and words[0] in COMMANDS:
        return _run_command(COMMANDS[words[0]], words[0], words[1:])
    if words[:1] == ["--complete"]:
        from vme.commands.complete import print_names

        return print_names("".join(words[1:]))
    if words == ["--version"]:
        print(f"vme {__version__}")
        return 0
    return _explain(words)


def _explain(words: list[str]) -> int:
    """Say which tools there are; status 0 if that was asked, 2 if these words are no tool's."""
    family = next((f"{words[0]} " for verb in VERBS if words and verb.startswith(f"{words[0]} ")), "")
    print(_overview(family))
    rest = words[1:] if family else words
    if rest and rest[0] not in ("-h", "--help", "help"):
        print(f"vme: there is no tool {' '.join(words[:2] if family else words[:1])!a}", file=sys.stderr)
        return 2
    return 0 if rest else 2


def _overview(family: str = "") -> str:
    """The tools, or those whose verb begins so."""
    commands = [command for command in COMMANDS.values() if command.verb.startswith(family)]
    own = {command: "" if command.verb_only else command.name for command in commands}
    lines = [f"  {command.verb:<14} {own[command]:<16} {command.help}" for command in commands]
    return f"usage: vme {family}VERB ...     (a second name is the tool's own, without vme)\n\n" + "\n".join(lines)


def _run_command(command: Command, tool: str, words: list[str]) -> int:
    if words in (["--help"], ["-h"]) and print_prepared(tool):
        return 0
    from vme.commands.parser import parser_of

    module = import_module(f"vme.commands.{command.module}")
    own, handed_on = words, None
    if getattr(module, "HANDS_ON", False) and "--" in words:
        own, handed_on = words[: words.index("--")], words[words.index("--") + 1 :]
    parser = parser_of(command, tool, module)
    try:
        arguments = parser.read(own)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 2
        return _misused(command, words, status) if status else 0
    arguments.handed_on = tuple(handed_on or ())

    def again(config: "Config") -> "argparse.Namespace":
        from vme.commands.configured import configured_words

        try:
            completed = parser.read([*configured_words(config, command, parser, arguments), *own])
        except SystemExit:
            raise Misconfigured(
                "the options that vme.toml gives this tool can't be used, as said above", hint="mend them in [tools]"
            ) from None
        completed.handed_on = arguments.handed_on
        return completed

    return _Invocation(command, tool, words, arguments, module, again).carry_out()


def _misused(command: Command, words: list[str], status: int) -> int:
    """Leave the audit line of a command line that could not be read; returns its status."""
    from vme.audit import write_line
    from vme.config import load

    with suppress(VmeError, OSError):
        message = "the command line could not be read"
        write_line(load(), tool=command.name, arguments=words, touched=(), status=status, message=message)
    return status


class _Invocation:
    """One run of one tool, from its arguments to its audit line."""

    def __init__(
        self,
        command: Command,
        tool: str,
        words: list[str],
        arguments: "argparse.Namespace",
        module: ModuleType,
        again: "Callable[[Config], argparse.Namespace]",
    ) -> None:
        self.command = command
        self.tool = tool
        self.words = words
        self.arguments = arguments
        self.module = module
        self.again = again
        self.started_s = time.time()

    def carry_out(self) -> int:
        """Run the tool, print its error if it ends with one, write the audit line; returns the exit status."""
        from vme.commands.context import Context, with_turn

        _end_by_signals_as_by_interrupt()
        context: Context | None = None
        problem: VmeError | None = None
        status, message = 0, "done"
        try:
            config = self._configured()
            context = Context(with_turn(config, self.arguments), self.tool, self.arguments.quiet)
            status = self.module.run(self.arguments, context, self.command)
        except VmeError as error:
            problem = error
        except KeyboardInterrupt:
            problem = Interrupted("interrupted; what nodes were asked before may still be done by them")
        except BrokenPipeError:
            status, message = 1, "whoever read its output has gone"
        except OSError as error:
            problem = Failed(f"{error.filename or 'this machine'}: {error.strerror or error}")
        except Exception as bug:
            self._audit(context, 1, f"a bug: {bug!r}")
            raise
        if problem is not None:
            status, message = problem.exit_status, problem.message
            self._print(problem)
        self._audit(context, status, message)
        return status

    def _configured(self) -> "Config":
        """The configuration in force; the options that it gives the tool are among its arguments then."""
        from vme.config import load, local_config

        try:
            config = load()
            if config.tool_options:
                self.arguments = self.again(config)
        except Misconfigured:
            if not getattr(self.module, "MENDS_CONFIG", False):
                raise
            return local_config()
        return config

    def _audit(self, context: "Context | None", status: int, message: str) -> None:
        from vme.audit import write_line

        warning = write_line(
            context.config if context else None,
            tool=self.command.name,
            arguments=self.words,
            reason=getattr(self.arguments, "reason", None),
            touched=context.touched if context else [],
            status=status,
            started_s=self.started_s,
            message=message,
        )
        if warning:
            with suppress(OSError):
                print(f"{self.tool}: {warning}", file=sys.stderr)

    def _print(self, problem: VmeError) -> None:
        with suppress(OSError):  # whoever read our output, or the terminal itself, may have gone; the audit line counts
            sys.stdout.flush()
        with suppress(OSError):
            if self.arguments.debug:
                import traceback

                traceback.print_exception(problem)
            print(f"{self.tool}: {problem.message}", file=sys.stderr)
            if problem.hint:
                print(f"  hint: {problem.hint}", file=sys.stderr)


def _end_by_signals_as_by_interrupt() -> None:
    """SIGTERM, and SIGHUP (an ssh session that was lost) unless nohup had it ignored, undo what a Ctrl-C undoes."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)


if __name__ == "__main__":
    main()
