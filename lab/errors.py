"""What the lab tells a person when it can't do something."""


class LabError(Exception):
    """One sentence that says what is wrong, and a hint that says what to do about it."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
