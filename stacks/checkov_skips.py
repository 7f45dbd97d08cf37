"""The checkov checks that our templates do not follow, each with its reason; a skip that nothing needs is a fault."""

from typing import Final

_OWN_KEY: Final = "a customer key costs $1 a month and a request each time"
SKIPS: Final = {
    "CKV_AWS_18": "S3 access logs would outgrow the pictures; presigned URLs are handed out, and logged, by the API.",
    "CKV_AWS_21": "A deleted picture has to be gone. Models and artifacts can be made again, under keys with a hash.",
    "CKV_AWS_26": "CloudWatch alarms can't publish under the key of AWS, and alerts hold no prompt and no picture.",
    "CKV_AWS_27": "Wrong: it knows KMS keys only, and the queues are encrypted by SQS itself (SqsManagedSseEnabled).",
    "CKV_AWS_59": "The API's own documentation is for everybody; an invariant of ours guards every other method.",
    "CKV_AWS_73": "One correlation id in the logs follows a job through the queue, where X-Ray's trace ends.",
    "CKV_AWS_115": "New accounts have 10 concurrent executions and may reserve none; the usage plan limits callers.",
    "CKV_AWS_116": "A failure is the caller's answer, and the sweep runs again in a minute: no dead letters.",
    "CKV_AWS_117": "The function reaches AWS APIs only; inside a VPC it would need NAT for that.",
    "CKV_AWS_119": f"The table is encrypted with the account's key of AWS; {_OWN_KEY}.",
    "CKV_AWS_120": "Each answer is one key's own and changes from second to second.",
    "CKV_AWS_136": f"Images are encrypted by ECR; {_OWN_KEY}.",
    "CKV_AWS_158": f"Logs are encrypted by CloudWatch; {_OWN_KEY}.",
    "CKV_AWS_173": "The environment holds names and URLs, no secrets.",
}
