"""PyTorch's data sets over augmented copies: the same pixels as ``iter_batches``, and as ``augx generate`` would write.

data = AugmentedImageFolder("photos/", "gentle", size=(224, 224))
for epoch in range(10):
    data.set_epoch(epoch)                        # each epoch has copies of its own
    for images, labels in DataLoader(data, batch_size=32, shuffle=True, num_workers=4): ...
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

try:
    import torch  # type: ignore[import-not-found,unused-ignore]
    from torch.utils.data import Dataset, IterableDataset, get_worker_info  # type: ignore[import-not-found,unused-ignore]
except ImportError as error:
    raise ImportError(f"augx.torch needs PyTorch ({error}): pip install 'augx-cli[torch]'") from error

from augx.decode import MAX_PIXELS
from augx.epochs import Order
from augx.errors import SourceError
from augx.pictures import AnySource, AnySpec, Colour, Depth, Form, Pictures, whole
from augx.unit import one_thread_cv2

Transform = Callable[[Any], Any]
Item = tuple[Any, int]


class _Copies:
    """What both data sets have in common: the pictures, and an epoch that worker processes see change."""

    def __init__(
        self,
        root: AnySource,
        spec: AnySpec,
        transform: Transform | None,
        *,
        epoch: int,
        shuffle: bool,
        balance: bool,
        dtype: Depth,
        colour: Colour,
        **settings: Any,
    ) -> None:
        whole("epoch", epoch, 0)
        self.pictures = Pictures(root, spec, form=Form(dtype, "first", colour), **settings)
        labels = tuple(source.label for source in self.pictures.sources)
        self.order = Order(labels, self.pictures.spec.seed, shuffle, balance)
        self.transform = transform
        # In shared memory: with persistent_workers=True the workers have the data set from before set_epoch.
        self._epoch = torch.tensor(int(epoch)).share_memory_()  # type: ignore[no-untyped-call,unused-ignore]

    @property
    def epoch(self) -> int:
        return int(self._epoch)

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        whole("epoch", epoch, 0)
        self._epoch.fill_(int(epoch))

    def items(self, sources: Any, copies: Any) -> Iterator[Item]:
        """The items of copies of sources, arrays (n,) each."""
        _be_alone()
        for made in self.pictures.each(sources.tolist(), copies.tolist()):
            if isinstance(made, SourceError):
                raise made
            picture, index = made
            tensor = torch.from_numpy(picture)
            yield (tensor if self.transform is None else self.transform(tensor)), index


class AugmentedImageFolder(Dataset[Item]):  # type: ignore[misc,unused-ignore]
    """A map-style ``Dataset``: item i is (tensor (c, h, w), index of the class), of the copy of source i that ``epoch`` has.

    ``root``: a folder of class folders; also what else ``augx.pictures.Pictures`` takes. ``classes``, ``class_to_idx`` and
    ``targets`` (the sources' own classes, by item) are as torchvision's ImageFolder has them. Tensors are float32 from 0 to 1, or
    ``dtype="uint8"``; ``transform`` gets the tensor. Without ``size`` (width, height) pictures are as large as the spec makes
    them. ``balance``: as many items of each class as the largest has. ``cache_bytes`` bounds the decoded pictures that are
    kept, in each worker. Raises ``SourceError`` for an item whose file can't be read.
    """

    def __init__(
        self,
        root: AnySource,
        spec: AnySpec = "tutorial",
        transform: Transform | None = None,
        *,
        seed: int | None = None,
        epoch: int = 0,
        balance: bool = False,
        size: tuple[int, int] | None = None,
        dtype: Depth = "float32",
        colour: Colour = "rgb",
        max_pixels: int = MAX_PIXELS,
        cache_bytes: int = 0,
    ) -> None:
        """``seed`` and ``size`` stand instead of the spec's. Raises ``SpecError``, ``PlanError``, ``ValueError``."""
        kept = {"seed": seed, "size": size, "max_pixels": max_pixels, "cache_bytes": cache_bytes}
        self._copies = _Copies(root, spec, transform, epoch=epoch, shuffle=False, balance=balance, dtype=dtype, colour=colour, **kept)
        self.classes = self._copies.pictures.classes
        self.class_to_idx = self._copies.pictures.class_indices
        self._plan = self._copies.epoch, self._copies.order.of(self._copies.epoch)

    @property
    def epoch(self) -> int:
        """The epoch whose copies the items are."""
        return self._copies.epoch

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch, between two passes of a ``DataLoader``; its workers follow, persistent ones too."""
        self._copies.epoch = epoch

    @property
    def targets(self) -> list[int]:
        """The index of each item's class, before the spec relabels copies."""
        labels = self._copies.order.labels
        return [self.class_to_idx[labels[i]] for i in self._sources_and_copies()[0].tolist()]

    def _sources_and_copies(self) -> tuple[Any, Any]:
        epoch = self._copies.epoch
        if self._plan[0] != epoch:
            self._plan = epoch, self._copies.order.of(epoch)
        return self._plan[1]

    def __len__(self) -> int:
        return len(self._copies.order)

    def __getitem__(self, i: int) -> Item:
        return self._items([i])[0]

    def __getitems__(self, places: Iterable[int]) -> list[Item]:
        """Several items, which a ``DataLoader`` asks for a batch at a time: drawn together, they are made faster."""
        if type(self).__getitem__ is not AugmentedImageFolder.__getitem__:
            return [self[place] for place in places]  # what a subclass has made of an item
        return self._items(places)

    def _items(self, places: Iterable[int]) -> list[Item]:
        sources, copies = self._sources_and_copies()
        chosen = np.array([int(place) for place in places], np.int64)  # of whatever a sampler gives
        return list(self._copies.items(sources[chosen], copies[chosen]))


class AugmentedIterable(IterableDataset[Item]):  # type: ignore[misc,unused-ignore]
    """An ``IterableDataset`` of one epoch's items, as ``AugmentedImageFolder`` has them, each by one worker of one rank alone.

    ``rank`` and ``world_size`` are those of ``torch.distributed`` where it is initialised, else 0 and 1. Place p of the epoch's
    order belongs to rank p % world_size, and there its ranks' places go round the DataLoader's workers. So ranks may be one
    item apart; ``even=True`` leaves the last ones out instead, others in each epoch. Call ``set_epoch`` before each pass.
    """

    def __init__(
        self,
        root: AnySource,
        spec: AnySpec = "tutorial",
        transform: Transform | None = None,
        *,
        seed: int | None = None,
        epoch: int = 0,
        shuffle: bool = True,
        balance: bool = False,
        size: tuple[int, int] | None = None,
        dtype: Depth = "float32",
        colour: Colour = "rgb",
        rank: int | None = None,
        world_size: int | None = None,
        even: bool = False,
        max_pixels: int = MAX_PIXELS,
        cache_bytes: int = 0,
    ) -> None:
        """``seed`` and ``size`` stand instead of the spec's. Raises ``SpecError``, ``PlanError``, ``ValueError``."""
        kept = {"seed": seed, "size": size, "max_pixels": max_pixels, "cache_bytes": cache_bytes}
        self._copies = _Copies(root, spec, transform, epoch=epoch, shuffle=shuffle, balance=balance, dtype=dtype, colour=colour, **kept)
        self.classes = self._copies.pictures.classes
        self.class_to_idx = self._copies.pictures.class_indices
        self.rank, self.world_size = _ranks(rank, world_size)
        self._even = even

    @property
    def epoch(self) -> int:
        """The epoch whose copies the items are."""
        return self._copies.epoch

    def set_epoch(self, epoch: int) -> None:
        """Go to an epoch, between two passes of a ``DataLoader``; its workers follow, persistent ones too."""
        self._copies.epoch = epoch

    def __len__(self) -> int:
        """Items of this rank, of all its workers."""
        return len(self._places())

    def _places(self) -> range:
        n = len(self._copies.order)
        return range(self.rank, n - n % self.world_size if self._even else n, self.world_size)

    def __iter__(self) -> Iterator[Item]:
        sources, copies = self._copies.order.of(self._copies.epoch)
        worker = get_worker_info()
        places = self._places()[worker.id :: worker.num_workers] if worker is not None else self._places()
        yield from self._copies.items(sources[places], copies[places])


def _ranks(rank: int | None, world_size: int | None) -> tuple[int, int]:
    if (rank is None) != (world_size is None):
        raise ValueError(f"rank={rank}, world_size={world_size}: give both, or neither for those of torch.distributed")
    if rank is None or world_size is None:
        distributed = torch.distributed
        there = distributed.is_available() and distributed.is_initialized()
        return (int(distributed.get_rank()), int(distributed.get_world_size())) if there else (0, 1)
    whole("world_size", world_size, 1)
    whole("rank", rank, 0)
    if rank >= world_size:
        raise ValueError(f"rank={rank}: expected one of 0 to {world_size - 1}, for world_size={world_size}")
    return rank, world_size


_imported_in = os.getpid()
_alone = False


def _be_alone() -> None:
    """In a DataLoader's worker that was spawned: OpenCV with one thread from now on, since there is a worker for each core.

    A forked worker must not do that: where its parent's OpenCV had threads, ending them waits for ever for what a fork does not
    copy. It has none to work with then either, and computes alone.
    """
    global _alone
    if not _alone and get_worker_info() is not None and os.getpid() == _imported_in:
        _alone = True
        one_thread_cv2().__enter__()
