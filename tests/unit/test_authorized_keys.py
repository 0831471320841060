"""Lines of authorized_keys: read as sshd reads them, and every line but ours kept byte for byte."""

import pytest

from vme.node.authorized_keys import (
    Forced,
    PublicKey,
    key_lines,
    our_line,
    read_public_key,
    with_line,
    without_lines,
)

BODY = "AAAAC3NzaC1lZDI1NTE5AAAAIPctrp9g0Wp+wML87MXcMN1MIKXeMMLstK2U0+wmgNY7"
KEY = PublicKey("ssh-ed25519", BODY, "me")
OTHERS = (
    "# a comment\r\n"
    "\n"
    "  ssh-rsa AAAAB3NzaC1yc2E= root@x y\u2028z\n"
    'no-pty,command="echo \\"a, b\\" ssh-rsa",from="10.0.0.1" ssh-ed25519 AAAAC3Nz other\n'
    "nonsense\n"
    "ssh-ed25519\n"
)


def test_lines_are_read_as_sshd_reads_them() -> None:
    plain, forced = key_lines(OTHERS)
    assert (plain.key.type, plain.key.comment, plain.is_unrestricted) == ("ssh-rsa", "root@x y\u2028z", True)
    assert forced.option("command") == 'echo "a, b" ssh-rsa'
    assert (forced.option("from"), forced.option("no-pty"), forced.option("restrict")) == ("10.0.0.1", "", None)
    assert not forced.is_unrestricted
    assert forced.forced is None


def test_our_line_reads_back() -> None:
    text = our_line(KEY, Forced("mgmt1.x", "operate", "0a1b"), ("10.0.0.2", "fd00::/64"))
    assert text == (
        'restrict,from="10.0.0.2,fd00::/64",command="/usr/bin/python3 -IS /usr/local/sbin/vme_ssh_wrapper mgmt1.x '
        f'operate 0a1b" ssh-ed25519 {BODY} mgmt1.x'
    )
    (line,) = key_lines(text)
    assert line.forced == Forced("mgmt1.x", "operate", "0a1b")
    assert line.option("from") == "10.0.0.2,fd00::/64"
    # As ssh-keygen -l prints it.
    assert line.key.fingerprint == "SHA256:ww7RCFe6mLCUdBmRnzbBqz5vvVhz/ArSeguW9JMCaIk"


@pytest.mark.parametrize("ending", ["", "\n"])
def test_every_other_line_stays_byte_for_byte(ending: str) -> None:
    whole = OTHERS.rstrip("\n") + ending
    more = with_line(whole, "ssh-ed25519 NEW= new", before=lambda _: False)
    assert more == OTHERS.rstrip("\n") + "\nssh-ed25519 NEW= new\n"
    assert without_lines(more, lambda line: line.key.body == "NEW=") == OTHERS.rstrip("\n") + "\n"


def test_a_line_goes_before_the_first_of_its_key() -> None:
    whole = f"ssh-rsa AAAA= a\nssh-ed25519 {BODY} old\nssh-rsa BBBB= b\n"
    new = with_line(whole, "NEW", before=lambda line: line.key.body == BODY)
    assert new == f"ssh-rsa AAAA= a\nNEW\nssh-ed25519 {BODY} old\nssh-rsa BBBB= b\n"
    assert with_line("", "NEW", before=lambda _: True) == "NEW\n"


@pytest.mark.parametrize(
    "text", ["", "nonsense", 'command="x" ssh-ed25519 AAAA= x', "-----BEGIN OPENSSH PRIVATE KEY-----"]
)
def test_what_is_no_public_key(text: str) -> None:
    assert read_public_key(text) is None
