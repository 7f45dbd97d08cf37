"""What the routes work with: made at the first request that needs it, and kept while the function is warm."""

from functools import cache
from typing import TYPE_CHECKING, cast

from jobs.logs import SERVICE_API, make_logger
from lambda_api.settings import ApiSettings

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.session import Session
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

    from lambda_api.forecast import Forecast
    from lambda_api.generations import Generations
    from lambda_api.health import Health
    from lambda_api.holds import Holds
    from lambda_api.orders import Orders
    from lambda_api.usage import Usage

logger = make_logger(SERVICE_API)


@cache
def settings() -> ApiSettings:
    """The function's environment."""
    return ApiSettings.from_environment()


@cache
def _config() -> "Config":
    from botocore.config import Config

    # Under API Gateway's 29 s, so that an AWS hiccup ends in our error and not in the gateway's.
    return Config(retries={"mode": "standard", "max_attempts": 3}, connect_timeout=2, read_timeout=6)


@cache
def _session() -> "Session":
    # boto3 would cost another 50 ms of a cold start, for objects that nothing here uses.
    import botocore.session

    return botocore.session.get_session()


@cache
def dynamodb() -> "DynamoDBClient":
    """The jobs table's service."""
    return cast("DynamoDBClient", _session().create_client("dynamodb", config=_config()))


@cache
def sqs() -> "SQSClient":
    """The queues' service."""
    return cast("SQSClient", _session().create_client("sqs", config=_config()))


@cache
def s3() -> "S3Client":
    """The pictures' service."""
    from botocore.config import Config

    # SigV4 said explicitly: a default client may presign with SigV2, which AWS refuses in newer regions.
    config = _config().merge(Config(signature_version="s3v4"))
    return cast("S3Client", _session().create_client("s3", config=config))


@cache
def usage() -> "Usage":
    """What keys have used."""
    from jobs.store import JobStore
    from lambda_api.usage import Usage

    return Usage(dynamodb(), settings().usage_table, JobStore(dynamodb(), settings().jobs_table))


@cache
def forecast() -> "Forecast":
    """How long waiting jobs have to wait."""
    from jobs.listing import Listing
    from lambda_api.forecast import Forecast

    return Forecast(Listing(dynamodb(), settings().jobs_table))


@cache
def orders() -> "Orders":
    """What becomes jobs."""
    from jobs.intake import Intake
    from jobs.queue import JobQueue
    from jobs.store import JobStore
    from lambda_api.orders import Orders

    table = settings().jobs_table
    return Orders(
        store=JobStore(dynamodb(), table),
        intake=Intake(dynamodb(), table),
        queue=JobQueue(sqs(), settings().gpu_queue_url),
        usage=usage(),
        forecast=forecast(),
        settings=settings(),
        logger=logger,
    )


@cache
def generations() -> "Generations":
    """The jobs."""
    from jobs.intake import Intake
    from jobs.listing import Listing
    from jobs.store import JobStore
    from lambda_api.generations import Generations

    table = settings().jobs_table
    return Generations(
        store=JobStore(dynamodb(), table),
        intake=Intake(dynamodb(), table),
        listing=Listing(dynamodb(), table),
        forecast=forecast(),
        make_s3=s3,
        settings=settings(),
        logger=logger,
    )


@cache
def holds() -> "Holds":
    """Holding clients that can't poll."""
    from lambda_api.holds import Holds

    return Holds(generations(), dynamodb(), settings().jobs_table, settings().hold_seconds)


@cache
def health() -> "Health":
    """The state of the system."""
    from jobs.listing import Listing
    from jobs.workers import Workers
    from lambda_api.health import Health

    table = settings().jobs_table
    return Health(
        listing=Listing(dynamodb(), table), workers=Workers(dynamodb(), table), sqs=sqs(), settings=settings()
    )
