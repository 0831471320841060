"""vme keys generate: a key pair for the nodes, without a passphrase."""

import argparse
from pathlib import Path

from vme.actions.key_files import RSA_BITS, TYPES, default_comment, default_file, generate
from vme.commands.context import Context
from vme.commands.registry import Command
from vme.errors import Misused


def add_arguments(parser: argparse.ArgumentParser, _command: Command) -> None:
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="where to ([ssh] key, or ~/.ssh/vme)")
    parser.add_argument("--type", choices=TYPES, default=TYPES[0], help="default %(default)s")
    parser.add_argument("--bits", type=int, choices=RSA_BITS, help="for RSA (default 4096)")
    parser.add_argument("--comment", metavar="TEXT", help="whose it is (default: vme- and this host's name)")


def run(arguments: argparse.Namespace, context: Context, _command: Command) -> int:
    if arguments.bits and arguments.type != "rsa":
        raise Misused("--bits is for --type rsa only", hint="an ed25519 key has one size")
    bits = arguments.bits or (RSA_BITS[0] if arguments.type == "rsa" else None)
    file = arguments.file or default_file(context.config.ssh)
    key = generate(file, kind=arguments.type, bits=bits, comment=arguments.comment or default_comment())
    context.say(
        f"made: {file} ({key.fingerprint}, no passphrase); give it a role: vme keys install NODES --role operate"
    )
    return 0
