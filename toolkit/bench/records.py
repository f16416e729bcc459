"""Stored benchmarks: in files, and in the state bucket next to the releases.

Records are under `<env>/benchmarks/`. Like releases, they are never overwritten, and stay until deleted.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from toolkit import documents
from toolkit.aws import bodies
from toolkit.aws.access import AwsAccess
from toolkit.aws.concurrent import map_concurrently
from toolkit.aws.errors import explain
from toolkit.bench import subject
from toolkit.bench.results import INTERRUPTED, Benchmark
from toolkit.deployment import measured
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs
from toolkit.environment.loader import NAME
from toolkit.errors import InputError, StateError, ToolkitError
from toolkit.files import require_file, write_atomic
from toolkit.os_errors import writing

# Microseconds are more than any clock here resolves.
_DECIMALS = 6
# Of a stage or request, so that sums are finite.
_MOST_SECONDS, _MOST_TOKENS = 1e9, 10**12
# HTTP statuses of a conditional write to an existing key.
_TAKEN = (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED)
# Start in UTC, model and digest of the content.
_ID = re.compile(r"(?P<time>\d{8}T\d{6}Z)-(?P<model>[a-z0-9][a-z0-9.-]*)-(?P<digest>[0-9a-f]{8})", re.ASCII)
_KEY = re.compile(rf".*/benchmarks/(?P<id>{_ID.pattern})\.json\.gz", re.ASCII)
_RELEASE = re.compile(r"release:(\d{1,9})", re.ASCII)
_GZIP = 16 + zlib.MAX_WBITS
_RESTORE = "restore the object's earlier version (docs/how-to/restore.md), or delete it"


def dumps(benchmark: Benchmark) -> bytes:
    """A benchmark as JSON; times are rounded to microseconds.

    Raises:
        InputError: it is larger than what is read again.
    """
    text = json.dumps(_plain(vars(benchmark)), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    content = text.encode()
    if len(content) > documents.MAX_BYTES:
        size = len(content) // 2**20
        raise InputError(
            f"cannot store the benchmark: it has {size} MiB, more than {documents.MAX_BYTES // 2**20}",
            remedy="measure fewer requests, or the stages in several benchmarks",
        )
    return content


def loads(content: bytes, error: ToolkitError) -> Benchmark:
    """A benchmark from JSON, which may be compressed with gzip.

    Args:
        content: the JSON.
        error: raised with the place of the damage as its first detail.
    """
    try:
        if content.startswith(b"\x1f\x8b"):
            content = _decompress(content)
        benchmark = documents.parse(content, Benchmark)
        _check(benchmark)
    except documents.DamagedError as damage:
        error.details = (str(damage), *error.details)
        raise error from None
    return benchmark


def read_file(path: Path) -> Benchmark:
    """A benchmark in a file.

    Raises:
        InputError: it does not exist, or is not a benchmark.
    """
    require_file(path, "read the benchmark", str(path), "name a file that `toolkit bench` has written")
    error = InputError(
        "cannot read the benchmark: not a file of `toolkit bench`", where=str(path), remedy="measure again"
    )
    return loads(documents.load(path), error)


def write_file(path: Path, benchmark: Benchmark) -> None:
    """Write a benchmark to a file, compressed if its name ends in `.gz`.

    Raises:
        InputError: it is too large, or the file cannot be written.
    """
    content = dumps(benchmark)
    if path.suffix == ".gz":
        content = _compress(content)
    with writing(path, "write the result"):
        if path.exists() and not path.is_file():
            # A pipe or a device, which must not be replaced.
            path.write_bytes(content)
        else:
            write_atomic(path, content)


def identifier(benchmark: Benchmark, content: bytes | None = None) -> str:
    """The id of a benchmark: its start, its model and a digest of its content.

    Args:
        benchmark: the benchmark.
        content: the result of `dumps`, if it is known.
    """
    started = datetime.fromisoformat(benchmark.started)
    digest = hashlib.sha256(dumps(benchmark) if content is None else content).hexdigest()[:8]
    return f"{started:%Y%m%dT%H%M%SZ}-{benchmark.model}-{digest}"


@dataclass(frozen=True)
class Record:
    """A stored benchmark.

    Attributes:
        id: its id.
        benchmark: the benchmark; None if it is damaged.
        damage: why it cannot be read; None if it can.
    """

    id: str
    benchmark: Benchmark | None
    damage: str | None = None


@dataclass(frozen=True)
class Records:
    """The stored benchmarks of one environment.

    Attributes:
        access: the account.
        bucket: the state bucket.
        env: the environment's name.
    """

    access: AwsAccess
    bucket: str
    env: str

    def ids(self, model: str | None = None) -> list[str]:
        """All ids, newest first.

        Args:
            model: only those of this model.
        """
        pages = self.access.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"{self.env}/benchmarks/"
        )
        # Other objects in that folder are ignored.
        keys = [_KEY.fullmatch(item["Key"]) for page in pages for item in page.get("Contents", [])]
        matches = [key for key in keys if key is not None and model in (None, key["model"])]
        return sorted((key["id"] for key in matches), reverse=True)

    def list(self, model: str | None = None, limit: int | None = None) -> list[Record]:
        """The newest benchmarks, newest first; damaged ones are among them.

        Args:
            model: only those of this model.
            limit: the most to read.
        """
        return map_concurrently(self._record, self.ids(model)[:limit])

    def get(self, id_: str) -> Benchmark:
        """One benchmark.

        Raises:
            StateError: its record is damaged.
        """
        key = self._key(id_)
        where = f"s3://{self.bucket}/{key}"
        content = bodies.read(lambda: self.access.s3.get_object(Bucket=self.bucket, Key=key))
        error = StateError(
            f"cannot read benchmark {id_}: its record was changed after it was stored",
            where=where,
            remedy=_RESTORE,
        )
        benchmark = loads(content, error)
        if identifier(benchmark) != id_:
            error.details = (f"its content is that of {identifier(benchmark)}",)
            raise error
        return benchmark

    def resolve(self, reference: str, model: str | None = None) -> tuple[str, Benchmark]:
        """The benchmark of a reference, with its id.

        Args:
            reference: `latest`, `release:N`, an id or the beginning of one.
            model: only benchmarks of this model.

        Raises:
            InputError: there is no such benchmark, or there are several.
            StateError: its record is damaged.
        """
        ids = self.ids(model)
        owner = self.env if model is None else f"{model} in {self.env}"
        if not ids:
            raise InputError(f"no benchmark of {owner} is stored", remedy=f"toolkit bench --env {self.env}")
        remedy = f"choose one of `toolkit bench list --env {self.env}`"
        release = _RELEASE.fullmatch(reference)
        if release is not None:
            number = int(release[1])
            for id_ in ids:
                record = self._record(id_)
                if record.benchmark is not None and record.benchmark.subject.release == number:
                    return id_, record.benchmark
            raise InputError(f"no benchmark of {owner} measured release {number}", remedy=remedy)
        matching = ids[:1] if reference == "latest" else [id_ for id_ in ids if id_.startswith(reference)]
        if not matching:
            raise InputError(f"no benchmark of {owner} is named {reference}", remedy=remedy)
        if len(matching) > 1:
            raise InputError(
                f"{len(matching)} benchmarks of {owner} begin with {reference}", remedy="give more of the id"
            )
        return matching[0], self.get(matching[0])

    def save(self, benchmark: Benchmark) -> str:
        """Store a benchmark; returns its id.

        Raises:
            InputError: it is too large.
        """
        content = dumps(benchmark)
        id_ = identifier(benchmark, content)
        try:
            self.access.s3.put_object(
                Bucket=self.bucket,
                Key=self._key(id_),
                Body=_compress(content),
                ContentType="application/gzip",
                IfNoneMatch="*",
            )
        except ClientError as error:
            # The id depends on the content, so an existing object is the same.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in _TAKEN:
                raise
        return id_

    def _record(self, id_: str) -> Record:
        try:
            return Record(id_, self.get(id_))
        except StateError as error:
            return Record(id_, None, "; ".join(error.details))

    def _key(self, id_: str) -> str:
        return f"{self.env}/benchmarks/{id_}.json.gz"


def of(context: Context) -> Records:
    """The environment's benchmarks."""
    return Records(context.access, context.environment.state_bucket, context.environment.name)


