"""Files as Keras reads and writes them: compared with keras-preprocessing 1.1.2, to the bit."""

from __future__ import annotations

import io
import sys
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augx.keras import images
from augx.keras.images import array_to_img, img_to_array, list_pictures, load_img, read_image, save_img, smart_resize, validate_filename
from tests.conftest import ROOT

Image = pytest.importorskip("PIL.Image")

PHOTOS = sorted((ROOT / "sample_images").rglob("*.jpg"))[:4]
MODES = ("rgb", "rgba", "grayscale")
SIZES = (None, (50, 70), (333, 200))


@pytest.fixture(scope="session")
def keras() -> Any:
    return pytest.importorskip("keras_preprocessing.image")


def noise(*shape: int, top: int = 256) -> Any:
    return np.random.default_rng(0).integers(0, top, shape)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    rgb, rgba, grey = noise(41, 57, 3).astype(np.uint8), noise(41, 57, 4).astype(np.uint8), noise(41, 57).astype(np.uint8)
    turned = Image.Exif()
    turned[274] = 6
    kinds: dict[str, tuple[Any, str, dict[str, Any]]] = {
        "colour png": (rgb, "png", {}),
        "alpha png": (rgba, "png", {}),
        "grey png": (grey, "png", {}),
        "grey and alpha png": (Image.fromarray(rgba).convert("LA"), "png", {}),
        "palette png": (Image.fromarray(rgb).quantize(16), "png", {}),
        "bilevel png": (Image.fromarray(grey).convert("1"), "png", {}),
        "16-bit grey png": (noise(41, 57, top=65536).astype(np.uint16), "png", {}),
        "16-bit grey tiff": (noise(41, 57, top=65536).astype(np.uint16), "tif", {}),
        "32-bit grey tiff": (noise(41, 57, top=1 << 30).astype(np.int32), "tif", {}),
        "float grey tiff": (noise(41, 57).astype(np.float32), "tif", {}),
        "bmp": (rgb, "bmp", {}),
        "ppm": (rgb, "ppm", {}),
        "colour jpeg": (rgb, "jpg", {}),
        "full chroma jpeg": (rgb, "jpg", {"subsampling": 0, "quality": 95}),
        "progressive jpeg": (rgb, "jpg", {"progressive": True}),
        "grey jpeg": (grey, "jpg", {}),
        "cmyk jpeg": (Image.fromarray(rgb).convert("CMYK"), "jpg", {}),
        "jpeg turned by exif": (rgb, "jpg", {"exif": turned}),
        "one pixel jpeg": (rgb[:1, :1], "jpg", {}),
    }
    found = {}
    for name, (pixels, ending, options) in kinds.items():
        found[name] = folder / f"{name}.{ending}"
        (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(found[name], **options)
    trailing = folder / "trailing.jpg"
    trailing.write_bytes(found["colour jpeg"].read_bytes() + b"more")
    return found | {"jpeg with bytes after its end": trailing} | {f"photo {path.name}": path for path in PHOTOS}


@pytest.mark.parametrize("color_mode", MODES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_kind_of_file_is_read_as_keras_reads_it(keras: Any, files: dict[str, Path], color_mode: str, size: Any) -> None:
    for name, path in files.items():
        theirs = keras.load_img(str(path), color_mode=color_mode, target_size=size)
        ours = load_img(path, color_mode=color_mode, target_size=size)
        assert (ours.mode, ours.size) == (theirs.mode, theirs.size), name
        expected = keras.img_to_array(theirs)
        for found in (img_to_array(ours), read_image(path, color_mode=color_mode, target_size=size)):
            assert found.dtype == expected.dtype, name
            assert np.array_equal(found, expected), name


@pytest.mark.parametrize("interpolation", images.INTERPOLATIONS)
def test_every_interpolation_is_keras(keras: Any, files: dict[str, Path], interpolation: str) -> None:
    for name in ("colour jpeg", "alpha png", "grey png", "32-bit grey tiff"):
        for mode in ("rgb", "grayscale"):
            expected = keras.img_to_array(
                keras.load_img(str(files[name]), color_mode=mode, target_size=(30, 90), interpolation=interpolation)
            )
            assert np.array_equal(read_image(files[name], color_mode=mode, target_size=(30, 90), interpolation=interpolation), expected)


@settings(deadline=None, max_examples=150)
@given(*[st.integers(1, 400)] * 4, st.booleans())
def test_the_fast_way_finds_the_pixels_of_pillows_nearest(height: int, width: int, to_height: int, to_width: int, keep: bool) -> None:
    pixels = np.arange(height * width, dtype=np.int32).reshape(height, width)
    box = images._centred_box(height, width, to_height, to_width) if keep else None
    expected = np.asarray(Image.fromarray(pixels).resize((to_width, to_height), Image.Resampling.NEAREST, box=box))
    assert np.array_equal(images._nearest(pixels[:, :, None], to_height, to_width, keep)[:, :, 0], expected)


def test_plain_jpegs_do_go_the_fast_way(files: dict[str, Path]) -> None:
    assert images._decoders_agree()
    fast = {name for name, path in files.items() if images._decoded_jpeg(path.read_bytes(), "rgb") is not None}
    assert {"colour jpeg", "full chroma jpeg", "progressive jpeg", "grey jpeg", "jpeg turned by exif"} < fast
    assert not {"cmyk jpeg", "jpeg with bytes after its end", "colour png"} & fast


def test_kept_aspect_ratio_is_the_centre_resized(files: dict[str, Path]) -> None:
    for name in ("colour jpeg", "colour png"):
        found = read_image(files[name], target_size=(20, 20), keep_aspect_ratio=True, interpolation="bilinear")
        centre = load_img(files[name]).resize((20, 20), Image.Resampling.BILINEAR, box=(8, 0, 49, 41))
        assert np.array_equal(found, img_to_array(centre))
        found = read_image(files[name], target_size=(20, 20), keep_aspect_ratio=True)
        assert np.array_equal(found, img_to_array(load_img(files[name], target_size=(20, 20), keep_aspect_ratio=True)))


def test_half_a_jpeg_is_refused_as_pillow_refuses_it(files: dict[str, Path]) -> None:
    data = PHOTOS[0].read_bytes()
    with pytest.raises(OSError, match="truncated"):
        read_image(io.BytesIO(data[: len(data) // 2]))


@pytest.mark.parametrize("kind", [str, Path, lambda path: str(path).encode(), lambda path: io.BytesIO(path.read_bytes())])
def test_a_path_may_be_text_bytes_a_path_or_bytes_in_memory(files: dict[str, Path], kind: Any) -> None:
    path = files["colour png"]
    assert np.array_equal(read_image(kind(path)), noise(41, 57, 3))
    assert load_img(kind(path)).size == (57, 41)


def test_grayscale_is_deprecated_and_kept_where_it_was(files: dict[str, Path]) -> None:
    for call in (lambda p: load_img(p, True), lambda p: load_img(p, grayscale=True)):
        with pytest.warns(UserWarning, match="grayscale is deprecated"):
            assert call(files["colour png"]).mode == "L"
    assert load_img(files["colour png"], False, target_size=(5, 6)).size == (6, 5)


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        pytest.param(lambda p: load_img(p, color_mode="hsv"), ValueError, "color_mode must be", id="unknown mode"),
        pytest.param(lambda p: load_img(p, False, "rgb"), ValueError, "name them", id="old order of arguments"),
        pytest.param(
            lambda p: load_img(p, target_size=(2, 2), interpolation="mean"), ValueError, "Invalid interpolation", id="unknown filter"
        ),
        pytest.param(lambda p: read_image(p, target_size=(2, 2), interpolation="mean"), ValueError, "Invalid interpolation", id="the same"),
        pytest.param(lambda p: load_img(7), TypeError, "path-like", id="a number for a path"),
        pytest.param(lambda p: array_to_img(np.zeros((3, 3))), ValueError, "rank 3", id="two axes"),
        pytest.param(lambda p: array_to_img(np.zeros((3, 3, 5))), ValueError, "channel number: 5", id="five channels"),
        pytest.param(lambda p: array_to_img(np.zeros((3, 3, 3)), "last"), ValueError, "Invalid data_format", id="unknown format"),
        pytest.param(lambda p: img_to_array(np.zeros((3, 3, 3)), "last"), ValueError, "Unknown data_format", id="unknown format too"),
        pytest.param(lambda p: img_to_array(np.zeros(3)), ValueError, "Unsupported image shape", id="one axis"),
        pytest.param(lambda p: smart_resize(np.zeros((3, 3)), (2, 2)), ValueError, "shape", id="no channels"),
        pytest.param(lambda p: smart_resize(np.zeros((3, 3, 3)), (2,)), ValueError, "2 integers", id="one size"),
        pytest.param(lambda p: smart_resize(np.zeros((3, 3, 3)), (2, 2), "mean"), ValueError, "must be one of", id="unknown kernel"),
    ],
)
def test_what_keras_refuses_is_refused(files: dict[str, Path], call: Any, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        call(files["colour jpeg"])


ARRAYS = {
    "0 to 255": noise(9, 7, 3).astype(np.float32),
    "a narrow range": noise(9, 7, 3, top=80) + 60.5,
    "below zero": noise(9, 7, 4) - 100.25,
    "constant": np.full((9, 7, 3), 4.0),
    "grey": noise(9, 7, 1).astype(np.uint8),
    "grey above 255": noise(9, 7, 1, top=70000),
}


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_arrays_become_the_same_pictures_and_back(keras: Any, name: str, scale: bool, data_format: str) -> None:
    x = ARRAYS[name] if scale else np.abs(ARRAYS[name])
    x = x if data_format == "channels_last" else np.moveaxis(x, 2, 0)
    ours = array_to_img(x, data_format, scale)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs = keras.array_to_img(x, data_format, scale)
    assert ours.mode == theirs.mode
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))
    for dtype in ("float32", "uint8", "float64"):
        back, expected = img_to_array(ours, data_format, dtype), keras.img_to_array(theirs, data_format, dtype)
        assert back.dtype == expected.dtype
        assert np.array_equal(back, expected)


@pytest.mark.parametrize("ending", ["png", "bmp", "jpg", "tif"])
def test_saved_files_have_the_bytes_of_keras(keras: Any, tmp_path: Path, ending: str) -> None:
    x = noise(20, 30, 3).astype(np.float32)
    save_img(tmp_path / f"ours.{ending}", x, scale=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        keras.save_img(str(tmp_path / f"theirs.{ending}"), x, scale=False)
    assert (tmp_path / f"ours.{ending}").read_bytes() == (tmp_path / f"theirs.{ending}").read_bytes()


def test_a_jpeg_drops_alpha_with_a_warning(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="RGBA"):
        save_img(tmp_path / "a.jpg", noise(5, 5, 4))
    assert load_img(tmp_path / "a.jpg").mode == "RGB"
    memory = io.BytesIO()
    with pytest.warns(UserWarning, match="RGBA"):
        save_img(memory, noise(5, 5, 4), file_format="jpg", quality=90)
    assert read_image(memory).shape == (5, 5, 3)


def test_listing_and_checking_names(keras: Any, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.PNG", "c.txt", "deep/d.tiff", "deep/ejpg", "deep/f.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list_pictures(tmp_path) == keras.list_pictures(str(tmp_path))
    assert list_pictures(tmp_path, "txt") == [str(tmp_path / "c.txt")]
    for name in ("a.jpg", "b.PNG", "c.txt", "none.jpg", "deep"):
        path = str(tmp_path / name)
        assert validate_filename(path, ("jpg", "png")) == keras.validate_filename(path, ("jpg", "png"))
    assert validate_filename(str(tmp_path / "a.jpg"), {"jpg"})


class TestSmartResize:
    @pytest.mark.parametrize(("name", "flag"), [("bilinear", cv2.INTER_LINEAR), ("area", cv2.INTER_AREA)])
    def test_it_is_opencvs_of_the_centre(self, name: str, flag: int) -> None:
        x = noise(60, 90, 3).astype(np.float32)
        assert np.allclose(smart_resize(x, (20, 20), name), cv2.resize(x[:, 15:75], (20, 20), interpolation=flag), atol=0.02)

    def test_enlarged_by_linear_weights(self) -> None:
        x = noise(12, 16, 3).astype(np.float32)
        assert np.allclose(smart_resize(x, (27, 36)), cv2.resize(x, (36, 27), interpolation=cv2.INTER_LINEAR), atol=0.02)

    @pytest.mark.parametrize("name", ["bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic"])
    def test_a_constant_stays_and_a_batch_is_its_pictures(self, name: str) -> None:
        assert np.allclose(smart_resize(np.full((9, 13, 2), 7.0), (5, 20), name), 7)
        batch = noise(3, 9, 13, 2).astype(np.float32)
        each = np.stack([smart_resize(one, (5, 20), name) for one in batch])
        assert each.shape == (3, 5, 20, 2)
        assert np.allclose(smart_resize(batch, (5, 20), name), each, atol=1e-4)
        first = smart_resize(np.moveaxis(batch, 3, 1), (5, 20), name, data_format="channels_first")
        assert np.allclose(np.moveaxis(first, 1, 3), each, atol=1e-4)

    @pytest.mark.parametrize("name", ["bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5"])
    def test_its_own_size_is_no_change(self, name: str) -> None:
        x = noise(8, 6, 3).astype(np.float32)
        assert np.allclose(smart_resize(x, (8, 6), name), x, atol=1e-4)

    def test_nearest_keeps_the_type(self) -> None:
        assert smart_resize(noise(8, 6, 3).astype(np.uint8), (3, 3), "nearest").dtype == np.uint8
        assert smart_resize(noise(8, 6, 3).astype(np.uint8), (3, 3)).dtype == np.float32


def test_without_pillow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, files: dict[str, Path]) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    for call in (lambda: load_img(files["bmp"]), lambda: read_image(files["colour jpeg"]), lambda: array_to_img(noise(3, 3, 3))):
        with pytest.raises(ImportError, match=r"augx.keras needs Pillow: pip install 'augx-cli\[keras\]'"):
            call()
