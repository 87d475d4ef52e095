"""What a spec does to pictures as a whole: border in them, levels driven out of them, JPEG on top of JPEG; and pictures to try."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from augx.decode import MAX_PIXELS
from augx.draws import draw
from augx.errors import SourceError
from augx.recipe import recipes
from augx.sample import Sample
from augx.sections import leaves
from augx.sources import EXTENSIONS, Source, load
from augx.spec import Output, Spec
from augx.warp import Levels
from augx.writers import FORMATS

Array = np.ndarray[Any, Any]

# The mean share of a copy that is border, on pictures of 4:3, 1:1 and 3:4, and of 2:1, the narrowest that is measured: tutorial
# 0.21, 0.20, 0.21, 0.22 (0.35 in the worst tenth of copies), gentle 0.04 to 0.05 (0.11), strong 0.24, 0.23, 0.24, 0.28 (0.53),
# documents 0.03 (0.10). Shifts of 0.5 have 0.42, zoom [0.5, 1] has 0.41, rotate 90 with shifts of 0.4 has 0.36.
_MUCH_BORDER = 1 / 3
_NARROWEST = 2.0

# The mean share of levels that tone drives out of black to white, on the photos of sample_images one by one: tutorial 0, gentle
# 0.00, strong 0.01 to 0.12 (mean 0.06; 0.03 on the synthetic picture), documents 0.00 to 0.01. brightness [1, 2] has 0.21 in
# the mean of the photos, channel_shift 150 has 0.26, contrast [1, 3] has 0.35.
_MUCH_CLIPPED = 0.15
# Levels of 0 to 255 that count as black and white already, as in video: paper that turns white loses nothing.
_NEARLY_BLACK, _NEARLY_WHITE = 16, 235

_BORDER_COPIES, _CLIPPED_COPIES = 120, 400
_SHAPES = 4
_PIXELS, _ENOUGH_PIXELS = 300_000, 100_000_000


def synthetic() -> Sample:
    """A picture of 640x480 with smooth gradients and fine texture, in colour, for when there is none."""
    y, x = np.mgrid[:480, :640]
    planes = [90 * np.sin(x / (90 + 20 * c)) * np.cos(y / (70 - 9 * c)) + 25 * np.sin(1.3 * x + c) * np.sin(1.7 * y) for c in range(3)]
    return Sample("synthetic", "", Levels(np.clip(127.5 + np.dstack(planes), 0, 255).astype(np.uint8)))


def probes(sources: Sequence[Source], count: int = 12) -> list[Source]:
    """At most ``count`` of the sources, spread over the classes and within each; in the order of the sources."""
    groups: dict[str, list[int]] = defaultdict(list)
    for i, source in enumerate(sources):
        groups[source.label].append(i)
    labels = list(groups)
    if len(labels) > count:
        labels = [labels[i * len(labels) // count] for i in range(count)]
    chosen: list[int] = []
    for rank, label in enumerate(labels):
        share = count // len(labels) + (rank < count % len(labels))
        group = groups[label]
        taken = min(share, len(group))
        chosen += [group[i * len(group) // taken] for i in range(taken)]
    return [sources[i] for i in sorted(chosen)]


def border_share(spec: Spec, samples: Sequence[Sample]) -> tuple[float, float]:
    """The share of a copy's pixels that lie beyond the picture: its mean over the copies, and that of the worst tenth."""
    shares: list[float] = []
    for size in sorted({_measured(sample.image.size) for sample in samples})[:_SHAPES]:
        picture = Sample("lint", "", Levels(np.broadcast_to(np.uint8(0), size[::-1])))
        for recipe in recipes(spec, draw(spec, "lint", range(_BORDER_COPIES)), picture):
            if recipe.size != (0, 0):
                shares.append(recipe.sampling.beyond(size, recipe.size, 24) if recipe.sampling is not None else 0.0)
    return _mean_and_worst(np.array(shares))


def much_border(spec: Spec, samples: Sequence[Sample]) -> str | None:
    """What to say of copies that are too much border; None if they aren't."""
    if spec.warp.border == "crop_safe":
        return None
    mean, worst = border_share(spec, samples)
    if mean <= _MUCH_BORDER:
        return None
    return (
        f"{mean:.0%} of a copy lies beyond the picture on average ({worst:.0%} in the worst tenth), filled by border: "
        f"{spec.warp.border}; use border: crop_safe, or smaller shifts, turns and shrinking"
    )


def _measured(size: tuple[int, int]) -> tuple[int, int]:
    """A size no narrower than what is measured: any turn of a narrow picture shows much of what lies beside it."""
    shorter = min(size)
    width, height = (min(side, round(shorter * _NARROWEST)) for side in size)
    return width, height


