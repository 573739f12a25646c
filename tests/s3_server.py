"""An S3 store on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from moto.server import ThreadedMotoServer

KEYS = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


@contextmanager
def serve_s3(bucket: str) -> Iterator[str]:
    """Yield the address of a store with one empty bucket; its credentials are ``KEYS``, to be set in the
    environment.
    """
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    region, key, secret = KEYS["AWS_DEFAULT_REGION"], KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"]
    try:
        boto3.client(
            "s3", endpoint_url=url, region_name=region, aws_access_key_id=key, aws_secret_access_key=secret
        ).create_bucket(Bucket=bucket)
        yield url
    finally:
        server.stop()
