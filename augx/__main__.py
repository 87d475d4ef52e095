"""``python -m augx``."""

from augx.cli import main

main()
