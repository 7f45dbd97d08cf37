"""Faults that ECS on GPU instances invites: what no scanner sees, and what hangs, never places or never ends."""

from typing import Final

from stacks.mutants.bases import GPU_SERVICE, WATCHED_QUEUES
from stacks.mutants.mutant import Edit, Mutant, append, drop, put, replace

# The classes that linters miss, of which each has to be represented.
UNSEEN_BY_LINTERS: Final = (
    "more GPUs than a host has",
    "more memory than a host has",
    "service before association",
    "provider protects hosts",
    "group protects hosts",
    "image of Amazon Linux 2",
    "role trusts the wrong service",
    "privileged container",
    "deployment without methods",
    "launch type beside strategy",
    "reserved provider name",
    "query that is none",
    "alarm without data",
    "deployment that can't end",
)
_CONTAINER: Final = "TaskDefinition/ContainerDefinitions/0"
_PROVIDER: Final = "CapacityProvider/AutoScalingGroupProvider"
_DATA: Final = "LaunchTemplate/LaunchTemplateData"
_AMI: Final = "/Parameters/GpuAmi/Default"
_AL2: Final = "/aws/service/ecs/optimized-ami/amazon-linux-2/gpu/recommended"
_DEPLOYMENT: Final = "Service/DeploymentConfiguration"
_TRUST: Final = "AssumeRolePolicyDocument/Statement/0/Principal/Service"
_SSH: Final = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "0.0.0.0/0", "Description": "SSH"}

_UNSEEN: Final[dict[str, dict[str, Edit]]] = {
    GPU_SERVICE: {
        "more GPUs than a host has": put(f"{_CONTAINER}/ResourceRequirements/0/Value", "2"),
        "more memory than a host has": put("TaskDefinition/Memory", "16384"),
        "service before association": drop("/Resources/Service/DependsOn"),
        "provider protects hosts": put(f"{_PROVIDER}/ManagedTerminationProtection", "ENABLED"),
        "group protects hosts": put("AutoScalingGroup/NewInstancesProtectedFromScaleIn", True),
        "image of Amazon Linux 2": put(_AMI, f"{_AL2}/image_id"),
        "role trusts the wrong service": put(f"TaskRole/{_TRUST}", "ecs.amazonaws.com"),
        "privileged container": put(f"{_CONTAINER}/Privileged", True),
        "launch type beside strategy": put("Service/LaunchType", "EC2"),
        "reserved provider name": put("CapacityProvider/Name", {"Fn::Sub": "ecs-${Project}-gpu"}),
        "deployment that can't end": put(f"{_DEPLOYMENT}/MinimumHealthyPercent", 100),
    },
    "api": {"deployment without methods": drop("/Resources/{Deployment}/DependsOn")},
    WATCHED_QUEUES: {
        "query that is none": put("ErrorsQuery/QueryString", "fields @timestamp | having level = 'ERROR'"),
        "alarm without data": put("DeadLettersAlarm/Dimensions/0/Name", "Queue"),
    },
}
_SERVICE: Final[dict[str, Edit]] = {
    "blue-green for a queue worker": put(f"{_DEPLOYMENT}/Strategy", "BLUE_GREEN"),
    "making the stack waits for a GPU": put("Service/DesiredCount", 1),
}
_WATCHING: Final[dict[str, Edit]] = {
    "alarm on a queue's URL": put("DeadLettersAlarm/Dimensions/0/Value", {"Ref": "DeadLetterQueue"}),
    "alarm that nobody hears": drop("DeadLettersAlarm/AlarmActions"),
    "query with an open quote": replace("ErrorsQuery/QueryString", '"ERROR"', '"ERROR'),
    "query with an empty part": replace("ErrorsQuery/QueryString", "| sort", "| | sort"),
}
_CLUSTER: Final[dict[str, Edit]] = {
    "circle through the cluster": put("Cluster/CapacityProviders", [{"Ref": "CapacityProvider"}]),
    "cluster without its provider": put("CapacityProviderAssociation/CapacityProviders", ["FARGATE"]),
    "no association": drop("/Resources/CapacityProviderAssociation"),
    "hosts go while tasks run": put(f"{_PROVIDER}/ManagedDraining", "DISABLED"),
    "two hosts for one task": put(f"{_PROVIDER}/ManagedScaling/MinimumScalingStepSize", 2),
    "target capacity over 100": put(f"{_PROVIDER}/ManagedScaling/TargetCapacity", 150),
    "update sets the size back": drop("/Resources/AutoScalingGroup/UpdatePolicy"),
    "a type listed twice": put("/Parameters/GpuInstanceType3/Default", "g4dn.xlarge"),
    "gpu in small letters": put(f"{_CONTAINER}/ResourceRequirements/0/Type", "gpu"),
    "more vCPUs than a host has": put("TaskDefinition/Cpu", "8192"),
    "awsvpc without a way out": put("TaskDefinition/NetworkMode", "awsvpc"),
    "host network": put("TaskDefinition/NetworkMode", "host"),
    "host processes": put("TaskDefinition/PidMode", "host"),
    "stop timeout beyond a spot notice": put(f"{_CONTAINER}/StopTimeout", 300),
    "no time to hand a job back": drop(f"{_CONTAINER}/StopTimeout"),
    "nobody looks after its health": drop(f"{_CONTAINER}/HealthCheck"),
    "lines that go nowhere": put(f"{_CONTAINER}/LogConfiguration/LogDriver", "json-file"),
    "log group that nobody makes": put(f"{_CONTAINER}/LogConfiguration/Options/awslogs-group", "/ecs/other"),
    "mount without a volume": put(f"{_CONTAINER}/MountPoints/0/SourceVolume", "cache"),
    "nvidia for every container": replace(
        f"{_DATA}/UserData/Fn::Base64/Fn::Sub", "chmod", "default-runtime=nvidia chmod"
    ),
    "metadata for containers": put(f"{_DATA}/MetadataOptions/HttpPutResponseHopLimit", 2),
    "default security group": drop(f"{_DATA}/NetworkInterfaces/0/Groups"),
    "SSH key": put(f"{_DATA}/KeyName", "operator"),
    "SSH open to the world": append("HostSecurityGroup/SecurityGroupIngress", _SSH),
    "host role trusts tasks": put(f"HostRole/{_TRUST}", "ecs-tasks.amazonaws.com"),
    "worker can't protect its task": drop("TaskRole/Policies/0/PolicyDocument/Statement/5/Action/1"),
    "worker reads every bucket": put("TaskRole/Policies/0/PolicyDocument/Statement/4/Resource", ["*"]),
    "worker may do anything in S3": put("TaskRole/Policies/0/PolicyDocument/Statement/2/Action", ["s3:*"]),
    "worker is an administrator": put(
        "TaskRole/ManagedPolicyArns", [{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AdministratorAccess"}]
    ),
    "export that changes with each update": put(
        "/Outputs/TaskDefinitionArn/Export", {"Name": {"Fn::Sub": "${Project}-gpu-task-definition"}}
    ),
}


def _mutants(group: str, base: str, faults: dict[str, Edit]) -> tuple[Mutant, ...]:
    return tuple(Mutant(group, base, name, edit) for name, edit in faults.items())


MUTANTS: Final = (
    *(mutant for base, faults in _UNSEEN.items() for mutant in _mutants("unseen by linters", base, faults)),
    *_mutants("service", GPU_SERVICE, _SERVICE),
    *_mutants("watching", WATCHED_QUEUES, _WATCHING),
    *_mutants("cluster", "gpu-cluster", _CLUSTER),
)
