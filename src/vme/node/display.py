"""A guest's display where a key forbids forwarding: a session for each connection, with a relay at its end."""

from vme.node.verbs import DISPLAY, DISPLAY_IPV6, DISPLAY_SOCKET


def relay_argv(target: str) -> tuple[str, ...]:
    """The command on the node whose stdin and stdout are a connection to HOST:PORT there, or to a UNIX socket.

    A forced command there admits those to the machine itself alone, if QEMU listens, and relays itself. Without one
    it is netcat, as in libvirt's own ssh transport.
    """
    host, _, port = target.rpartition(":")
    if not host:
        return (*DISPLAY_SOCKET.words, target)
    words = {"127.0.0.1": DISPLAY.words, "[::1]": DISPLAY_IPV6.words}.get(host, ("nc", host.strip("[]")))
    return (*words, port)
