"""Mistakes in roles for pipelines."""

from __future__ import annotations

ROLE = "HuggingfaceExecuteRole}"
GITHUB = "github: {repository: example/llm, branches: [main]}"


def role(content: str, key: str, says: str, line: int = 10) -> tuple[str, str, int, str, str]:
    """A role for pipelines."""
    text = f"{ROLE}\n  ci:\n    roles:\n      deploy: {{{content}}}"
    return ROLE, text, line, f"account.ci.roles.deploy{key}", says


# (what is changed, to what, line, key, what the message says)
MISTAKES = {
    "pipeline of nobody": role("policies: [viewer]", "", "neither github nor gitlab is set"),
    "pipeline of two": role(
        f"{GITHUB}, gitlab: {{project: a/b, branches: [main]}}, policies: [viewer]",
        "",
        "both github and gitlab are set",
    ),
    "pipeline without policies": role(f"{GITHUB}, policies: []", ".policies", "at least 1"),
    "unknown policy of a pipeline": role(f"{GITHUB}, policies: [admin]", ".policies[0]", "viewer"),
    "pipeline of every branch": role(
        "github: {repository: example/llm, branches: ['*']}, policies: [viewer]",
        ".github.branches[0]",
        "but not on its own",
    ),
    "pipeline of no branch": role(
        "github: {repository: example/llm}, policies: [viewer]", "", "add branches, tags or environments"
    ),
    "pipeline of every repository": role(
        "github: {repository: example/*, branches: [main]}, policies: [viewer]",
        ".github.repository",
        "owner/name",
    ),
    "pipeline of a repository's address": role(
        "github: {repository: https://github.com/a/b, branches: [main]}, policies: [viewer]",
        ".github.repository",
        "without https://",
    ),
    "pull requests that may deploy": role(
        "github: {repository: example/llm, pull_requests: true}, policies: [sagemaker-deployer]",
        "",
        "code from any pull request",
    ),
    "operator that may not look": role(f"{GITHUB}, policies: [operator]", "", "add viewer"),
}