def clipped_share(spec: Spec, samples: Sequence[Sample]) -> tuple[float, float]:
    """The share of levels of the pictures that tone drives beyond black or white: its mean, and that of the worst tenth of copies."""
    draws = draw(spec, "lint", range(_CLIPPED_COPIES))
    start = np.arange(256) / 255
    x: Array = np.broadcast_to(start, (draws.n, 1, 256))
    for place, transform in leaves(spec.tone.nodes("tone")):
        if place in draws.params:
            params = {name: column[:, None, None] for name, column in draws.params[place].items()}
            # So far out that no power of it leaves the numbers.
            x = np.where(draws.active[place][:, None, None], np.clip(transform.curve(x, params), -1e6, 1e6), x)  # type: ignore[attr-defined]
    lost = ((x > 256 / 255) & (start <= _NEARLY_WHITE / 255)) | ((x < -1 / 255) & (start >= _NEARLY_BLACK / 255))
    histograms = [_histogram(sample.image.image) for sample in samples]
    # A grey picture takes red's table.
    shares = [(lost[:, : max(1, len(found))] * found).sum(axis=2).mean(axis=1) for found in histograms]
    return _mean_and_worst(np.concatenate(shares))


def clipped(spec: Spec, samples: Sequence[Sample]) -> str | None:
    """What to say of levels that are lost; None if few are."""
    if not any(True for _ in spec.tone.nodes("tone")):
        return None
    mean, worst = clipped_share(spec, samples)
    if mean <= _MUCH_CLIPPED:
        return None
    return (
        f"{mean:.0%} of the pictures' levels are driven beyond black or white on average ({worst:.0%} in the worst tenth of copies), "
        "and what was to see there is lost; narrow the ranges, or use gamma or tone_curve, which keep black and white"
    )


def _histogram(image: Array) -> Array:
    """The share of each of 256 levels, (3 or 1 channels, 256), red first; alpha aside."""
    step = max(1, int((image.shape[0] * image.shape[1] / _PIXELS) ** 0.5))
    planes = np.atleast_3d(image)[::step, ::step]
    planes = planes[:, :, 2::-1] if planes.shape[2] in (3, 4) else planes[:, :, :1]
    if planes.dtype == np.uint16:
        planes = planes >> 8
    elif planes.dtype.kind == "f":
        planes = np.rint(np.clip(planes, 0, 1) * 255).astype(np.uint8)
    return np.array([np.bincount(planes[:, :, c].ravel(), minlength=256) / planes[:, :, c].size for c in range(planes.shape[2])])


def _mean_and_worst(shares: Array) -> tuple[float, float]:
    if not len(shares):
        return 0.0, 0.0
    tenth = np.sort(shares)[-max(1, len(shares) // 10) :]
    return float(shares.mean()), float(tenth.mean())


def lossy_output(output: Output, formats: Iterable[str]) -> str | None:
    """The lossy format that copies are written in, or some of them; of sources in unknown formats it may be jpg."""
    if output.format != "source":
        return output.format if FORMATS[output.format].quality is not None else None
    known = _known(formats)
    lossy = sorted(name for name in known or {"jpg"} if name in FORMATS and FORMATS[name].quality is not None)
    return lossy[0] if lossy else None


def double_jpeg(output: Output, formats: Iterable[str]) -> str | None:
    """What to say of a jpeg step before this output; None if the output keeps what the step did."""
    lossy = lossy_output(output, formats)
    if lossy is None:
        return None
    which = "" if output.format != "source" or _known(formats) else ", if the pictures are jpg,"
    return (
        f"copies are{which} compressed once more as {lossy} of quality {output.quality} when they are written, which blurs the quality "
        "that was drawn; write output: {format: png}"
    )


def low_quality(output: Output, formats: Iterable[str]) -> str | None:
    """What to say of an output that compresses jpg sources once more, and hard; None if it doesn't."""
    lossy = lossy_output(output, formats)
    known = _known(formats)
    if lossy is None or output.quality >= (75 if "jpg" in known else 50) or (known and "jpg" not in known):
        return None
    what = "pictures that were jpg" if known else "pictures, if they were jpg,"
    return (
        f"{what} are compressed once more, all copies with quality {output.quality}; write 90 or more, "
        "and for copies of many qualities a step under then such as jpeg: [30, 90] with output: {format: png}"
    )


def _known(formats: Iterable[str]) -> set[str]:
    """The formats that extensions (``.jpg``, ``jpeg``) stand for."""
    return {EXTENSIONS.get("." + extension.lower().lstrip("."), "png") for extension in formats}


def loaded(sources: Sequence[Source], max_pixels: int = MAX_PIXELS) -> tuple[list[tuple[str, Sample]], list[tuple[str, str]]]:
    """The sources' pictures, each with its label, and the paths of those that can't be read, each with the reason.

    Once there are 100 million pixels, the rest is left out: they would only fill the memory.
    """
    samples: list[tuple[str, Sample]] = []
    failures: list[tuple[str, str]] = []
    pixels = 0
    for source in sources:
        if pixels >= _ENOUGH_PIXELS:
            break
        try:
            sample = load(source, max_pixels)
        except SourceError as error:
            failures.append((source.where, str(error)))
            continue
        samples.append((source.label, sample))
        pixels += sample.image.image.shape[0] * sample.image.image.shape[1]
    return samples, failures
