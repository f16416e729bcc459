"""Releases in the state bucket, under `<env>/releases/`, with the Lambda packages they were made with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from botocore.exceptions import ClientError

from toolkit.aws.access import AwsAccess
from toolkit.errors import InputError, StateError
from toolkit.release.record import Release

# A number that two machines take at once is refused to the second, which takes the next.
TAKEN = (409, 412)
_NUMBERED = re.compile(r"/(\d+)\.json$", re.ASCII)


@dataclass(frozen=True)
class Releases:
    """The releases of one environment.

    Attributes:
        access: the account.
        bucket: the state bucket.
        env: the environment's name.
    """

    access: AwsAccess
    bucket: str
    env: str

    def list(self) -> list[Release]:
        """All releases, newest first.

        Raises:
            StateError: the record of one is damaged.
        """
        return [self._read(key) for key in sorted(self._keys(), reverse=True)]

    def latest(self) -> Release | None:
        """The newest release; None before the first.

        Raises:
            StateError: its record is damaged.
        """
        keys = sorted(self._keys())
        return self._read(keys[-1]) if keys else None

    def get(self, number: int) -> Release:
        """One release.

        Raises:
            InputError: there is none of that number.
        """
        if self._key(number) in set(self._keys()):
            return self._read(self._key(number))
        numbers = ", ".join(str(release.number) for release in self.list()) or "none yet"
        raise InputError(f"{self.env} has no release {number}", remedy=f"there are: {numbers}")

    def record(self, release: Release, packages: Mapping[str, Path]) -> Release:
        """Store a release under the next free number, its packages first; returns it with its number.

        Args:
            release: what to store; its number is not looked at.
            packages: the package files, by the names that `release.packages` has.
        """
        for name, path in packages.items():
            self._store_package(release.packages[name], path)
        # Told by their names: what is in the last one does not keep the next from being recorded.
        numbered = replace(release, number=max(map(_number, self._keys()), default=0) + 1)
        while not self._create(numbered):
            numbered = replace(numbered, number=numbered.number + 1)
        return numbered

    def restore_packages(self, release: Release, directory: Path) -> None:
        """Write a release's packages into `directory`, unless they lie there already.

        Raises:
            StateError: a stored package is not what was recorded.
        """
        directory.mkdir(parents=True, exist_ok=True)
        for name, sha256 in release.packages.items():
            path = directory / name
            if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256:
                continue
            content = self.access.s3.get_object(Bucket=self.bucket, Key=self._package_key(sha256))[
                "Body"
            ].read()
            if hashlib.sha256(content).hexdigest() != sha256:
                raise StateError(
                    f"the package {name} of release {release.number} was changed after it was stored",
                    where=f"s3://{self.bucket}/{self._package_key(sha256)}",
                    remedy="restore the object's earlier version; the bucket keeps versions",
                )
            path.write_bytes(content)

    def _create(self, release: Release) -> bool:
        try:
            self.access.s3.put_object(
                Bucket=self.bucket,
                Key=self._key(release.number),
                Body=release.to_json().encode(),
                ContentType="application/json",
                IfNoneMatch="*",
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in TAKEN:
                return False
            raise
        return True

    def _store_package(self, sha256: str, path: Path) -> None:
        # Named by content: what is there already is the same.
        try:
            self.access.s3.head_object(Bucket=self.bucket, Key=self._package_key(sha256))
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            self.access.s3.put_object(
                Bucket=self.bucket, Key=self._package_key(sha256), Body=path.read_bytes()
            )

    def _keys(self) -> Iterator[str]:
        pages = self.access.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"{self.env}/releases/"
        )
        for page in pages:
            for item in page.get("Contents", []):
                # Not what somebody has put beside them.
                if _NUMBERED.search(item["Key"]):
                    yield item["Key"]

    def _read(self, key: str) -> Release:
        content = self.access.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        try:
            return Release.from_json(content.decode())
        except (ValueError, TypeError, AttributeError):
            raise StateError(
                f"the record of release {_number(key)} can't be read: it was changed after it was stored",
                where=f"s3://{self.bucket}/{key}",
                remedy="restore the object's earlier version; the bucket keeps versions",
            ) from None

    def _key(self, number: int) -> str:
        return f"{self.env}/releases/{number:06d}.json"

    def _package_key(self, sha256: str) -> str:
        return f"{self.env}/packages/{sha256}.zip"


def _number(key: str) -> int:
    match = _NUMBERED.search(key)
    return int(match[1]) if match else 0
