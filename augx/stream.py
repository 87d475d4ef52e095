"""A plan as one tar on a pipe: nothing on this machine's disk, and nothing to go on with."""

from __future__ import annotations

import json
import time
from typing import Any, BinaryIO

from augx.errors import SourceError
from augx.executors import Stop
from augx.expand import OnProgress, Options, Report
from augx.listed import Listed
from augx.packed import INDEX, classes_of
from augx.packing.shards import StreamPacker
from augx.plan import Plan
from augx.record import run_fields
from augx.spec import Spec
from augx.unit import Failure, UnitResult, one_thread_cv2
from augx.work import results_of


def stream_plan(
    plan: Plan,
    spec: Spec,
    file: BinaryIO,
    *,
    options: Options | None = None,
    on_progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> Report:
    """Write all of a plan ``--to webdataset`` to ``file``: its samples, mixed within each shard's number, then ``index.json``.

    Bad sources are in the report; raises ``WriteError`` where nobody reads any more.
    """
    assert plan.store is not None and plan.store.size is not None
    began, options, stop = time.monotonic(), options or Options(), stop or Stop()
    classes = classes_of(plan, None)
    packer = StreamPacker(file, size=plan.store.size, classes=classes, seed_key=str(spec.seed))
    sums, failures, sent = UnitResult(), dict[str, Failure](), 0
    try:
        with one_thread_cv2():
            for result in results_of(plan, spec, "", options, Listed(), plan.files, stop):
                sums.add(result)
                sent += len(packer.add([item for _, item in result.items]))
                for one in result.failures:
                    earlier = failures.get(one.source)
                    failures[one.source] = Failure(one.source, one.reason, one.missing + (earlier.missing if earlier else 0))
                if on_progress is not None:
                    on_progress(result.files)
                if result.failures and options.on_error == "stop":
                    stop.set()
                    raise SourceError(f"{result.failures[0].source}: {result.failures[0].reason} (stopped by --on-error stop)")
        if not stop.is_set():
            sent += len(packer.flush())
            packer.finish({INDEX: _index(plan, spec, classes, failures, sent)})
    finally:
        packer.abandon()
    seen = sums.objects, sums.dropped, sum(sums.clipped.values()), dict(sums.rejected), sums.unmet
    return Report("-", plan.files, sent, 0, tuple(failures.values()), stop.is_set(), time.monotonic() - began, *seen)


def _index(plan: Plan, spec: Spec, classes: list[str], failures: dict[str, Failure], sent: int) -> bytes:
    state = "incomplete" if failures else "complete"
    run: dict[str, Any] = run_fields(plan, spec, state, failures.values(), [], {}, classes)
    return (json.dumps({"classes": classes, "samples": sent, "run": run}, indent=1) + "\n").encode("ascii")
