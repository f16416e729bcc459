"""The page about policies, made from the rules.

`python -m toolkit.gate.docs` writes it, `--check` fails if it is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from toolkit.console import Console
from toolkit.errors import ToolkitError
from toolkit.gate import rules
from toolkit.gate.rules import Rule
from toolkit.gate.scan import Scanner
from toolkit.generated import write_or_check
from toolkit.project import Project

COMMAND = "python -m toolkit.gate.docs"
INTRODUCTION = f"""\
# Policies

Before anything is applied, the plan is judged by rules: those of this project (`policies/checkov/`) and
checkov's own. `toolkit policy check PATH` judges alone, a plan in JSON or a folder of Terraform code:

    terraform show -json plan.tfplan > plan.json
    toolkit policy check plan.json --source terraform/stacks/inference --sarif policy.sarif --junit policy.xml

- **A plan is what counts.** It has the values of an environment, and the references between modules. In
  source code a rule judges what can be told without running Terraform, and passes over the rest.
- **Severity** decides: findings of `--fail-at` (default `high`) and above are violations, and the command
  ends with 3. `critical`: open to the world, or a secret in the clear; `high`: others' resources, prompts or
  money in reach; `medium`: one mistake away from that; `low`: good practice whose worth depends on the
  account.
- **What is right for every environment, but not for a rule,** is said in the block itself, with a reason;
  without one, or outside of a block, it does not count:

      resource "aws_cloudwatch_log_group" "this" {{
        #checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts with its own key

- **What is acceptable for a while** is an exception of the environment: a rule, the resources (`*` and `?`
  stand for other characters), a reason and the last day. After that day it is a finding itself, as grave as
  what it covered. One that covers nothing is said.
- **Going back is not judged:** `toolkit rollback`, `pause` and `resume` bring back what passed when it was
  applied, and must work in an emergency, whatever has expired or become stricter since
  ([rollouts](../how-to/rollouts.md#back-and-off-for-a-while)). Dangers still need `--allow-destroy`.
- No value of a resource is ever shown: addresses, names of variables and the rules' own words are all that
  comes out.

A new rule is a file in `policies/checkov/`, in Python if it judges the values of a resource, in YAML if it
relates resources to each other, with a resource that passes and one that fails in
`tests/policies/checkov/`. It may replace rules of checkov's that know less: those are not run.

This page is made by `{COMMAND}`.
"""


def text(ours: Iterable[Rule], names: dict[str, str], project: Project) -> str:
    """The page as it is checked in.

    Args:
        ours: the project's rules.
        names: the names of all rules by their ids.
        project: whose table of checkov's rules is shown.
    """
    return "\n".join([INTRODUCTION, *_ours(ours), *_gate(), *_builtin(names, project)])


def path(project: Project) -> Path:
    """Where it is checked in."""
    return project.root / "docs" / "reference" / "policies.md"


def main(arguments: list[str]) -> None:
    """Write the page, or check it."""
    project = Project.find()
    ours, names = Scanner(project, Console()).catalogue()
    write_or_check(path(project), text(ours, names, project), COMMAND, check="--check" in arguments)


def _ours(ours: Iterable[Rule]) -> Iterator[str]:
    yield "## Rules of this project"
    yield ""
    yield "| rule | severity | what it wants | why | remedy | instead of |"
    yield "|---|---|---|---|---|---|"
    for rule in ours:
        file = f"../../policies/checkov/{rule.file.name}" if rule.file else ""
        yield (
            f"| [{rule.id}]({file}) | {rule.severity} | {rule.name} | {rule.reason} | {rule.remedy} "
            f"| {', '.join(rule.replaces)} |"
        )
    yield ""


def _gate() -> Iterator[str]:
    yield "## Findings about the gate itself"
    yield ""
    yield "| rule | severity | what it wants | why | remedy |"
    yield "|---|---|---|---|---|"
    for rule in rules.GATE_RULES:
        severity = "as what it covered" if rule is rules.EXPIRED_EXCEPTION else rule.severity
        yield f"| {rule.id} | {severity} | {rule.name} | {rule.reason} | {rule.remedy} |"
    yield ""


def _builtin(names: dict[str, str], project: Project) -> Iterator[str]:
    table, default = rules.read_builtin(project)
    yield "## Rules of checkov's"
    yield ""
    yield "Offline, checkov says neither how grave a finding is nor what to do about it;"
    yield f"`policies/builtin.yaml` does. The rules that it leaves out are run too, with severity {default}."
    yield ""
    yield "| rule | severity | what it wants | remedy |"
    yield "|---|---|---|---|"
    for rule_id, entry in table.items():
        yield f"| {rule_id} | {entry.severity} | {names[rule_id]} | {entry.remedy} |"
    yield ""


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ToolkitError as error:
        raise SystemExit(str(error)) from None
