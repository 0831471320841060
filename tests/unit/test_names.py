"""Names: what may name a guest, and how foreign names are shown."""

import pytest

from vme.errors import Misused
from vme.names import checked, is_allowed, shown


@pytest.mark.parametrize("name", ["web1", "a", "A.b-c_d", "9lives", "x" * 63])
def test_a_plain_name_is_allowed(name: str) -> None:
    assert checked(name, "guest") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "../x",
        ".hidden",
        "-h",
        "--all",
        "a b",
        "a\tb",
        "a\n",
        "$(id)",
        "a;b",
        "a'b",
        "ünï",
        "x" * 64,
        "123",
        "a\u202eb",
        "a/b",
        "²",
    ],
)
def test_anything_else_is_refused_with_the_rule(name: str) -> None:
    assert not is_allowed(name)
    with pytest.raises(Misused) as caught:
        checked(name, "guest")
    assert "can't be the name of a guest" in caught.value.message
    assert "at most" in (caught.value.hint or "")


def test_a_foreign_name_cannot_steer_a_terminal() -> None:
    assert shown("web 1") == "web 1"
    assert shown("a\x1b[31mb") == r"'a\x1b[31mb'"
    assert shown("a\u202eb") == r"'a\u202eb'"
    assert shown(" a") == "' a'"
    assert shown("") == "''"
