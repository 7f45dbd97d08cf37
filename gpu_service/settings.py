"""What the environment tells the worker, read once at start."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpu_service.health import ENV_HEALTH_HOST, ENV_HEALTH_PORT, HOST_DEFAULT
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
    model: str = Field(alias=names.ENV_MODEL, min_length=1)
    lease_seconds: int = Field(alias=names.ENV_LEASE_SECONDS, default=names.VISIBILITY_TIMEOUT_SECONDS, ge=3, le=3600)

    cache_directory: Path = Field(alias=names.ENV_CACHE_DIRECTORY, default=Path(CACHE_DIRECTORY_DEFAULT))
    project: str = Field(alias=names.ENV_PROJECT, default="gameforge")
    # Nothing listens where it is left out.
    health_port: int | None = Field(alias=ENV_HEALTH_PORT, default=None, ge=0, le=65535)
    health_host: str = Field(alias=ENV_HEALTH_HOST, default=HOST_DEFAULT)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "WorkerSettings":
        """Read the variables. Raises `SettingsError` naming each one that is missing or wrong."""
        try:
            return cls.model_validate(dict(environment))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise SettingsError(f"the worker's environment is not complete: {wrong}") from None
