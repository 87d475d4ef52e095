"""A run whose Nth call to the system fails, or kills it, for every N, by ``strace``; the same again must end as if nothing had been.

``python -m tests.faults.failing_syscall ROOT CALL[,CALL ...] FAULT EVERY STATE WORD ...`` runs ``augx WORD ... --output``. FAULT is
EIO and the like or SIGKILL, ``EVERY`` 1 for each N and more for a part of them. STATE is ``fresh``, or ``killed``: into what a run
left that was killed at a rename. Reads fail only where inputs are read. It prints how many calls it failed, and what was wrong after
which of them. A process of its own, with one thread, so that it can fork.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from augx.cli import augx, main
from tests.conftest import tree
from tests.faults.failing_call import told
from tests.faults.oracle import differences

INJECTED = re.compile(r"^\d+ +(.*) = .*\(INJECTED\)$", re.MULTILINE)


class UntraceableError(Exception):
    """No process may look into another here."""


def run(words: list[str], said: Path, how: list[str], log: Path) -> tuple[int, list[str]]:
    """The command in a copy of this process, under ``strace``; its exit status, and the calls that were made to fail."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        status = 99
        try:
            os.close(writer)
            os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            os.dup2(2, 1)
            sys.argv = ["augx", *words]
            os.read(reader, 1)  # until it is traced
            os.close(reader)
            try:
                main()
            except SystemExit as ended:
                status = ended.code if isinstance(ended.code, int) else 98
        finally:
            os._exit(status)
    os.close(reader)
    if not how:
        os.close(writer)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), []
    with subprocess.Popen(["strace", "-f", "-y", "-p", str(child), "-o", str(log), *how], stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        first = tracer.stderr.readline()
        os.close(writer)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        tracer.communicate()
    if "attached" not in first:
        raise UntraceableError(first)
    text = log.read_text(errors="replace")
    return status, INJECTED.findall(text) or (["killed"] if status == -9 else [])


def every_call() -> None:
    """Do what the module says."""
    root, calls, fault, every, state, *words = Path(sys.argv[1]), *sys.argv[2:]
    out, whole, left, said, log = (root / name for name in ("out", "whole", "left", "said.txt", "calls.log"))
    command = [*words, "--output", str(out)]
    augx.main([*words, "--output", str(whole), "--quiet"], standalone_mode=False)
    run(command, said, [], log)  # imports what only a whole run needs, in the copies' parent too
    shutil.rmtree(out)
    sources = [word for path in sorted((root / "in").rglob("*")) if path.is_file() for word in ("-P", str(path))]
    only = sources if "read" in calls else []
    if state == "killed":
        run(command, said, ["-e", "trace=renameat", "-e", "inject=renameat:signal=KILL:when=3"], log)
        os.rename(out, left)
    wrong: list[str] = []
    failed: list[str] = []
    at = 1
    while True:
        if state == "killed":
            shutil.copytree(left, out)
        what = f"signal={fault[3:]}" if fault.startswith("SIG") else f"error={fault}"
        status, hit = run(command, said, ["-e", f"trace={calls}", "-e", f"inject={calls}:{what}:when={at}", *only], log)
        if not hit:
            break
        failed.append(hit[0])
        problem = judged(status, said.read_text(), hit, fault, out, whole)
        again, _ = run(command, said, [], log)
        after = differences(out, whole, any_order="missing" in problem)
        if again or after:
            problem += f"; again: status {again}: {said.read_text()} {after}"
        if problem.removeprefix("missing"):
            wrong.append(f"{at} {hit}: {problem}")
        shutil.rmtree(out, ignore_errors=True)
        at += int(every)
    print(json.dumps({"calls": len(failed), "wrong": wrong}))


def judged(status: int, said: str, hit: list[str], fault: str, out: Path, whole: Path) -> str:
    """What is wrong with how a run ended; ``missing`` where it lost a source, as it may; nothing if all is well."""
    if fault.startswith("SIG"):
        return "" if status == -9 else f"status {status}: {said}"
    if any("/said.txt>" in call for call in hit):  # nobody can be told
        return "" if status in (0, 1, 2) else f"status {status}"
    if status == 1 and "missing" in said and os.strerror(getattr(errno, fault)) in said:
        return "missing"
    found = tree(out) if out.exists() else {}
    if any(call.startswith("unlink") for call in hit):  # then a temporary file stays for the next run to remove
        found = {name: data for name, data in found.items() if ".augx-" not in name}
    return told(status, said, os.strerror(getattr(errno, fault)), found == tree(whole))


if __name__ == "__main__":
    try:
        every_call()
    except UntraceableError as error:
        print(json.dumps({"untraceable": str(error)}))
