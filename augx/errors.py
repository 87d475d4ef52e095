"""What can go wrong, each with the exit status that a command gives for it.

Every message names the thing, the place, what was found and what is allowed, and what to do next, in one line
(``SpecError``: one line a problem).
"""

from __future__ import annotations


def printable(name: object) -> str:
    """A file name fit for a terminal: control characters and bytes that are not UTF-8 appear as escapes."""
    text = str(name).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class AugxError(Exception):
    """The base of all errors that augx raises on purpose: wrong usage, nothing was written."""

    exit_status = 2


class SpecError(AugxError):
    """A spec that can't be used; ``problems`` holds one line for each mistake, all of them at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class PlanError(AugxError):
    """Sources and counts that don't make a plan: nothing found, names that clash, a format that can't hold a picture."""


class OutputError(AugxError):
    """An output that must not or can't be written to: foreign files, another spec's set, in use, read-only."""


class SourceError(AugxError):
    """One source that can't be read, decoded or held by its format: it is counted, the others go on."""

    exit_status = 1


class CopyError(SourceError):
    """One copy whose numbers can't be made into a picture; the other copies of its source can."""


class WriteError(AugxError):
    """The output can't take more files (full, gone, read-only): the run stops; the same command resumes it."""

    exit_status = 1