def save_complete(context: Context, outputs: Outputs, benchmark: Benchmark) -> str | None:
    """Store a benchmark that has just ended, unless it is interrupted or the deployment changed meanwhile.

    Shows its id, or why it is not stored.

    Args:
        context: the environment.
        outputs: what is deployed.
        benchmark: the benchmark.

    Returns:
        Its id; None if it is not stored.
    """
    id_ = None
    try:
        reason = _incomplete(context, outputs, benchmark)
        if reason is None:
            id_ = of(context).save(benchmark)
    except InputError as error:
        reason = error.message
    except (BotoCoreError, ClientError) as error:
        explained = explain(error)
        reason = str(error) if explained is None else explained.message
    if reason is not None:
        context.console.warning(f"the benchmark is not stored: {reason}")
    else:
        context.console.line(f"stored as {id_}")
    return id_


def _incomplete(context: Context, outputs: Outputs, benchmark: Benchmark) -> str | None:
    """Why a benchmark does not describe one deployment; None if it does."""
    if any(stage.stopped == INTERRUPTED for stage in benchmark.stages):
        return "it was interrupted"
    if not any(stage.requests for stage in benchmark.stages):
        return "it has no requests"
    try:
        now = subject.of(context, outputs, benchmark.model)
    except ToolkitError as error:
        return f"the deployment changed meanwhile: {error.message}"
    members = (*measured.IDENTITY, "instances")
    changes = "; ".join(measured.differences(benchmark.subject, now, members))
    return f"the deployment changed meanwhile: {changes}" if changes else None


