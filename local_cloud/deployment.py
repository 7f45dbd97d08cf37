"""Deploys templates/ into the emulator, in order, with the AWS CLI that operators use."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3

import build_lambda
from local_cloud import ROOT
from tiny_sdxl import CHECKPOINT_DIR

TEMPLATES: Final = ROOT / "templates"
PROJECT: Final = "gameforge"
REGION: Final = "us-east-1"
# The size that the tiny checkpoint draws best.
DEFAULT_SIZE_PX: Final = 64


class DeploymentError(Exception):
    """A stack could not be deployed; the text is what the AWS CLI and the stack's events said."""


@dataclass(frozen=True)
class Api:
    """The deployed API: its id and stage in the emulator, and a key that it accepts."""

    api_id: str
    stage: str
    key: str


@dataclass(frozen=True)
class Deployment:
    """Deploys stacks with the AWS settings in `environment`."""

    environment: Mapping[str, str]
    build: Path
    say: Callable[[str], None]

    def deploy(self, stack: str, **parameters: str) -> dict[str, str]:
        """`aws cloudformation deploy` of templates/`stack`.yaml as `gameforge-stack`. Returns the stack's outputs.

        Raises `DeploymentError`.
        """
        name = f"{PROJECT}-{stack}"
        overrides = [f"{key}={value}" for key, value in parameters.items()]
        command = [
            *("cloudformation", "deploy", "--no-fail-on-empty-changeset", "--stack-name", name),
            *("--template-file", str(TEMPLATES / f"{stack}.yaml"), "--capabilities", "CAPABILITY_NAMED_IAM"),
            *(("--parameter-overrides", *overrides) if overrides else ()),
        ]
        self._aws(command, failure=f"stack {name} could not be deployed")
        outputs = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0].get("Outputs", [])
        self.say(f"deployed {name}")
        return {output["OutputKey"]: output["OutputValue"] for output in outputs}

    def foundation(self) -> dict[str, str]:
        """Buckets, table and queues."""
        return self.deploy("foundation")

    def gpu_cluster(self) -> dict[str, str]:
        """The cluster, with the tiny checkpoint as its model."""
        ec2 = self.client("ec2")
        vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
        subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
        subnet_ids = ",".join(subnet["SubnetId"] for subnet in subnets)
        return self.deploy("gpu-cluster", VpcId=vpc, SubnetIds=subnet_ids, Model=str(CHECKPOINT_DIR))

    def api(self, artifacts_bucket: str) -> Api:
        """The API, with the Lambda package built now and uploaded under its content's hash."""
        package = build_lambda.build(self.build / "lambda")
        key = f"lambda/{package.name}"
        self.client("s3").upload_file(str(package), artifacts_bucket, key)
        outputs = self.deploy("api", LambdaCodeKey=key, DefaultImageSizePx=str(DEFAULT_SIZE_PX))
        api_key = self.client("apigateway").get_api_key(apiKey=outputs["ApiKeyId"], includeValue=True)
        return Api(outputs["ApiId"], outputs["StageName"], api_key["value"])

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
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name=self.environment["AWS_DEFAULT_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )

    def _aws(self, arguments: list[str], *, failure: str) -> None:
        aws = Path(sys.executable).with_name("aws")
        if not aws.exists():
            found = shutil.which("aws")
            if found is None:
                raise DeploymentError("the AWS CLI is not installed here; run `make setup`")
            aws = Path(found)
        done = subprocess.run(  # noqa: S603 - our own arguments
            [str(aws), *arguments], env=dict(self.environment), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise DeploymentError(f"{failure}: {(done.stderr or done.stdout).strip()}{self._failures(arguments)}")

    def _failures(self, arguments: list[str]) -> str:
        stack = arguments[arguments.index("--stack-name") + 1]
        try:
            events = self.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
        except Exception as error:  # noqa: BLE001 - this only adds to an error that is being raised already
            return f"\n  (its events could not be read: {error})"
        failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
        return "".join(f"\n  {e['LogicalResourceId']}: {e.get('ResourceStatusReason', '')}" for e in failed)


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
