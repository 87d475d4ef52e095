"""Other libraries' settings -> a spec of ours: one file a library."""

from augx.importers.base import Imported

__all__ = ["Imported"]
