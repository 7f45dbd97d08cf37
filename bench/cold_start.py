"""How much processor time a function needs from its first import to its first answer, in a process of its own."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

RUNS: Final = 9

# Measured from inside, so that the interpreter's own start, which is the same for all, does not count.
_FIRST_REQUEST: Final = """
import time
started = time.process_time()
import importlib, json, sys
module = importlib.import_module(sys.argv[1])
class Context:
    function_name = "f"; memory_limit_in_mb = 1024; invoked_function_arn = "a:b:c:d:e:f:g"; aws_request_id = "r"
    def get_remaining_time_in_millis(self): return 29000
event = {"httpMethod": "POST", "path": "/v1/generations", "resource": "/{proxy+}", "isBase64Encoded": False,
    "headers": {"content-type": "application/json"}, "multiValueHeaders": {"content-type": ["application/json"]},
    "queryStringParameters": None, "multiValueQueryStringParameters": None, "pathParameters": {},
    "requestContext": {"requestId": "r", "path": "/live/v1/generations", "identity": {"apiKeyId": "k"}},
    "body": json.dumps({"prompt": "a red gem"})}
response = module.handler(event, Context())
used = time.process_time() - started
assert response["statusCode"] in (200, 202), response
print("CPU", used)
"""


@contextmanager
def fake_aws() -> Iterator[str]:
    """Answers DynamoDB and SQS calls at once, in this process: its time is not the function's."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer: dict[str, object] = {"Items": [], "Count": 0} if "Query" in self.headers["x-amz-target"] else {}
            if "MessageBody" in request:
                digest = hashlib.md5(request["MessageBody"].encode(), usedforsecurity=False).hexdigest()
                answer = {"MessageId": "m", "MD5OfMessageBody": digest}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-type", "application/x-amz-json-1.0")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def first_request_cpu_seconds(
    functions: Mapping[str, tuple[Path, str]], environment: Mapping[str, str]
) -> dict[str, float]:
    """The least CPU seconds of each function, given by its name as (folder of the package, module with `handler`).

    They take turns, so that a machine that gets slower does so for all of them. Raises `RuntimeError` if one fails.
    """
    used: dict[str, list[float]] = {name: [] for name in functions}
    for run in range(RUNS + 1):
        for name, (package, module) in functions.items():
            done = subprocess.run(  # noqa: S603 - our own code
                [sys.executable, "-c", _FIRST_REQUEST, module],
                env={**os.environ, **environment, "PYTHONPATH": str(package)},
                cwd=package,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise RuntimeError(f"{name} failed: {done.stderr}")
            # The first run reads everything from the disk.
            if run > 0:
                used[name].append(float(done.stdout.rpartition("CPU ")[2]))
    return {name: min(seconds) for name, seconds in used.items()}
