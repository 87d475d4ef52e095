"""torchvision's transforms, of v1 or v2, as source or as printed -> a spec.

A pipeline is read transform by transform; ``geometry`` and ``colour`` say what each becomes.
"""

from __future__ import annotations

from typing import Any

from augx.errors import SpecError, printable
from augx.importers.base import Imported
from augx.importers.calls import Call, Expression, NotReadableError, Source, printed
from augx.importers.pipeline import Part, chosen, gated, sections
from augx.importers.settings import finite, number
from augx.importers.torchvision.colour import COLOUR
from augx.importers.torchvision.geometry import GEOMETRY
from augx.importers.torchvision.settings import Pipeline, Values
from augx.ranges import shown
from augx.wording import nearest

TRANSFORMS = GEOMETRY | COLOUR
_SEQUENCES = ("Compose", "Sequential", "ModuleList")
_CONTAINERS = (*_SEQUENCES, "RandomApply", "RandomChoice", "RandomOrder")
_TRAINING = "belongs to training; copies are ordinary picture files"
_BOXES = "about boxes and points of a detector; here masks and points follow every copy's warp"
_SEVERAL = "makes several pictures of one, or of several one, for a batch; do this in training"
_RESIZES = "keeps the aspect ratio at a drawn size, which a spec can't; output: {size: [width, height]} is one size for all"
_PLUMBING = {
    **dict.fromkeys(("ToTensor", "ToImage", "PILToTensor", "ToDtype", "ToPILImage", "ConvertImageDtype", "ToPureTensor"), _TRAINING),
    **dict.fromkeys(("Normalize", "LinearTransformation", "UniformTemporalSubsample", "ToImagePIL"), _TRAINING),
    **dict.fromkeys(("RandomIoUCrop", "SanitizeBoundingBoxes", "ClampBoundingBoxes", "ConvertBoundingBoxFormat"), _BOXES),
    **dict.fromkeys(("ClampKeyPoints", "SanitizeKeyPoints", "SetClampingMode", "SanitizeBoundingBox"), _BOXES),
    **dict.fromkeys(("MixUp", "CutMix", "FiveCrop", "TenCrop"), _SEVERAL),
    **dict.fromkeys(("RandomShortestSize", "RandomResize", "ScaleJitter"), _RESIZES),
    "RandomZoomOut": "lays the picture on a larger canvas; warp: {zoom: [0.25, 1], border: constant} shrinks it on its own",
    "Lambda": "a function of your own, which is not run here; call it in training",
    "RGB": "copies keep the channels of their sources",
}
# What a spec's file may hold in depth and in number of values, with room for what a transform of theirs becomes.
_MAX_DEPTH, _MAX_CALLS = 6, 300
_OLD_NAMES = {"resample": "interpolation", "fillcolor": "fill"}


def from_torchvision(text: str) -> Imported:
    """The spec for a pipeline of torchvision's transforms: ``v2.Compose([...])`` in Python's source, or as it is printed.

    Nothing in the text is run. Raises ``SpecError`` with one line for each setting that is unknown or has a wrong value.
    """
    if not text.strip():
        raise SpecError(["torchvision: nothing to read; expected a pipeline, such as Compose([RandomHorizontalFlip()])"])
    pipeline = Pipeline()
    try:
        parts = _parts(_found(text, pipeline), pipeline)
    except (NotReadableError, RecursionError) as error:
        why = str(error) if isinstance(error, NotReadableError) else "nested too deeply"
        raise SpecError([f"torchvision: not a pipeline, such as Compose([RandomHorizontalFlip()]): {why}"]) from None
    if pipeline.problems:
        raise SpecError(list(dict.fromkeys(pipeline.problems)))
    spec: dict[str, Any] = {"augx": 1}
    found = sections(parts, pipeline.notes)
    canvas = pipeline.canvas()
    if "warp" in found:
        found["warp"] |= canvas
    elif "policy" in found and canvas:
        found = {"warp": canvas, **found}
    spec |= found
    if pipeline.output is not None:
        spec["output"] = {"size": pipeline.output}
    notes = pipeline.notes
    return Imported(spec, list(map(printable, notes.lost)), list(map(printable, notes.changed)))


def _found(text: str, pipeline: Pipeline) -> list[Call]:
    """The calls that make the pipeline; raises ``NotReadableError``."""
    names = {*_CONTAINERS, *TRANSFORMS, *_PLUMBING}
    try:
        calls = Source.parse(text).calls(names)
    except NotReadableError as error:
        try:
            calls = [call for call in printed(text) if isinstance(call, Call) and call.name in names]
        except NotReadableError:
            calls = []
        if not calls:
            raise error from None
        pipeline.printed = True
    pipelines = [call for call in calls if call.name in _SEQUENCES and call.name != "Sequential"]
    pipelines = pipelines or [call for call in calls if call.name == "Sequential" and _holds(call, names)]
    if not pipelines:
        pipelines = [call for call in calls if call.name != "Sequential"]
        if not pipelines:
            raise NotReadableError("there is none of torchvision's transforms")
        return pipelines
    for other in calls:
        if other is not pipelines[0]:
            pipeline.notes.lose(f"{other.name} (line {other.line}): only the first pipeline is read; import this one by itself")
    pipeline.printed |= any(
        isinstance(value, Call) and value.name in names for value in pipelines[0].args if pipelines[0].name == "Compose"
    )
    return pipelines[:1]


