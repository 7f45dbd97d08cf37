"""What the environment tells the API, read once at start."""

import os
from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from jobs import names
from jobs.request import SIZE_MAX_PX, SIZE_MIN_PX, SIZE_STEP_PX

# API Gateway gives up after 29 s.
WAIT_SECONDS_MAX: Final = 25


class ApiSettings(BaseModel):
    """The function's environment. Field aliases are the variables' names."""

    model_config = ConfigDict(frozen=True)

    jobs_table: str = Field(alias=names.ENV_JOBS_TABLE, min_length=1)
    usage_table: str = Field(alias=names.ENV_USAGE_TABLE, min_length=1)
    images_bucket: str = Field(alias=names.ENV_IMAGES_BUCKET, min_length=1)
    gpu_queue_url: str = Field(alias=names.ENV_GPU_QUEUE_URL, pattern=r"^https?://")
    default_size_px: int = Field(
        alias=names.ENV_DEFAULT_SIZE_PX, ge=SIZE_MIN_PX, le=SIZE_MAX_PX, multiple_of=SIZE_STEP_PX
    )

    project: str = Field(alias=names.ENV_PROJECT, default=names.PROJECT_DEFAULT)
    model_name: str = Field(alias=names.ENV_MODEL_NAME, min_length=1)
    pixel_steps_max: int = Field(alias=names.ENV_PIXEL_STEPS_MAX, ge=1)
    hold_seconds: float = Field(alias=names.ENV_HOLD_SECONDS, default=WAIT_SECONDS_MAX, gt=0, le=WAIT_SECONDS_MAX)
    log_prompts: bool = Field(alias=names.ENV_LOG_PROMPTS, default=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "ApiSettings":
        """Read the variables. Raises `pydantic.ValidationError` naming each one that is missing or wrong."""
        return cls.model_validate(dict(environment))


def project(environment: Mapping[str, str] = os.environ) -> str:
    """The project's name, which every metric carries. Apart from the rest, so that a request that failed has it too."""
    return environment.get(names.ENV_PROJECT, names.PROJECT_DEFAULT)
