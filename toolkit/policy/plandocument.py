"""A plan in JSON, as a user names it on the command line, and what may be named by mistake."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.errors import InputError

# Members that every plan has, and of Terraform's JSON descriptions plans alone.
MEMBERS = {"planned_values", "terraform_version"}
HOW = "`terraform show -json PLAN > plan.json` makes one of a saved plan of Terraform's"
_OURS = (
    "`toolkit plan` has judged it: its findings are in the plan.json beside it; `apply --plan` judges again"
)


def read(path: Path) -> dict[str, Any] | None:
    """A plan's JSON; None if the path is a folder.

    Raises:
        InputError: it is neither.
    """
    if path.is_dir():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("there is no such file or folder", where=str(path)) from None
    except ValueError:
        raise InputError(
            "this is neither a folder nor a plan in JSON",
            where=str(path),
            remedy=_OURS if _is_saved_by_us(path) else HOW,
        ) from None
    if not is_plan(content):
        raise InputError(
            "this is no plan in JSON, as Terraform writes it",
            where=str(path),
            remedy=_OURS if _is_summary(content) else HOW,
        )
    return dict(content)


def is_plan(document: Any) -> bool:
    """Whether it is what `terraform show -json` says of a plan."""
    return isinstance(document, Mapping) and document.keys() >= MEMBERS


def _is_saved_by_us(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return {"manifest.json", "terraform.tfplan"} <= set(archive.namelist())
    except zipfile.BadZipFile:
        return False


def _is_summary(document: Any) -> bool:
    return isinstance(document, Mapping) and {"dangers", "parts", "policy"} <= document.keys()
