"""augx: turn a small labelled image set into a large one, on disk, reproducibly.

from augx import expand_dataset, load_spec

report = expand_dataset("expanded/", input="photos/", spec="tutorial", per_class=1000)
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own: its import takes longer than all of this file, and Ctrl-C may come meanwhile (__main__.py)

__version__ = "0.1.0"

_HOMES = {
    "AugxError": "errors",
    "Failure": "unit",
    "Options": "expand",
    "OutputError": "errors",
    "Plan": "plan",
    "PlanError": "errors",
    "Report": "expand",
    "Source": "sources",
    "SourceError": "errors",
    "SourceSet": "sources",
    "Spec": "spec",
    "SpecError": "errors",
    "Stop": "executors",
    "WriteError": "errors",
    "class_tree": "inputs.folders",
    "estimate_plan": "review.estimate",
    "expand_dataset": "expand",
    "explain_copy": "review.explain",
    "find_sources": "inputs",
    "iter_batches": "batches",
    "lint": "review.lint",
    "load_spec": "spec",
    "named_images": "inputs.folders",
    "plan_copies": "planning",
    "preview": "review.preview",
    "read_list": "inputs.lists",
    "remake_files": "remake",
    "run_plan": "expand",
}

__all__ = [*_HOMES]

if TYPE_CHECKING:
    from typing import Any

    from augx.batches import iter_batches as iter_batches
    from augx.errors import AugxError as AugxError
    from augx.errors import OutputError as OutputError
    from augx.errors import PlanError as PlanError
    from augx.errors import SourceError as SourceError
    from augx.errors import SpecError as SpecError
    from augx.errors import WriteError as WriteError
    from augx.executors import Stop as Stop
    from augx.expand import Options as Options
    from augx.expand import Report as Report
    from augx.expand import expand_dataset as expand_dataset
    from augx.expand import run_plan as run_plan
    from augx.inputs import find_sources as find_sources
    from augx.inputs.folders import class_tree as class_tree
    from augx.inputs.folders import named_images as named_images
    from augx.inputs.lists import read_list as read_list
    from augx.plan import Plan as Plan
    from augx.planning import plan_copies as plan_copies
    from augx.remake import remake_files as remake_files
    from augx.review.estimate import estimate_plan as estimate_plan
    from augx.review.explain import explain_copy as explain_copy
    from augx.review.lint import lint as lint
    from augx.review.preview import preview as preview
    from augx.sources import Source as Source
    from augx.sources import SourceSet as SourceSet
    from augx.spec import Spec as Spec
    from augx.spec import load_spec as load_spec
    from augx.unit import Failure as Failure


def __getattr__(name: str) -> Any:
    # Lazily, so that `augx --help` does not wait for OpenCV.
    if name not in _HOMES:
        raise AttributeError(f"module 'augx' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"augx.{_HOMES[name]}"), name)
