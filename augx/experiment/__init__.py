"""Does augmentation help on this dataset, and which spec helps most? Trainings that answer it, with Keras 3.

from augx.experiment import Settings, run_experiment

Importing this imports no Keras.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from augx.experiment.settings import FILES as FILES
from augx.experiment.settings import Settings as Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from augx.experiment.outcome import Results
    from augx.experiment.running import OnProgress


def run_experiment(
    settings: Settings,
    output: str | os.PathLike[str],
    *,
    backend: str | None = None,
    on_progress: OnProgress = lambda progress: None,
    on_note: Callable[[str], None] = lambda note: None,
) -> Results:
    """Train every arm, spec and seed that ``output`` has no record of, and write ``FILES`` there. See ``Settings``.

    Stopped at any point, the same call goes on with the run that was not ended. Raises ``PlanError``, ``OutputError`` and
    ``SpecError`` before the first training, ``TrainingError`` where a loss is no number any more.
    """
    from augx.experiment.backend import pick_backend
    from augx.experiment.running import run_all

    root = os.fspath(output)
    name = pick_backend(backend)
    data, records = run_all(settings, root, name, on_progress, on_note)
    from augx.experiment.curves import curves
    from augx.experiment.outcome import as_json, summed_up
    from augx.experiment.webpage import webpage
    from augx.files import open_folder, write_whole

    results = summed_up(settings, name, data, records)
    with open_folder(root, "") as folder:
        figures, page, picture = FILES
        write_whole(folder, figures, as_json(results))  # first: whatever else fails, these are kept
        drawn = curves(results)
        write_whole(folder, page, webpage(results, drawn))
        write_whole(folder, picture, drawn)
    return results
