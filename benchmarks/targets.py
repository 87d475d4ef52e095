"""What targets and tables cost: pictures with masks and boxes beside the same ones without, and a plan of a long table."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from augx import Options, find_sources, load_spec, plan_copies, run_plan

ROWS = 100_000
PHOTOS = Path(__file__).parent.parent / "sample_images"
SPECS = {
    "a flip": {"flip_h": 1},
    "one matrix": {"rotate": 20, "zoom": 0.2, "shift_x": 0.1, "flip_h": 0.5, "border": "constant"},
    "a field": {"rotate": 20, "elastic": {"displacement": 0.02}, "border": "constant"},
}


def annotated_set(root: Path) -> None:
    """The photos at 640x480 with ten boxes and a mask of five labels each, as COCO and a folder of masks."""
    images, annotations = [], []
    for number, path in enumerate(sorted([*PHOTOS.rglob("*.jpg"), *PHOTOS.rglob("*.png")])):
        photo = cv2.resize(cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR), (640, 480))
        mask = np.zeros((480, 640), np.uint8)
        images.append({"id": number, "file_name": f"{number}.jpg", "width": 640, "height": 480})
        for i in range(10):
            left, top = 50 * i + 7, 35 * i + 11
            cv2.ellipse(mask, (left + 45, top + 50), (45, 50), 0, 0, 360, i % 5, -1)
            annotations.append({"id": len(annotations), "image_id": number, "category_id": 1, "bbox": [left, top, 90, 100], "area": 9000})
        for folder, name, image in (("images", f"{number}.jpg", photo), ("masks", f"{number}.png", mask)):
            (root / folder).mkdir(exist_ok=True)
            (root / folder / name).write_bytes(cv2.imencode(Path(name).suffix, image)[1].tobytes())
    whole = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}
    (root / "boxes.json").write_text(json.dumps(whole))


def seconds(found: object, spec: object, copies: int, root: Path) -> float:
    """Seconds of processor time of one run in this process, one worker: other processes disturb it the least."""
    with tempfile.TemporaryDirectory(dir=root) as output:
        began = time.process_time()
        run_plan(plan_copies(found, spec, copies=copies), spec, output, options=Options(jobs=1, engine="threads"))  # type: ignore[arg-type]
        return time.process_time() - began


def main() -> None:
    """Print a table; ``--smoke`` only shows that it works."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("_", nargs="?")
    parser.add_argument("--smoke", action="store_true")
    smoke = parser.parse_args().smoke
    copies, rounds = (2, 1) if smoke else (20, 21)
    machine = f"{platform.machine()}, Python {platform.python_version()}, OpenCV {cv2.__version__}"
    print(f"{machine}; processor time, the least of {rounds} in turn, one worker, tmpfs\n")
    print("| 640x480 with 10 boxes and a mask | added to the run without |\n|---|---|")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        root = Path(folder)
        annotated_set(root)
        plain, with_boxes = find_sources(root / "images"), find_sources(root / "boxes.json", root=root / "images")
        both = find_sources(root / "boxes.json", root=root / "images", masks=root / "masks")
        for name, warp in SPECS.items():
            spec = load_spec({"augx": 1, "warp": warp, "tone": {"brightness": 0.2}})
            times = [[seconds(found, spec, copies, root) for found in (plain, with_boxes, both)] for _ in range(rounds)]
            base, boxes, whole = map(min, zip(*times, strict=True))  # others on the machine only ever add to a time
            boxes, whole = boxes / base - 1, whole / base - 1
            print(f"| {name} | boxes {boxes:+.0%}, boxes and mask {whole:+.0%} |")
        table = root / "table.csv"
        table.write_text("file,label\n" + "".join(f"{i % 100}/{i}.jpg,{i % 100}\n" for i in range(1000 if smoke else ROWS)))
        took = []
        for _ in range(rounds):
            began = time.perf_counter()
            plan_copies(find_sources(table), load_spec(), copies=10)
            took.append(time.perf_counter() - began)
        print(f"\nA plan of a table of {1000 if smoke else ROWS:,} rows and 100 classes: {statistics.median(took):.2f} s")
