"""The table of tools: which command each runs, and what its arguments may be.

All of them read, plan or rehearse. A value is validated by the tool's JSON Schema and becomes a part of
exactly one argument, `--option=value`, so it can be neither another option nor another command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal

from toolkit import environment
from toolkit.errors import InputError
from toolkit.project import Project

ENVIRONMENT: Final = "environment"
# No value starts with a hyphen, and none contains a space, a quotation mark or a control character.
_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
_DURATION: Final = r"^[0-9]{1,6}[smhd]$"
_DATE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


class Access(Enum):
    """Whether a command gets a session of the role for agents; it never gets other credentials."""

    NEVER = "never"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True)
class Parameter:
    """A parameter of a tool.

    Attributes:
        schema: its JSON Schema, with a description.
        option: the command's option; empty for a positional argument.
        required: whether it must be given.
        is_path: whether it is the path of a file or folder in the project.
    """

    schema: Mapping[str, Any]
    option: str = ""
    required: bool = False
    is_path: bool = False

    def arguments(self, value: Any) -> Iterator[str]:
        """The command's arguments for a valid value."""
        if value is True:
            yield self.option
        elif isinstance(value, list):
            for item in value:
                yield from self.arguments(item)
        elif value is not False:
            yield f"{self.option}={value}" if self.option else str(value)


def _text(description: str, pattern: str, option: str = "", *, required: bool = False) -> Parameter:
    schema = {"type": "string", "pattern": pattern, "description": description}
    return Parameter(schema, option, required)


def _number(description: str, option: str, kind: str, minimum: int, maximum: int) -> Parameter:
    return Parameter(
        {"type": kind, "minimum": minimum, "maximum": maximum, "description": description}, option
    )


_BENCHMARK: Final = r"^(latest|release:[0-9]{1,6}|[0-9][A-Za-z0-9._-]{3,127})$"
_MODEL: Final = {"model": _text("Only this model of the environment.", _NAME, "--model")}


@dataclass(frozen=True)
class Tool:
    """A tool: a command, which only reads.

    Attributes:
        command: the command, without options.
        description: what it shows, and when to choose it.
        access: whether it needs AWS, or the embedded cloud.
        parameters: its parameters, without the environment.
        needs_environment: whether an environment must be given; it may be in any case.
        prints: a document in JSON, a line in JSON for each item, text, or nothing.
    """

    command: tuple[str, ...]
    description: str
    access: Access = Access.REQUIRED
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    needs_environment: bool = True
    prints: Literal["document", "lines", "text", "nothing"] = "document"

    @property
    def name(self) -> str:
        """Its name, such as `policy_check`."""
        return "_".join(self.command).replace("-", "_")

    def schema(self, environments: Sequence[str]) -> dict[str, Any]:
        """The JSON Schema of its arguments.

        Args:
            environments: the environments of the project.
        """
        properties = {name: dict(parameter.schema) for name, parameter in self.parameters.items()}
        required = [name for name, parameter in self.parameters.items() if parameter.required]
        chosen: dict[str, Any] = {"type": "string", "description": "The environment."}
        # JSON Schema allows no empty list of choices.
        chosen |= {"enum": list(environments)} if environments else {"pattern": _NAME}
        return {
            "type": "object",
            "properties": {ENVIRONMENT: chosen, **properties},
            "required": [ENVIRONMENT, *required] if self.needs_environment else required,
            "additionalProperties": False,
        }

    def arguments(self, project: Project, values: Mapping[str, Any]) -> list[str]:
        """The command with its arguments.

        Raises:
            InputError: a value is not valid.
        """
        import jsonschema_rs

        validator = jsonschema_rs.validator_for(self.schema(environments(project)))
        errors = [_explain(error) for error in validator.iter_errors(dict(values))]
        if errors:
            raise InputError(
                f"cannot call {self.name}: {'; '.join(errors)}", remedy="see the input schema of the tool"
            )
        options = ["--json"] if self.prints in ("document", "lines") else []
        positional: list[str] = []
        if ENVIRONMENT in values:
            options.append(f"--env={values[ENVIRONMENT]}")
        for name, parameter in self.parameters.items():
            if name in values:
                value = _inside(project, values[name]) if parameter.is_path else values[name]
                (options if parameter.option else positional).extend(parameter.arguments(value))
        return [*self.command, *options, *(["--", *positional] if positional else [])]


