"""Run-length masks: there and back, as the format's own code writes them, and what isn't one refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from augx.annotations import rle

MASKS = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(0, 1), fill=st.integers(0, 1))


def runs(mask: np.ndarray) -> list[int]:
    """The counts of a mask, pixel after pixel."""
    counts, inside = [0], 0
    for pixel in mask.T.ravel().tolist():
        if pixel != inside:
            counts.append(0)
            inside = pixel
        counts[-1] += 1
    return counts


class TestLaws:
    @given(MASKS)
    def test_there_and_back(self, mask: np.ndarray) -> None:
        region = rle.encode(mask)
        back = rle.decode(region)
        assert back.dtype == np.uint8 and back.flags.c_contiguous and np.array_equal(back, mask)
        assert rle.area(region) == mask.sum() and rle.encode(back) == region == rle.compressed(region)

    @given(MASKS)
    def test_a_list_of_counts_is_the_same_region(self, mask: np.ndarray) -> None:
        plain = {"size": list(mask.shape), "counts": runs(mask)}
        assert np.array_equal(rle.decode(plain), mask) and rle.compressed(plain) == rle.encode(mask) and rle.area(plain) == mask.sum()

    @given(MASKS)
    def test_written_as_pycocotools_writes_it(self, mask: np.ndarray) -> None:
        coco = pytest.importorskip("pycocotools.mask")
        expected = coco.encode(np.asfortranarray(mask))
        assert rle.encode(mask) == {"size": list(expected["size"]), "counts": expected["counts"].decode()}

    def test_large_counts_and_differences_below_nothing(self) -> None:
        mask = np.zeros((3000, 2000), np.uint8)
        mask[5, 3] = mask[2990:, 900:1100] = mask[0, -1] = 1
        assert np.array_equal(rle.decode(rle.encode(mask)), mask)

    @given(st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=30), st.integers(1, 50), st.integers(1, 50))
    def test_any_text_is_a_mask_or_an_error_in_words(self, text: str, height: int, width: int) -> None:
        try:
            assert rle.decode({"size": [height, width], "counts": text}).shape == (height, width)
        except ValueError as error:
            assert "run-length mask" in str(error)


def test_worked_by_hand() -> None:
    # Columns: 0 1 / 1 1 / 0 0: one outside, three inside, two outside. 48 + 1, 48 + 3, 48 + 2.
    mask = np.array([[0, 1, 0], [1, 1, 0]], np.uint8)
    assert rle.encode(mask) == {"size": [2, 3], "counts": "132"}
    # The fourth count is its difference to the second: 1 1 1 3 -> 1 1 1 2; and 40 is 8 and "more follows", then 1.
    assert np.array_equal(rle.decode({"size": [6, 1], "counts": "1112"}).ravel(), [0, 1, 0, 1, 1, 1])
    assert rle.encode(np.zeros((40, 1)))["counts"] == chr(48 + 32 + 8) + chr(48 + 1)
    assert rle.encode(np.ones((1, 2), bool))["counts"] == "02"


@pytest.mark.parametrize(
    ("region", "reason"),
    [
        pytest.param({"counts": "4"}, "size", id="no size"),
        pytest.param({"size": [2], "counts": "4"}, "size", id="one side"),
        pytest.param({"size": [2.0, 2], "counts": "4"}, "whole", id="a fractional side"),
        pytest.param({"size": [True, 4], "counts": "4"}, "whole", id="a side that is true"),
        pytest.param({"size": [0, 4], "counts": ""}, "height 0", id="no height"),
        pytest.param({"size": [-2, -2], "counts": "4"}, "height -2", id="sides below 0"),
        pytest.param({"size": [10**9, 10**9], "counts": [10**18]}, "1e\\+09", id="an absurd size"),
        pytest.param({"size": [10**400, 1], "counts": [10**400]}, "hundreds of digits", id="a size of 400 digits"),
        pytest.param({"size": [60000, 60000], "counts": [3_600_000_000]}, "pixels", id="sides that are too large together"),
        pytest.param({"size": [2, 2]}, "counts", id="no counts"),
        pytest.param({"size": [2, 2], "counts": 4}, "list", id="a number for counts"),
        pytest.param({"size": [2, 2], "counts": [4.0]}, "whole", id="fractional counts"),
        pytest.param({"size": [2, 2], "counts": [True, 3]}, "whole", id="a count that is true"),
        pytest.param({"size": [2, 2], "counts": []}, "0 pixels together", id="an empty list"),
        pytest.param({"size": [2, 2], "counts": ""}, "0 pixels together", id="an empty string"),
        pytest.param({"size": [2, 2], "counts": [3]}, "3 pixels together", id="too few"),
        pytest.param({"size": [2, 2], "counts": [4, 1]}, "5 pixels together", id="too many"),
        pytest.param({"size": [2, 2], "counts": [5, -1]}, "below 0", id="a count below 0"),
        pytest.param({"size": [2, 2], "counts": [10**30]}, "larger", id="a count of 30 digits"),
        pytest.param({"size": [2, 2], "counts": "5O"}, "below 0", id="a count below 0 in a string"),
        pytest.param({"size": [2, 2], "counts": "4 "}, "character", id="a space"),
        pytest.param({"size": [2, 2], "counts": "4é"}, "character", id="beyond ASCII"),
        pytest.param({"size": [2, 2], "counts": "4\ud800"}, "character", id="half a surrogate pair"),
        pytest.param({"size": [2, 2], "counts": "4T"}, "within a number", id="cut within a number"),
        pytest.param({"size": [2, 2], "counts": "P" * 9 + "1"}, "more than 7", id="a number without end"),
    ],
)
def test_refused(region: dict[str, object], reason: str) -> None:
    for function in (rle.decode, rle.compressed, rle.area):
        with pytest.raises(ValueError, match=reason):
            function(region)


def test_what_is_no_mask_is_not_encoded() -> None:
    for shape in ((3,), (2, 2, 3), (0, 4)):
        with pytest.raises(ValueError, match="mask"):
            rle.encode(np.zeros(shape, np.uint8))
