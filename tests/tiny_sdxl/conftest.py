"""The trained pipeline, loaded once for all tests of this folder."""

from typing import Any

import pytest
import torch

from tiny_sdxl.pipeline import load_pipeline


@pytest.fixture(scope="session")
def tiny_pipeline() -> Any:
    """The committed checkpoint on one thread: waiting threads of a busy machine would only spin."""
    torch.set_num_threads(1)
    return load_pipeline()
