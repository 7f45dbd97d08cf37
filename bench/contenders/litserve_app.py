"""The pipeline behind LitServe: `python litserve_app.py MODEL PORT BATCH`; POST {"prompt", "seed"} gives a PNG."""

import io
import sys
from typing import Any

import litserve
from fastapi import Response

from bench.contenders.plain import call, load

MODEL, PORT, BATCH = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
BATCH_WAIT_SECONDS = 0.01


class Pictures(litserve.LitAPI):
    """One model, batched or not."""

    def setup(self, device: str) -> None:
        """Load."""
        self.pipeline = load(MODEL)

    def decode_request(self, request: dict[str, Any]) -> dict[str, Any]:
        """As it comes."""
        return request

    def predict(self, work: Any) -> Any:
        """A list where batching is on, one request where it is off."""
        requests = work if BATCH > 1 else [work]
        pictures = call(self.pipeline, [r["prompt"] for r in requests], [r["seed"] for r in requests])
        return pictures if BATCH > 1 else pictures[0]

    def encode_response(self, output: Any) -> Response:
        """A PNG."""
        buffer = io.BytesIO()
        output.save(buffer, "PNG")
        return Response(content=buffer.getvalue(), media_type="image/png")


if __name__ == "__main__":
    options = {"max_batch_size": BATCH, "batch_timeout": BATCH_WAIT_SECONDS} if BATCH > 1 else {}
    server = litserve.LitServer(Pictures(**options), accelerator="cpu", workers_per_device=1, timeout=600)
    server.run(host="127.0.0.1", port=PORT, generate_client_file=False, log_level="error")
