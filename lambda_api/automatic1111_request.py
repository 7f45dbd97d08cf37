"""What AUTOMATIC1111's clients ask for, as one of our own requests; or which part of it can't be done here."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from jobs.request import GenerationRequest
from lambda_api.incoming import validated
from lambda_api.problems import INVALID_REQUEST, ApiError

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
