"""API Gateway: routes, stage, access logs, and the key that a client needs."""

import hashlib
import json
from typing import Final

from troposphere import AWSObject, GetAtt, If, Ref, Sub, Template, apigateway, awslambda, iam

from stacks import constants as c
from stacks import policies
from stacks.log_groups import log_group
from stacks.template import export, project_tags

CREATES_LOGS_ROLE: Final = "CreatesGatewayLogsRole"

# One JSON object a request, with API Gateway's own request id as the link to the function's lines.
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
    """Add the API, its one route to the function, and the stage. Returns the API and the stage."""
    api = apigateway.RestApi(
        "Api",
        Name=Sub(c.API_NAME),
        Description="GameForge SDXL: pictures from prompts.",
        ApiKeySourceType="HEADER",
        EndpointConfiguration=apigateway.EndpointConfiguration(Types=["REGIONAL"]),
        Tags=project_tags(),
    )
    version = apigateway.Resource(
        "VersionResource", RestApiId=Ref(api), ParentId=GetAtt(api, "RootResourceId"), PathPart=c.API_PATH
    )
    proxy = apigateway.Resource("ProxyResource", RestApiId=Ref(api), ParentId=Ref(version), PathPart="{proxy+}")
    method = apigateway.Method(
        "ProxyMethod",
        RestApiId=Ref(api),
        ResourceId=Ref(proxy),
        HttpMethod="ANY",
        AuthorizationType="NONE",
        ApiKeyRequired=True,
        Integration=apigateway.Integration(
            Type="AWS_PROXY",
            IntegrationHttpMethod="POST",
            Uri=Sub(
                "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"
                "${Function.Arn}/invocations"
            ),
        ),
    )
    permission = awslambda.Permission(
        "GatewayPermission",
        Action="lambda:InvokeFunction",
        FunctionName=Ref(function),
        Principal="apigateway.amazonaws.com",
        SourceArn=Sub("arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*"),
    )
    deployment = _deployment(api, [version, proxy, method])
    access_log = log_group("AccessLogGroup", c.API_ACCESS_LOG_GROUP_NAME, log_kept_days)
    logs_role = iam.Role(
        "GatewayLogsRole",
        Condition=CREATES_LOGS_ROLE,
        # Other APIs of this account and region write with it too.
        DeletionPolicy="Retain",
        UpdateReplacePolicy="Retain",
        AssumeRolePolicyDocument=policies.trust("apigateway"),
        # API Gateway checks the role against what this policy of AWS holds before it takes it.
        ManagedPolicyArns=[
            Sub("arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs")
        ],
        Tags=project_tags(),
    )
    account = apigateway.Account(
        "GatewayAccount",
        DeletionPolicy="Retain",
        UpdateReplacePolicy="Retain",
        CloudWatchRoleArn=If(CREATES_LOGS_ROLE, GetAtt(logs_role, "Arn"), logs_role_arn),
    )
    stage = apigateway.Stage(
        "Stage",
        # Access logs are refused until the account has the role.
        DependsOn=[account.title],
        RestApiId=Ref(api),
        DeploymentId=Ref(deployment),
        StageName=c.API_STAGE_NAME,
        AccessLogSetting=apigateway.AccessLogSetting(
            DestinationArn=GetAtt(access_log, "Arn"), Format=json.dumps(_ACCESS_LOG_FIELDS)
        ),
        MethodSettings=[
            apigateway.MethodSetting(
                HttpMethod="*",
                ResourcePath="/*",
                MetricsEnabled=True,
                ThrottlingRateLimit=c.STAGE_REQUESTS_PER_SECOND,
                ThrottlingBurstLimit=c.STAGE_REQUESTS_BURST,
            )
        ],
        Tags=project_tags(),
    )
    template.add_resource([api, version, proxy, method, permission, deployment, access_log, logs_role, account, stage])
    template.add_output(
        [
            export("ApiId", "Id of the REST API.", Ref(api), c.EXPORT_API_ID),
            export("StageName", "Name of the API's stage.", Ref(stage), c.EXPORT_API_STAGE),
            export(
                "ApiUrl",
                "URL that the API's paths begin with.",
                Sub("https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/${Stage}"),
                c.EXPORT_API_URL,
            ),
        ]
    )
    return api, stage


def _deployment(api: apigateway.RestApi, routes: list[AWSObject]) -> apigateway.Deployment:
    """A snapshot of the routes. A deployment never changes, so a changed route has to make a new one."""
    fingerprint = hashlib.sha256(json.dumps([route.to_dict() for route in routes], sort_keys=True).encode())
    return apigateway.Deployment(
        f"Deployment{fingerprint.hexdigest()[:10]}",
        DependsOn=[route.title for route in routes if route.resource_type == "AWS::ApiGateway::Method"],
        RestApiId=Ref(api),
    )


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
    template.add_resource([key, plan, plan_key])
    template.add_output(export("ApiKeyId", "Id of the first API key.", Ref(key), c.EXPORT_API_KEY_ID))
