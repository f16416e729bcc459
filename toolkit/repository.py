"""The files of a team's own repository, which `toolkit new` writes and `toolkit upgrade` updates."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from typing_extensions import TypedDict

from toolkit import documents
from toolkit.environment import document, scaffold, schema
from toolkit.environment.loader import validate
from toolkit.errors import InputError
from toolkit.files import write_atomic
from toolkit.project import Project, own_code

DISTRIBUTION: Final = "sagemaker-llm-toolkit"
PIPELINES: Final = scaffold.TEMPLATES / "pipelines"
# Locked dependencies: of the command line, of the embedded cloud, and of the model in it.
LOCKS: Final = ("toolkit", "local", "model")
PIN: Final = "requirements.txt"
# The part of the Makefile that a clone includes, too.
_TARGETS: Final = "common.mk"
_RULES = "policies/checkov/__init__.py"
_SEVERITIES = "policies/builtin.yaml"


class _Archive(TypedDict, total=False):
    hashes: dict[str, str]


class _Commit(TypedDict):
    vcs: str
    commit_id: str


class _Origin(TypedDict, total=False):
    """Where pip installed a package from, if not from an index: direct_url.json, PEP 610."""

    url: str
    archive_info: _Archive
    vcs_info: _Commit


def ci_systems() -> list[str]:
    """The CI systems that there are pipeline files for."""
    return sorted(path.name for path in PIPELINES.iterdir() if path.is_dir()) if PIPELINES.is_dir() else []


def ci_system(project: Project) -> str | None:
    """The CI system whose pipeline files a project has."""
    for system in ci_systems():
        folder = PIPELINES / system
        files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
        if any((project.root / file).is_file() for file in files):
            return system
    return None


def create(root: Path, name: str, ci: str | None) -> list[str]:
    """Write a new repository; returns the names of its files.

    Args:
        root: its folder, which may exist if it is empty.
        name: prefix of resource names.
        ci: one of `ci_systems`.

    Raises:
        InputError: the folder is not empty, or there is no such CI system.
    """
    if root.is_file() or (root.is_dir() and any(entry.name != ".git" for entry in root.iterdir())):
        raise InputError(
            f"cannot create a project: the folder is {'not empty' if root.is_dir() else 'a file'}",
            where=str(root),
            remedy="name a new folder; in a project, `toolkit init NAME` adds an environment",
        )
    files = {**managed_files(ci), **initial_files(name)}
    local = "environments/local.yaml"
    validate(document.parse(files[local].decode()), "local", local)
    for file, content in files.items():
        write_atomic(root / file, content)
    return sorted(files)


def managed_files(ci: str | None) -> dict[str, bytes]:
    """The files that `toolkit upgrade` updates unless the team changed them, by name.

    Raises:
        InputError: there is no such CI system.
    """
    if ci is not None and ci not in ci_systems():
        raise InputError(f"no pipeline files for {ci!r}", remedy=f"choose one of {', '.join(ci_systems())}")
    templates = scaffold.TEMPLATES / "project"
    files = {
        "Makefile": templates / "Makefile",
        "README.md": templates / "README.md",
        ".gitignore": templates / "gitignore",
        ".pre-commit-config.yaml": templates / "pre-commit-config.yaml",
        **{f"requirements/{lock}.txt": own_code() / "requirements" / f"{lock}.txt" for lock in LOCKS},
    }
    if ci is not None:
        folder = PIPELINES / ci
        files |= {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    contents = {name: path.read_bytes() for name, path in files.items()}
    # One file is easier to read and to update than two.
    targets = (templates / _TARGETS).read_bytes()
    contents["Makefile"] = contents["Makefile"].replace(f"include {_TARGETS}\n".encode(), targets)
    return {**contents, "environments/environment.schema.json": schema.text().encode(), PIN: pin().encode()}


def initial_files(name: str) -> Mapping[str, bytes]:
    """The files that belong to the team from the start, by name."""
    texts = {
        "environments/local.yaml": scaffold.text("local", "local", name=name),
        "environments/dev.yaml": scaffold.text("dev", "aws", name=name),
        _RULES: '"""Policies of this repository, in addition to the toolkit\'s."""\n',
        _SEVERITIES: "# Severities of Checkov's built-in rules that replace the toolkit's, such as\n"
        '# CKV_AWS_76: {severity: high, remedy: "Set api.access_log."}\n\nrules: {}\n',
    }
    return {file: text.encode() for file, text in texts.items()}


def pin() -> str:
    """The requirement that selects this version, with the digest of its wheel if pip recorded it."""
    distribution = importlib.metadata.distribution(DISTRIBUTION)
    requirement = f"{DISTRIBUTION}=={distribution.version}"
    record = distribution.read_text("direct_url.json")
    if record is None:
        return f"{requirement}\n"
    error = InputError("cannot read where the toolkit was installed from", remedy="install it again")
    origin = documents.read(record, _Origin, error)
    if "vcs_info" in origin:
        commit = origin["vcs_info"]
        return f"{DISTRIBUTION} @ {commit['vcs']}+{origin['url']}@{commit['commit_id']}\n"
    sha256 = origin.get("archive_info", {}).get("hashes", {}).get("sha256")
    return f"{requirement} --hash=sha256:{sha256}\n" if sha256 else f"{requirement}\n"
