"""Deploys templates/ into the emulator, in order, with the AWS CLI that operators use."""

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3

import build_lambda
from gameforge.aws import Aws
from gameforge.stack import Stack
from gameforge.system import API, FOUNDATION, GPU_CLUSTER, OBSERVABILITY, code_key, default_network, upload_package
from gameforge.template_file import read_template
from jobs.keys import KeyNameError, KeyStore, Limits
from local_cloud import ROOT
from tiny_sdxl import CHECKPOINT_DIR

TEMPLATES: Final = ROOT / "templates"
PROJECT: Final = "gameforge"
REGION: Final = "us-east-1"
# The size that the tiny checkpoint draws best.
DEFAULT_SIZE_PX: Final = 64
# Whose key `make up` prints.
KEY_NAME: Final = "local"
# One person's laptop needs no protection from that person.
KEY_LIMITS: Final = Limits(requests_per_minute=10**6, unfinished_jobs=10_000, pixel_steps_per_day=10**15)
MODEL_NAME: Final = "tiny-sdxl"


@dataclass(frozen=True)
class Api:
    """The deployed API: its id and stage in the emulator, and a key that it accepts."""

    api_id: str
    stage: str
    key: str


@dataclass(frozen=True)
class Deployment:
    """Deploys stacks into the emulator that `aws` leads to."""

    aws: Aws
    build: Path
    say: Callable[[str], None]

    def deploy(self, name: str, **parameters: str) -> dict[str, str]:
        """Deploy templates/`name`.yaml as `gameforge-name`. Returns the stack's outputs. Raises `AwsError`."""
        stack = Stack(self.aws, f"{PROJECT}-{name}")
        stack.deploy(read_template(TEMPLATES / f"{name}.yaml"), parameters)
        self.say(f"deployed {stack.name}")
        return stack.outputs()

    def foundation(self) -> dict[str, str]:
        """Buckets, table and queues."""
        return self.deploy(FOUNDATION)

    def gpu_cluster(self) -> dict[str, str]:
        """The cluster, with the tiny checkpoint as its model."""
        return self.deploy(GPU_CLUSTER, **default_network(self.client("ec2")), Model=str(CHECKPOINT_DIR))

    def api(self, artifacts_bucket: str) -> Api:
        """The API, with the Lambda package built now and uploaded under its content's hash."""
        package = build_lambda.build(self.build / "lambda")
        upload_package(self.client("s3"), artifacts_bucket, package)
        outputs = self.deploy(
            API,
            LambdaCodeKey=code_key(package),
            ModelName=MODEL_NAME,
            DefaultImageSizePx=str(DEFAULT_SIZE_PX),
        )
        return Api(outputs["ApiId"], outputs["StageName"], self._new_key())

    def observability(self) -> dict[str, str]:
        """Saved queries, alarms and the dashboard."""
        return self.deploy(OBSERVABILITY)

    def _new_key(self) -> str:
        """A key of the local cloud's own; only its hash is kept, so each start makes another under the same name."""
        store = KeyStore(self.client("dynamodb"), f"{PROJECT}-keys")
        with suppress(KeyNameError):
            store.revoke(KEY_NAME)
        return store.create(KEY_NAME, KEY_LIMITS).key

    def worker_environment(self) -> tuple[list[str], dict[str, str]]:
        """The worker's command and environment, as the deployed task definition has them."""
        ecs = self.client("ecs")
        task = ecs.describe_task_definition(taskDefinition=f"{PROJECT}-sdxl-gpu-task")["taskDefinition"]
        container = task["containerDefinitions"][0]
        # The image's `python` is the interpreter that runs us.
        command = [sys.executable if word == "python" else word for word in container["command"]]
        return command, {pair["name"]: pair["value"] for pair in container["environment"]}

    def client(self, service: str) -> Any:
        """A boto3 client of the emulator."""
        return self.aws.client(service)


def emulated_aws(endpoint: str) -> Aws:
    """AWS that is the emulator at `endpoint`, for our own calls and for the AWS CLI."""
    environment = aws_environment(endpoint)
    session = boto3.Session(
        region_name=REGION,
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    return Aws(session, environment, endpoint)


def aws_environment(endpoint: str) -> dict[str, str]:
    """AWS settings that lead to the emulator at `endpoint` and nowhere else, whatever the user's own profile says."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
        "AWS_MAX_ATTEMPTS": "3",
    }
