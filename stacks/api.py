"""The `api` stack: the Lambda function, the gateway in front of it, and the sweep that queues what fell between."""

from typing import Any

from troposphere import Equals, GetAtt, Ref, Sub, Template, awslambda, events, iam

from jobs import names
from stacks import constants as c
from stacks import parameters, policies, role_policies
from stacks.api_gateway import CREATES_LOGS_ROLE, add_gateway
from stacks.api_keys import add_authorizer
from stacks.log_groups import log_group
from stacks.template import add, export, import_value, new_template, project_tags
from stacks.webhooks import add_webhooks


def build() -> Template:
    """The template."""
    code_key = parameters.text(
        "LambdaCodeKey",
        "Key of the function's zip in the artifacts bucket of the foundation stack.",
        pattern=r"^[\w./=-]+\.zip$",
        constraint="Give the key of a .zip object in the artifacts bucket, such as lambda/api.zip.",
    )
    image_size = parameters.number(
        "DefaultImageSizePx",
        "Width and height of a picture when a request names none: what the model was trained for.",
        default=c.IMAGE_SIZE_PX,
        minimum=64,
        maximum=2048,
        unit="pixels",
    )
    model_name = parameters.text(
        "ModelName",
        "Name of the deployed model, as the API shows it.",
        default=c.MODEL,
        pattern=r"^[\w./-]{1,200}$",
        constraint="Give a name of letters, digits, dots, slashes and hyphens, such as stabilityai/sdxl-turbo.",
    )
    pixel_steps = parameters.number(
        "PixelStepsMax",
        "The most that one job may cost: width x height x steps x images.",
        default=c.PIXEL_STEPS_MAX,
        minimum=4096,
        maximum=10**12,
        unit="pixel-steps",
    )
    log_prompts = parameters.choice(
        "LogPrompts",
        "Whether prompts are written into the log. They are what people typed.",
        choices=("true", "false"),
        default="false",
    )
    logs_role = parameters.text(
        "GatewayLogsRoleArn",
        "Role that API Gateway writes access logs with, one setting for the whole region of an account. Empty makes "
        "one; give the present one (aws apigateway get-account) if other APIs rely on it.",
        default="",
        pattern=r"^(arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+)?$",
        constraint="Give the ARN of an IAM role that API Gateway may assume, or nothing.",
    )
    log_kept_days = parameters.log_kept_days()
    template = new_template(
        "api",
        "GameForge SDXL API: REST API, Lambda functions, authorizer, webhooks, access logs.",
        {
            "Project": [parameters.project()],
            "Function": [code_key, model_name, image_size],
            "Limits": [pixel_steps],
            "Logs": [log_kept_days, log_prompts, logs_role],
        },
    )
    template.add_condition(CREATES_LOGS_ROLE, Equals(Ref(logs_role), ""))
    package: dict[str, Any] = {
        "Runtime": c.LAMBDA_RUNTIME,
        "Architectures": [c.LAMBDA_ARCHITECTURE],
        "Code": awslambda.Code(S3Bucket=import_value(c.EXPORT_ARTIFACTS_BUCKET), S3Key=Ref(code_key)),
        "MemorySize": c.LAMBDA_MEMORY_MB,
        "Environment": awslambda.Environment(
            Variables={
                names.ENV_PROJECT: Ref("Project"),
                names.ENV_JOBS_TABLE: import_value(c.EXPORT_JOBS_TABLE),
                names.ENV_IMAGES_BUCKET: import_value(c.EXPORT_IMAGES_BUCKET),
                names.ENV_GPU_QUEUE_URL: import_value(c.EXPORT_GPU_QUEUE_URL),
                names.ENV_CPU_QUEUE_URL: import_value(c.EXPORT_CPU_QUEUE_URL),
                names.ENV_USAGE_TABLE: import_value(c.EXPORT_USAGE_TABLE),
                names.ENV_MODEL_NAME: Ref(model_name),
                names.ENV_DEFAULT_SIZE_PX: Ref(image_size),
                names.ENV_PIXEL_STEPS_MAX: Ref(pixel_steps),
                names.ENV_LOG_PROMPTS: Ref(log_prompts),
            }
        ),
        "Tags": project_tags(),
    }
    function = _add_function(template, package, Ref(log_kept_days))
    _add_sweep(template, package, Ref(log_kept_days))
    authorizer = add_authorizer(template, package, Ref(log_kept_days))
    add_gateway(template, function, authorizer, log_kept_days=Ref(log_kept_days), logs_role_arn=Ref(logs_role))
    add_webhooks(template, package, Ref(log_kept_days))
    return template


def _add_function(template: Template, package: dict[str, Any], log_kept_days: Ref) -> awslambda.Function:
    lines = log_group("FunctionLogGroup", c.API_FUNCTION_LOG_GROUP_NAME, log_kept_days)
    role = iam.Role(
        "FunctionRole",
        AssumeRolePolicyDocument=policies.trust("lambda"),
        Policies=[role_policies.api_function(GetAtt(lines, "Arn"))],
        Tags=project_tags(),
    )
    function = awslambda.Function(
        "Function",
        **package,
        FunctionName=Sub(c.API_FUNCTION_NAME),
        Handler=names.LAMBDA_HANDLER,
        Timeout=c.LAMBDA_TIMEOUT_SECONDS,
        Role=GetAtt(role, "Arn"),
        LoggingConfig=awslambda.LoggingConfig(LogFormat="JSON", LogGroup=Ref(lines)),
    )
    add(
        template,
        lines,
        role,
        function,
        export("FunctionName", "Name of the function behind the API.", Ref(function), c.EXPORT_API_FUNCTION),
        export("FunctionLogGroupName", "Log group of the function.", Ref(lines), c.EXPORT_API_LOG_GROUP),
    )
    return function


def _add_sweep(template: Template, package: dict[str, Any], log_kept_days: Ref) -> None:
    """A function on a schedule: what the API accepted and could not queue, it queues."""
    lines = log_group("SweepLogGroup", c.SWEEP_LOG_GROUP_NAME, log_kept_days)
    role = iam.Role(
        "SweepRole",
        AssumeRolePolicyDocument=policies.trust("lambda"),
        Policies=[role_policies.sweep_function(GetAtt(lines, "Arn"))],
        Tags=project_tags(),
    )
    function = awslambda.Function(
        "SweepFunction",
        **package,
        FunctionName=Sub(c.SWEEP_FUNCTION_NAME),
        Handler=names.SWEEP_HANDLER,
        Timeout=c.SWEEP_TIMEOUT_SECONDS,
        Role=GetAtt(role, "Arn"),
        LoggingConfig=awslambda.LoggingConfig(LogFormat="JSON", LogGroup=Ref(lines)),
    )
    rule = events.Rule(
        "SweepRule",
        Name=Sub(c.SWEEP_RULE_NAME),
        Description="Queues the jobs that were accepted and are not on their queue.",
        ScheduleExpression=c.SWEEP_SCHEDULE,
        State="ENABLED",
        Targets=[events.Target(Id="sweep", Arn=GetAtt(function, "Arn"))],
        Tags=project_tags(),
    )
    permission = awslambda.Permission(
        "SweepPermission",
        Action="lambda:InvokeFunction",
        FunctionName=Ref(function),
        Principal="events.amazonaws.com",
        SourceArn=GetAtt(rule, "Arn"),
    )
    add(template, lines, role, function, rule, permission)
