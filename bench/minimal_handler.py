"""What the API's start is measured against: the least that a Powertools handler with validation and boto3 can be."""

from typing import Any
from uuid import uuid4

import boto3
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from pydantic import BaseModel

app = APIGatewayRestResolver(enable_validation=True)
dynamodb = boto3.client("dynamodb")
sqs = boto3.client("sqs")


class Order(BaseModel):
    """A request."""

    prompt: str
    num_inference_steps: int = 25


@app.post("/v1/generations")
def create(order: Order) -> dict[str, str]:
    """Write it, and queue it."""
    job_id = uuid4().hex
    dynamodb.put_item(TableName="jobs", Item={"job_id": {"S": job_id}, "request": {"S": order.model_dump_json()}})
    sqs.send_message(QueueUrl="https://sqs.us-east-1.amazonaws.com/1/jobs", MessageBody=job_id)
    return {"id": job_id}


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """What AWS Lambda calls."""
    return app.resolve(event, context)
