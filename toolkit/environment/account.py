"""The section `account`: resources that exist once per AWS account, and roles for CI jobs."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from toolkit.environment.base import ConfigModel, Invalid, matching

# In a token a colon separates the parts of a subject, and an asterisk would stand for other characters.
_GIT_REF = matching(
    r"(?=.*[A-Za-z0-9])[\w./*-]{1,128}",
    "the name of a branch or tag; * stands for any characters, but not alone",
)
GitRef = Annotated[str, _GIT_REF]
RoleSuffix = Annotated[
    str,
    matching(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?", "up to 20 lower-case letters, digits and inner hyphens"),
]
Host = Annotated[str, matching(r"[a-z0-9-]+(\.[a-z0-9-]+)+", "a host name, without https://")]
PolicyName = Literal["sagemaker-deployer", "api-deployer", "viewer", "operator"]
GITHUB_HOST = "token.actions.githubusercontent.com"


class GitHub(ConfigModel):
    """Jobs of GitHub Actions. A job that names an environment counts by that environment, not its branch."""

    repository: Annotated[
        str, matching(r"[A-Za-z0-9-]+/[\w.-]+", "a repository looks like owner/name, without https://")
    ] = Field(examples=["example/llm-deployments"])
    """The repository."""
    branches: tuple[GitRef, ...] = ()
    """Branches whose jobs may; `*` stands for any characters."""
    tags: tuple[GitRef, ...] = ()
    """Tags whose jobs may."""
    environments: Annotated[
        tuple[Annotated[str, matching(r"[\w. /-]{1,255}", "the name of a GitHub environment")], ...], Field()
    ] = ()
    """GitHub environments whose jobs may: their protection rules then hold here, too."""
    pull_requests: bool = False
    """Whether jobs of pull requests may. Anybody who can open one runs code then: for `viewer` alone."""

    @property
    def host(self) -> str:
        """Who issues the tokens."""
        return GITHUB_HOST

    @property
    def audience(self) -> str:
        """Who the tokens are for."""
        return "sts.amazonaws.com"

    @property
    def subjects(self) -> list[str]:
        """Patterns of the tokens' subjects."""
        start = f"repo:{self.repository}"
        return [
            *(f"{start}:ref:refs/heads/{branch}" for branch in self.branches),
            *(f"{start}:ref:refs/tags/{tag}" for tag in self.tags),
            *(f"{start}:environment:{environment}" for environment in self.environments),
            *([f"{start}:pull_request"] if self.pull_requests else []),
        ]


class GitLab(ConfigModel):
    """Jobs of GitLab CI/CD, with an ID token for the audience `https://<host>`."""

    project: Annotated[
        str, matching(r"[\w.-]+(/[\w.-]+)+", "a project looks like group/project, without https://")
    ] = Field(examples=["example/llm-deployments"])
    """The project with its groups."""
    host: Host = "gitlab.com"
    """The GitLab server."""
    branches: tuple[GitRef, ...] = ()
    """Branches whose jobs may; `*` stands for any characters."""
    tags: tuple[GitRef, ...] = ()
    """Tags whose jobs may."""

    @property
    def audience(self) -> str:
        """Who the tokens are for."""
        return f"https://{self.host}"

    @property
    def subjects(self) -> list[str]:
        """Patterns of the tokens' subjects."""
        start = f"project_path:{self.project}"
        return [
            *(f"{start}:ref_type:branch:ref:{branch}" for branch in self.branches),
            *(f"{start}:ref_type:tag:ref:{tag}" for tag in self.tags),
        ]


