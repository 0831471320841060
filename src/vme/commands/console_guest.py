"""console_guest: a guest's screen in a viewer, in a browser or as a picture; its serial console in the terminal."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from vme.actions import console
from vme.commands.context import Context, add_timeout, the_guest, timeout_of
from vme.commands.registry import Command
from vme.errors import Misused
from vme.hypervisor.guest import Guest


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    parser.add_argument("guest", metavar="GUEST", help="the guest's name")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--web", action="store_true", help="serve the screen to a browser of this machine; prints the URL")
    way.add_argument("--serial", action="store_true", help="join the serial console to this terminal; Ctrl-] leaves it")
    way.add_argument("--screenshot", type=Path, metavar="FILE", help="write a picture of the screen (PNG)")
    way.add_argument("--show-command", action="store_true", help="print the commands that open the screen by hand")
    parser.add_argument(
        "--force",
        action="store_true",
        help="take the serial console from whoever has it; replace the screenshot's file",
    )
    add_timeout(parser)


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    guest = the_guest(arguments.guest, arguments, context)
    timeout_s = timeout_of(arguments, context)
    if arguments.screenshot is not None:
        console.screenshot(guest, arguments.screenshot, replace=arguments.force, timeout_s=timeout_s)
        context.say(f"{guest}: its screen is in {arguments.screenshot}")
        return 0
    if arguments.serial:
        ended = console.join_serial(guest, force=arguments.force, on_ready=lambda: _greet(guest, context))
        context.say(f"\n{guest}: serial console: {ended}")
        return 0
    display = console.check_display(guest, timeout_s)
    if display.warning:
        context.warn(display.warning)
    if arguments.show_command:
        print("\n".join(console.commands_by_hand(context.config, display)))
        if console.may_not_forward(context.config, display, timeout_s):
            context.warn(f"our key may not forward on {guest.node.name}: that tunnel needs another; --web goes without")
        return 0
    if arguments.web:
        console.show_in_browser(context.config, display, timeout_s, lambda url: _show_url(guest, url, context))
        context.say(f"{guest}: the browser has left")
        return 0
    return console.view(context.config, display, console.find_viewer(guest), timeout_s)


def opener(arguments: argparse.Namespace, guests: Sequence[Guest], context: Context) -> Callable[[], int]:
    """What opens the one guest's screen, for a tool that does so at its end. Raises Misused now if that can't be."""
    if len(guests) > 1:
        raise Misused(f"{len(guests)} guests are named, and a console is one guest's", hint="name one of them")
    guest = guests[0]
    viewer = console.find_viewer(guest)
    timeout_s = timeout_of(arguments, context)

    def open_now() -> int:
        display = console.check_display(console.as_it_is_now(guest, timeout_s), timeout_s)
        return console.view(context.config, display, viewer, timeout_s)

    return open_now


def _greet(guest: Guest, context: Context) -> None:
    """Say how to leave; the terminal is raw by now. A serial line carries no window size, so say how to tell it."""
    columns, rows = os.get_terminal_size(sys.stdout.fileno())
    if not context.quiet:
        told = f"{guest}: serial console; Ctrl-] leaves it"
        size = f"a serial line does not carry the window's size; there: stty rows {rows} cols {columns}"
        print(f"{told}\r\n({size})\r", file=sys.stderr, flush=True)


def _show_url(guest: Guest, url: str, context: Context) -> None:
    print(url, flush=True)
    if not context.quiet:
        port = url.split("/")[2].rpartition(":")[2]
        context.warn(f"{guest}: open that once, in a browser of this machine; Ctrl-C ends it")
        context.warn(f"from your desk: ssh -L {port}:127.0.0.1:{port} to this machine first, then the same URL there")
