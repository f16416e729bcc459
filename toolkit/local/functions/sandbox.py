"""Files, Python environment and environment variables of an instance."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from toolkit.documents import DAMAGED_ZIP
from toolkit.local.functions.exceptions import FunctionError
from toolkit.local.functions.instance import InstanceLog
from toolkit.local.functions.models import Function
from toolkit.local.iam.enforcement import SessionCredentials
from toolkit.local.service import Cloud
from toolkit.tool_venvs import ToolVenv


@dataclass(frozen=True)
class Sandbox:
    """The surroundings of one instance.

    Attributes:
        cloud: for its address and directory.
        runtime: the virtual environment that replaces AWS's Python runtime.
        credentials: of the function's role.
    """

    cloud: Cloud
    runtime: ToolVenv
    credentials: SessionCredentials

    @property
    def _directory(self) -> Path:
        return self.cloud.directory / "functions"

    async def task_root(self, function: Function) -> Path:
        """The directory of the function's code, unpacked once per content.

        Raises:
            FunctionError: the code is not a zip file.
        """
        directory = self._directory / function.code_sha256
        if not directory.is_dir():
            await asyncio.to_thread(_unpack, function.code, directory)
        return directory

    def environment(
        self, function: Function, task_root: Path, log: InstanceLog, **more: str
    ) -> dict[str, str]:
        """All environment variables of an instance of `function`, none of the user's.

        Args:
            more: override the function's own variables.
        """
        return {
            "PATH": f"{self.runtime.bin}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            # Hides the user's AWS configuration from botocore.
            "HOME": str(self._directory),
            **function.environment,
            **self.cloud.child_environment(function.region),
            **self.credentials.environment(),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": log.stream,
            "LAMBDA_TASK_ROOT": str(task_root),
            "LAMBDA_RUNTIME_DIR": str(self.runtime.site_packages),
            "_HANDLER": function.handler,
            **more,
        }


def _unpack(code: bytes, directory: Path) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=directory.parent, suffix=".partial"))
    try:
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            for entry in archive.infolist():
                path = Path(archive.extract(entry, partial))
                mode = entry.external_attr >> 16 & 0o777
                # zipfile drops file modes; Lambda keeps them.
                if mode and path.is_file():
                    path.chmod(mode | 0o600)
        partial.chmod(0o755)
        partial.rename(directory)
    except DAMAGED_ZIP as error:
        raise FunctionError(
            "Runtime.InvalidZip", f"the function's code is not a zip file: {error}"
        ) from error
    except OSError:
        # Another instance unpacked the same code at the same time.
        if not os.path.isdir(directory):  # noqa: PTH112
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
