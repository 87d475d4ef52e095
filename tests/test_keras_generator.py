"""``augx.keras.ImageDataGenerator`` as its users call it: the tutorials' code with only the import changed, and Keras' own numbers."""

from __future__ import annotations

import inspect
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augx.keras import ImageDataGenerator, array_to_img, img_to_array, load_img
from tests.conftest import PHOTOS, picture, write_picture

KNOBS = {
    "rotation_range": 30,
    "zoom_range": 0.15,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "shear_range": 15,
    "horizontal_flip": True,
    "vertical_flip": True,
    "channel_shift_range": 20.0,
}
PARAMETERS = """featurewise_center samplewise_center featurewise_std_normalization samplewise_std_normalization zca_whitening
zca_epsilon rotation_range width_shift_range height_shift_range brightness_range shear_range zoom_range channel_shift_range fill_mode
cval horizontal_flip vertical_flip rescale preprocessing_function data_format validation_split interpolation_order dtype""".split()  # noqa: SIM905
pytestmark = pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")  # of SciPy, about Keras' own calls


def photos(n: int = 12, height: int = 20, width: int = 26, channels: int = 3) -> np.ndarray:
    return np.stack([picture(height, width, channels, seed=i).reshape(height, width, channels) for i in range(n)]).astype(np.float32)


def test_its_parameters_are_keras_own_in_their_order() -> None:
    names = list(inspect.signature(ImageDataGenerator).parameters)
    assert names[:23] == PARAMETERS and names[23:] == ["law", "zca_rank"]
    keras = pytest.importorskip("keras_preprocessing.image")
    theirs = inspect.signature(keras.ImageDataGenerator).parameters
    assert list(theirs) == PARAMETERS
    for name in PARAMETERS:
        assert inspect.signature(ImageDataGenerator).parameters[name].default == theirs[name].default


