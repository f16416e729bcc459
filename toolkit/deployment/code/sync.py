"""Code that updates in seconds: straight to Lambda, and noted in the state as if Terraform had done it."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit import packaging
from toolkit.aws import state_bucket, statelock
from toolkit.deployment import files, outputs
from toolkit.deployment.context import Context
from toolkit.deployment.locks import locking
from toolkit.errors import InputError, PolicyViolationError, RolloutError
from toolkit.packaging import Package, sources
from toolkit.packaging.difference import Difference
from toolkit.packaging.difference import difference as compare
from toolkit.terraform import lambda_state
from toolkit.terraform.lambda_state import FunctionCode

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import FunctionConfigurationTypeDef as Configuration

# Lambda takes a second or two on AWS; it promises nothing.
ACTIVE_SECONDS = 120.0
_POLL_SECONDS = 0.1
# Editors save a file in several steps, and several files in a row.
_SETTLE_SECONDS = 0.2


@dataclass(frozen=True)
class Synced:
    """A function that has new code.

    Attributes:
        part: `gateway` or `authorizer`.
        package: what it runs now.
        difference: to what it ran before; None if that package is not on this machine.
        seconds: from the upload until Lambda called it active.
    """

    part: str
    package: Package
    difference: Difference | None
    seconds: float

    def describe(self) -> str:
        """In one line, for people."""
        size = f"{self.package.path.stat().st_size / 1024:.0f} KiB"
        what = f": {self.difference.describe()}" if self.difference else ""
        return (
            f"{self.part}{what} ({size}, sha256 {self.package.sha256[:12]}), active in {self.seconds:.1f} s"
        )


class Sync:
    """Brings the functions of a deployed environment to what `lambda_src/` holds.

    Args:
        context: the environment.
        watch: whether files may be saved at this moment: wait until they are stable, and refuse a module that
            has become empty.

    Raises:
        PolicyViolationError: the environment is protected.
        PreflightError: it is not deployed.
    """

    def __init__(self, context: Context, *, watch: bool = False) -> None:
        environment = context.environment
        if environment.protected:
            raise PolicyViolationError(
                f"environment {environment.name} is protected: its code comes from reviewed applies alone",
                where=environment.file,
                remedy=f"make apply ENV={environment.name}",
            )
        self._context = context
        self._watch = watch
        self._functions = outputs.read(context).functions
        self._done: packaging.Packages | None = None

    def run(self) -> list[Synced]:
        """Do it, unless the sources are those of the last time.

        Returns:
            The functions that have new code now.

        Raises:
            InputError: a source file is not valid Python, or has become empty while watching.
            StateError: an apply is under way.
            RolloutError: Lambda could not start the new code.
        """
        project = self._context.project
        contents = sources.read(project.root / "lambda_src", _SETTLE_SECONDS if self._watch else 0.0)
        sources.check_syntax(contents)
        packages = packaging.build(project, self._context.console, contents)
        if packages == self._done:
            return []
        environment = self._context.environment
        bucket, key = environment.state_bucket, environment.state_key
        with (
            locking.exclusive(self._context),
            statelock.held(self._context.access, bucket, key, "sync"),
        ):
            synced = self._update({"gateway": packages.gateway, "authorizer": packages.authorizer})
        self._done = packages
        return synced

    def _update(self, packages: Mapping[str, Package]) -> list[Synced]:
        names = {part: self._functions[part] for part in packages}
        configurations = {part: self._configuration(name) for part, name in names.items()}
        deployed = {part: _hexadecimal(c["CodeSha256"]) for part, c in configurations.items()}
        changed = {
            part: (package, self._difference(part, deployed[part], package))
            for part, package in packages.items()
            if deployed[part] != package.sha256
        }
        if self._watch:
            _refuse_emptied([difference for _, difference in changed.values() if difference])
        synced: list[Synced] = []
        for part, (package, difference) in changed.items():
            started = time.monotonic()
            configurations[part] = self._upload(names[part], package)
            synced.append(Synced(part, package, difference, time.monotonic() - started))
        self._record_in_state(
            {
                names[part]: FunctionCode(
                    filename=files.package_path(self._context.project, packages[part]),
                    sha256=configuration["CodeSha256"],
                    size=configuration["CodeSize"],
                    last_modified=configuration["LastModified"],
                )
                for part, configuration in configurations.items()
            }
        )
        return synced

    def _configuration(self, name: str) -> Configuration:
        # Not GetFunctionConfiguration: Terraform's deployers have the right to this.
        return self._context.access.lambda_.get_function(FunctionName=name)["Configuration"]

    def _upload(self, name: str, package: Package) -> Configuration:
        access = self._context.access.lambda_
        access.update_function_code(FunctionName=name, ZipFile=package.path.read_bytes())
        deadline = time.monotonic() + ACTIVE_SECONDS
        while True:
            configuration = self._configuration(name)
            status = configuration.get("LastUpdateStatus", "Successful")
            if status == "Successful":
                return configuration
            if status == "Failed" or time.monotonic() > deadline:
                reason = configuration.get("LastUpdateStatusReason") or f"still {status}"
                raise RolloutError(f"Lambda does not run the new code: {reason}", where=name)
            time.sleep(_POLL_SECONDS)

    def _difference(self, part: str, before: str, package: Package) -> Difference | None:
        old = packaging.package_file(self._context.project.lambda_build, part, before)
        return compare(old, package.path) if old.is_file() else None

    def _record_in_state(self, running: Mapping[str, FunctionCode]) -> None:
        environment, access = self._context.environment, self._context.access
        bucket, key = environment.state_bucket, environment.state_key
        content = state_bucket.read(access, bucket, key)
        if content is None:
            return
        updated = lambda_state.write(content, f"s3://{bucket}/{key}", running)
        if updated is not None:
            state_bucket.write(access, bucket, key, updated)


def _refuse_emptied(differences: list[Difference]) -> None:
    for difference in differences:
        if difference.emptied:
            raise InputError(
                "cannot deploy an empty module that has code in the running version",
                where=f"lambda_src/{difference.emptied[0]}",
                remedy="save the file again, or deploy it empty with `toolkit sync` without --watch",
            )


def _hexadecimal(sha256: str) -> str:
    return base64.b64decode(sha256).hex()
