"""The pipeline behind Ray Serve: `python ray_app.py MODEL PORT BATCH`; POST {"prompt", "seed"} gives a PNG."""

import io
import signal
import sys
from typing import Any

import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from bench.contenders.plain import call, load

MODEL, PORT, BATCH = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
BATCH_WAIT_SECONDS = 0.01


def png(picture: Any) -> bytes:
    """The picture's file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@serve.deployment(num_replicas=1, max_ongoing_requests=100, ray_actor_options={"num_cpus": 1})
class Pictures:
    """One model, batched or not."""

    def __init__(self) -> None:
        self.pipeline = load(MODEL)

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=BATCH_WAIT_SECONDS if BATCH > 1 else 0.0)
    async def make(self, requests: list[dict[str, Any]]) -> list[bytes]:
        """A batch."""
        pictures = call(self.pipeline, [r["prompt"] for r in requests], [r["seed"] for r in requests])
        return [png(picture) for picture in pictures]

    async def __call__(self, request: Request) -> Response:
        """One request."""
        return Response(content=await self.make(await request.json()), media_type="image/png")


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": PORT})
    application: Any = Pictures
    serve.run(application.bind(), name="pictures", route_prefix="/predict")
    signal.pause()
