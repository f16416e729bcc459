"""Update the functions' code in seconds: through Lambda's API, recorded in the state as if by Terraform."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from watchfiles import watch

from toolkit import documents, os_errors, packaging
from toolkit.aws import state_bucket, state_lock
from toolkit.aws.errors import explain
from toolkit.console import Console
from toolkit.deployment import artifacts, locks, outputs
from toolkit.deployment.context import Context
from toolkit.environment import Environment
from toolkit.errors import InputError, PolicyViolationError, RolloutError, ToolkitError
from toolkit.packaging import Package, sources
from toolkit.packaging.difference import Difference
from toolkit.packaging.difference import difference as compare
from toolkit.packaging.guard_code import source
from toolkit.packaging.sources import fingerprint
from toolkit.terraform import lambda_state
from toolkit.terraform.lambda_state import FunctionCode

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import FunctionConfigurationTypeDef as Configuration

# Lambda takes a second or two on AWS, without a guarantee.
ACTIVE_SECONDS = 120.0
_POLL_SECONDS = 0.1
# Editors save a file in several steps, and several files in a row.
_STABLE_SECONDS = 0.2
# Changes closer together than this count as one.
_QUIET_MILLISECONDS = 50
# Polling interval for file systems without change events, as some network file systems.
_POLL_MILLISECONDS = 1000


@dataclass(frozen=True)
class Synced:
    """A function that has new code.

    Attributes:
        part: `gateway` or `authorizer`.
        package: its package now.
        difference: from its previous package; None if that is not on this machine.
        seconds: from the upload until it was active.
    """

    part: str
    package: Package
    difference: Difference | None
    seconds: float

    def describe(self) -> str:
        """One line for the terminal."""
        kibibytes = self.package.path.stat().st_size / 1024
        difference = f": {self.difference.describe()}" if self.difference else ""
        package = f"({kibibytes:.0f} KiB, sha256 {self.package.sha256[:12]})"
        return f"{self.part}{difference} {package}, active in {self.seconds:.1f} s"


class Sync:
    """Updates the functions of a deployed environment to the code in `lambda_src/`.

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
                f"environment {environment.name} is protected: only reviewed applies change its code",
                where=environment.file,
                remedy=f"make apply ENV={environment.name}",
            )
        self._context = context
        self._watch = watch
        self._functions = outputs.read(context).functions
        self._deployed: packaging.Packages | None = None

    def run(self) -> list[Synced]:
        """Update functions whose code has changed.

        Returns:
            The functions that were updated.

        Raises:
            InputError: a source file is not valid Python, or has become empty while watching.
            StateError: an apply is in progress.
            RolloutError: Lambda could not start the new code.
        """
        project = self._context.project
        contents = sources.read(project.code / "lambda_src", _STABLE_SECONDS if self._watch else 0.0)
        sources.check_syntax(contents)
        environment = self._context.environment
        packages = packaging.build(project, self._context.console, environment, contents)
        if packages == self._deployed:
            return []
        bucket, key = environment.state_bucket, environment.state_key
        with (
            locks.exclusive(self._context),
            state_lock.held(self._context.access, bucket, key, "sync"),
        ):
            # Without API keys there is no authorizer.
            every = {"gateway": packages.gateway, "authorizer": packages.authorizer}
            synced = self._update({part: every[part] for part in every if part in self._functions})
        self._deployed = packages
        return synced

    def _update(self, packages: Mapping[str, Package]) -> list[Synced]:
        names = {part: self._functions[part] for part in packages}
        configurations = {part: self._configuration(name) for part, name in names.items()}
        require_applied(self._context.environment, packages, configurations)
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
                    filename=artifacts.package_path(self._context, packages[part]),
                    sha256=configuration["CodeSha256"],
                    size=configuration["CodeSize"],
                    last_modified=configuration["LastModified"],
                )
                for part, configuration in configurations.items()
            }
        )
        return synced

    def _configuration(self, name: str) -> Configuration:
        # Deployers have the permission for GetFunction, not for GetFunctionConfiguration.
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


@dataclass(frozen=True)
class _DeployedGuard:
    """The gateway's variable `GATEWAY_GUARD`, as far as code depends on it."""

    python: str | None = None


def require_applied(
    environment: Environment, packages: Mapping[str, Package], deployed: Mapping[str, Configuration]
) -> None:
    """Refuse code that the settings of the deployed functions do not suit.

    No request would succeed, or a guard in the environment file would seem to be in force.

    An authorizer from before JWTs would even accept the public keys that stand for their callers.

    Args:
        environment: the environment, as in the file.
        packages: the new packages.
        deployed: the functions.

    Raises:
        InputError: an apply is needed first.
    """
    remedy = f"make apply ENV={environment.name}"
    variables = {
        part: function.get("Environment", {}).get("Variables", {}) for part, function in deployed.items()
    }
    if "JWT" in variables.get("authorizer", {}):
        authorizer = packages["authorizer"]
        if environment.api.jwt is None or not packaging.reserves_jwt_keys({authorizer.path.name: authorizer}):
            raise InputError(
                "cannot sync: the deployed authorizer verifies JWTs, and the new one does not", remedy=remedy
            )
    variable = variables.get("gateway", {}).get("GATEWAY_GUARD", "{}")
    try:
        deployed_guard = documents.parse(variable, _DeployedGuard).python
    except documents.DamagedError as damage:
        message = f"cannot sync: the deployed gateway's GATEWAY_GUARD is damaged: {damage}"
        raise InputError(message, remedy=remedy) from None
    code = environment.api.guard_code
    guard = None if code is None else code.function
    if guard != deployed_guard:
        raise InputError(
            f"cannot sync: the guard in the environment file is {guard or 'none'}, and the deployed one is "
            f"{deployed_guard or 'none'}",
            remedy=remedy,
        )


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


def directories(context: Context) -> list[Path]:
    """Where the functions' code is."""
    guard = context.environment.api.guard_code
    return [context.project.code / "lambda_src", *([] if guard is None else [source(context.project, guard)])]


def changes(*directories: Path) -> Iterator[None]:
    """Yield at once, and then after each change of a file or of a file in a folder, forever.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    previous = list(map(fingerprint, directories))
    yield
    for _ in watch(
        *directories, step=_QUIET_MILLISECONDS, rust_timeout=_POLL_MILLISECONDS, yield_on_timeout=True
    ):
        # Changes before the watcher started send no event, so the files are compared.
        current = list(map(fingerprint, directories))
        if current != previous:
            previous = current
            yield


@contextmanager
def report_errors(console: Console) -> Iterator[None]:
    """Print errors of the block instead of exiting."""
    try:
        yield
    except ToolkitError as error:
        console.line(f"error: {error}")
    except (BotoCoreError, ClientError) as error:
        console.line(f"error: {explain(error) or error}")
    except FileNotFoundError as error:
        # An editor's temporary file; its removal is a change too, so another update follows.
        console.line(f"error: {error.filename} was removed in the meantime")
    except OSError as error:
        explanation = os_errors.explain(error)
        if explanation is None:
            raise
        console.line(f"error: {explanation}")
