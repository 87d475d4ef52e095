"""What ``fit`` finds: compared with NumPy's two passes, with keras-preprocessing 1.1.2, and with what whitening is."""

from __future__ import annotations

import io
import json
import pickle
import tracemalloc
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augx.keras import statistics
from augx.keras.statistics import Statistics

Law = Literal["fixed", "keras2", "classic"]
LAWS: tuple[Law, ...] = ("fixed", "keras2", "classic")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def fitted(x: Any, size: int = 0, **options: Any) -> Statistics:
    found = Statistics(**options)
    for start in range(0, len(x), size or len(x)):
        found.update(x[start : start + (size or len(x))])
    found.finish()
    return found


def smooth(count: int, side: int = 8, seed: int = 0) -> Any:
    """Pictures whose neighbours are alike, so that few directions hold most of the variance."""
    waves = np.cumsum(np.cumsum(rng(seed).normal(size=(count, side, side, 3)), axis=1), axis=2)
    return (waves - waves.min()) / (waves.max() - waves.min()) * 255


SETS = {
    "noise": rng().integers(0, 256, (40, 5, 6, 3)).astype(np.uint8),
    "a mean of 1e6, hardly varying": 1e6 + 1e-3 * rng().normal(size=(200, 5, 6, 3)),
    "a mean of -1e6 in float32": (-1e6 + rng().normal(size=(50, 5, 6, 3))).astype(np.float32),
    "channels of other scales": rng().normal(size=(60, 5, 6, 4)) * [1e-4, 1, 1e4, 0] + [0, 5, 1e5, 3],
    "in rising order": np.sort(rng().normal(size=(64, 5, 6, 1)) * 1e3, axis=0),
    "one picture": rng().integers(0, 256, (1, 5, 6, 3)),
    "bilevel": rng().integers(0, 2, (30, 5, 6, 3)) > 0,
}


@pytest.mark.parametrize("name", SETS)
def test_mean_and_deviation_are_those_of_two_passes(name: str) -> None:
    x = SETS[name]
    wide = x.astype(np.longdouble)
    mean, std = wide.mean(axis=(0, 1, 2)), wide.std(axis=(0, 1, 2))
    for size in (0, 1, 7):
        found = fitted(x, size, std=True)
        assert found.mean is not None
        assert found.std is not None
        assert found.mean.shape == found.std.shape == (1, 1, x.shape[-1])
        assert np.allclose(found.mean.ravel(), mean, rtol=1e-14, atol=1e-12)
        assert np.allclose(found.std.ravel(), std, rtol=1e-9, atol=1e-12)
        assert np.allclose(found.std.ravel(), x.astype(np.float64).std(axis=(0, 1, 2)), rtol=1e-9, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.integers(1, 61), st.integers(0, 2**32 - 1))
def test_order_and_batches_do_not_matter(count: int, size: int, seed: int) -> None:
    x = rng(seed).normal(size=(count, 3, 2, 2)) * 50 + 100
    whole, parts, turned = fitted(x, std=True), fitted(x, size, std=True), fitted(rng(seed).permutation(x), size, std=True)
    for other in (parts, turned):
        assert np.allclose(whole.mean, other.mean, rtol=1e-12)  # type: ignore[arg-type]
        assert np.allclose(whole.std, other.std, rtol=1e-12)  # type: ignore[arg-type]


def test_channels_first_are_the_same_numbers() -> None:
    x = SETS["noise"]
    last, first = fitted(x, std=True), fitted(np.moveaxis(x, 3, 1), std=True, channel_axis=0)
    assert first.mean is not None
    assert first.mean.shape == (3, 1, 1)
    assert np.allclose(first.mean.ravel(), np.ravel(last.mean), rtol=1e-14)  # type: ignore[arg-type]
    assert np.allclose(first.standardize(np.moveaxis(x[0], 2, 0)), np.moveaxis(last.standardize(x[0]), 2, 0))


# Whitening ---------------------------------------------------------------------------------------------------------


