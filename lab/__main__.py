"""`lab`: the command line. Exit status 0 done, 2 can't be done and said why; `run` and `shell`: their command's."""

import os
import sys

from lab.errors import LabError

USAGE = """\
usage: lab up                        start the lab
                                     (with VME_LAB_WRAPPER=operate or read: by keys that vme_ssh_wrapper guards)
       lab down                      end it; nothing stays but its cache and its logs
       lab status                    what there is
       lab shell [HOST]              a shell on a host (the management side)
       lab run [HOST] -- CMD [ARG]   one command there
       lab address GUEST             where a guest answers, as soon as it does
       lab fault NAME [ARG]          make something go wrong, or right again:
"""
FOLDER = "/var/lib/vme-lab"


def main(argv: list[str]) -> int:
    try:
        if argv[:1] in (["run"], ["shell"]):
            return enter_host(argv[0], argv[1:])
        return manage(argv)
    except LabError as error:
        sys.stderr.write(f"lab: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"  hint: {error.hint}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("lab: interrupted\n")
        return 130


def enter_host(verb: str, words: list[str]) -> int:
    """`run` and `shell`, without the imports the other commands need: those cost more than all the rest."""
    from lab import enter

    if os.geteuid() != 0:
        raise LabError("the lab's hosts can be entered by root only", hint="try it with sudo")
    if os.environ.get("VME_LAB_INSIDE"):
        raise LabError(f"this is inside the lab (on {os.environ['VME_LAB_INSIDE']})", hint="leave the shell first")
    host, command = "mgmt", ["bash"]
    if verb == "shell":
        if len(words) > 1:
            raise LabError("`lab shell` takes one host")
        host = words[0] if words else host
    else:
        if "--" not in words[:2] or words[-1] == "--":
            raise LabError("the command comes after two dashes", hint="lab run [HOST] -- CMD [ARG]...")
        if words[0] != "--":
            host = words.pop(0)
        command = words[1:]
    folder = os.path.realpath(os.environ.get("VME_LAB_DIR") or FOLDER)
    checkout = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    return enter.execute(folder, checkout, host, command)


def manage(argv: list[str]) -> int:
    from lab import commands

    if argv in ([], ["--help"], ["-h"], ["help"]):
        sys.stdout.write(USAGE + commands.fault_usage())
        return 0 if argv else 2
    return commands.execute(argv[0], argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
