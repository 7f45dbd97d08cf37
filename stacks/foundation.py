"""What holds the data: buckets, the jobs table, queues, the container repository, alerts, and the traffic share."""

import json
from typing import Any, Final

from troposphere import AWSObject, Equals, GetAtt, Not, Output, Ref, Sub, Template, dynamodb, ecr, s3, sns, sqs, ssm

from jobs import names
from stacks import constants as c
from stacks import parameters, policies
from stacks.template import export, new_template, project_tags

HAS_ALERT_EMAIL: Final = "HasAlertEmail"


def build() -> Template:
    """The template of the `foundation` stack."""
    protect_data = parameters.choice(
        "ProtectData",
        "Whether DynamoDB refuses to delete the jobs table. Set it to false before this stack is deleted for good.",
        choices=("true", "false"),
        default="true",
        constraint="Give true or false.",
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
        "GameForge SDXL foundation: buckets, jobs table, queues, container repository, alerts, traffic share.",
        {
            "Project": [parameters.project()],
            "Data": [images_kept_days, protect_data],
            "Alerts": [alert_email],
        },
    )
    template.add_condition(HAS_ALERT_EMAIL, Not(Equals(Ref(alert_email), "")))
    for resources, outputs in (
        _images_bucket(Ref(images_kept_days)),
        _models_bucket(),
        _artifacts_bucket(),
        _jobs_table(Ref(protect_data)),
        _queues(),
        _repository(),
        _alerts(Ref(alert_email)),
        _traffic(),
    ):
        template.add_resource(resources)
        template.add_output(outputs)
    return template


Part = tuple[list[AWSObject], list[Output]]


def _bucket(title: str, name: str, suffix: str, rules: list[s3.LifecycleRule], **properties: Any) -> Part:
    unfinished = s3.LifecycleRule(
        Id="drop-unfinished-uploads",
        Status="Enabled",
        AbortIncompleteMultipartUpload=s3.AbortIncompleteMultipartUpload(
            DaysAfterInitiation=c.UNFINISHED_UPLOADS_KEPT_DAYS
        ),
    )
    bucket = s3.Bucket(
        title,
        # A deleted stack does not take pictures with it: S3 refuses to delete a bucket that is not empty.
        DeletionPolicy="Delete",
        UpdateReplacePolicy="Retain",
        BucketName=Sub(name),
        BucketEncryption=s3.BucketEncryption(
            ServerSideEncryptionConfiguration=[
                s3.ServerSideEncryptionRule(
                    ServerSideEncryptionByDefault=s3.ServerSideEncryptionByDefault(SSEAlgorithm="AES256")
                )
            ]
        ),
        PublicAccessBlockConfiguration=s3.PublicAccessBlockConfiguration(
            BlockPublicAcls=True, BlockPublicPolicy=True, IgnorePublicAcls=True, RestrictPublicBuckets=True
        ),
        OwnershipControls=s3.OwnershipControls(Rules=[s3.OwnershipControlsRule(ObjectOwnership="BucketOwnerEnforced")]),
        LifecycleConfiguration=s3.LifecycleConfiguration(Rules=[*rules, unfinished]),
        Tags=project_tags(),
        **properties,
    )
    policy = s3.BucketPolicy(
        f"{title}Policy",
        Bucket=Ref(bucket),
        PolicyDocument=policies.tls_only([GetAtt(bucket, "Arn"), Sub(f"${{{title}.Arn}}/*")], "s3"),
    )
    return [bucket, policy], [export(f"{title}Name", f"Name of the {suffix}.", Ref(bucket), suffix)]


def _images_bucket(kept_days: Ref) -> Part:
    expiry = s3.LifecycleRule(Id="expire-pictures", Status="Enabled", ExpirationInDays=kept_days)
    # Web pages read pictures through presigned URLs, which carry their own permission.
    cors = s3.CorsConfiguration(
        CorsRules=[
            s3.CorsRules(AllowedMethods=["GET", "HEAD"], AllowedOrigins=["*"], AllowedHeaders=["*"], MaxAge=3600)
        ]
    )
    return _bucket("ImagesBucket", c.IMAGES_BUCKET_NAME, c.EXPORT_IMAGES_BUCKET, [expiry], CorsConfiguration=cors)


def _models_bucket() -> Part:
    return _bucket("ModelsBucket", c.MODELS_BUCKET_NAME, c.EXPORT_MODELS_BUCKET, [])


def _artifacts_bucket() -> Part:
    expiry = s3.LifecycleRule(
        Id="expire-replaced-artifacts",
        Status="Enabled",
        NoncurrentVersionExpiration=s3.NoncurrentVersionExpiration(NoncurrentDays=c.ARTIFACTS_KEPT_DAYS),
    )
    return _bucket("ArtifactsBucket", c.ARTIFACTS_BUCKET_NAME, c.EXPORT_ARTIFACTS_BUCKET, [expiry])


def _jobs_table(protect_data: Ref) -> Part:
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
        # Deletion is refused while ProtectData is true, which a retained table of the same name would only imitate.
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
        PointInTimeRecoverySpecification=dynamodb.PointInTimeRecoverySpecification(PointInTimeRecoveryEnabled=True),
        SSESpecification=dynamodb.SSESpecification(SSEEnabled=True),
        DeletionProtectionEnabled=protect_data,
        Tags=project_tags(),
    )
    return [table], [export("JobsTableName", "Name of the jobs table.", Ref(table), c.EXPORT_JOBS_TABLE)]


