"""Every fault of the list has its tests."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.faults.catalogue import FAULTS


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault.number))
def test_every_fault_has_its_tests(fault: Any) -> None:
    assert fault.tests
    for place in fault.tests:
        file, *names = place.split("::")
        text = (ROOT / file).read_text()
        for name in names:
            assert re.search(rf"^ *(def|class) {name}\b", text, re.MULTILINE), place


def test_the_list_is_whole() -> None:
    assert [fault.number for fault in FAULTS] == list(range(1, 26))
