"""``python -m benchmarks``: whole processes. ``... transforms``: each transform by itself. ``... keras``: augx.keras. ``... targets``. ``... audit``."""

import sys

if sys.argv[1:2] == ["transforms"]:
    from benchmarks.transforms import main  # has OpenCV, which the other one must do without
elif sys.argv[1:2] == ["targets"]:
    from benchmarks.targets import main
elif sys.argv[1:2] == ["audit"]:
    from benchmarks.audit import main
elif sys.argv[1:2] == ["keras"]:
    from benchmarks.keras import main
else:
    from benchmarks.run import main

main()