class TestBesideKeras:
    @pytest.mark.parametrize("fill_mode", ["nearest", "reflect", "constant", "wrap"])
    @pytest.mark.parametrize("shape", [(40, 40, 3), (30, 47, 3), (47, 30, 1)], ids=str)
    def test_random_transform(self, fill_mode: str, shape: tuple[int, int, int]) -> None:
        keras = pytest.importorskip("keras_preprocessing.image")
        x = picture(*shape).reshape(shape).astype(np.float32)
        settings = {**KNOBS, "fill_mode": fill_mode, "cval": 7.0}
        ours, theirs = ImageDataGenerator(**settings, law="classic"), keras.ImageDataGenerator(**settings)
        exact = _exact()
        for seed in range(17):
            assert ours.get_random_transform(shape, seed) == theirs.get_random_transform(shape, seed)
            expected = theirs.random_transform(x.copy(), seed)
            found = ours.random_transform(x, seed)
            assert found.dtype == np.float32 and np.abs(found - expected).max() < (0.05 if exact else 12)

    def test_batches(self) -> None:
        keras = pytest.importorskip("keras_preprocessing.image")
        x, y = photos(), np.arange(12)
        settings = {**KNOBS, "rescale": 1 / 255, "samplewise_center": True}
        ours = ImageDataGenerator(**settings, law="classic").flow(x, y, batch_size=5, seed=3)
        theirs = keras.ImageDataGenerator(**settings).flow(x, y, batch_size=5, seed=3)
        for _ in range(7):
            (a, b), (c, d) = next(ours), next(theirs)
            assert np.array_equal(b, d) and a.shape == c.shape and a.dtype == c.dtype
            assert np.abs(a - c).max() < (1e-3 if _exact() else 0.05)

    @pytest.mark.parametrize(
        "settings",
        [
            {"featurewise_center": True},
            {"featurewise_center": True, "featurewise_std_normalization": True},
            {"featurewise_center": True, "zca_whitening": True, "zca_epsilon": 1e-2},
            {"samplewise_center": True, "samplewise_std_normalization": True},
        ],
        ids=lambda settings: " ".join(settings),
    )
    def test_fit_and_standardize(self, settings: dict[str, Any]) -> None:
        keras = pytest.importorskip("keras_preprocessing.image")
        x = photos(30, 6, 7)
        ours, theirs = ImageDataGenerator(**settings, law="classic"), keras.ImageDataGenerator(**settings)
        ours.fit(x)
        theirs.fit(x)
        found, expected = ours.standardize(x[3].copy()), theirs.standardize(x[3].copy())
        assert found == pytest.approx(expected, abs=5e-3 * float(np.abs(expected).max()))

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"zoom_range": [1, 2, 3]}, "zoom_range"),
            ({"zoom_range": ("a", "b")}, "zoom_range"),
            ({"brightness_range": 0.5}, "brightness_range"),
            ({"data_format": "rows_first"}, "data_format"),
            ({"validation_split": 1.5}, "validation_split"),
            ({"law": "keras3"}, "law 'keras3' is unknown"),
        ],
        ids=lambda value: str(value),
    )
    def test_values_that_keras_refuses(self, settings: dict[str, Any], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            ImageDataGenerator(**settings)

    @pytest.mark.parametrize(
        ("settings", "set_so"),
        [
            ({"zca_whitening": True}, {"featurewise_center": True}),
            (
                {"zca_whitening": True, "featurewise_center": True, "featurewise_std_normalization": True},
                {"featurewise_std_normalization": False},
            ),
            ({"featurewise_std_normalization": True}, {"featurewise_center": True}),
            ({"samplewise_std_normalization": True}, {"samplewise_center": True}),
        ],
        ids=str,
    )
    def test_what_one_needs_of_another(self, settings: dict[str, Any], set_so: dict[str, bool]) -> None:
        with pytest.warns(UserWarning, match="it is set so"):
            made = ImageDataGenerator(**settings)
        assert {name: getattr(made, name) for name in set_so} == set_so


class TestFixed:
    def test_a_width_shift_goes_sideways(self) -> None:
        x = np.zeros((1, 21, 31, 1), np.float32)
        x[0, 10, 15] = 255
        moved = ImageDataGenerator(width_shift_range=[5], fill_mode="constant").random_transform(x[0], 1)
        row, column, _ = np.unravel_index(moved.argmax(), moved.shape)
        assert row == 10 and abs(column - 15) == 5

    @pytest.mark.parametrize("shape", [(31, 21, 3), (20, 44, 1)], ids=str)
    def test_pictures_of_any_shape_turn_about_their_middle(self, shape: tuple[int, int, int]) -> None:
        x = picture(*shape).reshape(shape).astype(np.float32)
        turned = ImageDataGenerator().apply_transform(x, {"theta": 180})
        assert np.array_equal(turned, x[::-1, ::-1])

    def test_levels_are_not_stretched(self) -> None:
        x = np.full((8, 8, 3), 100, np.float32)
        x[0] = (50, 60, 70)
        assert np.array_equal(ImageDataGenerator().apply_transform(x, {"brightness": 1.0}), x)
        assert np.allclose(ImageDataGenerator().apply_transform(x, {"brightness": 1.5}), x * 1.5)

    def test_the_picture_given_is_left_alone(self) -> None:
        x = photos(1)[0]
        before = x.copy()
        ImageDataGenerator(**KNOBS, brightness_range=(0.5, 1.5)).random_transform(x, 3)
        assert np.array_equal(x, before)

    def test_channels_first_is_the_same_picture(self) -> None:
        x = photos(1)[0]
        last, first = ImageDataGenerator(**KNOBS), ImageDataGenerator(**KNOBS, data_format="channels_first")
        assert np.array_equal(first.random_transform(np.moveaxis(x, 2, 0), 4), np.moveaxis(last.random_transform(x, 4), 2, 0))

    @pytest.mark.parametrize("workers", [1, 3])
    def test_a_batch_depends_on_seed_epoch_and_number_alone(self, workers: int) -> None:
        x, y = photos(), np.arange(12)
        made = ImageDataGenerator(**KNOBS)
        one = made.flow(x, y, batch_size=4, seed=9)
        straight = [next(one) for _ in range(6)]
        np.random.random(7)
        other = made.flow(x, y, batch_size=4, seed=9, workers=workers)
        again = [next(other) for _ in range(6)]
        other.close()
        for (a, b), (c, d) in zip(straight, again, strict=True):
            assert np.array_equal(a, c) and np.array_equal(b, d)
        assert not np.array_equal(straight[0][0], straight[3][0])


def cropped(z: np.ndarray) -> np.ndarray:
    """What users put into preprocessing_function: a crop at a random place."""
    i, j = np.random.randint(0, 8, 2)
    out = np.zeros_like(z)
    out[:12, :12] = z[i : i + 12, j : j + 12]
    return out


class Quarter(ImageDataGenerator):
    """Overridden with Keras' own signature."""

    def get_random_transform(self, img_shape: Any, seed: int | None = None) -> dict[str, Any]:  # type: ignore[override]
        return {**super().get_random_transform(img_shape, seed), "theta": 90}


class TestCodeOfUsers:
    def test_a_random_preprocessing_function_follows_the_seed(self) -> None:
        x = photos()
        one, other = (ImageDataGenerator(rotation_range=20, preprocessing_function=cropped).flow(x, seed=1, batch_size=4) for _ in "ab")
        before = np.random.get_state()[1].tolist()
        for _ in range(7):
            assert np.array_equal(next(one), next(other))
        assert np.random.get_state()[1].tolist() == before

    def test_as_in_keras(self) -> None:
        keras = pytest.importorskip("keras_preprocessing.image")
        x = photos()
        ours = ImageDataGenerator(preprocessing_function=cropped, law="classic").flow(x, seed=5, batch_size=5)
        theirs = keras.ImageDataGenerator(preprocessing_function=cropped).flow(x, seed=5, batch_size=5)
        for _ in range(4):
            assert np.abs(next(ours) - next(theirs)).max() < 1e-3

    @pytest.mark.parametrize("workers", [1, 2])
    def test_an_override_without_rng(self, workers: int) -> None:
        x = photos(6, 20, 20)
        found = Quarter(width_shift_range=0.1).flow(x, seed=1, batch_size=6, shuffle=False, workers=workers)
        again = Quarter(width_shift_range=0.1).flow(x, seed=1, batch_size=6, shuffle=False)
        assert np.array_equal(next(found), next(again)) and np.array_equal(next(found), next(again))
        found.close()

    @pytest.mark.parametrize("flag", ["featurewise_center", "featurewise_std_normalization", "zca_whitening"])
    def test_a_flag_switched_after_fit(self, flag: str) -> None:
        keras = pytest.importorskip("keras_preprocessing.image")
        settings = {"featurewise_center": True, flag: True}
        x = photos(40, 5, 5)
        made, theirs = ImageDataGenerator(**settings, law="classic"), keras.ImageDataGenerator(**settings)
        for one in (made, theirs):
            one.fit(x)
            setattr(one, flag, False)
        assert made.standardize(x[0].copy()) == pytest.approx(theirs.standardize(x[0].copy()), abs=1e-2)

    def test_whitening_set_by_hand(self) -> None:
        x = photos(60, 5, 5)
        settings: dict[str, Any] = {"featurewise_center": True, "zca_whitening": True, "law": "classic"}
        fitted, later = ImageDataGenerator(**settings), ImageDataGenerator(**settings)
        fitted.fit(x)
        later.mean, later.principal_components = fitted.mean, fitted.principal_components
        assert later.standardize(x[0].copy()) == pytest.approx(fitted.standardize(x[0].copy()), abs=0.05)

    @pytest.mark.parametrize("settings", [{"rescale": 1 / 255}, {"samplewise_center": True}, {"featurewise_center": True}], ids=str)
    def test_a_type_that_can_not_hold_it(self, settings: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="dtype uint8 can't hold what"):
            ImageDataGenerator(**settings, dtype="uint8").flow(photos())

    def test_pictures_of_one_level_are_saved(self, tmp_path: Path) -> None:
        next(ImageDataGenerator().flow(np.full((2, 4, 4, 3), 300.0), save_to_dir=tmp_path))
        assert len(list(tmp_path.glob("*.png"))) == 2


class TestStatistics:
    def test_of_the_training_part_alone(self, tmp_path: Path) -> None:
        for i in range(20):
            write_picture(tmp_path / "in" / "ab"[i % 2] / f"{i:02}.png", np.full((4, 4, 3), i * 10, np.uint8))
        made = ImageDataGenerator(featurewise_center=True, validation_split=0.2)
        made.fit_directory(tmp_path / "in", (4, 4), subset="training", class_mode="binary")
        assert made.statistics.count == 16 and made.mean.ravel()[0] == pytest.approx(np.mean([i * 10 for i in range(4, 20)]))

    def test_of_pictures_that_were_rescaled_otherwise(self, tmp_path: Path) -> None:
        made = ImageDataGenerator(featurewise_center=True, rescale=1 / 255)
        made.fit(photos(4))
        made.save(tmp_path / "s.npz")
        with pytest.raises(ValueError, match=r"rescale is 0\.0039"):
            ImageDataGenerator(featurewise_center=True).load(tmp_path / "s.npz")

    def test_kept_and_taken_again(self, tmp_path: Path) -> None:
        x = photos(20, 6, 6)
        settings: dict[str, Any] = {"featurewise_center": True, "featurewise_std_normalization": True}
        fitted, later = ImageDataGenerator(**settings), ImageDataGenerator(**settings)
        fitted.fit(x)
        fitted.save(tmp_path / "stats.npz")
        later.load(tmp_path / "stats.npz")
        assert np.array_equal(fitted.standardize(x[0].copy()), later.standardize(x[0].copy()))
        with pytest.raises(ValueError, match="fitted for another generator"):
            ImageDataGenerator(featurewise_center=True).load(tmp_path / "stats.npz")

    def test_of_a_folder_are_those_of_its_pictures(self, tmp_path: Path) -> None:
        for i in range(70):
            write_picture(tmp_path / "in" / "ab"[i % 2] / f"{i:02}.png", picture(9, 8, seed=i))
        made, other = (ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True, rescale=1 / 255) for _ in range(2))
        made.fit_directory(tmp_path / "in", target_size=(9, 8))
        other.fit(np.concatenate([batch for batch, _ in zip(_plain(tmp_path / "in"), range(3), strict=False)]))
        assert made.mean == pytest.approx(other.mean) and made.std == pytest.approx(other.std)

    def test_set_by_hand(self) -> None:
        made = ImageDataGenerator(featurewise_center=True)
        made.mean = np.array([1.0, 2.0, 3.0], np.float32)
        assert np.array_equal(made.standardize(np.zeros((2, 2, 3), np.float32))[0, 0], [-1, -2, -3])

    def test_before_fit_is_warned_of(self) -> None:
        with pytest.warns(UserWarning):
            ImageDataGenerator(featurewise_center=True).standardize(np.ones((2, 2, 3), np.float32))

    def test_the_preprocessing_function_is_part_of_fit(self) -> None:
        made = ImageDataGenerator(featurewise_center=True, preprocessing_function=lambda x: x + 100)
        made.fit(photos(4))
        assert made.standardize(photos(4)[0].copy()).mean() == pytest.approx(0, abs=20)


