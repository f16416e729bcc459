"""Which policy to ask for, when something was denied."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping

from toolkit.permissions.documents import NAMES
from toolkit.project import Project

_ACTION = re.compile(r'"([a-z0-9-]+:[A-Za-z*]+)"')


def granted_by(project: Project, action: str) -> list[str]:
    """The deployers' policies that have an action, whichever the environment; empty if none has.

    Args:
        project: the checkout.
        action: such as `sagemaker:CreateEndpoint`.
    """
    return [name for name, actions in _actions(project).items() if any(_covers(a, action) for a in actions)]


def _covers(pattern: str, action: str) -> bool:
    return fnmatch.fnmatchcase(action.lower(), pattern.lower())


def _actions(project: Project) -> Mapping[str, list[str]]:
    folder = project.root / "policies" / "iam"
    texts = {name: (folder / f"{name}.json.jinja").read_text(encoding="utf-8") for name in NAMES}
    return {name: _ACTION.findall(text) for name, text in texts.items()}
