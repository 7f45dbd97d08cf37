"""Draws the training set once and keeps it on disk, one pair of files a picture size."""

import json
import multiprocessing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tiny_sdxl.progress import Progress
from tiny_sdxl.sprites import draw_sprite


@dataclass(frozen=True)
class Bucket:
    """One picture size of the training set.

    `batch` is the number of pictures in a step of one process, `share` the part of all steps that
    uses this size: most learning happens where a step is cheap.
    """

    width: int
    height: int
    count: int
    batch: int
    share: float

    @property
    def name(self) -> str:
        return f"{self.width}x{self.height}"


BUCKETS: tuple[Bucket, ...] = (
    Bucket(64, 64, 24_000, 24, 0.66),
    Bucket(128, 128, 8_000, 6, 0.18),
    Bucket(96, 96, 4_000, 11, 0.08),
    Bucket(64, 96, 3_000, 16, 0.04),
    Bucket(96, 64, 3_000, 16, 0.04),
)
_CHUNK = 250


def _draw_chunk(first: int, bucket_index: int) -> tuple[NDArray[np.uint8], list[str]]:
    bucket = BUCKETS[bucket_index]
    # Ten million seeds a bucket keep every picture of the set different.
    offset = 10_000_000 * (bucket_index + 1)
    sprites = [draw_sprite(offset + first + index, bucket.width, bucket.height) for index in range(_CHUNK)]
    return np.stack([np.asarray(sprite.image) for sprite in sprites]), [sprite.caption for sprite in sprites]


def draw_dataset(directory: Path, processes: int) -> None:
    """Write `{name}.npy` (uint8, count × height × width × 3) and `{name}.json` (captions) for every bucket.

    A bucket that is there already is left alone.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for index, bucket in enumerate(BUCKETS):
        captions_path = directory / f"{bucket.name}.json"
        if captions_path.exists():
            continue
        progress = Progress(f"drawing {bucket.name}", bucket.count)
        images, captions = [], []
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            draw_chunk = partial(_draw_chunk, bucket_index=index)
            for pictures, sentences in pool.imap(draw_chunk, range(0, bucket.count, _CHUNK)):
                images.append(pictures)
                captions += sentences
                progress.show(len(captions))
        np.save(directory / f"{bucket.name}.npy", np.concatenate(images))
        # Written last: its presence means that the bucket is whole.
        captions_path.write_text(json.dumps(captions))


def load_images(directory: Path, bucket: Bucket) -> NDArray[np.uint8]:
    """The pictures of a bucket, mapped from disk so that processes share the memory."""
    images: NDArray[np.uint8] = np.load(directory / f"{bucket.name}.npy", mmap_mode="r")
    return images


def load_captions(directory: Path, bucket: Bucket) -> list[str]:
    """The captions of a bucket, in the order of its pictures."""
    captions: list[str] = json.loads((directory / f"{bucket.name}.json").read_text())
    return captions
