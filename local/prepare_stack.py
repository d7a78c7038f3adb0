"""Makes what the stack needs before it starts: keys, schema and bucket. It may be run again."""

import logging
import subprocess
import sys
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

from local.keys import ensure_keys
from shared import settings

logger = logging.getLogger("prepare")


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    path = settings.keys().file
    if path is None:
        sys.stderr.write("KEYS_FILE must name the file of the keys.\n")
        return 1
    logger.info("keys %s", "made" if ensure_keys(Path(path)) else "present")
    subprocess.run(["alembic", "upgrade", "head"], check=True)
    bucket = settings.objects().bucket
    logger.info("bucket %s %s", bucket, "made" if ensure_bucket(bucket) else "present")
    return 0


def ensure_bucket(name: str) -> bool:
    """Make the bucket if it does not exist. Returns whether it was made now."""
    s3 = boto3.client("s3")
    try:
        s3.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        s3.create_bucket(Bucket=name)
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
