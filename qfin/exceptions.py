"""The error tree. An `InputError` is the caller's to mend and ends a command with exit code 2."""


class QfinError(Exception):
    """Base of all errors that qfin raises on purpose."""


class InputError(QfinError, ValueError):
    """Wrong input: one sentence that says what was expected, what came, and where."""


class NotFittedError(QfinError, ValueError):
    """A learned quantity was asked for before `fit`."""


class DownloadError(QfinError, OSError):
    """A price source could not be reached or answered with less than was asked for."""
