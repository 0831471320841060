"""Reading a tool's last word on where a guest is: the sentences are the tools' own."""

import pytest

from tests.faults.checker import Claim, claims


@pytest.mark.parametrize(
    ("said", "last"),
    [
        ("web1: moved from kvm01 to kvm02 in 1.3 s, paused for 249 ms", Claim("there", "kvm02")),
        ("interrupted; it is running on kvm01, and nothing of it on kvm02", Claim("running", "kvm01")),
        ("it runs on kvm01; what had arrived on kvm02 was removed", Claim("running", "kvm01")),
        (
            "it is paused on kvm01 and paused on kvm02; it was paused on both, and runs on kvm01 again",
            Claim("running", "kvm01"),
        ),
        ("it was paused on kvm01 and runs there again, and nothing of it on kvm02", Claim("running", "kvm01")),
        ("it is shut off on kvm01; a definition of it that was left on kvm02 was removed", Claim("shut off", "kvm01")),
    ],
)
def test_the_last_word(said: str, last: Claim) -> None:
    assert claims(said, "web1")[-1] == last


def test_no_word_and_words_about_another() -> None:
    assert claims("where it runs is not known: kvm02: no answer within 4 s; look at both nodes", "web1") == []
    assert claims("web2: moved from kvm01 to kvm02 in 1.3 s", "web1") == []
