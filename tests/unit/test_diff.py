"""What a person sees of a change of XML."""

import io
from pathlib import Path

import pytest

from vme.diff import coloured, plain_xml, same_xml, unified

XML = (Path(__file__).parent / "data/defined-libvirt-9.0.xml").read_text()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_change_is_shown_with_its_surroundings() -> None:
    after = XML.replace("<vcpu placement='static'>1</vcpu>", "<vcpu placement='static'>4</vcpu>")
    lines = unified(XML, after, ("before", "after"))
    assert lines[:2] == ["--- before", "+++ after"]
    assert "-  <vcpu placement='static'>1</vcpu>" in lines
    assert "+  <vcpu placement='static'>4</vcpu>" in lines
    assert len(lines) == 11
    assert unified(XML, XML, ("before", "after")) == []


def test_what_a_terminal_would_obey_is_escaped() -> None:
    lines = unified("<title>a</title>", "<title>\u202eb\x9b31m\u00e9</title>", ("before", "after"))
    assert lines[-1] == "+<title>\\u202eb\\x9b31m\u00e9</title>"


def test_colours_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    lines = unified("a\nb", "a\nc", ("before", "after"))
    assert coloured(lines, io.StringIO()) == "\n".join(lines)
    assert "\033[31m-b\033[0m\n\033[32m+c\033[0m" in coloured(lines, Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured(lines, Terminal()) == "\n".join(lines)


def test_xml_that_says_the_same_is_the_same() -> None:
    """As libvirt 9.0 gives metadata before a migration and after it; as virt-xml writes quotes."""
    before = "<a xmlns:n='u'>\n  <n:o>\n    <n:b id='1'/>\n  </n:o>\n  <c>x y</c>\n</a>\n"
    after = '<a xmlns:n="u">\n  <n:o>\n        <n:b id="1"/>\n      </n:o>\n  <c>x y</c></a>'
    assert same_xml(before, after)
    assert not same_xml(before, after.replace("x y", "x  y"))
    assert not same_xml(before, after.replace("id=", "no="))
    assert not same_xml(before, after.replace("<c>", "<d/><c>"))
    assert not same_xml(before, after.replace("</a>", "z</a>"))
    assert not same_xml(before, "no xml")
    assert same_xml("no xml", "no xml")
    assert '<n:b id="1"/>' in plain_xml(before)
    assert plain_xml("no <xml") == "no <xml"
    assert plain_xml(plain_xml(XML)) == plain_xml(XML)
