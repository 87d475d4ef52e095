"""Where the command ``augx`` and ``python -m augx`` begin: before anything is imported that takes time."""

from __future__ import annotations

import os
import signal


def leave(number: int, frame: object) -> None:
    """Ctrl-C while there is nothing yet to stop in order: no word, the status of a command that was interrupted."""
    os._exit(128 + number)


def main() -> None:
    """Run the command line."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where the shell has it ignored
        signal.signal(signal.SIGINT, leave)
    from augx.cli import main as run

    run()


if __name__ == "__main__":
    main()
