"""The bucket that pictures go to."""

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_OBJECT_EXISTS: Final = "PreconditionFailed"


class PictureExistsError(Exception):
    """There is an object of that name already."""


class Pictures:
    """Writes files into one bucket."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write a file that is not there yet. Raises `PictureExistsError` and AWS errors."""
        try:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] == _OBJECT_EXISTS:
                raise PictureExistsError(key) from None
            raise

    def replace(self, key: str, body: bytes, content_type: str) -> None:
        """Write a file, whatever is there. Raises AWS errors."""
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType=content_type)
