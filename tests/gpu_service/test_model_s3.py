"""Models in S3, on the emulator: downloaded once a host, resumed, verified, and whole or not there at all."""

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gpu_service import model_s3
from gpu_service.loading import load_pipeline
from gpu_service.model import fetch_model
from gpu_service.model_facts import ModelError, read_model_facts
from gpu_service.model_s3 import MANIFEST, S3Source
from jobs.logs import make_logger
from tests.gpu_service.conftest import CPU, CPU_AS_GPU, draw, plan_for

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PIECE_BYTES = 64 * 1024
LOGGER = make_logger("test")
# A process of its own, which downloads in small pieces and says at the end what it downloaded.
DOWNLOAD = f"""
import sys
from pathlib import Path
from gpu_service import model_s3
from gpu_service.model import fetch_model
from jobs.logs import make_logger
model_s3.PIECE_BYTES = {PIECE_BYTES}
model_s3.S3Source.__init__.__kwdefaults__["piece_bytes"] = {PIECE_BYTES}
print("start", flush=True)
fetched = fetch_model(sys.argv[1], Path(sys.argv[2]), make_logger("test"))
print("downloaded", fetched.downloaded_bytes, flush=True)
"""


def upload(s3: "S3Client", prefix: str, files: dict[str, bytes], *, bucket: str = "models", **more: Any) -> str:
    for path, body in files.items():
        s3.put_object(Bucket=bucket, Key=f"{prefix}/{path}", Body=body, **more)
    return f"s3://{bucket}/{prefix}"


def upload_checkpoint(s3: "S3Client", prefix: str, checkpoint: Path) -> str:
    files = {file.relative_to(checkpoint).as_posix(): file.read_bytes() for file in checkpoint.rglob("*.*")}
    return upload(s3, prefix, files)


def some_files(megabytes: int) -> dict[str, bytes]:
    content = random.Random(megabytes)
    return {
        "unet/diffusion_pytorch_model.safetensors": content.randbytes(megabytes * 2**20),
        "vae/diffusion_pytorch_model.safetensors": content.randbytes(300_000),
        "model_index.json": b"{}",
    }


def content_of(directory: Path) -> dict[str, bytes]:
    return {
        file.relative_to(directory).as_posix(): file.read_bytes() for file in directory.rglob("*") if file.is_file()
    }


