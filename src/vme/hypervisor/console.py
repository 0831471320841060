"""A guest's screen as a picture, and its serial console on two file descriptors, by libvirt's streams."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import libvirt

from vme.errors import Failed, Refused
from vme.hypervisor.connection import open_second
from vme.hypervisor.guest import Guest
from vme.hypervisor.translation import translated

ESCAPE = b"\x1d"  # Ctrl-], as in virsh and telnet
_WAKE_MS = 200
_KEEPALIVE_S = 5
_MAY_BE_MISSED = 3
_GIVE_BACK_S = 2.0
_OVER = libvirt.VIR_STREAM_EVENT_ERROR | libvirt.VIR_STREAM_EVENT_HANGUP


def screenshot(guest: Guest) -> bytes:
    """What the guest's first screen shows now, as QEMU sends it: PNG or PPM (virDomainScreenshot)."""
    parts: list[bytes] = []
    with translated(str(guest)):
        stream = guest.hypervisor.libvirt.newStream(0)
        guest.domain.screenshot(stream, 0, 0)
        stream.recvAll(lambda _stream, data, _opaque: parts.append(data), None)
        stream.finish()
    return b"".join(parts)


def attach(guest: Guest, keyboard: int, screen: int, *, force: bool, on_ready: Callable[[], None]) -> bool:
    """Join the guest's first serial console to these descriptors; returns whether Ctrl-] ended it, not the node.

        `on_ready` is called when it is open.
    With `force`, whoever has it is cut off. Raises Refused if it is in use, Failed if it breaks, and KeyboardInterrupt
        for SIGTERM, once the console is given back.
    """
    # Before the connection is opened, or its stream would never tell that there is something to read.
    libvirt.virEventRegisterDefaultImpl()
    hypervisor = open_second(guest.hypervisor)
    with translated(str(guest)):
        hypervisor.libvirt.setKeepAlive(_KEEPALIVE_S, _MAY_BE_MISSED)
        domain = hypervisor.libvirt.lookupByUUIDString(guest.uuid)
        stream = hypervisor.libvirt.newStream(libvirt.VIR_STREAM_NONBLOCK)
        flags = libvirt.VIR_DOMAIN_CONSOLE_SAFE | (libvirt.VIR_DOMAIN_CONSOLE_FORCE if force else 0)
        try:
            domain.openConsole(None, stream, flags)
        except libvirt.libvirtError as error:
            if "Active console session" in str(error):
                hint = "--force cuts off whoever has it (a virsh console, or another console_guest --serial)"
                raise Refused(str(guest), ["its serial console is in use"], hint=hint) from None
            raise
    on_ready()
    return _Session(guest, stream, keyboard, screen).run()


class _Session:
    """A console that is open. libvirt-python swallows what a callback raises, so callbacks only note that it ended."""

    def __init__(self, guest: Guest, stream: libvirt.virStream, keyboard: int, screen: int) -> None:
        self._guest = guest
        self._stream = stream
        self._keyboard = keyboard
        self._screen = screen
        self._typed = b""
        self._ended = False
        self._left = False
        self._signalled = False
        self._problem: OSError | None = None

    def run(self) -> bool:
        """Carry bytes both ways until it ends; returns whether it was left from this side."""
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGHUP)}
        self._stream.eventAddCallback(libvirt.VIR_STREAM_EVENT_READABLE | _OVER, self._on_stream, None)
        readable = libvirt.VIR_EVENT_HANDLE_READABLE | libvirt.VIR_EVENT_HANDLE_HANGUP
        watch = libvirt.virEventAddHandle(self._keyboard, readable, self._on_keyboard, None)
        # Python sees a signal only when it runs, and libvirt's loop sleeps through them.
        timer = libvirt.virEventAddTimeout(_WAKE_MS, lambda _timer, _opaque: None, None)
        try:
            while not self._ended:
                libvirt.virEventRunDefaultImpl()
        finally:
            libvirt.virEventRemoveTimeout(timer)
            libvirt.virEventRemoveHandle(watch)
            self._give_back()
            for number, handler in before.items():
                signal.signal(number, handler)
        if self._signalled:
            raise KeyboardInterrupt
        if self._problem is not None:
            raise Failed(f"{self._guest}: the terminal is gone: {self._problem.strerror}")
        return self._left

    def _give_back(self) -> None:
        """Tell the node that the console is free again; one that is silent frees it when it loses the connection."""

        def abort() -> None:
            with suppress(libvirt.libvirtError):
                self._stream.eventRemoveCallback()
                self._stream.abort()

        telling = threading.Thread(target=abort, daemon=True)
        telling.start()
        telling.join(_GIVE_BACK_S)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signalled = self._ended = True

    def _on_stream(self, _stream: libvirt.virStream, events: int, _opaque: Any) -> None:
        if events & libvirt.VIR_STREAM_EVENT_WRITABLE:
            self._noting_the_end(self._send)
        if events & libvirt.VIR_STREAM_EVENT_READABLE:
            self._noting_the_end(self._receive)
        if events & _OVER:
            self._ended = True

    def _on_keyboard(self, _watch: int, _descriptor: int, _events: int, _opaque: Any) -> None:
        self._noting_the_end(self._read_keyboard)

    def _noting_the_end(self, step: Callable[[], None]) -> None:
        try:
            step()
        except libvirt.libvirtError:
            self._ended = True  # the node has closed its side
        except OSError as problem:
            self._ended, self._problem = True, problem

    def _receive(self) -> None:
        data = self._stream.recv(4096)
        if isinstance(data, int):
            return  # -2: nothing there yet
        if not data:
            self._ended = True
        while data:
            data = data[os.write(self._screen, data) :]

    def _read_keyboard(self) -> None:
        keys = os.read(self._keyboard, 1024)
        before, escape, _ = keys.partition(ESCAPE)
        self._typed += before
        self._send()
        self._left = bool(escape)
        self._ended = self._ended or self._left or not keys

    def _send(self) -> None:
        while self._typed:
            sent = self._stream.send(self._typed)
            if sent < 0:
                break  # -2: the node takes no more for now
            self._typed = self._typed[sent:]
        wanted = libvirt.VIR_STREAM_EVENT_WRITABLE if self._typed else 0
        self._stream.eventUpdateCallback(libvirt.VIR_STREAM_EVENT_READABLE | _OVER | wanted)