def _queues() -> Part:
    sources = (("GpuQueue", c.GPU_QUEUE_NAME), ("CpuQueue", c.CPU_QUEUE_NAME))
    arn = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:"
    dead_letters = sqs.Queue(
        "DeadLetterQueue",
        DeletionPolicy="Delete",
        UpdateReplacePolicy="Delete",
        QueueName=Sub(c.DEAD_LETTER_QUEUE_NAME),
        MessageRetentionPeriod=c.DEAD_LETTERS_KEPT_SECONDS,
        SqsManagedSseEnabled=True,
        # By name: the queues refer to this one already, and two references would be a circle.
        RedriveAllowPolicy={
            "redrivePermission": "byQueue",
            "sourceQueueArns": [Sub(arn + name) for _, name in sources],
        },
        Tags=project_tags(),
    )
    queues = [
        sqs.Queue(
            title,
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Delete",
            QueueName=Sub(name),
            VisibilityTimeout=names.VISIBILITY_TIMEOUT_SECONDS,
            MessageRetentionPeriod=c.MESSAGES_KEPT_SECONDS,
            ReceiveMessageWaitTimeSeconds=c.LONG_POLL_SECONDS,
            SqsManagedSseEnabled=True,
            RedrivePolicy=sqs.RedrivePolicy(
                deadLetterTargetArn=GetAtt(dead_letters, "Arn"), maxReceiveCount=names.MAX_RECEIVE_COUNT
            ),
            Tags=project_tags(),
        )
        for title, name in sources
    ]
    exports = {
        "GpuQueue": (c.EXPORT_GPU_QUEUE_URL, c.EXPORT_GPU_QUEUE_ARN),
        "CpuQueue": (c.EXPORT_CPU_QUEUE_URL, c.EXPORT_CPU_QUEUE_ARN),
        "DeadLetterQueue": (c.EXPORT_DEAD_LETTER_QUEUE_URL, c.EXPORT_DEAD_LETTER_QUEUE_ARN),
    }
    resources: list[AWSObject] = []
    outputs: list[Output] = []
    for queue in (*queues, dead_letters):
        url, arn_name = exports[queue.title]
        policy = sqs.QueuePolicy(
            f"{queue.title}Policy",
            Queues=[Ref(queue)],
            PolicyDocument=policies.tls_only([GetAtt(queue, "Arn")], "sqs"),
        )
        resources += [queue, policy]
        outputs += [
            export(f"{queue.title}Url", f"URL of the queue {url.removesuffix('-url')}.", Ref(queue), url),
            export(
                f"{queue.title}Arn", f"ARN of the queue {url.removesuffix('-url')}.", GetAtt(queue, "Arn"), arn_name
            ),
        ]
    return resources, outputs


def _repository() -> Part:
    newest_only = {
        "rules": [
            {
                "rulePriority": 1,
                "description": "Keep the newest images.",
                "selection": {
                    "tagStatus": "any",
                    "countType": "imageCountMoreThan",
                    "countNumber": c.CONTAINER_IMAGES_KEPT,
                },
                "action": {"type": "expire"},
            }
        ]
    }
    repository = ecr.Repository(
        "Repository",
        DeletionPolicy="Delete",
        UpdateReplacePolicy="Retain",
        RepositoryName=Sub(c.REPOSITORY_NAME),
        # A tag that can't move is what makes a rollback mean something.
        ImageTagMutability="IMMUTABLE",
        ImageScanningConfiguration=ecr.ImageScanningConfiguration(ScanOnPush=True),
        EncryptionConfiguration=ecr.EncryptionConfiguration(EncryptionType="AES256"),
        LifecyclePolicy=ecr.LifecyclePolicy(LifecyclePolicyText=json.dumps(newest_only, indent=2)),
        EmptyOnDelete=True,
        Tags=project_tags(),
    )
    return [repository], [
        export(
            "RepositoryUri",
            "URI of the container repository.",
            GetAtt(repository, "RepositoryUri"),
            c.EXPORT_REPOSITORY_URI,
        ),
        export("RepositoryArn", "ARN of the container repository.", GetAtt(repository, "Arn"), c.EXPORT_REPOSITORY_ARN),
    ]


def _alerts(email: Ref) -> Part:
    topic = sns.Topic("AlertTopic", TopicName=Sub(c.ALERT_TOPIC_NAME), Tags=project_tags())
    subscription = sns.SubscriptionResource(
        "AlertSubscription", Condition=HAS_ALERT_EMAIL, TopicArn=Ref(topic), Protocol="email", Endpoint=email
    )
    return [topic, subscription], [
        export("AlertTopicArn", "ARN of the topic that alerts go to.", Ref(topic), c.EXPORT_ALERT_TOPIC_ARN)
    ]


def _traffic() -> Part:
    share = ssm.Parameter(
        "TrafficParameter",
        Name=Sub(c.TRAFFIC_PARAMETER_NAME),
        Description="Share of new jobs that go to the GPU side, in percent; the rest go to the CPU side.",
        Type="String",
        Value=str(c.TRAFFIC_GPU_PERCENT),
        AllowedPattern="^(100|[1-9]?[0-9])$",
    )
    return [share], [
        export(
            "TrafficParameterName", "Name of the parameter with the GPU share.", Ref(share), c.EXPORT_TRAFFIC_PARAMETER
        )
    ]
