"""The `foundation` stack: buckets, tables, container repository, alerts and the traffic share."""

import json
from typing import Any

from troposphere import GetAtt, Ref, Sub, Template, dynamodb, ecr, s3, ssm

from jobs import names
from stacks import constants as c
from stacks import parameters, policies
from stacks.alerts import add_alerts
from stacks.api_keys import add_key_tables
from stacks.queues import add_queues
from stacks.template import add, export, new_template, project_tags


def build() -> Template:
    """The template."""
    protect_data = parameters.choice(
        "ProtectData",
        "Whether DynamoDB refuses to delete the tables. Set it to false before this stack is deleted for good.",
        choices=("true", "false"),
        default="true",
    )
    images_kept_days = parameters.number(
        "ImagesKeptDays",
        "Days after which S3 deletes a picture.",
        default=c.IMAGES_KEPT_DAYS,
        minimum=1,
        maximum=3650,
        unit="days",
    )
    alert_email = parameters.text(
        "AlertEmail",
        "Address that gets the alerts, after it has confirmed; empty for none.",
        default="",
        pattern=r"^([^@\s]+@[^@\s]+\.[^@\s]+)?$",
        constraint="Give one e-mail address, or nothing.",
    )
    template = new_template(
        "foundation",
        "GameForge SDXL foundation: buckets, tables, queues, container repository, alerts, traffic share.",
        {"Project": [parameters.project()], "Data": [images_kept_days, protect_data], "Alerts": [alert_email]},
    )
    _add_images_bucket(template, Ref(images_kept_days))
    _add_bucket(template, "ModelsBucket", c.MODELS_BUCKET_NAME, c.EXPORT_MODELS_BUCKET)
    _add_bucket(template, "ArtifactsBucket", c.ARTIFACTS_BUCKET_NAME, c.EXPORT_ARTIFACTS_BUCKET)
    _add_jobs_table(template, Ref(protect_data))
    add_key_tables(template, Ref(protect_data))
    add_queues(template)
    _add_repository(template)
    add_alerts(template, Ref(alert_email))
    _add_traffic_share(template)
    return template


def _add_bucket(template: Template, title: str, name: str, suffix: str, *rules: s3.LifecycleRule, **more: Any) -> None:
    encryption = s3.ServerSideEncryptionByDefault(SSEAlgorithm="AES256")
    unfinished_uploads = s3.LifecycleRule(
        Id="drop-unfinished-uploads",
        Status="Enabled",
        AbortIncompleteMultipartUpload=s3.AbortIncompleteMultipartUpload(
            DaysAfterInitiation=c.UNFINISHED_UPLOADS_KEPT_DAYS
        ),
    )
    bucket = s3.Bucket(
        title,
        # S3 refuses to delete a bucket that holds anything, so a deleted stack takes no picture with it.
        DeletionPolicy="Delete",
        UpdateReplacePolicy="Retain",
        BucketName=Sub(name),
        BucketEncryption=s3.BucketEncryption(
            ServerSideEncryptionConfiguration=[s3.ServerSideEncryptionRule(ServerSideEncryptionByDefault=encryption)]
        ),
        PublicAccessBlockConfiguration=s3.PublicAccessBlockConfiguration(
            BlockPublicAcls=True, BlockPublicPolicy=True, IgnorePublicAcls=True, RestrictPublicBuckets=True
        ),
        OwnershipControls=s3.OwnershipControls(Rules=[s3.OwnershipControlsRule(ObjectOwnership="BucketOwnerEnforced")]),
        LifecycleConfiguration=s3.LifecycleConfiguration(Rules=[*rules, unfinished_uploads]),
        Tags=project_tags(),
        **more,
    )
    policy = s3.BucketPolicy(
        f"{title}Policy",
        Bucket=Ref(bucket),
        PolicyDocument=policies.tls_only("s3", [GetAtt(bucket, "Arn"), Sub(f"${{{title}.Arn}}/*")]),
    )
    add(template, bucket, policy, export(f"{title}Name", f"Name of the {suffix}.", Ref(bucket), suffix))


def _add_images_bucket(template: Template, kept_days: Ref) -> None:
    # A web page reads pictures through presigned URLs, which carry their own permission.
    cors = s3.CorsRules(AllowedMethods=["GET", "HEAD"], AllowedOrigins=["*"], AllowedHeaders=["*"], MaxAge=3600)
    _add_bucket(
        template,
        "ImagesBucket",
        c.IMAGES_BUCKET_NAME,
        c.EXPORT_IMAGES_BUCKET,
        s3.LifecycleRule(Id="expire-pictures", Status="Enabled", ExpirationInDays=kept_days),
        CorsConfiguration=s3.CorsConfiguration(CorsRules=[cors]),
    )


