"""A worker that does what a prompt says: dies of “poison”, hangs on “hang”, dawdles, can't digest “faulty”, loses its
device on “lost”, and has no memory for “hungry” beside another, and none at all for “insatiable”.
"""

import os
import signal
import sys
import time
from typing import Any

# Sets what has to be set before PyTorch comes in.
from gpu_service.__main__ import main

import torch  # isort: skip
from diffusers import StableDiffusionXLPipeline  # isort: skip

# Longer than it takes a worker to see a spot notice.
DAWDLE_SECONDS = 8
pipeline_class: Any = StableDiffusionXLPipeline
encode_prompt = pipeline_class.encode_prompt


def encode(self: Any, prompt: list[str], *arguments: Any, **options: Any) -> Any:
    words = " ".join(prompt).split()
    if "poison" in words:
        os.kill(os.getpid(), signal.SIGKILL)
    if "hang" in words:
        time.sleep(3600)
    if "dawdling" in words:
        time.sleep(DAWDLE_SECONDS)
    if "insatiable" in words or ("hungry" in words and len(prompt) > 1):
        raise torch.OutOfMemoryError("out of memory")
    if "lost" in words:
        raise RuntimeError("CUDA error: unspecified launch failure")
    if "faulty" in words:
        raise RuntimeError("this prompt is faulty")
    return encode_prompt(self, prompt, *arguments, **options)


pipeline_class.encode_prompt = encode
sys.exit(main())
