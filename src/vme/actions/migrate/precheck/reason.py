"""One thing that speaks against a move, and what to do about it."""

from vme.records import dataclass


@dataclass(frozen=True)
class Reason:
    """`code` is stable, for programs. A reason that only warns keeps nothing from moving."""

    code: str
    text: str
    mend: str = ""
    warns: bool = False

    def __str__(self) -> str:
        return f"{self.text}: {self.mend}" if self.mend else self.text
