"""AUTOMATIC1111's API, for plug-ins that speak it: /sdapi/v1, a translation to and from our own jobs."""

import json
from contextlib import suppress
from http import HTTPMethod
from typing import Final

from aws_lambda_powertools.event_handler import Response
from pydantic import BaseModel, ConfigDict

from jobs.job import Job
from lambda_api import services
from lambda_api.automatic1111_request import CHECKPOINT, SCHEDULERS, TextToImage
from lambda_api.holds import hold_again, hop_after, in_base64
from lambda_api.incoming import read_body
from lambda_api.operations import Operations, json_answer
from lambda_api.problems import INVALID_REQUEST, ApiError

PREFIX: Final = "/sdapi/"
operations = Operations()


class Options(BaseModel):
    """The one setting that a client may give, and the only value that it may have."""

    model_config = ConfigDict(defer_build=True)

    sd_model_checkpoint: str | None = None


@operations.route(HTTPMethod.POST, "/sdapi/v1/txt2img", answers={}, body=TextToImage)
def text_to_image() -> Response[str]:
    """Make pictures, and answer when they are made."""
    event = operations.event
    request = read_body(event, TextToImage).generation(services.settings().model_name)
    job = services.orders().accept(request, operations.caller, event.request_context.request_id)
    return _held(job, 1)


@operations.route(HTTPMethod.GET, "/sdapi/v1/wait/{job_id}/{hop}", answers={})
def wait_for_images(job_id: str, hop: str) -> Response[str]:
    """Go on holding a request that took longer than one answer may."""
    return _held(services.generations().find(job_id, operations.caller), hop_after(hop))


@operations.route(HTTPMethod.GET, "/sdapi/v1/progress", answers={})
def show_progress() -> Response[str]:
    """Say how far this key's running job is; or, if none runs, its oldest queued one."""
    job = _current()
    step, steps = (job.step or 0, job.total_steps or job.request.num_inference_steps) if job else (0, 0)
    state = {
        "skipped": False,
        "interrupted": bool(job and job.cancel_requested),
        "stopping_generation": bool(job and job.cancel_requested),
        "job": job.job_id if job else "",
        "job_count": 1 if job else 0,
        "job_timestamp": job.created_at if job else "0",
        "job_no": 0,
        "sampling_step": step,
        "sampling_steps": steps,
    }
    progress = min(1.0, step / steps) if steps else 0.0
    body = {"progress": progress, "eta_relative": 0.0, "state": state, "current_image": None, "textinfo": None}
    return json_answer(body)


@operations.route(HTTPMethod.POST, "/sdapi/v1/interrupt", answers={})
def interrupt() -> Response[str]:
    """Cancel this key's running job; or, if none runs, its oldest queued one."""
    if job := _current():
        with suppress(ApiError):  # It may have ended by itself since.
            services.generations().cancel(job.job_id, operations.caller)
    return json_answer({})


@operations.route(HTTPMethod.GET, "/sdapi/v1/sd-models", answers={})
def list_models() -> Response[str]:
    """List models."""
    name = services.settings().model_name
    model = {"title": name, "model_name": name, "hash": None, "sha256": None, "filename": name, "config": None}
    return json_answer([model])


@operations.route(HTTPMethod.GET, "/sdapi/v1/options", answers={})
def show_options() -> Response[str]:
    """Show the settings."""
    return json_answer({CHECKPOINT: services.settings().model_name, "samples_format": "png"})


@operations.route(HTTPMethod.POST, "/sdapi/v1/options", answers={}, body=Options)
def set_options() -> Response[str]:
    """Take the model that is there already; there is no other."""
    name = services.settings().model_name
    if read_body(operations.event, Options).sd_model_checkpoint not in (None, name):
        errors = [{"field": CHECKPOINT, "message": f"is {name}, and can't be changed"}]
        raise ApiError(INVALID_REQUEST, "This can't be done here.", errors=errors)
    return json_answer({})


@operations.route(HTTPMethod.GET, "/sdapi/v1/samplers", answers={})
def list_samplers() -> Response[str]:
    """List samplers."""
    return json_answer([{"name": name, "aliases": [], "options": {}} for name in SCHEDULERS])


@operations.route(HTTPMethod.GET, "/sdapi/v1/schedulers", answers={})
def list_schedulers() -> Response[str]:
    """List noise schedules."""
    labels = dict.fromkeys(label for schedules in SCHEDULERS.values() for label in schedules)
    return json_answer([{"name": label.lower(), "label": label, "aliases": None} for label in labels])


@operations.route(HTTPMethod.GET, "/sdapi/v1/scripts", answers={})
def list_scripts() -> Response[str]:
    """List scripts: there are none."""
    return json_answer({"txt2img": [], "img2img": []})


def error_response(error: ApiError) -> Response[str]:
    """The error as AUTOMATIC1111 writes it."""
    fields = [f"{wrong['field']}: {wrong['message']}" for wrong in error.errors or ()]
    body = {"error": error.type.code, "detail": error.detail, "body": "", "errors": "; ".join(fields)}
    status = error.type.status.value
    return Response(status_code=status, content_type="application/json", headers=error.headers, body=json.dumps(body))


def _held(job: Job, hop: int) -> Response[str]:
    made = services.holds().made(job.job_id, operations.caller, operations.remaining_seconds)
    if made is None:
        return hold_again(operations.event, f"/sdapi/v1/wait/{job.job_id}", hop)
    request = made.request
    seeds = [image.seed for image in made.images]
    info = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "seed": seeds[0],
        "all_seeds": seeds,
        "width": request.width,
        "height": request.height,
        "steps": request.num_inference_steps,
        "cfg_scale": request.guidance_scale,
        "batch_size": len(seeds),
        "sd_model_name": services.settings().model_name,
        "job_timestamp": made.created_at,
        "job_id": made.job_id,
    }
    images = in_base64(services.generations(), made)
    return json_answer({"images": images, "parameters": {}, "info": json.dumps(info)})


def _current() -> Job | None:
    """The caller's job that runs, or else the one of its queued ones that is next."""
    return services.generations().current(operations.caller)