TOOLS: Final = {
    tool.name: tool
    for tool in (
        Tool(
            ("validate",),
            "Check an environment file without contacting AWS: syntax, keys, values and what SageMaker would "
            "reject, each problem with line and remedy. Call it after every change of the file.",
            Access.NEVER,
            prints="nothing",
        ),
        Tool(
            ("status",),
            "Show what is deployed now: for each model its endpoint, phase, running and desired instances, "
            "and whether it serves the configuration of the last apply; and the URL of the API.",
        ),
        Tool(
            ("outputs",),
            "Print addresses and names of a deployment: URL of the API, endpoints, functions, log groups. "
            "Contains no API keys.",
        ),
        Tool(
            ("releases", "list"),
            "List what was deployed when, by whom and from which commit, newest first, with the result of "
            "the smoke test. Each number can be the base of a rehearsal.",
        ),
        Tool(
            ("releases", "verify"),
            "Verify the evidence of a release: plan, weights, packages, policies and tests are those that "
            "were recorded. Names each document that is not.",
            parameters={
                "release": Parameter(
                    {"type": "integer", "minimum": 1, "description": "The number of the release."},
                    required=True,
                )
            },
            prints="text",
        ),
        Tool(
            ("logs",),
            "Read recent log lines of the gateway, the authorizer and the model containers, to find out why "
            "requests fail or an endpoint does not start.",
            parameters={
                "source": _text("gateway, authorizer or a model; by default all of them.", _NAME),
                "since": _text("How far back: 90s, 10m, 2h, 1d. Default: 10m.", _DURATION, "--since"),
            },
            prints="lines",
        ),
        Tool(
            ("usage",),
            "Sum up requests, tokens and costs of API keys, models and days from the request log.",
            parameters={
                "by": Parameter(
                    {
                        "type": "array",
                        "items": {"enum": ["key", "model", "day"]},
                        "description": "Columns to sum up by. Default: key.",
                    },
                    "--by",
                ),
                "since": _text(
                    "Beginning: a date in UTC, or how far back, such as 7d. Default: this month.",
                    f"{_DATE}|{_DURATION}",
                    "--since",
                ),
                "until": _text("End (exclusive), likewise. Default: now.", f"{_DATE}|{_DURATION}", "--until"),
            },
        ),
        Tool(
            ("plan",),
            "Show what an apply of the working tree would change, the impact on each model, violations of "
            "policies and the cost before and after. Changes nothing in AWS and locks nothing; replaces the "
            "plan that was saved last in the project. Takes half a minute.",
        ),
        Tool(
            ("drift",),
            "Show changes made outside of Terraform since the last apply. Exit code 8 means that there are "
            "any.",
        ),
        Tool(
            ("preflight",),
            "Check whether AWS would accept a deployment: rights, quotas, instance types, images, weights, "
            "network, each with the remedy. Exit code 4 means that a check failed.",
        ),
        Tool(
            ("rehearse",),
            "Apply the working tree in a separate embedded cloud with IAM enforced and load on the API, "
            "after deploying its base there. Predicts exit code, timeline, failed requests, denied actions "
            "and peak cost of a later apply. Uses no AWS resources; takes minutes.",
            Access.OPTIONAL,
            {
                "from": _text(
                    "Deployed before the change: commit, branch, tag, number of a release, or "
                    "nothing. Default: where the branch left the default branch.",
                    r"^[A-Za-z0-9][A-Za-z0-9._/@^~-]{0,199}$",
                    "--from",
                ),
                "rate": _number("Requests per second on the API. Default: 5.", "--rate", "number", 0, 100),
                "smoke_test": Parameter(
                    {"type": "boolean", "description": "End the apply with the smoke test."}, "--smoke-test"
                ),
            },
        ),
        Tool(
            ("cost",),
            "Estimate the cost of an environment per hour, day and month, at minimum and maximum capacity. "
            "Exit code 3 means that it exceeds the ceiling of the environment file.",
            Access.OPTIONAL,
        ),
        Tool(
            ("policy", "check"),
            "Check Terraform code, or a plan in JSON, against the policies. Exit code 3 means violations. "
            "`plan` already includes this check.",
            Access.NEVER,
            {
                "path": Parameter(
                    {
                        "type": "string",
                        "pattern": r"^[A-Za-z0-9._][A-Za-z0-9._/-]{0,255}$",
                        "description": "Folder of Terraform code or plan in JSON, relative to the project, "
                        "such as terraform.",
                    },
                    required=True,
                    is_path=True,
                )
            },
            needs_environment=False,
        ),
        Tool(
            ("doctor",),
            "Check this machine: Terraform, provider, embedded cloud, and the credentials if an environment "
            "is given. Call it if other tools fail for reasons that are not about the deployment.",
            Access.OPTIONAL,
            needs_environment=False,
        ),
        Tool(
            ("model", "fit"),
            "Compute whether models fit the memory of their instances and start, with the numbers. Call it "
            "before choosing an instance type or a context length. Exit code 4 means that one does not.",
            Access.OPTIONAL,
            _MODEL,
        ),
        Tool(
            ("model", "list"),
            "List the models of an environment: source, address in the model store, and whether the weights "
            "are staged.",
        ),
        Tool(
            ("bench", "list"),
            "List stored benchmarks of an environment, newest first, with their ids.",
            parameters={
                **_MODEL,
                "limit": _number("Number of benchmarks. Default: 20.", "--limit", "integer", 1, 200),
            },
        ),
        Tool(
            ("bench", "show"),
            "Show a stored benchmark: what it measured, latency and throughput of each stage.",
            parameters={
                "benchmark": _text("Id or its beginning, latest, or release:N.", _BENCHMARK, required=True),
                **_MODEL,
            },
        ),
        Tool(
            ("bench", "compare"),
            "Compare two stored benchmarks: differences of the deployments, and metrics that differ "
            "significantly.",
            parameters={
                "before": _text("Id or its beginning, latest, or release:N.", _BENCHMARK, required=True),
                "after": _text("Likewise.", _BENCHMARK, required=True),
                **_MODEL,
            },
        ),
    )
}


def environments(project: Project) -> list[str]:
    """The environments that tools can name."""
    return [name for name in environment.names(project) if re.search(_NAME, name)]


def _inside(project: Project, path: str) -> str:
    """The path of an existing file or folder of the project, links resolved.

    Raises:
        InputError: it does not exist, or is outside.
    """
    root = project.root.resolve()
    target = (root / path).resolve()
    if not target.is_relative_to(root) or not target.exists():
        raise InputError(f"cannot find {path} in the project", remedy="give a path relative to the project")
    return str(target)


def _explain(error: Any) -> str:
    place = ".".join(str(part) for part in error.instance_path)
    return f"{place}: {error.message}" if place else str(error.message)
