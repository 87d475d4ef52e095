"""House rules, held by tests and not by paragraphs."""

from __future__ import annotations

import ast
import functools
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import augx
from tests.conftest import ROOT

PACKAGE = ROOT / "augx"
MODULES = sorted(PACKAGE.rglob("*.py"))
EVERY_MODULE = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))

# From the roof to the ground: a room imports only from those below it.
FLOORS = [
    "__main__",
    "cli",
    "commands.audit",
    "commands.check",
    "commands.experiment",
    "commands.explain",
    "commands.finalize",
    "commands.fit",
    "commands.generate",
    "commands.importing",
    "commands.plan",
    "commands.preview",
    "commands.remake",
    "commands.schema",
    "commands.status",
    "commands.transforms",
    "commands.verify",
    "commands.progress",
    "commands.summary",
    "commands.saved",
    "commands.options",
    "commands",
    "experiment.__main__",
    "experiment",
    "experiment.webpage",
    "experiment.curves",
    "experiment.outcome",
    "experiment.intervals",
    "experiment.running",
    "experiment.records",
    "experiment.training",
    "experiment.feeds",
    "experiment.data",
    "experiment.families",
    "experiment.stratified",
    "experiment.models",
    "experiment.backend",
    "experiment.settings",
    "catalogue",
    "keras",
    "keras.generator",
    "keras.pydataset",
    "keras.arguments",
    "keras.dataframe",
    "keras.directory",
    "keras.arrays",
    "keras.making",
    "keras.saving",
    "keras.iterators",
    "keras.statistics",
    "keras.whitening",
    "keras.images",
    "keras.resizing",
    "keras.colour",
    "keras.geometry",
    "keras.warping",
    "importers.albumentations",
    "importers.albumentations.effects",
    "importers.albumentations.frame",
    "importers.albumentations.geometry",
    "importers.albumentations.table",
    "importers.albumentations.steps",
    "importers.albumentations.unknown",
    "importers.albumentations.settings",
    "importers.keras",
    "importers.torchvision",
    "importers.torchvision.colour",
    "importers.torchvision.geometry",
    "importers.torchvision.settings",
    "importers.generator_call",
    "importers.pipeline",
    "importers.calls",
    "importers.settings",
    "importers",
    "importers.base",
    "review",
    "review.finished",
    "review.report",
    "review.page",
    "review.preview",
    "review.alone",
    "review.spread",
    "review.explain",
    "review.recorded",
    "review.marking",
    "review.marks",
    "review.sheet",
    "review.lint",
    "review.lint_targets",
    "review.lint_classes",
    "review.lint_pictures",
    "review.lint_shows",
    "review.lint_places",
    "review.estimate",
    "review.room",
    "audit",
    "audit.matches",
    "audit.near",
    "audit.look",
    "audit.likeness",
    "audit.parts",
    "audit.siblings",
    "audit.sums",
    "tf",
    "torch",
    "batches",
    "pictures",
    "epochs",
    "verify",
    "verify.again",
    "verify.indexes",
    "verify.sources",
    "verify.shards",
    "verify.arrays",
    "verify.loose",
    "verify.lines",
    "verify.found",
    "remake",
    "recorded",
    "stream",
    "fleet",
    "fleet.shard",
    "fleet.finalize",
    "fleet.status",
    "fleet.joining",
    "fleet.worker",
    "fleet.receipts",
    "fleet.founding",
    "fleet.cut",
    "expand",
    "work",
    "record",
    "output",
    "unit",
    "copies",
    "cache",
    "rejection",
    "made",
    "targets",
    "hiding",
    "packed",
    "plans.streamed",
    "plans.names",
    "plan_file",
    "plans.shares",
    "plans.ordered",
    "planning",
    "destination",
    "packing.planned",
    "packing.shards",
    "packing.arrays",
    "packing.mixing",
    "amounts",
    "plan",
    "packing",
    "packing.base",
    "packing.store",
    "packing.forms",
    "packing.sizes",
    "packing.tar",
    "split",
    "plans.table",
    "plans.lines",
    "plans",
    "rows",
    "listed",
    "places",
    "remote",
    "pool",
    "cluster",
    "scheduler",
    "tasks",
    "executors",
    "supervised",
    "recipe",
    "draws",
    "spec",
    "wording",
    "policies",
    "auto_augment",
    "sections",
    "inputs",
    "inputs.masks",
    "inputs.tables",
    "inputs.arrays",
    "inputs.tars",
    "inputs.lines",
    "inputs.lists",
    "inputs.remote",
    "inputs.spool",
    "inputs.folders",
    "annotations.convert",
    "annotations.coco",
    "annotations.indexes",
    "annotations.coco_layout",
    "annotations.coco_objects",
    "annotations.yolo",
    "annotations.yolo_layout",
    "annotations.yolo_index",
    "annotations.voc",
    "annotations.voc_xml",
    "sources",
    "annotations.yolo_labels",
    "annotations.listing",
    "annotations.outlines",
    "masks",
    "document",
    "manifest",
    "files",
    "stores",
    "addresses",
    "decode",
    "headers",
    "writers",
    "transforms",
    "transforms.geometric",
    "transforms.fields",
    "transforms.tone",
    "transforms.colour",
    "transforms.noise",
    "transforms.blur",
    "transforms.damage",
    "transforms.contrast",
    "transforms.weather",
    "transforms.light",
    "transforms.layers",
    "transforms.base",
    "ranges",
    "distributions",
    "annotations.base",
    "annotations.rle",
    "annotations.mirror",
    "annotations",
    "sample",
    "warp",
    "sampling",
    "matrices",
    "lut",
    "randomness",
    "words",
    "memory",
    "errors",
]