def load(reference: str, context: Context | None = None, model: str | None = None) -> tuple[str, Benchmark]:
    """The benchmark that a user names, with its id or file.

    Args:
        reference: a file, `latest`, `release:N`, an id or the beginning of one.
        context: the environment; None for files only.
        model: only stored benchmarks of this model.

    Raises:
        InputError: there is no such benchmark, or several.
        StateError: its record is damaged.
    """
    path = Path(reference)
    if context is None or "/" in reference or path.is_file():
        if context is None and not path.exists() and "/" not in reference:
            raise InputError(
                f"cannot read the benchmark {reference}: no such file",
                remedy="pass --env ENV for a stored benchmark",
            )
        return reference, read_file(path)
    return of(context).resolve(reference, model)


def _plain(value: Any) -> Any:
    """A value as JSON has it; members that are None are left out, as most are in most requests."""
    if isinstance(value, float):
        return round(value, _DECIMALS)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return _plain(vars(value)) if hasattr(value, "__dataclass_fields__") else value


def _compress(content: bytes) -> bytes:
    # Without a time, so that equal content is equal.
    compressor = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    return compressor.compress(content) + compressor.flush()


def _decompress(content: bytes) -> bytes:
    """The content of a gzip file, at most one byte more than is accepted.

    Raises:
        DamagedError: it is damaged or incomplete.
    """
    decompressor = zlib.decompressobj(_GZIP)
    try:
        text = decompressor.decompress(content, documents.MAX_BYTES + 1)
    except zlib.error as error:
        raise documents.DamagedError(f"not a gzip file, or damaged: {error}") from None
    if len(text) <= documents.MAX_BYTES and not decompressor.eof:
        raise documents.DamagedError("the gzip file is incomplete")
    return text


def _check(benchmark: Benchmark) -> None:
    """Check what the types do not say, so that no figure is divided by zero.

    Raises:
        DamagedError: a value is out of its range.
    """
    if benchmark.version != 1:
        raise documents.DamagedError(f"version: is {benchmark.version}, which a later toolkit wrote")
    try:
        utc = datetime.fromisoformat(benchmark.started).utcoffset()
    except ValueError:
        utc = None
    if utc is None or utc.total_seconds():
        raise documents.DamagedError(f"started: {benchmark.started!r} is not a time in UTC")
    if not _ID.fullmatch(f"20000101T000000Z-{benchmark.model}-00000000"):
        raise documents.DamagedError(f"model: {benchmark.model!r} is not the name of a model")
    if not NAME.fullmatch(benchmark.environment):
        raise documents.DamagedError(f"environment: {benchmark.environment!r} is not the name of one")
    for index, stage in enumerate(benchmark.stages):
        place = f"stages[{index}]"
        # A stage that ends in its warm-up has no requests, and takes no time.
        least = 10**-_DECIMALS if stage.requests else 0
        if not least <= stage.seconds <= _MOST_SECONDS:
            raise documents.DamagedError(f"{place}.seconds: is {stage.seconds}")
        if (stage.concurrency is None) == (stage.rate is None):
            raise documents.DamagedError(f"{place}: exactly one of concurrency and rate is needed")
        if (stage.concurrency or stage.rate or 0) <= 0:
            raise documents.DamagedError(f"{place}: concurrency and rate are above 0")
        for number, request in enumerate(stage.requests):
            times = (request.started, request.total, request.first or 0, request.delay, *request.gaps)
            counts = (request.input_tokens or 0, request.output_tokens or 0)
            if min(*times, *counts) < 0:
                raise documents.DamagedError(f"{place}.requests[{number}]: a time or count is below 0")
            if max(times) > _MOST_SECONDS or max(counts) > _MOST_TOKENS:
                raise documents.DamagedError(f"{place}.requests[{number}]: a time or count is too large")
