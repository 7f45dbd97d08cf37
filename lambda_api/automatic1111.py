"""AUTOMATIC1111's API, for plug-ins that speak it: /sdapi/v1, a translation to and from our own jobs."""

import json
from contextlib import suppress
from http import HTTPMethod, HTTPStatus
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from pydantic import BaseModel, ConfigDict

from jobs.job import Job, Status
from jobs.request import GenerationRequest
from lambda_api import services
from lambda_api.caller import caller
from lambda_api.holds import failure, hold_again, hop_after, in_base64
from lambda_api.incoming import read_body, validated
from lambda_api.operations import Operations
from lambda_api.problems import INVALID_REQUEST, ApiError

PREFIX: Final = "/sdapi/"
STEPS_DEFAULT: Final = 20
GUIDANCE_DEFAULT: Final = 7.0
AUTOMATIC: Final = "Automatic"
CHECKPOINT: Final = "sd_model_checkpoint"
FORMATS: Final = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp"}
# By sampler and noise schedule, as people pick them there; the first schedule of a sampler is its automatic one.
SCHEDULERS: Final = {
    "Euler a": {AUTOMATIC: "euler_a"},
    "Euler": {AUTOMATIC: "euler"},
    "DPM++ 2M": {AUTOMATIC: "dpmpp_2m_karras", "Karras": "dpmpp_2m_karras", "Uniform": "dpmpp_2m"},
    "DPM++ 2M Karras": {AUTOMATIC: "dpmpp_2m_karras", "Karras": "dpmpp_2m_karras"},
    "UniPC": {AUTOMATIC: "unipc"},
    "DDIM": {AUTOMATIC: "ddim"},
    "LCM": {AUTOMATIC: "lcm"},
}
# What a plug-in may set and we can't do. Its other fields tune these, or say where the program keeps its files.
UNSUPPORTED: Final = ("enable_hr", "styles", "restore_faces", "tiling", "subseed_strength", "script_name")

operations = Operations()


class TextToImage(BaseModel):
    """The fields that we know, of some sixty."""

    # Built when it is first used: most functions never are asked in this language.
    model_config = ConfigDict(defer_build=True)

    prompt: str = ""
    negative_prompt: str = ""
    seed: int | None = -1
    steps: int | None = STEPS_DEFAULT
    cfg_scale: float | None = GUIDANCE_DEFAULT
    width: int | None = None
    height: int | None = None
    sampler_name: str | None = None
    sampler_index: str | None = None
    scheduler: str | None = None
    batch_size: int | None = 1
    n_iter: int | None = 1
    override_settings: dict[str, Any] | None = None
    enable_hr: bool | None = None
    styles: list[str] | None = None
    restore_faces: bool | None = None
    tiling: bool | None = None
    subseed_strength: float | None = None
    script_name: str | None = None
    alwayson_scripts: dict[str, Any] | None = None

    def generation(self, model_name: str) -> GenerationRequest:
        """The job that is asked for. Raises `ApiError` 422."""
        settings = self.override_settings or {}
        wrong = [name for name in UNSUPPORTED if getattr(self, name)]
        wrong += [f"alwayson_scripts.{name}" for name in self.alwayson_scripts or ()]
        wrong += [f"override_settings.{name}" for name in settings if name not in (CHECKPOINT, "samples_format")]
        if settings.get(CHECKPOINT, model_name) != model_name:
            wrong.append(f"override_settings.{CHECKPOINT}")
        sampler = self.sampler_name or self.sampler_index or "Euler a"
        # Clients send a schedule's name, which is lower-case, or its label.
        scheduler = SCHEDULERS.get(sampler, {}).get((self.scheduler or AUTOMATIC).capitalize())
        if scheduler is None:
            wrong.append("scheduler" if sampler in SCHEDULERS else "sampler_name")
        samples_format = str(settings.get("samples_format", "png"))
        if samples_format not in FORMATS:
            wrong.append("override_settings.samples_format")
        if wrong:
            errors = [{"field": name, "message": "is not supported here with this value"} for name in wrong]
            raise ApiError(INVALID_REQUEST, "This can't be done here.", errors=errors)
        fields = {
            "prompt": self.prompt,
            "negative_prompt": self.negative_prompt,
            "num_inference_steps": self.steps or STEPS_DEFAULT,
            "guidance_scale": GUIDANCE_DEFAULT if self.cfg_scale is None else self.cfg_scale,
            "width": self.width,
            "height": self.height,
            "seed": None if self.seed in (None, -1) else self.seed,
            "num_images": (self.batch_size or 1) * (self.n_iter or 1),
            "scheduler": scheduler,
            "output_format": FORMATS[samples_format],
        }
        return validated(GenerationRequest, fields)


