"""``python -m benchmarks``: whole processes. With a name, one part: transforms, keras, targets, outputs, audit, load or engines."""

import importlib
import sys

# Each has what it needs, such as OpenCV, which the one of whole processes must do without.
PARTS = ("transforms", "keras", "targets", "outputs", "audit", "load", "engines")
part = sys.argv[1] if sys.argv[1:2] and sys.argv[1] in PARTS else "run"
importlib.import_module(f"benchmarks.{part}").main()
