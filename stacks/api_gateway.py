"""API Gateway: routes, stage and access logs."""

import json
import re
from typing import Any, Final

from troposphere import GetAtt, If, Ref, Sub, Template, apigateway, awslambda, iam

from jobs import names
from stacks import constants as c
from stacks import policies
from stacks.deployment_id import route_fingerprint
from stacks.gateway_problems import gateway_responses
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
    "caller": "$context.authorizer.caller",
    "source_ip": "$context.identity.sourceIp",
    "user_agent": "$context.identity.userAgent",
}


def add_gateway(
    template: Template,
    function: awslambda.Function,
    authorizer: apigateway.Authorizer,
    *,
    log_kept_days: Ref,
    logs_role_arn: Ref,
) -> None:
    """Add the API with its routes to the function, and the stage."""
    api = apigateway.RestApi(
        "Api",
        Name=Sub(c.API_NAME),
        Description="GameForge SDXL: pictures from prompts.",
        EndpointConfiguration=apigateway.EndpointConfiguration(Types=["REGIONAL"]),
        Tags=project_tags(),
    )
    add(template, api, export("ApiId", "Id of the REST API.", Ref(api), c.EXPORT_API_ID))
    _add_route(template, api, "Proxy", "{proxy+}", AuthorizationType="CUSTOM", AuthorizerId=Ref(authorizer))
    for path in names.OPEN_PATHS:
        _add_route(template, api, _title(path), path.removeprefix("/"), AuthorizationType="NONE")
    _add_permission(template, function)
    add(template, *gateway_responses(api))
    _add_stage(template, api, _add_deployment(template, api), log_kept_days, logs_role_arn)


def _title(path: str) -> str:
    return "".join(word.capitalize() for word in re.findall(r"\w+", path))


def _add_route(template: Template, api: apigateway.RestApi, title: str, path_part: str, **authorization: Any) -> None:
    """Add a path under the root, and a method that hands every request for it to the function."""
    resource = apigateway.Resource(
        f"{title}Resource", RestApiId=Ref(api), ParentId=GetAtt(api, "RootResourceId"), PathPart=path_part
    )
    invocation = (
        "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations"
    )
    method = apigateway.Method(
        f"{title}Method",
        RestApiId=Ref(api),
        ResourceId=Ref(resource),
        HttpMethod="ANY",
        **authorization,
        Integration=apigateway.Integration(Type="AWS_PROXY", IntegrationHttpMethod="POST", Uri=Sub(invocation)),
    )
    add(template, resource, method)


def _add_permission(template: Template, function: awslambda.Function) -> None:
    permission = awslambda.Permission(
        "GatewayPermission",
        Action="lambda:InvokeFunction",
        FunctionName=Ref(function),
        Principal="apigateway.amazonaws.com",
        SourceArn=Sub("arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*"),
    )
    add(template, permission)


def _add_deployment(template: Template, api: apigateway.RestApi) -> apigateway.Deployment:
    resources = template.to_dict()["Resources"]
    deployment = apigateway.Deployment(
        # A deployment is a snapshot and never changes, so changed routes have to make another one.
        f"Deployment{route_fingerprint(resources)}",
        DependsOn=[
            title
            for title, each in resources.items()
            if each["Type"] in ("AWS::ApiGateway::Method", "AWS::ApiGateway::GatewayResponse")
        ],
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
) -> None:
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
