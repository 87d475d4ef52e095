"""Loss and accuracy by epoch, each arm with the band of its seeds, as a PNG."""

from __future__ import annotations

import io

import numpy as np

from augx.experiment.outcome import Results

_COLOURS = ("#555555", "#d1495b", "#2e86ab", "#3a7d44", "#edae49", "#7b5ea7", "#00798c", "#8d6a4f")


def curves(results: Results) -> bytes:
    """Left the loss, right the accuracy: lines are means over seeds (dashed: training, as it was trained on), bands are all seeds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.6), dpi=110, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        top = 0.0
        for number, row in enumerate(results.rows):
            colour = _COLOURS[number % len(_COLOURS)]
            values = row.history[f"val_{name}"]
            epochs = np.arange(1, values.shape[1] + 1)
            top = max(top, float(np.median(values)), float(np.median(row.history[name])))
            axes.plot(epochs, values.mean(axis=0), color=colour, label=row.name)
            axes.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15, linewidth=0)
            axes.plot(epochs, row.history[name].mean(axis=0), color=colour, linestyle="--", linewidth=0.9)
        axes.set_xlabel("epoch (as many steps for every arm)")
        axes.set_title(name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
        axes.set_ylim(0, 1.02 if name == "accuracy" else max(0.1, 2.2 * top))
    axes.legend(fontsize=8, title="line: validation, dashed: training", title_fontsize=8)
    stream = io.BytesIO()
    canvas.print_figure(stream, format="png", metadata={"Software": "augx experiment"})
    return stream.getvalue()
