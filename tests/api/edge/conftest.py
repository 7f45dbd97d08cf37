"""Keys for tests of the API's edge, each with limits of its own."""

from collections.abc import Callable
from itertools import count

import httpx
import pytest

from jobs.keys import LIMITS_DEFAULT, KeyStore, Limits, NewKey
from local_cloud.cloud import LocalCloud

MakeKey = Callable[..., NewKey]
Connect = Callable[[str], httpx.Client]
_numbers = count()


def key_store(cloud: LocalCloud) -> KeyStore:
    return KeyStore(cloud.deployment.client("dynamodb"), "gameforge-keys")


@pytest.fixture(scope="session")
def keys(api_cloud: LocalCloud) -> KeyStore:
    return key_store(api_cloud)


@pytest.fixture(scope="session")
def make_key(keys: KeyStore) -> MakeKey:
    def make(limits: Limits = LIMITS_DEFAULT) -> NewKey:
        return keys.create(f"test-{next(_numbers)}", limits)

    return make


@pytest.fixture
def connect(api_cloud: LocalCloud) -> Connect:
    def client(key: str) -> httpx.Client:
        return httpx.Client(base_url=api_cloud.url, headers={"x-api-key": key}, timeout=40)

    return client
