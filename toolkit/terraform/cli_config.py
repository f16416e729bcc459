"""Terraform's CLI configuration for the toolkit's runs: the user's settings plus provider mirrors.

The user's files are read and never written. Their tokens reach Terraform as environment variables, so that
no secret is copied to a file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit import documents
from toolkit.errors import InputError
from toolkit.files import write_atomic
from toolkit.project import cache_dir, home_dir
from toolkit.terraform import hcl
from toolkit.terraform.program import Program


@dataclass(frozen=True)
class Mirror:
    """A folder with provider packages in Terraform's mirror layout.

    Attributes:
        path: the folder above the host folders.
        providers: addresses of its providers for this platform, "registry.terraform.io/hashicorp/aws".
        origin: how it was found, for messages.
    """

    path: Path
    providers: tuple[str, ...]
    origin: str


@dataclass(frozen=True)
class UserConfig:
    """The user's CLI configuration.

    Attributes:
        files: the files read.
        digest: of their contents.
        statements: statements to copy unchanged.
        tokens: environment variables for the tokens in its `credentials` blocks.
        has_provider_installation: whether it configures provider sources.
        has_plugin_cache: whether it sets a plugin cache.
    """

    files: tuple[Path, ...] = ()
    digest: str = ""
    statements: tuple[str, ...] = ()
    tokens: Mapping[str, str] = field(default_factory=dict)
    has_provider_installation: bool = False
    has_plugin_cache: bool = False


def read_user_config(program: Program) -> UserConfig:
    """Read the files that Terraform would read; missing files count as empty."""
    files = tuple(file for file in _user_files(program) if file.is_file())
    statements: list[str] = []
    tokens: dict[str, str] = {}
    keywords: set[str] = set()
    digest = hashlib.sha256()
    for file in files:
        content = documents.load(file)
        digest.update(content)
        is_json = content.lstrip().startswith(b"{")
        text = content.decode(errors="replace")
        for statement in _from_json(content, file) if is_json else hcl.statements(text):
            keywords.add(statement.keyword)
            if statement.keyword == "credentials":
                tokens.update(_token(statement))
            else:
                statements.append(statement.text.strip())
    return UserConfig(
        files=files,
        digest=digest.hexdigest(),
        statements=tuple(statements),
        tokens=tokens,
        has_provider_installation="provider_installation" in keywords,
        has_plugin_cache="plugin_cache_dir" in keywords or bool(os.environ.get("TF_PLUGIN_CACHE_DIR")),
    )


def _user_files(program: Program) -> list[Path]:
    file = _named_file()
    if file:
        return [file]
    home = home_dir()
    if home is None:
        return []
    rc = home / ".terraformrc"
    if program.product == "OpenTofu":
        xdg = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "opentofu" / "tofurc"
        rc = next((file for file in (home / ".tofurc", rc, xdg) if file.is_file()), rc)
    folder = home / ".terraform.d"
    # Terraform reads the credentials file of `terraform login` whatever the configuration.
    return [
        rc,
        *sorted({*folder.glob("*.tfrc"), *folder.glob("*.tfrc.json")} - {folder / "credentials.tfrc.json"}),
    ]


def _named_file() -> Path | None:
    file = os.environ.get("TF_CLI_CONFIG_FILE") or os.environ.get("TERRAFORM_CONFIG")
    return Path(file).absolute() if file else None


class _Settings(documents.OpenDict, total=False):
    """A configuration file in JSON."""

    credentials: dict[str, dict[str, Any]]
    host: dict[str, dict[str, Any]]
    credentials_helper: dict[str, dict[str, Any]]


def _from_json(content: bytes, file: Path) -> list[hcl.Statement]:
    """Statements of a JSON configuration file; labelled settings become HCL blocks."""
    error = InputError(
        "cannot read Terraform's CLI configuration",
        where=str(file),
        remedy="correct it as described in https://developer.hashicorp.com/terraform/cli/config/config-file",
    )
    settings: Mapping[str, Any] = documents.read(content, _Settings, error)
    parsed = []
    for keyword, value in settings.items():
        if keyword not in _Settings.__annotations__:
            parsed.append(_attribute(keyword, value))
            continue
        for label, body in value.items():
            inside = "\n".join(_attribute(key, item).text for key, item in body.items())
            text = f"{keyword} {json.dumps(label)} {{\n{inside}\n}}"
            parsed.append(hcl.Statement(keyword, (label,), text, inside, is_block=True))
    return parsed


def _attribute(name: str, value: object) -> hcl.Statement:
    expression = _expression(value)
    return hcl.Statement(name, (), f"{name} = {expression}", expression, is_block=False)


def _expression(value: object) -> str:
    if isinstance(value, dict):
        return (
            "{\n"
            + "\n".join(f"{json.dumps(key)} = {_expression(item)}" for key, item in value.items())
            + "\n}"
        )
    return json.dumps(value)


def _token(credentials: hcl.Statement) -> dict[str, str]:
    if not credentials.labels:
        return {}
    token = next((child.string() for child in credentials.children() if child.keyword == "token"), None)
    # Terraform's variable for the token of a host.
    name = "TF_TOKEN_" + credentials.labels[0].replace("-", "__").replace(".", "_")
    return {name: token} if token and name not in os.environ else {}


def environment(
    program: Program, mirrors: Sequence[Mirror] = (), plugin_cache: Path | None = None
) -> dict[str, str]:
    """Environment variables that make Terraform use the user's settings and find its providers.

    A `provider_installation` in the user's configuration takes precedence over `mirrors`.

    Args:
        program: the Terraform program.
        mirrors: provider sources to use instead of the registry.
        plugin_cache: cache for installed providers, unless the user configured one.
    """
    user = read_user_config(program)
    own_cache = None if user.has_plugin_cache else plugin_cache
    if own_cache:
        own_cache.mkdir(parents=True, exist_ok=True)
    if user.has_provider_installation:
        setting = {"TF_CLI_CONFIG_FILE": str(file)} if (file := _named_file()) else {}
        return {**setting, **({"TF_PLUGIN_CACHE_DIR": str(own_cache)} if own_cache else {})}
    lines = [*user.statements]
    if own_cache:
        lines.append(f"plugin_cache_dir = {json.dumps(str(own_cache))}")
    if mirrors:
        lines.append(_provider_installation(mirrors))
    return {**user.tokens, "TF_CLI_CONFIG_FILE": str(_write("\n".join([*lines, ""])))}


def _provider_installation(mirrors: Sequence[Mirror]) -> str:
    covered = sorted({provider for mirror in mirrors for provider in mirror.providers})
    blocks = []
    for mirror in mirrors:
        blocks.append(
            f"  filesystem_mirror {{\n    path = {json.dumps(str(mirror.path))}\n"
            f"    include = {json.dumps(sorted(mirror.providers))}\n  }}"
        )
    # Without the exclusion, Terraform queries the registry for more versions and fails offline.
    blocks.append(f"  direct {{\n    exclude = {json.dumps(covered)}\n  }}")
    return "provider_installation {\n" + "\n".join(blocks) + "\n}"


def _write(text: str) -> Path:
    """Write a file named after its content, so that concurrent runs do not overwrite each other's."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    file = cache_dir() / "terraform" / f"cli-{digest}.tfrc"
    if not file.is_file():
        write_atomic(file, text)
    return file