def run_download(url: str, cache: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", DOWNLOAD, url, str(cache)], stdout=subprocess.PIPE, text=True)


def test_a_model_from_s3_draws_what_the_local_one_draws(s3: "S3Client", checkpoint: Path, tmp_path: Path) -> None:
    fetched = fetch_model(upload_checkpoint(s3, "tiny/v1", checkpoint), tmp_path, LOGGER)
    assert fetched.downloaded_bytes > 7_000_000
    plan = plan_for(checkpoint, CPU, compile="off")
    here, there = (
        load_pipeline(directory, plan, vae_directory=None, gpu=CPU_AS_GPU)
        for directory in (checkpoint, fetched.directory)
    )
    assert (draw(here, steps=2) == draw(there, steps=2)).all()


def test_the_second_start_downloads_nothing(s3: "S3Client", tmp_path: Path) -> None:
    url = upload(s3, "twice", some_files(1))
    first, second = (fetch_model(url, tmp_path, LOGGER) for _ in range(2))
    assert first.downloaded_bytes > 0
    assert (second.downloaded_bytes, second.directory) == (0, first.directory)


def test_a_changed_model_is_another_model(s3: "S3Client", tmp_path: Path) -> None:
    first = fetch_model(upload(s3, "changed", some_files(1)), tmp_path, LOGGER)
    second = fetch_model(upload(s3, "changed", some_files(2)), tmp_path, LOGGER)
    assert first.directory != second.directory
    assert content_of(second.directory) == some_files(2)


def test_while_s3_refuses_the_version_that_was_used_last_is_good_enough(s3: "S3Client", tmp_path: Path) -> None:
    s3.create_bucket(Bucket="soon-gone")
    # At last back to what was there first, which is in the cache still.
    for megabytes in (1, 2, 1):
        last = fetch_model(upload(s3, "tiny", some_files(megabytes), bucket="soon-gone"), tmp_path, LOGGER)
    assert last.downloaded_bytes == 0
    for path in some_files(1):
        s3.delete_object(Bucket="soon-gone", Key=f"tiny/{path}")
    s3.delete_bucket(Bucket="soon-gone")
    fetched = fetch_model("s3://soon-gone/tiny", tmp_path, LOGGER)
    assert fetched.directory == last.directory
    assert content_of(fetched.directory) == some_files(1)


def test_a_killed_download_goes_on_where_it_stopped(s3: "S3Client", tmp_path: Path) -> None:
    files = some_files(24)
    total = sum(map(len, files.values()))
    url = upload(s3, "killed", files)
    process = run_download(url, tmp_path)
    record = "models/*.partial/unet/*.pieces"
    deadline = time.monotonic() + 60
    while not any(len(file.read_text().splitlines()) > 5 for file in tmp_path.glob(record)):
        assert time.monotonic() < deadline
        assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()

    done_before = sum(len(file.read_text().splitlines()) for file in tmp_path.glob("models/*.partial/*/*.pieces"))
    output, _ = run_download(url, tmp_path).communicate(timeout=60)
    downloaded = int(output.split()[-1])
    assert total - (done_before + 3) * PIECE_BYTES <= downloaded <= total - (done_before - 3) * PIECE_BYTES
    (directory,) = (entry for entry in (tmp_path / "models").iterdir() if entry.is_dir())
    assert content_of(directory) == files


def test_two_tasks_of_one_host_download_once(s3: "S3Client", tmp_path: Path) -> None:
    files = some_files(16)
    url = upload(s3, "shared", files)
    both = [run_download(url, tmp_path) for _ in range(2)]
    downloaded = sorted(int(process.communicate(timeout=90)[0].split()[-1]) for process in both)
    assert downloaded == [0, sum(map(len, files.values()))]


def damage_pieces(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """From now on, `times` pieces of the UNet arrive with a bit flipped, as memory and disks do to them."""
    fetch, left = S3Source._fetch_piece, times

    def fetch_and_damage(self: S3Source, file: Any, first: int, directory: Path, progress: Any) -> None:
        nonlocal left
        fetch(self, file, first, directory, progress)
        if file.path.startswith("unet") and left > 0:
            left -= 1
            with (directory / f"{file.path}.partial").open("r+b") as partial:
                byte = partial.read(1)[0]
                partial.seek(0)
                partial.write(bytes([byte ^ 1]))

    monkeypatch.setattr(S3Source, "_fetch_piece", fetch_and_damage)


def test_a_damaged_file_is_downloaded_again(s3: "S3Client", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = upload(s3, "damaged", some_files(1))
    damage_pieces(monkeypatch, 1)
    fetched = fetch_model(url, tmp_path, LOGGER)
    assert content_of(fetched.directory) == some_files(1)
    assert fetched.downloaded_bytes > 2 * 2**20


def test_a_file_that_stays_damaged_is_refused(s3: "S3Client", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = upload(s3, "stays-damaged", some_files(1))
    damage_pieces(monkeypatch, 2)
    with pytest.raises(ModelError, match="downloaded twice, and not what s3://models/stays-damaged says it is: unet"):
        fetch_model(url, tmp_path, LOGGER)
    assert not [entry for entry in (tmp_path / "models").iterdir() if entry.is_dir() and entry.suffix != ".partial"]


def test_a_manifest_is_what_counts(s3: "S3Client", tmp_path: Path) -> None:
    files = some_files(1)
    sums = {path: hashlib.sha256(body).hexdigest() for path, body in files.items()}
    manifest = "".join(f"{digest}  ./{path}\n" for path, digest in sums.items())
    url = upload(s3, "manifest", {**files, MANIFEST: manifest.encode()})
    assert {file.algorithm for file in S3Source(url).files} == {"sha256"}
    assert content_of(fetch_model(url, tmp_path, LOGGER).directory) == files

    wrong = manifest.replace(sums["vae/diffusion_pytorch_model.safetensors"], "0" * 64)
    upload(s3, "manifest", {MANIFEST: wrong.encode()})
    with pytest.raises(ModelError, match=r"vae/diffusion_pytorch_model\.safetensors"):
        fetch_model(url, tmp_path / "other", LOGGER)


def test_a_checksum_that_s3_keeps_is_used(s3: "S3Client") -> None:
    files = some_files(1)
    url = upload(s3, "sha256", files, ChecksumAlgorithm="SHA256")
    assert {file.path: file.checksum for file in S3Source(url).files} == {
        path: hashlib.sha256(body).hexdigest() for path, body in files.items()
    }


def test_an_upload_in_parts_is_verified_by_its_parts(tmp_path: Path) -> None:
    body = random.Random(1).randbytes(2_500_000)
    (tmp_path / "file").write_bytes(body)
    # S3's rule: the MD5 of the parts' MD5s, and how many they are.
    parts = [hashlib.md5(body[first : first + 10**6]).digest() for first in range(0, len(body), 10**6)]
    etag = f"{hashlib.md5(b''.join(parts)).hexdigest()}-3"
    file = model_s3.S3File("file", "file", etag, len(body), "parts", etag, 10**6)
    assert file.actual_checksum(tmp_path / "file") == etag


def test_pickles_are_refused(s3: "S3Client", tmp_path: Path) -> None:
    url = upload(s3, "pickles", {"model_index.json": b"{}", "unet/diffusion_pytorch_model.bin": b"x"})
    with pytest.raises(ModelError, match=r"diffusion_pytorch_model\.bin could run code"):
        fetch_model(url, tmp_path, LOGGER)


def test_a_bucket_that_is_not_there_is_named(s3: "S3Client", tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="s3://nowhere/model can't be read"):
        fetch_model("s3://nowhere/model", tmp_path, LOGGER)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="give a directory that exists"):
        fetch_model("/does/not/exist", tmp_path, LOGGER)
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxPipeline"}))
    with pytest.raises(ModelError, match="FluxPipeline"):
        read_model_facts(tmp_path)