def _add_jobs_table(template: Template, protect_data: Ref) -> None:
    def index(name: str, key: str) -> dynamodb.GlobalSecondaryIndex:
        return dynamodb.GlobalSecondaryIndex(
            IndexName=name,
            KeySchema=[
                dynamodb.KeySchema(AttributeName=key, KeyType="HASH"),
                dynamodb.KeySchema(AttributeName=names.CREATED_AT, KeyType="RANGE"),
            ],
            Projection=dynamodb.Projection(ProjectionType="ALL"),
        )

    table = dynamodb.Table(
        "JobsTable",
        # While ProtectData is true DynamoDB refuses; a retained table would stand in the way of the next deployment.
        DeletionPolicy="Delete",
        UpdateReplacePolicy="Retain",
        TableName=Sub(c.JOBS_TABLE_NAME),
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            dynamodb.AttributeDefinition(AttributeName=name, AttributeType="S")
            for name in (names.JOB_ID, names.OWNER, names.STATUS, names.CREATED_AT)
        ],
        KeySchema=[dynamodb.KeySchema(AttributeName=names.JOB_ID, KeyType="HASH")],
        GlobalSecondaryIndexes=[index(names.OWNER_INDEX, names.OWNER), index(names.STATUS_INDEX, names.STATUS)],
        TimeToLiveSpecification=dynamodb.TimeToLiveSpecification(AttributeName=names.EXPIRES_AT, Enabled=True),
        # How webhooks learn of every job that ends.
        StreamSpecification=dynamodb.StreamSpecification(StreamViewType="NEW_AND_OLD_IMAGES"),
        PointInTimeRecoverySpecification=dynamodb.PointInTimeRecoverySpecification(PointInTimeRecoveryEnabled=True),
        SSESpecification=dynamodb.SSESpecification(SSEEnabled=True),
        DeletionProtectionEnabled=protect_data,
        Tags=project_tags(),
    )
    stream_arn = GetAtt(table, "StreamArn")
    add(
        template,
        table,
        export("JobsTableName", "Name of the jobs table.", Ref(table), c.EXPORT_JOBS_TABLE),
        export("JobsTableStreamArn", "ARN of the jobs table's stream.", stream_arn, c.EXPORT_JOBS_TABLE_STREAM_ARN),
    )


def _add_repository(template: Template) -> None:
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": c.CONTAINER_IMAGES_KEPT}
    newest_only = {"rules": [{"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}]}
    repository = ecr.Repository(
        "Repository",
        DeletionPolicy="Delete",
        UpdateReplacePolicy="Retain",
        RepositoryName=Sub(c.REPOSITORY_NAME),
        # A tag that can't move is what makes a rollback mean something.
        ImageTagMutability="IMMUTABLE",
        ImageScanningConfiguration=ecr.ImageScanningConfiguration(ScanOnPush=True),
        EncryptionConfiguration=ecr.EncryptionConfiguration(EncryptionType="AES256"),
        LifecyclePolicy=ecr.LifecyclePolicy(LifecyclePolicyText=json.dumps(newest_only)),
        EmptyOnDelete=True,
        Tags=project_tags(),
    )
    uri, arn = GetAtt(repository, "RepositoryUri"), GetAtt(repository, "Arn")
    add(
        template,
        repository,
        export("RepositoryUri", "URI of the container repository.", uri, c.EXPORT_REPOSITORY_URI),
        export("RepositoryArn", "ARN of the container repository.", arn, c.EXPORT_REPOSITORY_ARN),
    )


def _add_traffic_share(template: Template) -> None:
    share = ssm.Parameter(
        "TrafficParameter",
        Name=Sub(c.TRAFFIC_PARAMETER_NAME),
        Description="Share of new jobs that go to the GPU side, in percent; the rest go to the CPU side.",
        Type="String",
        Value=str(c.TRAFFIC_GPU_PERCENT),
        AllowedPattern="^(100|[1-9]?[0-9])$",
        Tags={"gameforge:project": Ref("Project")},
    )
    description = "Name of the parameter that holds the GPU share."
    add(template, share, export("TrafficParameterName", description, Ref(share), c.EXPORT_TRAFFIC_PARAMETER))