def keras_fit(x: Any, **options: Any) -> Any:
    keras = pytest.importorskip("keras_preprocessing.image")
    pytest.importorskip("scipy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = keras.ImageDataGenerator(**options)
        found.fit(x)
    return found


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(
    "options", [{"featurewise_center": True}, {"featurewise_std_normalization": True}, {"zca_whitening": True}], ids=str
)
def test_classic_finds_and_does_what_keras_preprocessing_does(options: dict[str, bool], data_format: str) -> None:
    x = (smooth(400, 5) / 255).astype(np.float32)
    x = np.moveaxis(x, 3, 1) if data_format == "channels_first" else x
    theirs = keras_fit(x, data_format=data_format, zca_epsilon=1e-3, **options)
    ours = fitted(
        x,
        64,
        center="featurewise_center" in options,
        std="featurewise_std_normalization" in options,
        zca="zca_whitening" in options,
        zca_epsilon=1e-3,
        law="classic",
        channel_axis=0 if data_format == "channels_first" else 2,
    )
    for found, expected in ((ours.mean, theirs.mean), (ours.std, theirs.std), (ours.principal_components, theirs.principal_components)):
        assert (found is None) == (expected is None)
        if found is not None:
            assert found.shape == expected.shape
            assert np.allclose(found, expected, rtol=1e-4, atol=2e-4)
    assert np.allclose(ours.standardize(x[:9]), theirs.standardize(x[:9].copy()), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("count", [30, 200], ids=["fewer pictures than numbers", "more"])
def test_the_laws_are_the_formulas(count: int) -> None:
    x, n, eps = rng().normal(size=(count, 4, 4, 3)) + 3, count, 1e-2
    flat = (x - x.mean(axis=(0, 1, 2))).reshape(n, -1)
    u, s, _ = np.linalg.svd(flat.T @ flat / n)
    assert np.allclose(fitted(x, 9, zca=True, zca_epsilon=eps, law="classic").matrix, u / np.sqrt(s + eps) @ u.T, atol=1e-5)
    u, s, _ = np.linalg.svd(flat.T, full_matrices=False)
    assert np.allclose(
        fitted(x, 9, zca=True, zca_epsilon=eps, law="keras2").zca_whitening_matrix, u * np.sqrt(n) / (s + eps) @ u.T, atol=1e-5
    )
    u, s, _ = np.linalg.svd(np.cov(x.reshape(n, -1).T, bias=True))
    gains = np.where(s > s[0] * 1e-10, 1 / np.sqrt(s + eps), 0)
    assert np.allclose(fitted(x, 9, zca=True, zca_epsilon=eps).matrix, u * gains @ u.T, atol=1e-5)


@pytest.mark.parametrize("offset", [0.0, 1e5])
@pytest.mark.parametrize("rank", [None, 75])
def test_fixed_makes_mean_0_and_covariance_1(offset: float, rank: int | None) -> None:
    x = smooth(600, 5) + offset
    found = fitted(x, 100, zca=True, rank=rank, zca_epsilon=1e-9)
    flat = found.standardize(x).reshape(600, -1)
    assert np.abs(flat.mean(axis=0)).max() < 1e-3
    assert np.allclose(np.cov(flat.T, bias=True), np.eye(75), atol=2e-3)
    assert found.error < 1e-9


def test_fixed_leaves_out_what_never_varies_where_classic_multiplies_it() -> None:
    x = smooth(300, 5) / 255
    x -= x.mean(axis=0)
    x[:, 0, 0, 0] = 0
    new = x[:1].copy()
    new[0, 0, 0, 0] = 0.1
    assert np.abs(fitted(x, zca=True).standardize(new)).max() < 50
    assert np.abs(fitted(x, zca=True, law="classic").standardize(new)).max() > 90


@pytest.mark.parametrize("law", LAWS)
def test_a_rank_that_holds_everything_is_the_whole_matrix(law: Law) -> None:
    latent = rng().normal(size=(300, 6)) * [50, 40, 30, 20, 10, 5]
    x = (latent @ rng(1).normal(size=(6, 75))).reshape(300, 5, 5, 3) + 100
    x -= x.mean(axis=0)  # nothing but the six
    whole, some = (fitted(x, 50, zca=True, law=law, zca_epsilon=1.0, rank=rank) for rank in (None, 10))
    assert some.matrix is None
    assert some.error < 1e-9
    assert np.allclose(whole.standardize(x), some.standardize(x), atol=1e-3)


def test_the_error_is_the_share_of_variance_left_out_and_near_the_least() -> None:
    x = smooth(500, 12)
    flat = x.reshape(500, -1) - x.reshape(500, -1).mean(axis=0)
    variances = np.sort(np.linalg.svd(flat, compute_uv=False) ** 2)[::-1]
    errors = []
    for rank in (5, 20, 60):
        found = fitted(x, 64, zca=True, rank=rank)
        least = 1 - variances[:rank].sum() / variances.sum()
        assert least - 1e-9 <= found.error <= 1.5 * least
        errors.append(found.error)
        white = found.standardize(x).reshape(500, -1)
        assert np.linalg.eigvalsh(np.cov(white.T, bias=True))[-1] < 2.5  # a sketch finds a little less than all of the last ones
    assert errors == sorted(errors, reverse=True)


def test_above_the_limit_no_square_matrix_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (statistics.MOST_FEATURES, statistics.DEFAULT_RANK) == (4096, 128)
    x = smooth(60, 40)
    tracemalloc.start()
    found = fitted(x, 20, zca=True)
    found.standardize(x[:2])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.matrix is None
    assert peak < 4800 * 4800 * 4 / 2
    assert found.error < 1e-6  # 60 pictures have 59 directions


def test_a_sketch_is_the_same_every_time_and_leaves_the_global_numbers_alone() -> None:
    x = smooth(50)
    before = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    first, second = (fitted(x, 10, zca=True, rank=9).standardize(x) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(before, np.random.get_state()[1])  # type: ignore[index]


def test_constant_pictures_are_whitened_to_nothing() -> None:
    x = np.full((9, 4, 4, 3), 7.0)
    for rank in (None, 5):
        found = fitted(x, zca=True, rank=rank)
        assert not found.standardize(x).any()
        assert not found.standardize(x + 1).any()
        assert found.error == 0


def test_memory_of_2000_pictures_with_zca() -> None:
    """keras-preprocessing 1.1.2 takes 276 MiB for these (tracemalloc): of limited rank it is less than a tenth."""
    x = rng().integers(0, 256, (2000, 32, 32, 3)).astype(np.uint8)
    tracemalloc.start()
    fitted(x, 100, zca=True, rank=128)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 27 << 20


# Use, mistakes -----------------------------------------------------------------------------------------------------


def test_not_fitted_it_warns_as_keras_and_changes_nothing() -> None:
    x = SETS["noise"][0].astype(np.float32)
    with pytest.warns(UserWarning) as record:
        assert np.array_equal(Statistics(zca=True).standardize(x), x)
    assert [str(one.message).split("`")[1] for one in record] == ["featurewise_center", "zca_whitening"]
    assert np.array_equal(Statistics().standardize(x), x)


def test_standardize_makes_a_new_array_of_the_same_float_type() -> None:
    found = fitted(SETS["noise"], std=True)
    for given_type, type_ in ((np.float32, np.float32), (np.float64, np.float64), (np.uint8, np.float32)):
        x = SETS["noise"][:3].astype(given_type)
        before = x.copy()
        y = found.standardize(x)
        assert y.dtype == type_
        assert np.array_equal(x, before)
        assert np.allclose(y, (x - found.mean) / (found.std + 1e-6), atol=1e-5)  # type: ignore[operator]


def with_nan(value: float) -> Any:
    x = np.zeros((6, 2, 3, 1))
    x[4, 1, 2, 0] = value
    return x


@pytest.mark.parametrize(
    ("call", "says"),
    [
        pytest.param(lambda: fitted([np.zeros((2, 2, 3))] * 2 + [], center=True).update(np.zeros((1, 2, 2, 3))), "finished", id="finished"),
        pytest.param(lambda: Statistics().update(np.zeros((2, 2, 3))), "four axes", id="one picture"),
        pytest.param(lambda: Statistics().update(np.array([[[["a"]]]])), "batch of numbers", id="text"),
        pytest.param(lambda: Statistics().update(np.zeros((1, 0, 2, 3))), "no pixels", id="no pixels"),
        pytest.param(
            lambda: [s := Statistics(), s.update(np.zeros((1, 2, 2, 3))), s.update(np.zeros((1, 2, 3, 3)))], "one shape", id="shapes"
        ),
        pytest.param(lambda: Statistics().update(with_nan(np.nan)), r"picture 4 .* nan at \(1, 2, 0\)", id="nan"),
        pytest.param(lambda: Statistics().update(with_nan(-np.inf)), r"picture 4 .* -inf", id="infinity"),
        pytest.param(lambda: Statistics().finish(), "no pictures", id="nothing"),
        pytest.param(lambda: Statistics().save("x.npz"), "not finished", id="saved too soon"),
        pytest.param(lambda: Statistics(rank=0), "rank must be", id="no rank"),
        pytest.param(lambda: Statistics(zca_epsilon=-1.0), "zca_epsilon must be", id="epsilon below 0"),
        pytest.param(lambda: Statistics(channel_axis=3), "channel_axis must be", id="no such axis"),
        pytest.param(lambda: Statistics(law="modern"), "must be fixed", id="no such law"),  # type: ignore[arg-type]
        pytest.param(lambda: fitted(SETS["noise"], zca=True).standardize(np.zeros((6, 5, 3))), "resize it", id="another shape"),
        pytest.param(lambda: fitted(SETS["noise"], std=True).standardize(np.zeros((5, 6, 1))), "resize it", id="other channels"),
        pytest.param(
            lambda: fitted(np.zeros((4, 2, 2, 1)), zca=True, zca_epsilon=0.0, law="classic"), "zca_epsilon is 0", id="nothing to divide by"
        ),
    ],
)
def test_mistakes_are_named(call: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says) as error:
        call()
    assert "\n" not in str(error.value)


# Files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("options", [{"center": True}, {"std": True}, {"zca": True}, {"zca": True, "rank": 7}, {}], ids=str)
def test_what_is_saved_comes_back_to_the_bit(tmp_path: Path, law: Law, options: Any) -> None:
    x = smooth(50)
    found = fitted(x, **options, law=law)
    found.save(tmp_path / "stats.npz")
    found.save(tmp_path / "stats.npz")
    again = Statistics.load(str(tmp_path / "stats.npz"))
    assert [path.name for path in tmp_path.iterdir()] == ["stats.npz"]
    for name in ("mean", "std", "matrix"):
        before, after = getattr(found, name), getattr(again, name)
        assert (before is None and after is None) or (before.dtype == after.dtype and np.array_equal(before, after))
    assert (again.count, again.shape, again.error, again.law) == (50, (8, 8, 3), found.error, law)
    assert np.array_equal(found.standardize(x), again.standardize(x))
    with pytest.raises(ValueError, match="finished"):
        again.update(x)


def npz(path: Path, **arrays: Any) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)


def damaged(path: Path, kind: str) -> None:
    fitted(smooth(20), zca=True, rank=5).save(path)
    data = path.read_bytes()
    with np.load(path) as file:
        arrays = dict(file)
    about = json.loads(str(arrays["about"]))
    match kind:
        case "cut short":
            path.write_bytes(data[: len(data) // 2])
        case "a byte turned":
            path.write_bytes(data[:900] + bytes([data[900] ^ 255]) + data[901:])
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("mean: 3")
        case "a pickle":
            path.write_bytes(pickle.dumps({"mean": 3}))
        case "pickled arrays":
            npz(path, **arrays | {"mean": np.array([{}], dtype=object)})
        case "another npz":
            npz(path, x=np.zeros(3))
        case "a npy":
            np.save(memory := io.BytesIO(), np.zeros(3))
            path.write_bytes(memory.getvalue())
        case "another version":
            npz(path, **arrays | {"about": np.array(json.dumps(about | {"version": 2}))})
        case "unknown settings":
            npz(path, **arrays | {"about": np.array(json.dumps(about | {"settings": {"colour": 1}}))})
        case "a shape that is not the arrays'":
            npz(path, **arrays | {"about": np.array(json.dumps(about | {"shape": [9, 9, 3]}))})
        case "not a number":
            npz(path, **arrays | {"mean": arrays["mean"] * np.nan})
        case "text for numbers":
            npz(path, **arrays | {"mean": np.full((1, 1, 3), "a")})


@pytest.mark.parametrize(
    "kind",
    [
        "cut short",
        "a byte turned",
        "empty",
        "text",
        "a pickle",
        "pickled arrays",
        "another npz",
        "a npy",
        "another version",
        "unknown settings",
        "a shape that is not the arrays'",
        "not a number",
        "text for numbers",
    ],
)
def test_any_other_file_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    damaged(tmp_path / "x.npz", kind)
    with pytest.raises(ValueError, match=r"x\.npz: not statistics of augx\.keras: .*fit and save them anew$") as error:
        Statistics.load(tmp_path / "x.npz")
    assert "\n" not in str(error.value)
    if kind == "another version":
        assert "version 1, the file has 2" in str(error.value)


def test_a_missing_file_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Statistics.load(tmp_path / "none.npz")
