"""docs/RELIABILITY.md from what the tests of faults, kills and bad input measured: ``python -m tests.reliability > docs/RELIABILITY.md``.

It runs them with ``--slow``, which takes long; ``--quick`` leaves that out, and ``--from FILE.xml ...`` takes what pytest's
``-o junit_family=xunit1 --junitxml FILE.xml`` wrote. Other words go to pytest, such as ``-n 2``. Figures are the tests' own
words (``record_property``).
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tests.conftest import ROOT
from tests.faults.catalogue import FAULTS

FOLDERS = ("tests/faults", "tests/fuzz", "tests/kills")
_MANY = 10
_TOTAL = re.compile(r"(\d[\d,]*)(?: of |/)(\d[\d,]*)")

INTRODUCTION = """\
# What augx survives

Written by `python -m tests.reliability > docs/RELIABILITY.md`; only what was measured, in the words of the tests that measured it.
After each fault the same command runs again, and then: its tree equals an undisturbed run's byte for byte, every output decodes,
the manifest parses, no temporary file is left, the inputs are unchanged, and what was listed was made, failed or skipped.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One test's outcome, and what it reported."""

    place: str
    outcome: str
    reason: str
    seconds: float
    properties: tuple[tuple[str, str], ...]

    def get(self, name: str) -> list[str]:
        """All it reported by this name."""
        return [value for key, value in self.properties if key == name]


def cases_of(*paths: Path) -> list[Case]:
    """The tests in pytest's XML files; of one that is in several, its last run that was not skipped."""
    found: dict[str, Case] = {}
    for case in [case for path in paths for case in ElementTree.parse(path).getroot().iter("testcase")]:
        outcome, reason = "passed", ""
        for name, word in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
            if (node := case.find(name)) is not None:
                outcome, reason = word, node.get("message", "")
        properties = tuple((one.get("name", ""), one.get("value", "")) for one in case.iter("property"))
        place = f"{case.get('classname')}.{case.get('name', '').split('[')[0]}"
        whole = f"{case.get('classname')}.{case.get('name')}"
        if outcome != "skipped" or whole not in found:
            found[whole] = Case(place, outcome, reason, float(case.get("time", 0)), properties)
    return list(found.values())


def run_tests(path: Path, words: list[str], slow: bool) -> None:
    """Run them all, wherever the list of faults has them; their progress goes to standard error."""
    elsewhere = {place for fault in FAULTS for place in fault.tests if not place.startswith(FOLDERS)}
    chosen = [*(folder for folder in FOLDERS if (ROOT / folder).exists()), *sorted(elsewhere)]
    written = ["-o", "junit_family=xunit1", f"--junitxml={path}"]  # the newer family has no room for figures
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *written, *(["--slow"] if slow else [])]
    subprocess.run([*command, *words, *chosen], cwd=ROOT, stdout=sys.stderr, check=False)


def page(cases: list[Case]) -> str:
    """All of it."""
    parts = [INTRODUCTION, machine(), faults(cases), kills(cases), measures(cases), bad_specs(cases), others(cases)]
    return "\n".join(parts)


