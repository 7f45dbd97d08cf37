"""The `image` stack, for people without Docker: CodeBuild makes the worker's image and pushes it to the repository."""

from pathlib import Path
from typing import Final

from troposphere import GetAtt, Ref, Sub, Template, codebuild, iam

from stacks import constants as c
from stacks import parameters, policies, role_policies
from stacks.log_groups import log_group
from stacks.template import add, export, import_value, new_template, project_tags

_BUILDSPEC: Final = Path(__file__).with_name("buildspec.yml")


def build() -> Template:
    """The template."""
    source_key = parameters.text(
        "SourceKey",
        "Key of the zipped repository in the artifacts bucket of the foundation stack.",
        default=c.SOURCE_KEY,
        pattern=r"^[\w./=-]+\.zip$",
        constraint=f"Give the key of a .zip object in the artifacts bucket, such as {c.SOURCE_KEY}.",
    )
    image_tag = parameters.text(
        "ImageTag",
        "Tag of the image, unless a build names another one.",
        default=c.IMAGE_TAG,
        pattern=c.IMAGE_TAG_PATTERN,
        constraint=c.IMAGE_TAG_CONSTRAINT,
    )
    build_arguments = parameters.text(
        "BuildArguments",
        "Arguments for docker build, unless a build names others. TORCH_INDEX is needed: see the Dockerfile.",
        default="",
        pattern=r"^(--build-arg [A-Z_]+=[\w.:/+-]+( |$))*$",
        constraint="Give arguments in the form --build-arg NAME=value, separated by single spaces, or nothing.",
    )
    log_kept_days = parameters.log_kept_days()
    template = new_template(
        "image",
        "GameForge SDXL image: a CodeBuild project that builds the worker's container image.",
        {
            "Project": [parameters.project()],
            "Image": [source_key, image_tag, build_arguments],
            "Logs": [log_kept_days],
        },
    )
    lines = log_group("LogGroup", c.BUILD_LOG_GROUP_NAME, Ref(log_kept_days))
    role = iam.Role(
        "BuildRole",
        AssumeRolePolicyDocument=policies.trust("codebuild", own_account_only=True),
        Policies=[role_policies.image_build(GetAtt(lines, "Arn"))],
        Tags=project_tags(),
    )
    variables = {
        "REPOSITORY_URI": import_value(c.EXPORT_REPOSITORY_URI),
        "IMAGE_TAG": Ref(image_tag),
        "BUILD_ARGUMENTS": Ref(build_arguments),
    }
    project = codebuild.Project(
        "BuildProject",
        Name=Sub(c.BUILD_PROJECT_NAME),
        Description="Builds the worker's image from the zipped repository.",
        ServiceRole=GetAtt(role, "Arn"),
        Source=codebuild.Source(
            Type="S3",
            Location=Sub("${Bucket}/${SourceKey}", Bucket=import_value(c.EXPORT_ARTIFACTS_BUCKET)),
            BuildSpec=_BUILDSPEC.read_text(),
        ),
        Artifacts=codebuild.Artifacts(Type="NO_ARTIFACTS"),
        Environment=codebuild.Environment(
            Type="LINUX_CONTAINER",
            Image=c.BUILD_IMAGE,
            ComputeType=c.BUILD_COMPUTE_TYPE,
            # Docker inside the build needs it; the machine is thrown away afterwards.
            PrivilegedMode=True,
            EnvironmentVariables=[
                codebuild.EnvironmentVariable(Name=name, Value=value) for name, value in variables.items()
            ],
        ),
        Cache=codebuild.ProjectCache(Type="LOCAL", Modes=["LOCAL_DOCKER_LAYER_CACHE"]),
        LogsConfig=codebuild.LogsConfig(
            CloudWatchLogs=codebuild.CloudWatchLogs(Status="ENABLED", GroupName=Ref(lines))
        ),
        TimeoutInMinutes=c.BUILD_TIMEOUT_MINUTES,
        Tags=project_tags(),
    )
    name = export(
        "BuildProjectName", "Name of the project that builds the image.", Ref(project), c.EXPORT_BUILD_PROJECT
    )
    add(template, lines, role, project, name)
    return template
