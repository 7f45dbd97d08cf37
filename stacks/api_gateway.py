"""API Gateway: routes, stage, access logs, and the key that a client needs."""

import json
from typing import Any, Final

from troposphere import GetAtt, If, Ref, Sub, Template, apigateway, awslambda, iam

from stacks import constants as c
from stacks import policies
from stacks.deployment_id import route_fingerprint
from stacks.log_groups import log_group
from stacks.template import add, export, project_tags

CREATES_LOGS_ROLE: Final = "CreatesGatewayLogsRole"

# One JSON object a request. API Gateway's request id is also in the function's lines.
_ACCESS_LOG_FIELDS: Final = {
    "request_id": "$context.requestId",
    "time": "$context.requestTime",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "status": "$context.status",
    "response_bytes": "$context.responseLength",
    "latency_ms": "$context.responseLatency",
    "integration_latency_ms": "$context.integrationLatency",
    "integration_error": "$context.integrationErrorMessage",
    "error": "$context.error.message",
    "api_key_id": "$context.identity.apiKeyId",
    "source_ip": "$context.identity.sourceIp",
    "user_agent": "$context.identity.userAgent",
}


def add_gateway(
    template: Template, function: awslambda.Function, *, log_kept_days: Ref, logs_role_arn: Ref
) -> tuple[apigateway.RestApi, apigateway.Stage]:
    """Add the API with its one route to the function, and the stage. Returns the API and the stage."""
    api = apigateway.RestApi(
        "Api",
        Name=Sub(c.API_NAME),
        Description="GameForge SDXL: pictures from prompts.",
        ApiKeySourceType="HEADER",
        EndpointConfiguration=apigateway.EndpointConfiguration(Types=["REGIONAL"]),
        Tags=project_tags(),
    )
    add(template, api, export("ApiId", "Id of the REST API.", Ref(api), c.EXPORT_API_ID))
    _add_routes(template, api, function)
    stage = _add_stage(template, api, _add_deployment(template, api), log_kept_days, logs_role_arn)
    return api, stage


def _add_routes(template: Template, api: apigateway.RestApi, function: awslambda.Function) -> None:
    version = apigateway.Resource(
        "VersionResource", RestApiId=Ref(api), ParentId=GetAtt(api, "RootResourceId"), PathPart=c.API_PATH
    )
    proxy = apigateway.Resource("ProxyResource", RestApiId=Ref(api), ParentId=Ref(version), PathPart="{proxy+}")
    invocation = (
        "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations"
    )
    method = apigateway.Method(
        "ProxyMethod",
        RestApiId=Ref(api),
        ResourceId=Ref(proxy),
        HttpMethod="ANY",
        AuthorizationType="NONE",
        ApiKeyRequired=True,
        Integration=apigateway.Integration(Type="AWS_PROXY", IntegrationHttpMethod="POST", Uri=Sub(invocation)),
    )
    permission = awslambda.Permission(
        "GatewayPermission",
        Action="lambda:InvokeFunction",
        FunctionName=Ref(function),
        Principal="apigateway.amazonaws.com",
        SourceArn=Sub("arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*"),
    )
    add(template, version, proxy, method, permission)


def _add_deployment(template: Template, api: apigateway.RestApi) -> apigateway.Deployment:
    resources = template.to_dict()["Resources"]
    deployment = apigateway.Deployment(
        # A deployment is a snapshot and never changes, so changed routes have to make another one.
        f"Deployment{route_fingerprint(resources)}",
        DependsOn=[title for title, each in resources.items() if each["Type"] == "AWS::ApiGateway::Method"],
        RestApiId=Ref(api),
    )
    add(template, deployment)
    return deployment


def _add_stage(
    template: Template,
    api: apigateway.RestApi,
    deployment: apigateway.Deployment,
    log_kept_days: Ref,
    logs_role_arn: Ref,
) -> apigateway.Stage:
    lines = log_group("AccessLogGroup", c.API_ACCESS_LOG_GROUP_NAME, log_kept_days)
    # Both stay when the stack goes: other APIs of the account and region write their logs with them.
    kept: dict[str, Any] = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    logs_role = iam.Role(
        "GatewayLogsRole",
        Condition=CREATES_LOGS_ROLE,
        **kept,
        AssumeRolePolicyDocument=policies.trust("apigateway"),
        ManagedPolicyArns=[Sub("arn:${AWS::Partition}:iam::aws:policy/" + c.GATEWAY_LOGS_POLICY)],
        Tags=project_tags(),
    )
    account = apigateway.Account(
        "GatewayAccount",
        **kept,
        CloudWatchRoleArn=If(CREATES_LOGS_ROLE, GetAtt(logs_role, "Arn"), logs_role_arn),
    )
    throttle = apigateway.MethodSetting(
        HttpMethod="*",
        ResourcePath="/*",
        MetricsEnabled=True,
        ThrottlingRateLimit=c.STAGE_REQUESTS_PER_SECOND,
        ThrottlingBurstLimit=c.STAGE_REQUESTS_BURST,
    )
    stage = apigateway.Stage(
        "Stage",
        # Access logs are refused until the account has the role.
        DependsOn=["GatewayAccount"],
        RestApiId=Ref(api),
        DeploymentId=Ref(deployment),
        StageName=c.API_STAGE_NAME,
        AccessLogSetting=apigateway.AccessLogSetting(
            DestinationArn=GetAtt(lines, "Arn"), Format=json.dumps(_ACCESS_LOG_FIELDS)
        ),
        MethodSettings=[throttle],
        Tags=project_tags(),
    )
    url = Sub("https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/${Stage}")
    add(
        template,
        lines,
        logs_role,
        account,
        stage,
        export("StageName", "Name of the API's stage.", Ref(stage), c.EXPORT_API_STAGE),
        export("ApiUrl", "What the URLs of the API begin with.", url, c.EXPORT_API_URL),
    )
    return stage


def add_key(
    template: Template, api: apigateway.RestApi, stage: apigateway.Stage, *, requests_per_second: Ref, burst: Ref
) -> None:
    """Add one key, and the plan that throttles it."""
    key = apigateway.ApiKey("ApiKey", Name=Sub(c.API_KEY_NAME), Enabled=True, Tags=project_tags())
    plan = apigateway.UsagePlan(
        "UsagePlan",
        UsagePlanName=Sub(c.USAGE_PLAN_NAME),
        ApiStages=[apigateway.ApiStage(ApiId=Ref(api), Stage=Ref(stage))],
        Throttle=apigateway.ThrottleSettings(RateLimit=requests_per_second, BurstLimit=burst),
        Tags=project_tags(),
    )
    plan_key = apigateway.UsagePlanKey("UsagePlanKey", KeyId=Ref(key), KeyType="API_KEY", UsagePlanId=Ref(plan))
    add(template, key, plan, plan_key, export("ApiKeyId", "Id of the first API key.", Ref(key), c.EXPORT_API_KEY_ID))
