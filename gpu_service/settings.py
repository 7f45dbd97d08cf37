"""What the environment tells the worker, read once at start."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gpu_service.health import ENV_HEALTH_HOST, ENV_HEALTH_PORT, HOST_DEFAULT
from gpu_service.status import STEP_BUDGET_SECONDS_DEFAULT
from jobs import names

CACHE_DIRECTORY_DEFAULT: Final = "~/.cache/gameforge"


class SettingsError(Exception):
    """An environment variable is missing or wrong."""


class WorkerSettings(BaseModel):
    """The worker's environment. Field aliases are the variables' names."""

    model_config = ConfigDict(frozen=True)

    jobs_table: str = Field(alias=names.ENV_JOBS_TABLE, min_length=1)
    queue_url: str = Field(alias=names.ENV_QUEUE_URL, pattern=r"^https?://")
    images_bucket: str = Field(alias=names.ENV_IMAGES_BUCKET, min_length=1)
    dead_letter_queue_url: str | None = Field(
        alias=names.ENV_DEAD_LETTER_QUEUE_URL, default=None, pattern=r"^https?://"
    )
    model: str = Field(alias=names.ENV_MODEL, min_length=1)
    lease_seconds: int = Field(alias=names.ENV_LEASE_SECONDS, default=names.VISIBILITY_TIMEOUT_SECONDS, ge=3, le=3600)
    step_budget_seconds: float = Field(
        alias=names.ENV_STEP_BUDGET_SECONDS, default=STEP_BUDGET_SECONDS_DEFAULT, gt=0, le=3600
    )
    watch_spot_notices: bool = Field(alias=names.ENV_WATCH_SPOT_NOTICES, default=False)
    cache_directory: Path = Field(alias=names.ENV_CACHE_DIRECTORY, default=Path(CACHE_DIRECTORY_DEFAULT))
    # What the worker runs on and what it costs; "" leaves it to the host, to ECS and to the price list.
    instance_type: str = Field(alias=names.ENV_INSTANCE_TYPE, default="")
    dollars_per_hour: float | None = Field(alias=names.ENV_DOLLARS_PER_HOUR, default=None, ge=0)
    spot_price_factor: float = Field(alias=names.ENV_SPOT_PRICE_FACTOR, default=1.0, ge=0, le=1)
    project: str = Field(alias=names.ENV_PROJECT, default=names.PROJECT_DEFAULT)
    # Nothing listens where it is left out.
    health_port: int | None = Field(alias=ENV_HEALTH_PORT, default=None, ge=0, le=65535)
    health_host: str = Field(alias=ENV_HEALTH_HOST, default=HOST_DEFAULT)

    @field_validator("dollars_per_hour", mode="before")
    @classmethod
    def _may_be_empty(cls, value: object) -> object:
        # A template's parameter can't be left out of the environment, only be empty.
        return None if value == "" else value

    @property
    def model_name(self) -> str:
        """What the pictures say they were made with: the last part of the model's path or id."""
        return self.model.rstrip("/").rpartition("/")[2]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "WorkerSettings":
        """Read the variables. Raises `SettingsError` naming each one that is missing or wrong."""
        try:
            return cls.model_validate(dict(environment))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise SettingsError(f"the worker's environment is not complete: {wrong}") from None
