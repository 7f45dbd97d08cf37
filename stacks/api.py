"""The `api` stack: the Lambda function, and the gateway in front of it."""

from troposphere import Equals, GetAtt, Ref, Sub, Template, awslambda, iam

from jobs import names
from stacks import constants as c
from stacks import parameters, policies, role_policies
from stacks.api_gateway import CREATES_LOGS_ROLE, add_gateway, add_key
from stacks.log_groups import log_group
from stacks.template import add, export, import_value, new_template, project_tags


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
    rate = parameters.number(
        "RequestsPerSecond",
        "Requests a second that one key may make on average.",
        default=c.KEY_REQUESTS_PER_SECOND,
        minimum=1,
        maximum=10_000,
    )
    burst = parameters.number(
        "RequestsBurst",
        "Requests that one key may make at once.",
        default=c.KEY_REQUESTS_BURST,
        minimum=1,
        maximum=5_000,
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
        "GameForge SDXL API: REST API, Lambda function, key and usage plan, access logs.",
        {
            "Project": [parameters.project()],
            "Function": [code_key, image_size],
            "Limits": [rate, burst],
            "Logs": [log_kept_days, logs_role],
        },
    )
    template.add_condition(CREATES_LOGS_ROLE, Equals(Ref(logs_role), ""))
    function = _add_function(template, Ref(code_key), Ref(image_size), Ref(log_kept_days))
    api, stage = add_gateway(template, function, log_kept_days=Ref(log_kept_days), logs_role_arn=Ref(logs_role))
    add_key(template, api, stage, requests_per_second=Ref(rate), burst=Ref(burst))
    return template


def _add_function(template: Template, code_key: Ref, image_size: Ref, log_kept_days: Ref) -> awslambda.Function:
    lines = log_group("FunctionLogGroup", c.API_FUNCTION_LOG_GROUP_NAME, log_kept_days)
    role = iam.Role(
        "FunctionRole",
        AssumeRolePolicyDocument=policies.trust("lambda"),
        Policies=[role_policies.api_function(GetAtt(lines, "Arn"))],
        Tags=project_tags(),
    )
    environment = {
        names.ENV_PROJECT: Ref("Project"),
        names.ENV_JOBS_TABLE: import_value(c.EXPORT_JOBS_TABLE),
        names.ENV_IMAGES_BUCKET: import_value(c.EXPORT_IMAGES_BUCKET),
        names.ENV_GPU_QUEUE_URL: import_value(c.EXPORT_GPU_QUEUE_URL),
        names.ENV_CPU_QUEUE_URL: import_value(c.EXPORT_CPU_QUEUE_URL),
        names.ENV_DEFAULT_SIZE_PX: image_size,
    }
    function = awslambda.Function(
        "Function",
        FunctionName=Sub(c.API_FUNCTION_NAME),
        Runtime=c.LAMBDA_RUNTIME,
        Architectures=[c.LAMBDA_ARCHITECTURE],
        Handler=names.LAMBDA_HANDLER,
        Code=awslambda.Code(S3Bucket=import_value(c.EXPORT_ARTIFACTS_BUCKET), S3Key=code_key),
        MemorySize=c.LAMBDA_MEMORY_MB,
        Timeout=c.LAMBDA_TIMEOUT_SECONDS,
        Role=GetAtt(role, "Arn"),
        Environment=awslambda.Environment(Variables=environment),
        LoggingConfig=awslambda.LoggingConfig(LogFormat="JSON", LogGroup=Ref(lines)),
        Tags=project_tags(),
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