# The families that touch pixels.
PIXELS = {f"transforms.{family}" for family in ("fields", "colour", "noise", "blur", "damage", "contrast", "weather", "light", "layers")}


CV2 = {
    "audit.look",
    "masks",
    "copies",
    "rejection",
    "targets",
    "hiding",
    "decode",
    "record",
    "lut",
    "sampling",
    "unit",
    "warp",
    "writers",
    "remake",
    "review.marking",
    "review.marks",
    "review.sheet",
    "keras.images",
    "keras.warping",
    "tasks",
}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


@functools.cache
def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@EVERY_MODULE
def test_one_way_down(path: Path) -> None:
    name = module_name(path)
    if name == "__init__":
        return
    below = FLOORS[FLOORS.index(name) + 1 :]
    ours = {found.removeprefix("augx.") for found in imports(path) if found.startswith("augx.")}
    assert {found for found in ours if found in FLOORS} - {name} <= set(below)


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("click", {"cli", *(name for name in map(module_name, MODULES) if name.startswith("commands."))}),
        ("tqdm", {"commands.progress"}),
        ("yaml", {"document"}),
        ("cv2", {*CV2, *PIXELS}),
        ("torch", {"torch"}),
        ("tensorflow", {"tf"}),
        ("keras", {f"experiment.{room}" for room in ("__main__", "backend", "models", "running", "training")}),
        ("matplotlib", {"experiment.__main__", "experiment.curves"}),
        ("random", set()),
        ("numpy.random", set()),
    ],
)
def test_libraries_live_in_few_rooms(library: str, homes: set[str]) -> None:
    found = {module_name(path) for path in MODULES if any(name == library or name.startswith(f"{library}.") for name in imports(path))}
    assert found == homes


def test_randomness_comes_from_one_room() -> None:
    users = {module_name(path) for path in MODULES if "np.random" in path.read_text() or "Philox" in path.read_text()}
    # Keras drew from NumPy's global state, and what takes its place must draw the same numbers.
    assert users == {"randomness", "keras.geometry", "keras.iterators", "keras.making"}


def test_cv2_never_gets_a_name() -> None:
    """A str that is not UTF-8 crashes cv2: it only ever gets bytes in memory and constants, and of a text single letters."""
    for path in MODULES:
        for call in ("imread", "imwrite", "putText", "imcount", "imreadmulti", "VideoCapture"):
            drawn = path.read_text().replace("cv2.putText(drawn, letter,", "") if path.name == "sheet.py" else path.read_text()
            assert f"cv2.{call}(" not in drawn


@EVERY_MODULE
def test_rooms_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno + 1 <= 60, node.name


@EVERY_MODULE
def test_public_things_are_documented(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            overload = path.name == "base.py" or (
                isinstance(node, ast.ClassDef) and not any(isinstance(n, ast.FunctionDef) for n in node.body)
            )
            assert ast.get_docstring(node) or overload, node.name


def test_every_public_name_is_there() -> None:
    for name in augx.__all__:
        assert getattr(augx, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        _ = augx.nope


def test_the_library_is_typed_and_takes_few_positions() -> None:
    for name in augx.__all__:
        found = getattr(augx, name)
        if inspect.isfunction(found):
            signature = inspect.signature(found)
            assert signature.return_annotation is not inspect.Signature.empty
            positional = [p for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
            assert len(positional) <= 3, name


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["generate", "--help"], ["generate", "--nope"]], ids=" ".join)
def test_help_waits_for_no_engine(args: list[str]) -> None:
    code = (
        "import sys\nfrom augx.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('LOADED', [name for name in ('cv2', 'numpy', 'pydantic', 'yaml', 'tqdm') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "LOADED []" in done.stdout