def _plain(folder: Path) -> Any:
    return ImageDataGenerator().flow_from_directory(folder, (9, 8), class_mode=None, shuffle=False, batch_size=32)


def _exact() -> bool:
    import cv2

    return int(cv2.__version__.partition(".")[0]) >= 5


class TestTutorials:
    """The calls that the tutorials print, on small pictures."""

    def test_one_photo_to_a_folder_of_copies(self, tmp_path: Path) -> None:
        image = load_img(PHOTOS / "cats" / "Cat.jpg", target_size=(48, 64))
        image = np.expand_dims(img_to_array(image), axis=0)
        aug = ImageDataGenerator(
            rotation_range=30,
            zoom_range=0.15,
            width_shift_range=0.2,
            height_shift_range=0.2,
            shear_range=0.15,
            horizontal_flip=True,
            fill_mode="nearest",
        )
        total = 0
        image_gen = aug.flow(image, batch_size=1, save_to_dir=str(tmp_path / "generated"), save_prefix="image", save_format="jpg")
        for _ in image_gen:
            total += 1  # noqa: SIM113
            if total == 100:
                break
        assert len(list((tmp_path / "generated").glob("image_*.jpg"))) == 100

    def test_training_on_folders_with_a_split(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for i in range(20):
            write_picture(tmp_path / "data" / ("cats", "dogs")[i % 2] / f"{i}.jpg", picture(30, 40, seed=i))
        train_datagen = ImageDataGenerator(rescale=1.0 / 255, shear_range=0.2, zoom_range=0.2, horizontal_flip=True, validation_split=0.2)
        settings: dict[str, Any] = {"target_size": (15, 15), "batch_size": 6, "class_mode": "binary"}
        train = train_datagen.flow_from_directory(tmp_path / "data", subset="training", **settings)
        check = train_datagen.flow_from_directory(tmp_path / "data", subset="validation", **settings)
        assert capsys.readouterr().out == "Found 16 images belonging to 2 classes.\nFound 4 images belonging to 2 classes.\n"
        assert not set(train.filenames) & set(check.filenames) and train.class_indices == {"cats": 0, "dogs": 1}
        x, y = next(train)
        assert x.shape == (6, 15, 15, 3) and y.shape == (6,) and x.max() <= 1 and len(train) == 3
        assert train.samples // train.batch_size == 2

    @pytest.mark.parametrize(
        "settings",
        [
            {"featurewise_center": True, "featurewise_std_normalization": True},
            {"zca_whitening": True, "featurewise_center": True},
            {"rotation_range": 90},
            {"width_shift_range": 0.2, "height_shift_range": 0.2},
            {"horizontal_flip": True, "vertical_flip": True},
        ],
        ids=lambda settings: " ".join(settings),
    )
    def test_grids_of_digits(self, settings: dict[str, Any], tmp_path: Path) -> None:
        X_train, y_train = photos(60, 10, 10, 1), np.arange(60) % 10  # noqa: N806
        X_train = X_train.reshape((X_train.shape[0], 10, 10, 1)).astype("float32")  # noqa: N806
        datagen = ImageDataGenerator(**settings)
        datagen.fit(X_train)
        for X_batch, y_batch in datagen.flow(X_train, y_train, batch_size=9, save_to_dir=tmp_path, save_prefix="aug", save_format="png"):  # noqa: N806
            assert X_batch.shape == (9, 10, 10, 1) and y_batch.shape == (9,) and np.isfinite(X_batch).all()
            assert array_to_img(X_batch[0]).size == (10, 10)
            break
        assert len(list(tmp_path.glob("aug_*.png"))) == 9

    def test_small_colour_pictures_with_standardised_features(self) -> None:
        x_train, y_train = photos(50, 32, 32), np.eye(10)[np.arange(50) % 10]
        datagen = ImageDataGenerator(
            featurewise_center=True,
            featurewise_std_normalization=True,
            rotation_range=20,
            width_shift_range=0.2,
            height_shift_range=0.2,
            horizontal_flip=True,
            validation_split=0.2,
        )
        datagen.fit(x_train)
        train = datagen.flow(x_train, y_train, batch_size=32, subset="training")
        check = datagen.flow(x_train, y_train, batch_size=8, subset="validation")
        x, y = next(train)
        assert x.shape == (32, 32, 32, 3) and y.shape == (32, 10) and abs(x.mean()) < 0.5 and 0.5 < x.std() < 1.5
        assert len(train) == 2 and len(check) == 2 and next(check)[0].shape == (8, 32, 32, 3)

    @pytest.mark.parametrize("augment", [False, True], ids=["plain", "augmented"])
    def test_a_training_loop_over_arrays(self, augment: bool) -> None:
        data, labels = photos(24) / 255.0, np.eye(2)[np.arange(24) % 2]
        aug = ImageDataGenerator()
        if augment:
            aug = ImageDataGenerator(
                rotation_range=20,
                zoom_range=0.15,
                width_shift_range=0.2,
                height_shift_range=0.2,
                shear_range=0.15,
                horizontal_flip=True,
                fill_mode="nearest",
            )
        seen = []
        for step, (x, y) in enumerate(aug.flow(x=data, y=labels, batch_size=8)):
            seen.append(x)
            assert x.shape == (8, 20, 26, 3) and y.shape == (8, 2)
            if step + 1 == len(data) // 8:
                break
        same = sorted(picture.tobytes() for batch in seen for picture in batch) == sorted(picture.tobytes() for picture in data)
        assert same is not augment

    def test_a_frame_of_files(self, tmp_path: Path) -> None:
        pandas = pytest.importorskip("pandas")
        for i in range(8):
            write_picture(tmp_path / f"{i}.png", picture(12, 12, seed=i))
        frame = pandas.DataFrame({"id": [f"{i}.png" for i in range(8)], "label": ["ab"[i % 2] for i in range(8)]})
        datagen = ImageDataGenerator(rescale=1.0 / 255.0, validation_split=0.25)
        train = datagen.flow_from_dataframe(
            dataframe=frame,
            directory=str(tmp_path),
            x_col="id",
            y_col="label",
            subset="training",
            batch_size=3,
            seed=42,
            shuffle=True,
            class_mode="categorical",
            target_size=(12, 12),
        )
        x, y = next(train)
        assert x.shape == (3, 12, 12, 3) and y.shape == (3, 2) and train.n == 6

    def test_images_and_masks_with_one_seed(self) -> None:
        images, masks = photos(6), photos(6)[:, :, :, :1]
        arguments: dict[str, Any] = {"rotation_range": 90, "width_shift_range": 0.1, "height_shift_range": 0.1, "zoom_range": 0.2}
        one, other = ImageDataGenerator(**arguments), ImageDataGenerator(**arguments)
        one.fit(images, augment=True, seed=1)
        other.fit(masks, augment=True, seed=1)
        pairs = zip(one.flow(images, seed=1, batch_size=6), other.flow(masks, seed=1, batch_size=6), strict=False)
        for (image, mask), _ in zip(pairs, range(3), strict=False):
            assert np.array_equal(image[:, :, :, :1], mask)

    def test_a_sequence_that_balances_classes(self) -> None:
        x, y = photos(12), np.array([0] * 9 + [1] * 3)
        datagen = ImageDataGenerator(rotation_range=20)

        class Balanced:
            def __init__(self, batch_size: int) -> None:
                self.batch_size = batch_size
                self.indices = np.concatenate([np.flatnonzero(y == 0), np.resize(np.flatnonzero(y == 1), 9)])

            def __len__(self) -> int:
                return math.ceil(len(self.indices) / self.batch_size)

            def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
                chosen = self.indices[i * self.batch_size : (i + 1) * self.batch_size]
                return np.stack([datagen.random_transform(x[j]) for j in chosen]), y[chosen]

        counts = Counter(int(label) for i in range(len(Balanced(4))) for label in Balanced(4)[i][1])
        assert counts == {0: 9, 1: 9}
