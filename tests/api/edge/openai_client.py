"""Runs one call of whichever `openai` package is on the path: `python openai_client.py sync|async < arguments.json`."""

import asyncio
import json
import sys
from typing import Any

import openai


def main() -> None:
    """Print what came back, or the error, as JSON."""
    mode, call = sys.argv[1], json.load(sys.stdin)
    settings = {"base_url": call["base_url"], "api_key": call["api_key"]}
    result: dict[str, Any] = {"version": openai.VERSION}
    try:
        if mode == "sync":
            client = openai.OpenAI(**settings)
            result["models"] = [model.id for model in client.models.list()]
            result["answer"] = client.images.generate(**call["arguments"]).to_dict()
        else:
            result["models"], result["answer"] = asyncio.run(ask(settings, call["arguments"]))
    except openai.APIStatusError as error:
        result["error"] = {
            "kind": type(error).__name__,
            "status": error.status_code,
            "code": error.code,
            "message": error.message,
        }
    print(json.dumps(result))


async def ask(settings: dict[str, Any], arguments: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """The same with the asynchronous client."""
    async with openai.AsyncOpenAI(**settings) as client:
        models = [model.id async for model in client.models.list()]
        return models, (await client.images.generate(**arguments)).to_dict()


if __name__ == "__main__":
    main()
