"""Invalid roles for CI jobs."""

from __future__ import annotations

ROLE = "HuggingfaceExecuteRole}"
GITHUB = "github: {repository: example/llm, branches: [main]}"


def role(content: str, key: str, expected: str, line: int = 10) -> tuple[str, str, int, str, str]:
    """A role for CI jobs."""
    text = f"{ROLE}\n  ci:\n    roles:\n      deploy: {{{content}}}"
    return ROLE, text, line, f"account.ci.roles.deploy{key}", expected


# (text to replace, replacement, line, key, part of the message)
CASES = {
    "CI role without jobs": role("policies: [viewer]", "", "neither github nor gitlab is set"),
    "CI role with both issuers": role(
        f"{GITHUB}, gitlab: {{project: a/b, branches: [main]}}, policies: [viewer]",
        "",
        "both github and gitlab are set",
    ),
    "CI role without policies": role(f"{GITHUB}, policies: []", ".policies", "at least 1"),
    "CI role with an unknown policy": role(f"{GITHUB}, policies: [admin]", ".policies[0]", "viewer"),
    "CI role for every branch": role(
        "github: {repository: example/llm, branches: ['*']}, policies: [viewer]",
        ".github.branches[0]",
        "but not on its own",
    ),
    "CI role without branches": role(
        "github: {repository: example/llm}, policies: [viewer]", "", "add branches, tags or environments"
    ),
    "CI role for every repository": role(
        "github: {repository: example/*, branches: [main]}, policies: [viewer]",
        ".github.repository",
        "owner/name",
    ),
    "CI role with a repository URL": role(
        "github: {repository: https://github.com/a/b, branches: [main]}, policies: [viewer]",
        ".github.repository",
        "without https://",
    ),
    "pull requests with deployer policies": role(
        "github: {repository: example/llm, pull_requests: true}, policies: [sagemaker-deployer]",
        "",
        "code from any pull request",
    ),
    "pull requests that read keys and logs": role(
        "github: {repository: example/llm, pull_requests: true}, policies: [viewer]", "", "more than planner"
    ),
    "planner with another policy": role(f"{GITHUB}, policies: [planner, viewer]", "", "remove planner"),
    "a repository with one id": role(
        "github: {repository: example@1/llm, branches: [main]}, policies: [viewer]",
        ".github.repository",
        "owner@id/name@id",
    ),
    "operator without viewer": role(f"{GITHUB}, policies: [operator]", "", "add viewer"),
}
