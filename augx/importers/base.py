"""What an importer gives: a spec, and in words whatever of its input the spec does not say exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from augx import document


@dataclass(slots=True)
class Imported:
    """A spec's data, made from another library's settings.

    ``lost`` names each setting that has no equivalent here, ``changed`` each that becomes something else than it was: one
    line each, which begins with the setting's name and says what to do. A setting that is in neither is the same here.
    """

    spec: dict[str, Any]
    lost: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    def as_yaml(self) -> str:
        """The spec as a file, with the notes as comments at its head."""
        notes = [f"not here: {line}" for line in self.lost] + [f"differs: {line}" for line in self.changed]
        return "".join(f"# {note}\n" for note in notes) + document.emit(self.spec)