class Pipeline(ConfigModel):
    """A role that jobs of one repository can assume with the token that their CI system gives them."""

    github: GitHub | None = None
    """Jobs of GitHub Actions."""
    gitlab: GitLab | None = None
    """Jobs of GitLab CI/CD."""
    policies: Annotated[tuple[PolicyName, ...], Field(min_length=1)]
    """What the jobs may do: policies as `toolkit iam show` prints them."""

    @property
    def issuer(self) -> GitHub | GitLab:
        """Whose jobs they are."""
        issuer = self.github or self.gitlab
        if issuer is None:  # the validator below has seen to it
            raise AssertionError("a pipeline without issuer")
        return issuer

    @model_validator(mode="after")
    def _limited(self) -> Self:
        if (self.github is None) == (self.gitlab is None):
            given = "neither github nor gitlab is given" if self.github is None else "both are given"
            raise Invalid(given, "give one; for the other make another role").error()
        if not self.issuer.subjects:
            reason = (
                "no job may assume it" if self.github is None else "no branch, tag or environment is named"
            )
            raise Invalid(reason, "name branches, tags or environments, as in `branches: [main]`").error()
        if self.github is not None and self.github.pull_requests and set(self.policies) != {"viewer"}:
            reason = "pull_requests lets anybody's code have more than viewer"
            raise Invalid(reason, "make another role for pull requests, with `policies: [viewer]`").error()
        if "operator" in self.policies and "viewer" not in self.policies:
            raise Invalid("operator is not enough without viewer", "add viewer to policies").error()
        return self


class Ci(ConfigModel):
    """Access for pipelines."""

    roles: dict[RoleSuffix, Pipeline] = Field(default={}, examples=[{}])
    """Roles by name; in IAM they are called `<name>-<environment>-ci-<role>`."""
    existing_providers: tuple[Host, ...] = ()
    """Hosts of OIDC identity providers that the account has already; `toolkit bootstrap` makes the others."""


AccountId = Annotated[str, matching(r"\d{12}", 'an AWS account id has 12 digits, in quotes: "123456789012"')]
BucketName = Annotated[
    str,
    matching(
        r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
        "bucket names have 3 to 63 lower-case letters, digits, hyphens and dots",
    ),
]
RoleName = Annotated[
    str, matching(r"[\w+=,.@-]{1,64}", "role names have up to 64 letters, digits and + = , . @ _ -")
]
RoleArn = Annotated[
    str,
    matching(
        r"arn:aws(-[a-z]+)*:iam::\d{12}:role/[\w+=,.@/-]+",
        "a role's ARN looks like arn:aws:iam::123456789012:role/NAME",
    ),
]


class ExecutionRole(ConfigModel):
    """The IAM role that SageMaker runs the models with: either a name or an ARN."""

    name: RoleName | None = Field(default=None, examples=["HuggingfaceExecuteRole"])
    """Name of a role that `toolkit bootstrap` makes: it may read the model store and nothing else."""
    arn: RoleArn | None = Field(default=None, examples=["arn:aws:iam::123456789012:role/ModelExecution"])
    """ARN of a role that exists already, and that the toolkit leaves alone."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.name is None) == (self.arn is None):
            given = "neither name nor arn is given" if self.name is None else "both name and arn are given"
            remedy = "give name for a role that the toolkit makes, or arn for one that exists"
            raise Invalid(given, remedy).error()
        return self


class Bucket(ConfigModel):
    """An S3 bucket."""

    bucket: BucketName | None = None
    """Name of the bucket; by default it is made of the environment's name, account and region."""


class Account(ConfigModel):
    """What exists once per account, made by `toolkit bootstrap`."""

    execution_role: ExecutionRole = ExecutionRole(name="HuggingfaceExecuteRole")
    """The role that SageMaker runs the models with; by default one called HuggingfaceExecuteRole."""
    model_store: Bucket = Bucket()
    """Where the models' weights lie; by default `<name>-models-<account_id>-<region>`."""
    state: Bucket = Bucket()
    """Where Terraform keeps its state; by default `<name>-state-<account_id>-<region>`."""
    lifecycle_rules: bool = True
    """Whether uploads left unfinished and old versions of objects are cleared away in time."""
    ci: Ci = Ci()
    """Roles for pipelines, which get short-lived credentials for the token of their CI system."""
    api_logging: bool = True
    """Whether the role that API Gateway writes access logs with is made. It is one for all APIs of the
    account and region: say false where there is one already."""