def _holds(call: Call, names: set[str]) -> bool:
    return any(isinstance(value, Call) and value.name in names for value in call.args)


def _parts(value: Any, pipeline: Pipeline) -> list[Part]:
    """What one transform becomes, or each of a list."""
    if isinstance(value, list):
        return [part for item in value for part in _parts(item, pipeline)]
    if isinstance(value, Expression):
        pipeline.notes.lose(f"{value!r}: not a transform that stands in the text")
        return []
    if not isinstance(value, Call):
        pipeline.problems.append(f"torchvision: expected transforms, found {printable(shown(value))}")
        return []
    pipeline.count += 1
    if pipeline.count > _MAX_CALLS:
        pipeline.problems.append(f"torchvision: expected at most {_MAX_CALLS} transforms, found more")
        return []
    if value.name in _CONTAINERS:
        return _container(value, pipeline)
    if value.name in TRANSFORMS:
        parameters, handle = TRANSFORMS[value.name]
        return handle(_bound(value, parameters.split(), pipeline), pipeline)
    pipeline.note_plumbing(value)
    if value.name != "Identity":
        known = {*_CONTAINERS, *TRANSFORMS, *_PLUMBING}
        why = _PLUMBING.get(value.name) or f"none of torchvision's transforms that are known here{nearest(value.name, known)}"
        pipeline.notes.lose(f"{value.name}: {why}")
    return []


def _container(call: Call, pipeline: Pipeline) -> list[Part]:
    """The parts of a container's transforms, with the chances that it gives them."""
    named = dict(call.keywords)
    steps: list[Any] = []
    chance = named.get("p")
    for value in [*call.args, *(value for name, value in call.keywords if name in ("transforms", "modules"))]:
        weights = isinstance(value, list) and value and all(map(number, value))
        if number(value) or (weights and call.name == "RandomChoice"):
            chance = value
        else:
            steps += value if isinstance(value, list) else [value]
    for name in named.keys() - {"transforms", "modules", "p"}:
        what = "**" if name is None else printable(name)
        pipeline.problems.append(f"torchvision: {call.name}: unknown setting {what}; allowed: transforms, p")
    if call.name in _SEQUENCES:
        return _parts(steps, pipeline)
    pipeline.depth += 1
    if pipeline.depth > _MAX_DEPTH:
        pipeline.problems.append(f"torchvision: {call.name}: expected at most {_MAX_DEPTH} groups in one another, found more")
        steps = []
    options = [_parts(step, pipeline) for step in steps]
    pipeline.depth -= 1
    every = [part for option in options for part in option]
    if call.name == "RandomOrder":
        if len(every) > 1:
            pipeline.notes.change("RandomOrder: the order is fixed here, as written")
        return every
    if call.name == "RandomApply":
        p = finite(chance) if chance is not None else 0.5
        if p is None or not 0 <= p <= 1:
            pipeline.problems.append(
                f"torchvision: RandomApply: p: expected a probability between 0 and 1, found {printable(shown(chance))}"
            )
            return []
        if chance is None and pipeline.printed:
            pipeline.notes.change("RandomApply: its p is not printed; torchvision's default of 0.5 is taken")
        return gated(every, p, "RandomApply", pipeline.notes)
    shares = [finite(share) for share in chance] if isinstance(chance, list) else [1.0] * len(options)
    weights = [share for share in shares if share is not None and share >= 0]
    if len(weights) != len(options) or not 0 < sum(weights) < 1e300 or not isinstance(chance, list | None):
        expected = f"{len(options)} weights, one a transform"
        pipeline.problems.append(f"torchvision: RandomChoice: p: expected {expected}, found {printable(shown(chance))}")
        return []
    return chosen(options, weights, "RandomChoice", pipeline.notes)


def _bound(call: Call, parameters: list[str], pipeline: Pipeline) -> Values:
    """A call's settings by their names; those that don't fit are problems."""
    given: dict[str, Any] = dict(zip(parameters, call.args, strict=False))
    for value in call.args[len(parameters) :]:
        allowed = f"at most {len(parameters)} settings ({', '.join(parameters)})" if parameters else "no settings"
        pipeline.problems.append(f"torchvision: {call.name}: expected {allowed}, found one more: {printable(shown(value))}")
    for name, value in call.keywords:
        name = _OLD_NAMES.get(str(name), name)
        if name not in parameters:
            what = "**" if name is None else printable(name)
            hint = nearest(str(name), parameters) or f"; allowed: {', '.join(parameters) or 'none'}"
            pipeline.problems.append(f"torchvision: {call.name}: unknown setting {what}{hint}")
        elif name in given:
            pipeline.problems.append(f"torchvision: {call.name}: {name}: expected once, found twice")
        else:
            given[name] = value
    return Values(f"torchvision: {call.name}", given, pipeline.problems, call.name)
