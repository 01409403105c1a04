"""Repositories of Icechunk by name: a store in one is what a branch of it holds, and is committed by who writes it.

Whoever holds the lock of a store, or of a group in it, writes in a session, which is committed when they let go of it:
others see all of what was written, or nothing. A process has one session of a branch, whatever it writes there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import icechunk
from icechunk import ConflictDetector, ConflictError, IcechunkError, RebaseFailedError
from zarr.abc.store import Store
from zarr.storage import MemoryStore

from xfeldask.errors import InputError, RunError, StoreBusyError, UnreachableError
from xfeldask.store.storage.marks import FileMark, Holder, Mark
from xfeldask.store.storage.urls import ICECHUNK, URL


@dataclass
class Branch:
    """A branch, a tag or a snapshot of a repository, as this process reads or writes it.

    Attributes
    ----------
    repository : URL, without a key
    session : icechunk.Session, optional; there is none where there is no repository
    holders : who of this process writes, by the names of what they write
    spoiled : bool, whether something broke off that must not be committed
    locked : Holder, optional, who made the lock, and may have ended before others
    """

    repository: URL
    session: Any = None
    holders: dict[str, Holder] = field(default_factory=dict)
    spoiled: bool = False
    locked: Holder | None = None

    @property
    def store(self) -> Store:
        """The store as it was when it was refreshed, or as it is being written; empty where there is none."""
        if self.session is None:
            self.refresh()
        return MemoryStore(read_only=True) if self.session is None else self.session.store

    @property
    def lock(self) -> Mark | None:
        """What keeps other processes from writing; None in a bucket, where Icechunk tells two commits apart."""
        place, ref = _parts(self.repository)
        return FileMark.of(Path(place), ref) if self.repository.scheme == f"{ICECHUNK}file" else None

    def refresh(self) -> None:
        """See what was committed since, unless this process writes."""
        if self.holders:
            return
        with _told(self.repository):
            if self.session is None and not icechunk.Repository.exists(_storage(self.repository)):
                return
            found = _repository(self.repository)
            ref = _parts(self.repository)[1]
            ways: list[dict[str, Any]] = [{"branch": ref}, {"tag": ref}, {"snapshot_id": ref}]
            for way in ways:
                with suppress(IcechunkError):
                    self.session = found.readonly_session(**way)
                    return
            raise InputError(
                f"{self.repository} has no branch, tag or snapshot {ref}; its branches are "
                f"{', '.join(sorted(found.list_branches()))}"
            )

    def begin(self, key: str, me: Holder) -> None:
        """Write, from now on until nobody does.

        Raises
        ------
        FileExistsError
            Somebody else writes.
        """
        if key in self.holders:
            raise FileExistsError(key)
        if self.holders:
            self.holders[key] = me
            return
        if self.lock is not None:
            self.lock.make(me)
            self.locked = me
        try:
            with _told(self.repository):
                if not icechunk.Repository.exists(_storage(self.repository)):
                    icechunk.Repository.create(_storage(self.repository))
                found, ref = _repository(self.repository), _parts(self.repository)[1]
                if ref not in found.list_branches():
                    raise InputError(f"{self.repository} cannot be written: {ref} is no branch; make it by Icechunk")
                self.session, self.spoiled = found.writable_session(ref), False
        except BaseException:
            if self.lock is not None:
                self.lock.drop(me)
            raise
        self.holders[key] = me

    def end(self, key: str, me: Holder) -> None:
        """Write no more; the last to say so commits.

        Raises
        ------
        StoreBusyError
            Others committed changes of the same things meanwhile.
        RunError
            The repository is gone.
        """
        if self.holders.get(key) != me:
            return
        try:
            if len(self.holders) == 1:
                self._commit(f"xfeldask: {key or self.repository}")
        finally:
            del self.holders[key]
            if not self.holders and self.lock is not None:
                self.lock.drop(self.locked or me)

    def _commit(self, message: str) -> None:
        if self.spoiled:
            self.session.discard_changes()
        if not self.session.has_uncommitted_changes:
            return
        try:
            with _told(self.repository):
                self.session.commit(message, rebase_with=ConflictDetector())
        except (ConflictError, RebaseFailedError):
            self.session = None
            told = "was written by another process meanwhile, so that nothing was committed; run it again"
            raise StoreBusyError(f"{self.repository} {told}") from None
        except UnreachableError as error:
            raise RunError(f"nothing was committed: {error}") from None


@cache
def branch_of(repository: URL) -> Branch:
    """Return a branch, the same one for all of this process."""
    return Branch(repository)


@cache
def _repository(url: URL) -> Any:
    return icechunk.Repository.open(_storage(url))


def _parts(url: URL) -> tuple[str, str]:
    """Return where a repository lies, and the branch, tag or snapshot that is meant."""
    place, _, ref = url.bucket.rpartition("@")
    return place, ref


def _storage(url: URL, environment: Mapping[str, str] = os.environ) -> Any:
    """Return where Icechunk finds a repository; credentials are those of the environment."""
    if "ICECHUNK_LOG" not in environment:
        icechunk.set_logs_filter(
            "icechunk=error"
        )  # it says of folders that two must not commit at once: there is a lock
    place, kind = _parts(url)[0], url.scheme.removeprefix(ICECHUNK)
    if kind == "file":
        return icechunk.local_filesystem_storage(place)
    bucket, _, prefix = place.partition("/")
    if kind == "gs":
        return icechunk.gcs_storage(bucket=bucket, prefix=prefix, from_env=True)
    if kind == "az":
        account = environment.get("AZURE_STORAGE_ACCOUNT_NAME", "")
        return icechunk.azure_storage(account=account, container=bucket, prefix=prefix, from_env=True)
    server = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    public = environment.get("AWS_SKIP_SIGNATURE", "").lower() in ("1", "true")
    return icechunk.s3_storage(
        bucket=bucket,
        prefix=prefix,
        region=environment.get("AWS_REGION"),
        endpoint_url=server,
        allow_http=bool(server and server.startswith("http://")),
        force_path_style=server is not None,
        anonymous=public or None,
        from_env=not public or None,
    )


@contextmanager
def _told(url: URL) -> Iterator[None]:
    """Say in a sentence why a repository cannot be used."""
    try:
        yield
    except (ConflictError, RebaseFailedError):
        raise
    except IcechunkError as error:
        reason = " ".join(str(error).split("context:")[0].split()).strip("x| ")
        raise UnreachableError(
            f"the repository {url} cannot be used ({reason}); mend its name or credentials"
        ) from None


def _begin_anew() -> None:
    """Use no session of the process that this one was forked from."""
    branch_of.cache_clear()
    _repository.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
