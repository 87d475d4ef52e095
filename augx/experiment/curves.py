"""Loss and accuracy by epoch, each arm with the band of its seeds, as a PNG."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from augx.errors import printable
from augx.experiment.outcome import Results

_COLOURS = ("#555555", "#d1495b", "#2e86ab", "#3a7d44", "#edae49", "#7b5ea7", "#00798c", "#8d6a4f")
_MOST_BANDS = 4  # more of them on top of each other are mud


def curves(results: Results) -> bytes:
    """Left the loss, right the accuracy, as ``explained`` says."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    stream = io.BytesIO()
    with plain_drawing():
        FigureCanvasAgg(_drawn(results)).print_figure(stream, format="png", metadata={"Software": "augx experiment"})
    return stream.getvalue()


def explained(results: Results) -> str:
    """What is what in the picture."""
    seeds = results.settings.repeats
    lines = "line: validation part, dashed: training batches"
    if _banded(results):
        return f"{lines}; means of {seeds} seeds, bands from the lowest to the highest"
    return f"{lines}; means of {seeds} seeds" if seeds > 1 else lines


@contextlib.contextmanager
def plain_drawing(style: str = "default") -> Iterator[None]:
    """Matplotlib as it comes, whatever the user's matplotlibrc asks for; names are text and no formulas; the backend stays.

    A letter that the font lacks becomes a box, and needs no warning of Matplotlib's.
    """
    import matplotlib
    from matplotlib import style as styles

    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.simplefilter("ignore")
        matplotlib.rcdefaults()
        if style != "default":
            styles.use(style)
        matplotlib.rcParams["text.parse_math"] = False
        yield


def whole_ticks(axes: Any) -> None:
    """No half epochs, also where there is one only."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _banded(results: Results) -> bool:
    return results.settings.repeats > 1 and len(results.rows) <= _MOST_BANDS


def _drawn(results: Results) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.6), dpi=110, layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for number, row in enumerate(results.rows):
            colour = _COLOURS[number % len(_COLOURS)]
            values = row.history[f"val_{name}"]
            epochs = np.arange(1, values.shape[1] + 1)
            mark = "o" if len(epochs) == 1 else ""  # a line of one point can't be seen
            axes.plot(epochs, values.mean(axis=0), color=colour, marker=mark, label=printable(row.name))
            if _banded(results):
                axes.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15, linewidth=0)
            trained = row.history[name].mean(axis=0)
            axes.plot(epochs, trained, color=colour, marker=mark, fillstyle="none", linestyle="--", linewidth=0.9)
        axes.set_xlabel("epochs of the unaugmented set")
        axes.set_title(name)
        whole_ticks(axes)
        axes.grid(alpha=0.25)
        if name == "accuracy":
            axes.set_ylim(0, 1.02)
        else:
            axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)
    figure.supxlabel(explained(results), fontsize=8)
    return figure
