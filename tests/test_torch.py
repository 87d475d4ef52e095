"""PyTorch's data sets give the pictures of ``iter_batches``: each once, whatever workers and ranks there are."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from augx import PlanError, SourceError
from augx.batches import iter_batches
from tests.conftest import picture, write_picture

torch = pytest.importorskip("torch")

from torch.utils.data import DataLoader, DistributedSampler  # noqa: E402

from augx.torch import AugmentedImageFolder, AugmentedIterable  # noqa: E402

KINDS = [AugmentedImageFolder, AugmentedIterable]
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than this machine has cores


@pytest.fixture(autouse=True)
def _few_threads() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """cats: 5 pictures, dogs: 2, newts: 4."""
    for label, n in {"cats": 5, "dogs": 2, "newts": 4}.items():
        for i in range(n):
            write_picture(tmp_path / "photos" / label / f"{i}.png", picture(16 + i, 20, seed=10 * n + i))
    return tmp_path / "photos"


def items(found: Iterable[Any]) -> Counter[tuple[bytes, int]]:
    """Single items as bytes and class."""
    return Counter((image.numpy().tobytes(), int(label)) for image, label in found)


def loaded(data: Any, workers: int, **options: Any) -> Counter[tuple[bytes, int]]:
    """The same, through a loader in batches of 3."""
    found: Counter[tuple[bytes, int]] = Counter()
    for images, labels in DataLoader(data, batch_size=3, num_workers=workers, **options):
        found += items(zip(images, labels, strict=True))
    return found


def expected(folder: Path, epoch: int, **options: Any) -> Counter[tuple[bytes, int]]:
    found: Counter[tuple[bytes, int]] = Counter()
    settings = {"dtype": "float32", "size": (12, 10), **options}
    for images, labels in iter_batches(folder, "strong", epoch=epoch, channels="first", **settings):
        found.update((image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True))
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("workers", [0, 2, 4])
@pytest.mark.parametrize("balance", [False, True], ids=["as they are", "balanced"])
def test_any_number_of_workers_gives_the_pictures_of_iter_batches(folder: Path, kind: Any, workers: int, balance: bool) -> None:
    data = kind(folder, "strong", size=(12, 10), epoch=3, balance=balance)
    want = expected(folder, 3, balance=balance)
    assert len(data) == want.total() == (15 if balance else 11)
    assert loaded(data, workers) == want and max(want.values()) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_started_anew_workers_do_as_well(folder: Path, kind: Any) -> None:
    data = kind(folder, "strong", size=(12, 10), dtype="uint8")
    assert loaded(data, 1, multiprocessing_context="spawn") == expected(folder, 0, dtype="uint8")


@pytest.mark.parametrize("kind", KINDS)
def test_forked_workers_do_where_opencv_already_had_threads(tmp_path: Path, kind: Any) -> None:
    """A fork does not copy threads: who waits for OpenCV's in a worker waits for ever."""
    for i in range(4):
        write_picture(tmp_path / "photos" / "large" / f"{i}.png", picture(600, 800, seed=i))
    data = kind(tmp_path / "photos", "strong", dtype="uint8")
    threads = cv2.getNumThreads()
    cv2.setNumThreads(4)
    try:
        here = loaded(data, 0)
        assert loaded(data, 2, multiprocessing_context="fork", timeout=60) == here and here.total() == 4
    finally:
        cv2.setNumThreads(threads)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pickle_is_as_good(folder: Path, kind: Any) -> None:
    data = kind(folder, "strong", size=(12, 10), epoch=2, cache_bytes=10**6)
    want = items(iter(data)) if kind is AugmentedIterable else items(data[i] for i in range(len(data)))
    again = pickle.loads(pickle.dumps(data))
    again_items = items(iter(again)) if kind is AugmentedIterable else items(again[i] for i in range(len(again)))
    assert again.epoch == 2 and again_items == want == expected(folder, 2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("persistent", [False, True], ids=["new workers", "persistent workers"])
@pytest.mark.parametrize("balance", [False, True], ids=["as they are", "balanced"])
def test_set_epoch_reaches_the_workers(folder: Path, kind: Any, persistent: bool, balance: bool) -> None:
    data = kind(folder, "strong", size=(12, 10), balance=balance)
    loader = DataLoader(data, batch_size=4, num_workers=2, persistent_workers=persistent)
    for epoch in (0, 1, 7):
        data.set_epoch(epoch)
        found: Counter[tuple[bytes, int]] = Counter()
        for images, labels in loader:
            found += items(zip(images, labels, strict=True))
        assert data.epoch == epoch and found == expected(folder, epoch, balance=balance)


@pytest.mark.parametrize("kind", [list, tuple, iter, np.array, torch.tensor, lambda places: [torch.tensor([place]) for place in places]])
def test_batches_may_be_of_any_kind(folder: Path, kind: Callable[[list[int]], Any]) -> None:
    data = AugmentedImageFolder(folder, "gentle", size=(9, 9))
    found = [item for places in ([0, 3, -1], [4, 1], []) for item in data.__getitems__(kind(places))]
    assert items(found) == items(data[i] for i in (0, 3, -1, 4, 1))
    assert [len(images) for images, _ in DataLoader(data, batch_sampler=[(0, 1, 2), (4,)])] == [3, 1]


def test_what_a_subclass_makes_of_items_reaches_its_batches(folder: Path) -> None:
    class Numbered(AugmentedImageFolder):
        def __getitem__(self, i: int) -> Any:
            return *super().__getitem__(i), i

    data = Numbered(folder, "gentle", size=(9, 9))
    assert [batch[2].tolist() for batch in DataLoader(data, batch_size=3)][:2] == [[0, 1, 2], [3, 4, 5]]
    assert torch.utils.data.Subset(data, [4])[0][2] == 4


def test_items_are_those_of_a_torchvision_folder(folder: Path) -> None:
    data = AugmentedImageFolder(folder, "gentle")
    assert data.classes == ["cats", "dogs", "newts"] and data.class_to_idx == {"cats": 0, "dogs": 1, "newts": 2}
    assert data.targets == [0] * 5 + [1] * 2 + [2] * 4 == [label for _, label in (data[i] for i in range(len(data)))]
    image, label = data[10]
    assert image.dtype == torch.float32 and image.shape == (3, 19, 20) and 0 <= image.min() < image.max() <= 1 and label == 2
    assert AugmentedImageFolder(folder, "gentle", dtype="uint8", colour="grey")[0][0].shape == (1, 16, 20)
    assert torch.equal(data[-1][0], image)
    with pytest.raises(IndexError):
        data[11]
    balanced = AugmentedImageFolder(folder, "gentle", balance=True)
    assert (
        np.bincount(balanced.targets).tolist() == [5, 5, 5] and [label for _, label in (balanced[i] for i in range(15))] == balanced.targets
    )
    try:
        from torchvision.datasets import ImageFolder
    except ImportError:
        return
    theirs = ImageFolder(folder)
    assert (theirs.classes, theirs.class_to_idx, theirs.targets) == (data.classes, data.class_to_idx, data.targets)


@pytest.mark.parametrize("kind", KINDS)
def test_the_transform_gets_the_tensor(folder: Path, kind: Any) -> None:
    data = kind(folder, "gentle", transform=lambda image: image.mean(), size=(8, 8))
    for value, _ in DataLoader(data, batch_size=None):
        assert value.shape == ()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("ranks", [2, 3, 20])
@pytest.mark.parametrize("even", [False, True], ids=["all", "even"])
def test_ranks_share_without_repeats_and_omissions(folder: Path, workers: int, ranks: int, even: bool) -> None:
    if workers and ranks == 20:
        pytest.skip("20 times two processes")
    parts = []
    for rank in range(ranks):
        data = AugmentedIterable(folder, "strong", size=(12, 10), epoch=1, rank=rank, world_size=ranks, even=even)
        parts.append(loaded(data, workers))
        assert len(data) == parts[-1].total()
    together = sum(parts, Counter[tuple[bytes, int]]())
    want = expected(folder, 1)
    assert max(together.values(), default=1) == 1 and not together - want
    if even:
        assert {part.total() for part in parts} == {11 // ranks}
    else:
        assert together == want and {part.total() for part in parts} <= {11 // ranks, 11 // ranks + 1}


def test_a_distributed_sampler_takes_each_picture_once(folder: Path) -> None:
    data = AugmentedImageFolder(folder, "strong", size=(12, 10))
    for epoch in (0, 1):
        data.set_epoch(epoch)
        together: Counter[tuple[bytes, int]] = Counter()
        for rank in range(2):
            sampler = DistributedSampler(data, num_replicas=2, rank=rank, seed=1)
            sampler.set_epoch(epoch)
            together += loaded(data, 2, sampler=sampler)
        want = expected(folder, epoch)
        assert set(together) == set(want) and together.total() == 12  # 11 pictures: the sampler itself repeats one


def test_the_ranks_of_torch_distributed_are_the_default(folder: Path, tmp_path: Path) -> None:
    distributed = torch.distributed
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    try:
        data = AugmentedIterable(folder, "gentle")
        assert (data.rank, data.world_size) == (0, 1) == (distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_files_surface(folder: Path, workers: int) -> None:
    (folder / "cats" / "1.png").write_bytes(b"no picture")
    data = AugmentedImageFolder(folder, "gentle", size=(8, 8))
    # One batch: a worker that still holds another one when its loader is let go ends after 5 seconds, torch's own limit.
    with pytest.raises(SourceError, match=r"cats/1\.png"):
        next(iter(DataLoader(data, batch_size=11, num_workers=workers)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 1}, "rank=1, world_size=None: give both"),
        ({"rank": 2, "world_size": 2}, "rank=2: expected one of 0 to 1"),
        ({"rank": 0, "world_size": 0}, "world_size=0: expected a whole number, at least 1"),
        ({"epoch": -1}, "epoch=-1: expected a whole number"),
        ({"dtype": "float16"}, "dtype='float16'"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value),
)
def test_what_can_not_work_is_said_at_once(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AugmentedIterable(folder, "gentle", **options)
    with pytest.raises(PlanError, match="No such file"):
        AugmentedIterable("/nowhere")


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_network_trains_on_it(folder: Path, kind: Any) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, 3)
    )
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    before = [p.detach().clone() for p in model.parameters()]
    data = kind(folder, "gentle", size=(16, 16))
    for epoch in range(2):
        data.set_epoch(epoch)
        images, labels = next(iter(DataLoader(data, batch_size=8)))
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert torch.isfinite(loss)
    assert all(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
