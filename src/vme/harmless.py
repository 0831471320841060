"""Text from elsewhere, made fit for a terminal."""


def harmless(text: str) -> str:
    """The text with all escaped that a terminal would obey, or that turns a line around; lines and tabs stay."""
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() or mark in "\n\t" else ascii(mark)[1:-1] for mark in text)
