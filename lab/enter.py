"""Become a process of a host: `lab run` and `lab shell`.

This is the way tests and people type commands, so it must cost next to nothing: one fork, no helper program, and only
imports that Python has loaded anyway or nearly so.
"""

import ctypes
import os
import signal
import sys

from lab.errors import LabError

# User and time namespaces stay the machine's.
NAMESPACES = ("ipc", "uts", "net", "mnt")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PASSED_ON = ("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "LANG", "TZ", "CI", "COLUMNS", "LINES", "EDITOR")
PASSED_ON_PREFIXES = ("LC_", "PYTHON", "VME_", "COVERAGE")
RELAYED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT)
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4

libc = ctypes.CDLL(None, use_errno=True)


def execute(folder: str, checkout: str, host: str, argv: list[str]) -> int:
    """Run a command on a host with our input, output, terminal and directory. Return its exit status.

    Signals sent to us reach it; if we are killed it dies as well; if a signal ends it, the same signal ends us.
    """
    init = pid_of_init(folder, host)
    home = f"{folder}/{host}"
    environment = environment_on(home, checkout, host)
    directory = os.getcwd()
    if not os.path.isdir(f"/proc/{init}/root{directory}"):
        directory = f"{home}/root"
    # Opened before joining anything. The pid namespace takes in only what is forked from now on; the others are joined
    # by the child alone, so that we, who stay outside, keep no mount and no interface of the host alive.
    descriptors = [os.open(f"/proc/{init}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in NAMESPACES]
    join(os.open(f"/proc/{init}/ns/pid", os.O_RDONLY | os.O_CLOEXEC))
    signal.pthread_sigmask(signal.SIG_BLOCK, {*RELAYED, signal.SIGCHLD})
    child = os.fork()
    if child == 0:
        become(argv, environment, directory, descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    return attend(child)


def pid_of_init(folder: str, host: str) -> str:
    """The host's pid 1. Raise LabError if there is none, or another process has its number by now."""
    try:
        with open(f"{folder}/{host}/pid") as file:
            pid, started = file.read().split()
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except (OSError, ValueError):
        fields, started = [], "never"
    if len(fields) < 20 or fields[19] != started or fields[0] in "ZX":
        raise LabError(f"no host {host!r} is running in {folder}", hint="`lab status` shows what is")
    return pid


def environment_on(home: str, checkout: str, host: str) -> dict[str, str]:
    """Little of the caller's environment, so that a test says the same on every machine."""
    kept = {
        name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)
    }
    kept.setdefault("LANG", "C.UTF-8")
    kept |= {
        "HOME": f"{home}/root",
        "USER": "root",
        "LOGNAME": "root",
        "SHELL": "/bin/bash",
        "PATH": PATH,
        "XDG_RUNTIME_DIR": "/run/user/0",
        "VME_LAB_INSIDE": host,
    }
    config = f"{home}/vme.toml"
    if os.path.exists(config):
        kept |= {"PATH": f"{checkout}/bin:{PATH}", "VME_CONFIG": config}
    return kept


def join(descriptor: int) -> None:
    if libc.setns(descriptor, 0) != 0:
        raise OSError(ctypes.get_errno(), "can't join the host's namespaces")


def become(argv: list[str], environment: dict[str, str], directory: str, namespaces: list[int]) -> None:
    """In the child: be the command. Never returns."""
    try:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for descriptor in namespaces:
            join(descriptor)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*RELAYED, signal.SIGCHLD})
        # Python changed these; the command shall find them as any program does.
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(directory)
        os.execvpe(argv[0], argv, environment)
    except OSError as error:
        os.write(2, f"lab: {argv[0]}: {error.strerror}\n".encode())
    os._exit(127)


def attend(child: int) -> int:
    """Relay signals until the command ends, then end as it did."""
    while True:
        caught = signal.sigwaitinfo({*RELAYED, signal.SIGCHLD})
        if caught.si_signo != signal.SIGCHLD:
            # What comes from the kernel is the terminal's, and the terminal has told the command itself.
            if caught.si_code <= 0:
                os.kill(child, caught.si_signo)
            continue
        # One SIGCHLD may stand for several changes.
        while True:
            pid, how = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
            if pid == 0:
                break
            if os.WIFSTOPPED(how):
                os.kill(os.getpid(), signal.SIGSTOP)
                continue
            if os.WIFSIGNALED(how):
                return die_of(os.WTERMSIG(how))
            return os.waitstatus_to_exitcode(how)


def die_of(number: int) -> int:
    """Let our caller see what our command's caller would."""
    sys.stdout.flush()
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    libc.prctl(PR_SET_DUMPABLE, 0)  # The core file, if any, is the command's.
    os.kill(os.getpid(), number)
    return 128 + number
