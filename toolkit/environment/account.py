"""The section `account`: resources that exist once per AWS account, and roles for CI jobs."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from toolkit.environment.base import ConfigModel, Invalid, matching

# A colon separates the parts of a token's subject.
_GIT_REF = matching(
    r"(?=.*[A-Za-z0-9])[\w./*-]{1,128}",
    "use the name of a branch or tag; * matches any characters, but not on its own",
)
GitRef = Annotated[str, _GIT_REF]
RoleSuffix = Annotated[
    str,
    matching(
        r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?", "use up to 20 lower-case letters, digits and inner hyphens"
    ),
]
Host = Annotated[str, matching(r"[a-z0-9-]+(\.[a-z0-9-]+)+", "use a host name, without https://")]
PolicyName = Literal["sagemaker-deployer", "api-deployer", "planner", "smoke-tester", "viewer", "operator"]
GITHUB_HOST = "token.actions.githubusercontent.com"


class GitHub(ConfigModel):
    """GitHub Actions jobs. A job with a GitHub environment matches by that environment, not by its branch."""

    # Source of the ids: docs.github.com/en/actions/reference/security/oidc#immutable-subject-claims
    repository: Annotated[
        str,
        matching(
            r"[A-Za-z0-9-]+/[\w.-]+|[A-Za-z0-9-]+@\d+/[\w.-]+@\d+",
            "use owner/name or owner@id/name@id, without https://",
        ),
    ] = Field(examples=["example/llm-deployments"])
    """Repository, as `owner/name`, or as `owner@id/name@id` if the subjects of its tokens contain the ids, as
    those of repositories created, renamed or transferred after 15 July 2026 do.
    `gh api repos/OWNER/NAME/actions/oidc/customization/sub` prints the start of the subjects as
    `sub_claim_prefix`."""
    branches: tuple[GitRef, ...] = ()
    """Branches whose jobs may assume the role; `*` matches any characters."""
    tags: tuple[GitRef, ...] = ()
    """Tags whose jobs may assume the role."""
    environments: Annotated[
        tuple[Annotated[str, matching(r"[\w. /-]{1,255}", "use the name of a GitHub environment")], ...],
        Field(),
    ] = ()
    """GitHub environments whose jobs may assume the role, after the protection rules of the environment."""
    pull_requests: bool = False
    """Whether jobs of pull requests may assume the role. Anyone who can open one then runs code with it, so
    only the policy `planner` is allowed, which reads no API key and no log."""

    @property
    def host(self) -> str:
        """Host of the OIDC provider."""
        return GITHUB_HOST

    @property
    def audience(self) -> str:
        """Audience of the tokens."""
        return "sts.amazonaws.com"

    @property
    def subjects(self) -> list[str]:
        """Patterns of the token subjects."""
        start = f"repo:{self.repository}"
        return [
            *(f"{start}:ref:refs/heads/{branch}" for branch in self.branches),
            *(f"{start}:ref:refs/tags/{tag}" for tag in self.tags),
            *(f"{start}:environment:{environment}" for environment in self.environments),
            *([f"{start}:pull_request"] if self.pull_requests else []),
        ]


class GitLab(ConfigModel):
    """GitLab CI/CD jobs, with an ID token for the audience `https://<host>`."""

    project: Annotated[str, matching(r"[\w.-]+(/[\w.-]+)+", "use group/project, without https://")] = Field(
        examples=["example/llm-deployments"]
    )
    """Project with its groups, as `group/project`."""
    host: Host = "gitlab.com"
    """Host name of the GitLab server."""
    branches: tuple[GitRef, ...] = ()
    """Branches whose jobs may assume the role; `*` matches any characters."""
    tags: tuple[GitRef, ...] = ()
    """Tags whose jobs may assume the role."""

    @property
    def audience(self) -> str:
        """Audience of the tokens."""
        return f"https://{self.host}"

    @property
    def subjects(self) -> list[str]:
        """Patterns of the token subjects."""
        start = f"project_path:{self.project}"
        return [
            *(f"{start}:ref_type:branch:ref:{branch}" for branch in self.branches),
            *(f"{start}:ref_type:tag:ref:{tag}" for tag in self.tags),
        ]


class Pipeline(ConfigModel):
    """A role that CI jobs of one repository can assume with their OIDC token."""

    github: GitHub | None = None
    """GitHub Actions jobs."""
    gitlab: GitLab | None = None
    """GitLab CI/CD jobs."""
    policies: Annotated[tuple[PolicyName, ...], Field(min_length=1)]
    """Policies of the role, as printed by `toolkit iam show`."""

    @property
    def issuer(self) -> GitHub | GitLab:
        """Jobs that may assume the role."""
        issuer = self.github or self.gitlab
        if issuer is None:  # excluded by the validator below
            raise AssertionError("pipeline without an issuer")
        return issuer

    @model_validator(mode="after")
    def _limited(self) -> Self:
        if (self.github is None) == (self.gitlab is None):
            reason = (
                "neither github nor gitlab is set"
                if self.github is None
                else "both github and gitlab are set"
            )
            raise Invalid(reason, "set one of them; add another role for the other").error()
        if not self.issuer.subjects:
            reason = "no job may assume the role"
            raise Invalid(reason, "add branches, tags or environments, such as `branches: [main]`").error()
        if self.github is not None and self.github.pull_requests and set(self.policies) != {"planner"}:
            reason = "pull_requests would give code from any pull request more than planner"
            raise Invalid(reason, "add another role for pull requests, with `policies: [planner]`").error()
        if "planner" in self.policies and len(set(self.policies)) > 1:
            reason = "planner denies access to API keys, also to the other policies"
            raise Invalid(reason, "remove planner; the other policies can plan, too").error()
        if "operator" in self.policies and "viewer" not in self.policies:
            raise Invalid("operator requires viewer", "add viewer to policies").error()
        return self


class Ci(ConfigModel):
    """Roles for CI jobs."""

    roles: dict[RoleSuffix, Pipeline] = Field(default={}, examples=[{}])
    """Roles by name; their IAM name is `<name>-<environment>-ci-<role>`."""
    existing_providers: tuple[Host, ...] = ()
    """Hosts of OIDC identity providers that exist in the account; `toolkit bootstrap` creates the others."""


class Agents(ConfigModel):
    """The role of `toolkit mcp`, `<name>-<environment>-agent`, which has the policy `viewer`."""

    principals: tuple[
        Annotated[
            str,
            matching(
                r"arn:aws(-[a-z]+)*:iam::\d{12}:(root|(user|role)/[\w+=,.@/-]+)",
                "use the ARN of a user, a role or an account, such as arn:aws:iam::123456789012:role/NAME",
            ),
        ],
        ...,
    ] = Field(default=(), examples=[["arn:aws:iam::123456789012:role/Developer"]])
    """ARNs of users and roles that may assume the role; by default everyone in the account whose own policies
    allow `sts:AssumeRole` on it."""


AccountId = Annotated[
    str, matching(r"\d{12}", 'use the 12 digits of an AWS account id, in quotes: "123456789012"')
]
BucketName = Annotated[
    str,
    matching(
        r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        "use 3 to 63 lower-case letters, digits, hyphens and dots",
    ),
]
RoleName = Annotated[str, matching(r"[\w+=,.@-]{1,64}", "use up to 64 letters, digits and + = , . @ _ -")]
RoleArn = Annotated[
    str,
    matching(
        r"arn:aws(-[a-z]+)*:iam::\d{12}:role/[\w+=,.@/-]+",
        "use a role ARN such as arn:aws:iam::123456789012:role/NAME",
    ),
]


class ExecutionRole(ConfigModel):
    """IAM role of the models: either a name or an ARN."""

    name: RoleName | None = Field(default=None, examples=["HuggingfaceExecuteRole"])
    """Name of a role that `toolkit bootstrap` creates, with access to the model store only."""
    arn: RoleArn | None = Field(default=None, examples=["arn:aws:iam::123456789012:role/ModelExecution"])
    """ARN of an existing role, which the toolkit does not change."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.name is None) == (self.arn is None):
            reason = "neither name nor arn is set" if self.name is None else "both name and arn are set"
            remedy = "set name to create a role, or arn to use an existing one"
            raise Invalid(reason, remedy).error()
        return self


class Bucket(ConfigModel):
    """An S3 bucket."""

    bucket: BucketName | None = None
    """Name of the bucket; by default derived from name, account and region."""


class Account(ConfigModel):
    """Resources that exist once per account, created by `toolkit bootstrap`."""

    execution_role: ExecutionRole = ExecutionRole(name="HuggingfaceExecuteRole")
    """IAM role of the models; by default a role named HuggingfaceExecuteRole."""
    model_store: Bucket = Bucket()
    """Bucket of the model weights; by default `<name>-models-<account_id>-<region>`."""
    state: Bucket = Bucket()
    """Bucket of the Terraform state; by default `<name>-state-<account_id>-<region>`."""
    lifecycle_rules: bool = True
    """Whether S3 lifecycle rules remove incomplete uploads and old object versions."""
    ci: Ci = Ci()
    """Roles for CI jobs, which exchange their OIDC token for short-lived credentials."""
    agents: Agents | None = None
    """Role for AI agents, which reads and changes nothing; by default none, and agents work without AWS."""
    api_logging: bool = True
    """Whether to create the role with which API Gateway writes access logs. All APIs of the account and
    region share it: set false if it exists."""
