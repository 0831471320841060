"""What a person sees while long work goes on: a bar on a terminal, a line now and then elsewhere. All on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Called with per cent done and a few words: rate, time left.
Advance = Callable[[float, str], None]

_LINE_EVERY_S = 5.0


@contextmanager
def shown_progress(what: str, *, quiet: bool) -> Iterator[Advance]:
    """Show the progress of `what` while the block runs, by calling what it yields."""
    if quiet:
        yield lambda _percent, _words: None
    elif sys.stderr.isatty():
        with _bar(what) as advance:
            yield advance
    else:
        yield _lines(what)


@contextmanager
def _bar(what: str) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    more = (TimeElapsedColumn(), TextColumn("{task.fields[words]}"))
    # Lines of outcome stand above the bar, but on stdout still where that goes to a program.
    shared = sys.stdout.isatty()
    with Progress(*columns, *more, console=Console(stderr=True), redirect_stdout=shared) as bar:
        task = bar.add_task(what, total=100, words="")
        yield lambda percent, words: bar.update(task, completed=percent, words=words)


def _lines(what: str) -> Advance:
    last_s = time.monotonic()

    def advance(percent: float, words: str) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _LINE_EVERY_S:
            last_s = time.monotonic()
            print(f"{what}: {percent:.0f} %  {words}".rstrip(), file=sys.stderr, flush=True)

    return advance
