"""The request schema: what a client may ask for, its limits, and the complete form that is queued."""

import re
import secrets
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import Url

PROMPT_CHARACTERS_MAX: Final = 2000
SIZE_MIN_PX: Final = 64
SIZE_MAX_PX: Final = 2048
# SDXL's VAE works on blocks of 8 x 8 pixels.
SIZE_STEP_PX: Final = 8
STEPS_DEFAULT: Final = 25
STEPS_MAX: Final = 150
GUIDANCE_DEFAULT: Final = 5.0
GUIDANCE_MAX: Final = 30.0
IMAGES_MAX: Final = 8
SEED_MAX: Final = 2**32 - 1
CLIP_SKIP_MAX: Final = 10
# A latent consistency model was distilled from 50 steps, and its scheduler can take no more.
LCM_STEPS_MAX: Final = 50


class Scheduler(StrEnum):
    """How noise is taken away, step by step. The values are the names that people know from other tools."""

    EULER = "euler"
    EULER_ANCESTRAL = "euler_a"
    DPMPP_2M = "dpmpp_2m"
    DPMPP_2M_KARRAS = "dpmpp_2m_karras"
    UNIPC = "unipc"
    DDIM = "ddim"
    LCM = "lcm"


class OutputFormat(StrEnum):
    """The file format of the pictures. PNG loses nothing; the others are smaller."""

    PNG = "png"
    WEBP = "webp"
    JPEG = "jpeg"

    @property
    def content_type(self) -> str:
        """The media type."""
        return f"image/{self.value}"

    @property
    def extension(self) -> str:
        """What a file's name ends in, without the dot."""
        return "jpg" if self is OutputFormat.JPEG else self.value


# No user and password in it: what is kept in a job is shown to whoever may see the job.
_WEBHOOK_URL_PATTERN: Final = r"^https://[^\s/?#@\\]+([/?#]\S*)?$"


def _not_blank(prompt: str) -> str:
    if not prompt.strip():
        raise ValueError("Input should not be blank")
    return prompt


def _as_sent(url: str) -> str:
    """The URL in the ASCII that goes over the wire."""
    try:
        if not re.match(_WEBHOOK_URL_PATTERN, url):
            raise ValueError
        parts = Url(url)
        # Raises for names that no name server can be asked for.
        (parts.host or "").encode("idna")
    except ValueError:
        raise ValueError("Input should be a URL like https://hooks.example.com/path, without a password") from None
    return str(parts)


Prompt = Annotated[
    str,
    Field(min_length=1, max_length=PROMPT_CHARACTERS_MAX, json_schema_extra={"pattern": r"\S"}),
    AfterValidator(_not_blank),
]
SizePx = Annotated[int, Field(ge=SIZE_MIN_PX, le=SIZE_MAX_PX, multiple_of=SIZE_STEP_PX, strict=True)]
WebhookUrl = Annotated[
    str, Field(max_length=2000, json_schema_extra={"pattern": _WEBHOOK_URL_PATTERN}), AfterValidator(_as_sent)
]
Seed = Annotated[int, Field(ge=0, le=SEED_MAX, strict=True)]


class _Common(BaseModel):
    """The fields that mean the same before and after the defaults are filled in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: Annotated[Prompt, Field(description="What the picture shows.")]
    negative_prompt: Annotated[
        str, Field(max_length=PROMPT_CHARACTERS_MAX, description="What the picture should not show.")
    ] = ""
    num_inference_steps: Annotated[
        int, Field(ge=1, le=STEPS_MAX, strict=True, description="Denoising steps: more is slower and finer.")
    ] = STEPS_DEFAULT
    guidance_scale: Annotated[
        float,
        Field(ge=0, le=GUIDANCE_MAX, allow_inf_nan=False, description="How closely to follow the prompt; 1 is off."),
    ] = GUIDANCE_DEFAULT
    num_images: Annotated[int, Field(ge=1, le=IMAGES_MAX, strict=True, description="Pictures to make.")] = 1
    scheduler: Annotated[Scheduler | None, Field(description="Sampling method. Default: the model's own.")] = None
    clip_skip: Annotated[
        int,
        Field(
            ge=0,
            le=CLIP_SKIP_MAX,
            strict=True,
            description="Last layers of the text encoders to leave out, beyond the one that SDXL leaves out itself.",
        ),
    ] = 0
    output_format: Annotated[OutputFormat, Field(description="File format of the pictures.")] = OutputFormat.PNG
    preview: Annotated[bool, Field(strict=True, description="Show a small picture of the progress.")] = False

    @field_validator("scheduler")
    @classmethod
    def _takes_so_many_steps(cls, scheduler: Scheduler | None, others: ValidationInfo) -> Scheduler | None:
        if scheduler is Scheduler.LCM and others.data.get("num_inference_steps", 0) > LCM_STEPS_MAX:
            raise ValueError(f"lcm takes at most {LCM_STEPS_MAX} num_inference_steps")
        return scheduler


class Generation(_Common):
    """A complete request, as it is stored and queued: the same one gives the same pictures, on any worker."""

    width: SizePx
    height: SizePx
    seed: Seed

    def image_seed(self, index: int) -> int:
        """The seed of picture number `index`, counted from 0, so that any one of them can be asked for again alone."""
        return (self.seed + index) % (SEED_MAX + 1)

    @property
    def pixel_steps(self) -> int:
        """What the request costs: width x height x steps x images."""
        return self.width * self.height * self.num_inference_steps * self.num_images

    @property
    def batch_key(self) -> tuple[object, ...]:
        """Requests with the same key can be made in one call of the pipeline: only prompts and seeds may differ."""
        return (
            *(self.width, self.height, self.num_inference_steps),
            *(self.guidance_scale, self.scheduler, self.clip_skip),
        )


class GenerationRequest(_Common):
    """What a client sends. A size or seed left out is chosen when the job is accepted."""

    width: Annotated[SizePx | None, Field(description="Pixels, a multiple of 8. Default: the model's own size.")] = None
    height: Annotated[SizePx | None, Field(description="Pixels, a multiple of 8. Default: the model's own size.")] = (
        None
    )
    seed: Annotated[
        Seed | None, Field(description="Start of the noise; picture n uses seed + n. Default: drawn at random.")
    ] = None

    webhook_url: Annotated[
        WebhookUrl | None, Field(description="https URL that gets a signed POST when the job has ended.")
    ] = None

    def complete(self, default_size_px: int) -> Generation:
        """Fill in what was left out. The seed is drawn here, not in the worker, so that a retry repeats itself."""
        fields = self.model_dump(exclude_none=True, exclude={"webhook_url"})
        defaults = {"width": default_size_px, "height": default_size_px, "seed": secrets.randbelow(SEED_MAX + 1)}
        return Generation.model_validate({**defaults, **fields})
