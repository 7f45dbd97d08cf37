"""Faults in the API, in what holds data, in the network, in the image build, and in a template's face."""

from typing import Final

from stacks.mutants.mutant import Edit, Mutant, TemplateData, append, drop, put, replace

_TRUST: Final = "AssumeRolePolicyDocument/Statement/0/Principal/Service"
_STATEMENTS: Final = "FunctionRole/Policies/0/PolicyDocument/Statement"
_OPEN_POLICY: Final = {
    "Type": "AWS::SNS::TopicPolicy",
    "Properties": {
        "Topics": [{"Ref": "AlertTopic"}],
        "PolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": {"Ref": "AlertTopic"}}
            ],
        },
    },
}


def _fix_deployment_id(template: TemplateData) -> None:
    resources = template["Resources"]
    (name,) = (each for each in resources if each.startswith("Deployment"))
    resources["Deployment"] = resources.pop(name)
    resources["Stage"]["Properties"]["DeploymentId"] = {"Ref": "Deployment"}


_FAULTS: Final[dict[str, dict[str, Edit]]] = {
    "api": {
        "routes change, deployment does not": put("ProxyResource/PathPart", "{path+}"),
        "deployment with a fixed id": _fix_deployment_id,
        "method open to all": put("ProxyMethod/AuthorizationType", "NONE"),
        "function that nobody may call": put("GatewayPermission/Principal", "events.amazonaws.com"),
        "function that every API may call": drop("GatewayPermission/SourceArn"),
        "function slower than the gateway": put("Function/Timeout", 60),
        "function with Lambda's own timeout": drop("Function/Timeout"),
        "retired runtime": put("Function/Runtime", "python3.7"),
        "platform lines as text": drop("Function/LoggingConfig/LogFormat"),
        "function logs for ever": drop("Function/LoggingConfig/LogGroup"),
        "stage without throttle": drop("Stage/MethodSettings/0/ThrottlingRateLimit"),
        "stage without access logs": drop("Stage/AccessLogSetting"),
        "access logs before their role": drop("/Resources/Stage/DependsOn"),
        "function role trusts tasks": put(f"FunctionRole/{_TRUST}", "ecs-tasks.amazonaws.com"),
        "function may scan the table": append(f"{_STATEMENTS}/0/Action", "dynamodb:Scan"),
        "function can't queue": drop(f"{_STATEMENTS}/2"),
        "no API URL for others": drop("/Outputs/ApiUrl/Export"),
    },
    "foundation": {
        "bucket that can be made public": put("ImagesBucket/PublicAccessBlockConfiguration/BlockPublicPolicy", False),
        "bucket that says nothing of encryption": drop("ModelsBucket/BucketEncryption"),
        "bucket without TLS": put(
            "ImagesBucketPolicy/PolicyDocument/Statement/0/Condition/Bool/aws:SecureTransport", "true"
        ),
        "bucket with the same name everywhere": put("ImagesBucket/BucketName", "gameforge-images"),
        "unfinished uploads for ever": drop("ArtifactsBucket/LifecycleConfiguration/Rules/0"),
        "queue not encrypted": put("GpuQueue/SqsManagedSseEnabled", False),
        "queue without TLS": drop("/Resources/CpuQueuePolicy"),
        "queue without dead letters": drop("GpuQueue/RedrivePolicy"),
        "dead letter after one lost worker": put("GpuQueue/RedrivePolicy/maxReceiveCount", 1),
        "visibility of half a day": put("CpuQueue/VisibilityTimeout", 43_200),
        "dead letters that are gone first": put("DeadLetterQueue/MessageRetentionPeriod", 345_600),
        "table without recovery": drop("JobsTable/PointInTimeRecoverySpecification"),
        "table without the account's key": drop("JobsTable/SSESpecification"),
        "table that goes with its stack": put("/Parameters/ProtectData/Default", "false"),
        "items that stay for ever": put("JobsTable/TimeToLiveSpecification/Enabled", False),
        "index on an attribute that is not declared": drop("JobsTable/AttributeDefinitions/1"),
        "image tags that move": put("Repository/ImageTagMutability", "MUTABLE"),
        "images not scanned": put("Repository/ImageScanningConfiguration/ScanOnPush", False),
        "topic that everybody may publish to": put("/Resources/AlertTopicPolicy", _OPEN_POLICY),
        "export renamed": put("/Outputs/GpuQueueArn/Export/Name", {"Fn::Sub": "${Project}-queue-arn"}),
        "resource forgotten": drop("/Resources/TrafficParameter"),
    },
    "image": {
        "build role trusts Lambda": put(f"BuildRole/{_TRUST}", "lambda.amazonaws.com"),
        "build pushes to every repository": put("BuildRole/Policies/0/PolicyDocument/Statement/4/Resource", ["*"]),
        "machine without room for the image": put("BuildProject/Environment/ComputeType", "BUILD_GENERAL1_SMALL"),
        "build without Docker": put("BuildProject/Environment/PrivilegedMode", False),
        "build without a role": drop("BuildProject/ServiceRole"),
    },
    "network": {
        "two zones of three": put("PublicSubnet2/AvailabilityZone", {"Fn::Select": [0, {"Fn::GetAZs": ""}]}),
        "two subnets, one range": put(
            "PrivateSubnet1/CidrBlock", {"Fn::Select": [0, {"Fn::Cidr": [{"Ref": "VpcCidr"}, 6, 7]}]}
        ),
        "public addresses for everything": put("PublicSubnet1/MapPublicIpOnLaunch", True),
        "route before its gateway": drop("/Resources/InternetRoute/DependsOn"),
        "no endpoint for S3": drop("/Resources/S3Endpoint"),
        "range that is none": put("/Parameters/VpcCidr/Default", "10.42.0.0/33"),
    },
    "gpu-cluster": {
        "parameter without description": drop("/Parameters/Model/Description"),
        "parameter without advice": drop("/Parameters/ImageTag/ConstraintDescription"),
        "parameter that takes anything": drop("/Parameters/Model/AllowedPattern"),
        "parameter outside the form": drop("/Metadata/AWS::CloudFormation::Interface/ParameterGroups/0"),
        "default that its own pattern refuses": put("/Parameters/Project/Default", "AWS"),
        "property that does not exist": put("TaskDefinition/MemoryMiB", "14336"),
        "reference to nothing": put("CapacityProviderAssociation/Cluster", {"Ref": "EcsCluster"}),
        "resource type that does not exist": put("/Resources/Cluster/Type", "AWS::ECS::GpuCluster"),
        "template too large to deploy": replace("/Description", "GameForge", "GameForge" * 6_000),
    },
}


MUTANTS: Final = tuple(
    Mutant(stack, stack, name, edit) for stack, faults in _FAULTS.items() for name, edit in faults.items()
)
