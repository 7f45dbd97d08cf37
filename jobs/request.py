"""The request schema: what a client may ask for, its limits, and the complete form that is queued."""

import secrets
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

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

Prompt = Annotated[str, Field(min_length=1, max_length=PROMPT_CHARACTERS_MAX, pattern=r"\S")]
SizePx = Annotated[int, Field(ge=SIZE_MIN_PX, le=SIZE_MAX_PX, multiple_of=SIZE_STEP_PX, strict=True)]
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


class Generation(_Common):
    """A complete request, as it is stored and queued: the same one gives the same pictures, on any worker."""

    width: SizePx
    height: SizePx
    seed: Seed

    def image_seed(self, index: int) -> int:
        """The seed of picture number `index`, counted from 0, so that any one of them can be asked for again alone."""
        return (self.seed + index) % (SEED_MAX + 1)


class GenerationRequest(_Common):
    """What a client sends. A size or seed left out is chosen when the job is accepted."""

    width: Annotated[SizePx | None, Field(description="Pixels, a multiple of 8. Default: the model's own size.")] = None
    height: Annotated[SizePx | None, Field(description="Pixels, a multiple of 8. Default: the model's own size.")] = (
        None
    )
    seed: Annotated[
        Seed | None, Field(description="Start of the noise; picture n uses seed + n. Default: drawn at random.")
    ] = None

    def complete(self, default_size_px: int) -> Generation:
        """Fill in what was left out. The seed is drawn here, not in the worker, so that a retry repeats itself."""
        fields = self.model_dump(exclude_none=True)
        defaults = {"width": default_size_px, "height": default_size_px, "seed": secrets.randbelow(SEED_MAX + 1)}
        return Generation.model_validate({**defaults, **fields})
