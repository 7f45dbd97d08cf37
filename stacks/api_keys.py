"""API keys: the tables that hold them and their use, and the authorizer that API Gateway asks about each request."""

from typing import Any

from troposphere import GetAtt, Ref, Sub, Template, apigateway, awslambda, dynamodb, iam

from jobs import keys, names
from stacks import constants as c
from stacks import policies, role_policies
from stacks.log_groups import log_group
from stacks.template import add, export, import_value, project_tags


def add_key_tables(template: Template, protect_data: Ref) -> None:
    """Add the keys, and what each has used. Apart, so that the function that counts can't write a key."""

    def table(title: str, name: str, key: str, **properties: Any) -> dynamodb.Table:
        return dynamodb.Table(
            title,
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Retain",
            TableName=Sub(name),
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[dynamodb.AttributeDefinition(AttributeName=key, AttributeType="S")],
            KeySchema=[dynamodb.KeySchema(AttributeName=key, KeyType="HASH")],
            PointInTimeRecoverySpecification=dynamodb.PointInTimeRecoverySpecification(PointInTimeRecoveryEnabled=True),
            SSESpecification=dynamodb.SSESpecification(SSEEnabled=True),
            DeletionProtectionEnabled=protect_data,
            Tags=project_tags(),
            **properties,
        )

    expiry = dynamodb.TimeToLiveSpecification(AttributeName=names.EXPIRES_AT, Enabled=True)
    key_table = table("KeysTable", c.KEYS_TABLE_NAME, keys.NAME)
    usage_table = table("UsageTable", c.USAGE_TABLE_NAME, names.USAGE_ID, TimeToLiveSpecification=expiry)
    add(
        template,
        key_table,
        usage_table,
        export("KeysTableName", "Name of the API keys' table.", Ref(key_table), c.EXPORT_KEYS_TABLE),
        export("UsageTableName", "Name of the table of what keys have used.", Ref(usage_table), c.EXPORT_USAGE_TABLE),
    )


def add_authorizer(template: Template, package: dict[str, Any], log_kept_days: Ref) -> apigateway.Authorizer:
    """Add the authorizer and its function, which may read keys and nothing else. Methods refer to what is returned."""
    lines = log_group("AuthorizerLogGroup", c.AUTHORIZER_LOG_GROUP_NAME, log_kept_days)
    role = iam.Role(
        "AuthorizerRole",
        AssumeRolePolicyDocument=policies.trust("lambda"),
        Policies=[role_policies.authorizer(GetAtt(lines, "Arn"))],
        Tags=project_tags(),
    )
    environment = awslambda.Environment(Variables={names.ENV_KEYS_TABLE: import_value(c.EXPORT_KEYS_TABLE)})
    function = awslambda.Function(
        "AuthorizerFunction",
        **{**package, "MemorySize": c.AUTHORIZER_MEMORY_MB, "Environment": environment},
        FunctionName=Sub(c.AUTHORIZER_NAME),
        Handler=names.AUTHORIZER_HANDLER,
        Timeout=c.AUTHORIZER_TIMEOUT_SECONDS,
        Role=GetAtt(role, "Arn"),
        LoggingConfig=awslambda.LoggingConfig(LogFormat="JSON", LogGroup=Ref(lines)),
    )
    authorizer = apigateway.Authorizer(
        "Authorizer",
        Name=Sub(c.AUTHORIZER_NAME),
        RestApiId=Ref("Api"),
        Type="REQUEST",
        # No cache, and so no identity source: with one, a request has to bring every header that may carry a key.
        AuthorizerResultTtlInSeconds=0,
        AuthorizerUri=Sub(
            "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"
            "${AuthorizerFunction.Arn}/invocations"
        ),
    )
    permission = awslambda.Permission(
        "AuthorizerPermission",
        Action="lambda:InvokeFunction",
        FunctionName=Ref(function),
        Principal="apigateway.amazonaws.com",
        SourceArn=Sub("arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/authorizers/*"),
    )
    add(template, lines, role, function, authorizer, permission)
    return authorizer
