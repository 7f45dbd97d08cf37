"""The front door: serves the deployed API at the root of its own port, as a custom domain does on AWS."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# Where the local cloud says which deployed API and stage the door leads to.
ROUTE_PATH: Final = "/_front_door"


class FrontDoor:
    """An ASGI application around the emulator's: requests to `port` go to the deployed API, all others pass."""

    def __init__(self, emulator: Application, port: int) -> None:
        self._emulator = emulator
        self._port = port
        self._api_id: str | None = None
        self._stage = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["server"][1] != self._port:
            await self._emulator(scope, receive, send)
        elif scope["path"] == ROUTE_PATH and scope["method"] == "PUT":
            await self._set_route(receive, send)
        elif self._api_id is None:
            problem = {
                "type": "urn:gameforge:problem:starting",
                "title": "Service Unavailable",
                "status": 503,
                "detail": "The local cloud is still deploying; try again in a few seconds.",
            }
            await _answer(send, 503, json.dumps(problem).encode(), b"application/problem+json")
        else:
            await self._forward(scope, receive, send)

    async def _set_route(self, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        route = json.loads(body)
        self._api_id, self._stage = route["api_id"], route["stage"]
        await _answer(send, 204, b"", b"text/plain")

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        prefix = f"/restapis/{self._api_id}/{self._stage}/_user_request_"
        inner = {**scope, "path": prefix + scope["path"], "raw_path": prefix.encode() + scope["raw_path"]}

        async def send_outside(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                # A custom domain hides the stage, in what the API says about itself too.
                stage = f"/{self._stage}/".encode()
                message["headers"] = [
                    (
                        name,
                        value.removeprefix(stage[:-1])
                        if name.lower() == b"location" and value.startswith(stage)
                        else value,
                    )
                    for name, value in message["headers"]
                ]
            await send(message)

        await self._emulator(inner, receive, send_outside)


async def _answer(send: Send, status: int, body: bytes, content_type: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