class Options(BaseModel):
    """The one setting that a client may give, and the only value that it may have."""

    model_config = ConfigDict(defer_build=True)

    sd_model_checkpoint: str | None = None


@operations.route(HTTPMethod.POST, "/sdapi/v1/txt2img", answers={}, body=TextToImage)
def text_to_image() -> Response[str]:
    """Make pictures, and answer when they are made."""
    event = _event()
    request = read_body(event, TextToImage).generation(services.settings().model_name)
    job = services.generations().accept(request, caller(event), event.request_context.request_id)
    return _held(job, 1)


@operations.route(HTTPMethod.GET, "/sdapi/v1/wait/{job_id}/{hop}", answers={})
def wait_for_images(job_id: str, hop: str) -> Response[str]:
    """Go on holding a request that took longer than one answer may."""
    return _held(services.generations().find(job_id, caller(_event())), hop_after(hop))


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
    return _json(body)


@operations.route(HTTPMethod.POST, "/sdapi/v1/interrupt", answers={})
def interrupt() -> Response[str]:
    """Cancel this key's running job; or, if none runs, its oldest queued one."""
    if job := _current():
        with suppress(ApiError):  # It may have ended by itself since.
            services.generations().cancel(job.job_id, caller(_event()))
    return _json({})


@operations.route(HTTPMethod.GET, "/sdapi/v1/sd-models", answers={})
def list_models() -> Response[str]:
    """List models."""
    name = services.settings().model_name
    model = {"title": name, "model_name": name, "hash": None, "sha256": None, "filename": name, "config": None}
    return _json([model])


@operations.route(HTTPMethod.GET, "/sdapi/v1/options", answers={})
def show_options() -> Response[str]:
    """Show the settings."""
    return _json({CHECKPOINT: services.settings().model_name, "samples_format": "png"})


@operations.route(HTTPMethod.POST, "/sdapi/v1/options", answers={}, body=Options)
def set_options() -> Response[str]:
    """Take the model that is there already; there is no other."""
    name = services.settings().model_name
    if read_body(_event(), Options).sd_model_checkpoint not in (None, name):
        errors = [{"field": CHECKPOINT, "message": f"is {name}, and can't be changed"}]
        raise ApiError(INVALID_REQUEST, "This can't be done here.", errors=errors)
    return _json({})


@operations.route(HTTPMethod.GET, "/sdapi/v1/samplers", answers={})
def list_samplers() -> Response[str]:
    """List samplers."""
    return _json([{"name": name, "aliases": [], "options": {}} for name in SCHEDULERS])


@operations.route(HTTPMethod.GET, "/sdapi/v1/schedulers", answers={})
def list_schedulers() -> Response[str]:
    """List noise schedules."""
    labels = dict.fromkeys(label for schedules in SCHEDULERS.values() for label in schedules)
    return _json([{"name": label.lower(), "label": label, "aliases": None} for label in labels])


@operations.route(HTTPMethod.GET, "/sdapi/v1/scripts", answers={})
def list_scripts() -> Response[str]:
    """List scripts: there are none."""
    return _json({"txt2img": [], "img2img": []})


def error_response(error: ApiError) -> Response[str]:
    """The error as AUTOMATIC1111 writes it."""
    fields = [f"{wrong['field']}: {wrong['message']}" for wrong in error.errors or ()]
    body = {"error": error.type.code, "detail": error.detail, "body": "", "errors": "; ".join(fields)}
    status = error.type.status.value
    return Response(status_code=status, content_type="application/json", headers=error.headers, body=json.dumps(body))


def _held(job: Job, hop: int) -> Response[str]:
    event = _event()
    remaining: float = operations.router.lambda_context.get_remaining_time_in_millis() / 1000
    job = services.holds().wait(job.job_id, caller(event), remaining)
    if not job.status.is_final:
        return hold_again(event, f"/sdapi/v1/wait/{job.job_id}", hop)
    if job.status is not Status.SUCCEEDED:
        raise failure(job)
    request = job.request
    seeds = [image.seed for image in job.images]
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
        "job_timestamp": job.created_at,
        "job_id": job.job_id,
    }
    images = in_base64(services.generations(), job)
    return _json({"images": images, "parameters": {}, "info": json.dumps(info)})


def _current() -> Job | None:
    """The caller's job that runs, or else the one of its queued ones that is next."""
    return services.generations().current(caller(_event()))


def _event() -> APIGatewayProxyEvent:
    event: APIGatewayProxyEvent = operations.router.current_event
    return event


def _json(body: Any) -> Response[str]:
    return Response(status_code=HTTPStatus.OK.value, content_type="application/json", body=json.dumps(body))
