"""Connections to buckets through obstore, and why one cannot be used, in a sentence."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, HTTPStore, MemoryStore, ObjectStore, S3Store

from xfeldask.errors import UnreachableError
from xfeldask.store.storage.urls import URL, WEB

RETRIES, RETRYING = 8, timedelta(seconds=20)
"""How often, and how long, a request is made again that a server did not answer, or answered by a fault of its own."""
CLIENT: dict[str, Any] = {"connect_timeout": "5s", "timeout": "60s"}
AT_ONCE = 16
"""Requests of one call that are under way at a time."""
ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
"""Where the environment names another server than that of who runs a kind of bucket."""
_LOGIN = {
    "s3": "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, or AWS_SKIP_SIGNATURE=true for a public one",
    "gs": "set GOOGLE_SERVICE_ACCOUNT to the file of an account's key, or GOOGLE_SKIP_SIGNATURE=true for a public one",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_SKIP_SIGNATURE=true for a public one",
}
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")
_NO_LOGIN = (
    "169.254.169.254",
    "metadata.google.internal",
    "application_default_credentials",
    "Account must be specified",
)
"""Where clients ask for credentials that nobody gave them, and what they say."""
T = TypeVar("T")
A = TypeVar("A")


@cache
def bucket(scheme: str, name: str) -> ObjectStore:
    """Return a bucket, connected once a process; credentials are those of the environment."""
    if scheme == "memory":
        return MemoryStore()
    retrying: Any = {"max_retries": RETRIES, "retry_timeout": RETRYING}
    # who names a server without encryption means it
    plain = any(os.environ.get(key, "").startswith("http://") for key in ENDPOINTS.get(scheme, ()))
    options: Any = CLIENT | ({"allow_http": True} if plain or scheme == "http" else {})
    if scheme in WEB:
        return HTTPStore(f"{scheme}://{name}", client_options=options, retry_config=retrying)
    kind: Any = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}[scheme]
    found: ObjectStore = kind(name, client_options=options, retry_config=retrying)
    return found


@contextmanager
def told(url: URL) -> Iterator[None]:
    """Say in a sentence why a bucket cannot be used.

    Raises
    ------
    UnreachableError
        It is not there, does not answer, or does not let one in.
    """
    try:
        yield
    except (AlreadyExistsError, PreconditionError):
        raise
    except (FileNotFoundError, BaseError) as error:
        if isinstance(error, FileNotFoundError) and not any(code in str(error) for code in _NO_BUCKET):
            raise
        raise UnreachableError(_sentence(url, error)) from None


def _sentence(url: URL, error: Exception) -> str:
    """Say why a bucket cannot be used."""
    name, text = f"{url.scheme}://{url.bucket}", str(error)
    login = f"; {_LOGIN[url.scheme]}" if url.scheme in _LOGIN else ""
    if any(code in text for code in _NO_BUCKET):
        return f"there is no bucket {name}; make it, or mend the name"
    if any(asked in text for asked in _NO_LOGIN):
        return f"there are no credentials for {name}{login}"
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or "403 Forbidden" in text:
        code = text.partition("<Code>")[2].partition("</Code>")[0]
        return f"{name} does not let you in{f' ({code})' if code else ''}{login}"
    if "Range request not supported" in text:
        return f"the server of {name} gives no parts of files, which shots are; copy the store, or serve it otherwise"
    where = next((f" at {os.environ[key]}" for key in ENDPOINTS.get(url.scheme, ()) if key in os.environ), "")
    reason = text.split("\n")[0]
    kept = "" if url.scheme in WEB else ", what was written is kept"
    return f"the server of {name}{where} does not answer ({reason}); try again when it does{kept}"


def side_by_side(function: Callable[[A], T], items: Iterable[A]) -> list[T]:
    """Call a function for each of some items, many at a time, and wait for all; raise the first error."""
    waiting = [_threads().submit(function, item) for item in items]
    try:
        return [one.result() for one in waiting]
    finally:
        for one in waiting:
            one.cancel()


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, "buckets")


def _begin_anew() -> None:
    """Use no connection or thread of the process that this one was forked from."""
    _threads.cache_clear()
    bucket.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
