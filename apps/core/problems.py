"""The errors that people may read."""


class Problem(Exception):  # noqa: N818 - read aloud in sentences
    """Something is wrong and the text says what, without secrets or personal data.

    Any other exception is shown by its class name only; its text stays in the log.
    """


class BadOption(Problem):
    """An argument cannot be used; nothing has been done (spec A9)."""


def sentence(error: BaseException) -> str:
    """Return what may be shown of an error."""
    return str(error) if isinstance(error, Problem) else type(error).__name__