def machine() -> str:
    """Where and with what it was measured."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else None
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = [f"{name} {metadata.version(name)}" for name in ("numpy", "opencv-python-headless", "pydantic", "PyYAML", "click", "pytest")]
    tools = [f"{name} {'there' if shutil.which(name) else 'missing'}" for name in ("strace", "faketime", "prlimit", "unshare")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"Measured on {cpu[1] if cpu else platform.machine()}, {cores} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {', '.join(versions)}; {', '.join(tools)}; as {'root' if not os.getuid() else 'a user'}.\n"
    )


def faults(cases: list[Case]) -> str:
    """A line a fault, and what its tests measured."""
    rows, details, survived = [], [], 0
    for fault in FAULTS:
        places = {place.replace("/", ".").replace(".py::", ".").replace("::", ".") for place in fault.tests}
        ours = [case for case in cases if case.place in places]
        counts = {word: sum(case.outcome == word for case in ours) for word in ("passed", "failed", "skipped")}
        well = places == {case.place for case in ours if case.outcome == "passed"} and not counts["failed"]
        outcome = "survived" if well else "**not survived**" if counts["failed"] else "not all run" if ours else "not run"
        survived += well
        name = f"{fault.number} {fault.fault}"
        figures = [figure for case in ours if case.outcome == "passed" and name in case.get("fault") for figure in case.get("figure")]
        rows.append((fault.number, fault.fault, outcome, *counts.values()))
        details += [f"\n**{name}**\n", *folded(figures)] if figures else []
    table = markdown(("", "fault", "", "passed", "failed", "skipped"), rows)
    return f"## Faults survived: {survived}/{len(FAULTS)}\n\n{table}\n" + "\n".join(details) + "\n"


def folded(figures: list[str]) -> list[str]:
    """A list; a long one as its sum, with the rest behind it."""
    lines = [f"- {figure}" for figure in figures]
    if len(lines) <= _MANY:
        return lines
    counted = [match for figure in figures if "survived" in figure or "trees equal" in figure if (match := _TOTAL.search(figure))]
    total = f": {_sum(match[1] for match in counted):,} of {_sum(match[2] for match in counted):,}" if counted else ""
    return [f"<details><summary>{len(lines)} figures{total}</summary>\n", *lines, "\n</details>"]


def _sum(numbers: Iterable[str]) -> int:
    return sum(int(number.replace(",", "")) for number in numbers)


def kills(cases: list[Case]) -> str:
    """Kills of every writer, in every way; lines of one name are summed."""
    survived: dict[str, list[str]] = defaultdict(list)
    others: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for case in cases:
        if case.outcome == "skipped":
            continue
        for name, value in zip(case.get("kills"), case.get("survived"), strict=False):
            survived[name].append(value)
            for key, more in case.properties:
                if key not in ("kills", "survived"):
                    others[name][key].append(more)
    columns = list(dict.fromkeys(key for found in others.values() for key in found))
    rows = [(name, _ratio(values), *(", ".join(others[name][column]) for column in columns)) for name, values in survived.items()]
    if not rows:
        return "## Kills\n\nNot run.\n"
    total = _ratio([value for values in survived.values() for value in values])
    return f"## Kills survived: {total}\n\n{markdown(('', 'survived', *columns), rows)}\n"


def _ratio(values: list[str]) -> str:
    pairs = [value.split("/") for value in values]
    return f"{sum(int(a) for a, _ in pairs)}/{sum(int(b) for _, b in pairs)}"


def measures(cases: list[Case]) -> str:
    """Everything else that has a figure."""
    rows = [pair for case in cases if case.outcome == "passed" for pair in zip(case.get("measure"), case.get("figure"), strict=False)]
    return f"## Bad input\n\n{markdown(('measure', 'figure'), rows)}\n"


def bad_specs(cases: list[Case]) -> str:
    """Each with what the user reads."""
    ours = [case for case in cases if case.place.endswith("test_a_bad_spec_is_refused_in_one_line")]
    rows = [(what, f"`{line}`") for case in ours for what, line in zip(case.get("bad spec"), case.get("message"), strict=True)]
    return f"## Bad specs refused in one line: {len(rows)}/{len(ours)}\n\n{markdown(('what is wrong', 'the message'), rows)}\n"


def others(cases: list[Case]) -> str:
    """What did not pass, with its reason."""
    counts = {word: sum(case.outcome == word for case in cases) for word in ("passed", "failed", "skipped")}
    missing = sorted({(case.outcome, case.place, _line(case.reason)) for case in cases if case.outcome != "passed"})
    rows = markdown(("", "test", "why"), missing) if missing else "All of them ran.\n"
    minutes = sum(case.seconds for case in cases) / 60
    return f"## Tests: {', '.join(f'{count} {word}' for word, count in counts.items())}\n\n{minutes:.0f} minutes of tests.\n\n{rows}"


def _line(reason: str) -> str:
    return (reason.strip().splitlines() or [""])[0][:150]


def markdown(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """A table."""
    return "\n".join(_rows([head, tuple("---" for _ in head), *rows])) + "\n"


def _rows(rows: Iterable[tuple[object, ...]]) -> Iterator[str]:
    for row in rows:
        yield f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |"


def main(words: list[str]) -> None:
    """Do what the module says."""
    if words[:1] == ["--from"]:
        print(page(cases_of(*map(Path, words[1:]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tests.xml"
        run_tests(path, [word for word in words if word != "--quick"], slow="--quick" not in words)
        print(page(cases_of(path)))


if __name__ == "__main__":
    main(sys.argv[1:])
