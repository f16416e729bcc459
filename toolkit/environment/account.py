"""The part of the environment file about what an AWS account has once: role, buckets."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from toolkit.environment.pipelines import Ci
from toolkit.environment.section import Mistake, Section, matching

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


class ExecutionRole(Section):
    """The IAM role that SageMaker runs the models with: either a name or an ARN."""

    name: RoleName | None = Field(default=None, examples=["HuggingfaceExecuteRole"])
    """Name of a role that `toolkit bootstrap` makes: it may read the model store and nothing else."""
    arn: RoleArn | None = Field(default=None, examples=["arn:aws:iam::123456789012:role/ModelExecution"])
    """ARN of a role that exists already, and that the toolkit leaves alone."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.name is None) == (self.arn is None):
            given = "neither name nor arn is given" if self.name is None else "both name and arn are given"
            right = "give name for a role that the toolkit makes, or arn for one that exists"
            raise Mistake(given, right).error()
        return self


class Bucket(Section):
    """An S3 bucket."""

    bucket: BucketName | None = None
    """Name of the bucket; by default it is made of the environment's name, account and region."""


class Account(Section):
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
