"""The whole system in one account: which stacks, in which order, with which parameters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from gameforge.aws import Aws
from gameforge.aws_errors import AwsError, explained
from gameforge.settings import Settings
from gameforge.stack import Stack
from gameforge.stack_changes import Change, changes
from gameforge.stack_events import StackEvent
from gameforge.template_file import TemplateFile, read_template

TEMPLATES: Final = Path(__file__).resolve().parent.parent / "templates"
NETWORK: Final = "network"
FOUNDATION: Final = "foundation"
IMAGE: Final = "image"
GPU_CLUSTER: Final = "gpu-cluster"
API: Final = "api"
OBSERVABILITY: Final = "observability"
# In the order in which they deploy; each may import what the ones before it export.
ORDER: Final = (NETWORK, FOUNDATION, IMAGE, GPU_CLUSTER, API, OBSERVABILITY)


def read_templates(directory: Path = TEMPLATES) -> dict[str, TemplateFile]:
    """The templates by stack name, in the order in which they deploy."""
    paths = {name: directory / f"{name}.yaml" for name in ORDER}
    return {name: read_template(path) for name, path in paths.items() if path.exists()}


def default_network(ec2: Any) -> dict[str, str]:
    """The region's default VPC and its subnets, as template parameters. Raises `AwsError` if there is none."""
    vpcs = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    if not vpcs:
        raise AwsError(
            "this region has no default VPC. Name yours with --vpc-id and --subnet-ids, or have one made with "
            "--with-network."
        )
    vpc_id = vpcs[0]["VpcId"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc_id]}])["Subnets"]
    defaults = sorted(subnet["SubnetId"] for subnet in subnets if subnet.get("DefaultForAz", True))
    if not defaults:
        raise AwsError(f"the default VPC {vpc_id} has no default subnets. Name subnets with --vpc-id and --subnet-ids.")
    return {"VpcId": vpc_id, "SubnetIds": ",".join(defaults)}


@dataclass(frozen=True)
class System:
    """The stacks of `settings.project`; what goes on is told to `say` (a sentence) and `on_event` (a stack's event)."""

    aws: Aws
    settings: Settings
    templates: Mapping[str, TemplateFile]
    say: Callable[[str], None] = lambda text: None
    on_event: Callable[[StackEvent], None] = lambda event: None

    def stack(self, name: str) -> Stack:
        """The stack `name`, whether it is deployed or not."""
        return Stack(self.aws, f"{self.settings.project}-{name}", self.on_event)

    def parameters(self, name: str, *, lambda_code_key: str) -> dict[str, str]:
        """The parameters to deploy stack `name` with; those left out keep their values. Raises `AwsError`."""
        computed: dict[str, str] = {"Project": self.settings.project}
        if name == GPU_CLUSTER:
            computed |= self.network
        if name == API:
            computed["LambdaCodeKey"] = lambda_code_key
        return {**computed, **self.settings.parameters.get(name, {})}

    @cached_property
    def network(self) -> dict[str, str]:
        """VPC and subnets of the hosts, as template parameters; empty where the deployed ones stay.

        What is said wins, then the network stack, then what the cluster has, then the default VPC. Raises `AwsError`.
        """
        if self.settings.vpc_id:
            return {"VpcId": self.settings.vpc_id, "SubnetIds": ",".join(self.settings.subnet_ids)}
        if made := self.stack(NETWORK).outputs():
            return self._made_network(made)
        if self.settings.with_network:
            raise AwsError(
                "the hosts would move into the VPC of the network stack, which is not deployed yet, so what that "
                "changes can't be shown."
            )
        if self.stack(GPU_CLUSTER).describe() is not None:
            return {}
        network = default_network(self.aws.client("ec2"))
        self.say(f"the hosts go into the default VPC, {network['VpcId']}: {network['SubnetIds']}")
        return network

    def _made_network(self, outputs: Mapping[str, str]) -> dict[str, str]:
        if self.stack(NETWORK).parameters().get("NatGateways") == "none":
            return {"VpcId": outputs["VpcId"], "SubnetIds": outputs["PublicSubnetIds"], "AssignPublicIp": "true"}
        return {"VpcId": outputs["VpcId"], "SubnetIds": outputs["PrivateSubnetIds"]}

    def deploy(self, lambda_package: Path) -> None:
        """Deploy every chosen stack. Raises `AwsError`."""
        for name in self._chosen():
            with explained():
                parameters = self.parameters(name, lambda_code_key=code_key(lambda_package))
            stack = self.stack(name)
            self.say(f"{stack.name}: deploying")
            changed = stack.deploy(self.templates[name], parameters)
            self.say(f"{stack.name}: {'deployed' if changed else 'up to date'}")
            if name == FOUNDATION:
                with explained():
                    bucket = stack.outputs()["ArtifactsBucketName"]
                    if upload_package(self.aws.client("s3"), bucket, lambda_package):
                        self.say(f"uploaded {lambda_package.name} to {bucket}")

    def changes(self, lambda_package: Path) -> dict[str, list[Change]]:
        """What `deploy` would change, by stack name. Changes nothing. Raises `AwsError`."""
        found = {}
        for name in self._chosen():
            stack, template = self.stack(name), self.templates[name]
            parameters = partial(self.parameters, name, lambda_code_key=code_key(lambda_package))
            found[stack.name] = changes(stack, template, parameters)
        return found

    def _chosen(self) -> list[str]:
        # The optional ones where they are asked for, and where they are deployed already.
        asked = {NETWORK: self.settings.with_network, IMAGE: self.settings.with_image}
        with explained():
            return [name for name in self.templates if asked.get(name, True) or self.stack(name).describe() is not None]


def code_key(lambda_package: Path) -> str:
    """Where in the artifacts bucket the Lambda package belongs: its name is its content's hash."""
    return f"lambda/{lambda_package.name}"


def upload_package(s3: Any, bucket: str, lambda_package: Path) -> bool:
    """Upload the Lambda package unless it is there already. Returns whether it had to be uploaded."""
    try:
        s3.head_object(Bucket=bucket, Key=code_key(lambda_package))
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):
            raise
        s3.upload_file(str(lambda_package), bucket, code_key(lambda_package))
        return True
    return False
