"""``python -m benchmarks``: whole processes. ``python -m benchmarks transforms``: each transform by itself."""

import sys

if sys.argv[1:2] == ["transforms"]:
    from benchmarks.transforms import main  # has OpenCV, which the other one must do without
else:
    from benchmarks.run import main

main()
