"""The typed environment file."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PrivateAttr

from toolkit.environment.account import Account, AccountId
from toolkit.environment.api import Api
from toolkit.environment.base import Checked, ConfigModel, Invalid, matching
from toolkit.environment.model import Model, ModelName
from toolkit.environment.policy import Policy
from toolkit.environment.problems import did_you_mean
from toolkit.serving import catalogue

# The account of the embedded cloud.
LOCAL_ACCOUNT_ID = "123456789012"
# Tags that the stacks set; IAM tells keys apart without regard to case.
TOOLKIT_TAGS = ("deployment", "environment", "managed-by", "stack")


def _check_region(value: str) -> Invalid | None:
    known = catalogue.regions()
    if value in known:
        return None
    remedy = did_you_mean(value, known) or "regions look like us-east-1"
    return Invalid(f"{value!r} is not an AWS region", remedy)


def _check_tag(value: str) -> Invalid | None:
    for character in value:
        if unicodedata.category(character)[0] not in "LNZ" and character not in "_.:/=+-@":
            return Invalid(
                f"{character!r} cannot be in a tag", "use letters, digits, spaces and _ . : / = + - @"
            )
    return None


def _check_tag_key(value: str) -> Invalid | None:
    if value.lower() in TOOLKIT_TAGS:
        return Invalid(f"{value} is a tag of the toolkit's own", "choose another key")
    if not 1 <= len(value) <= 128 or value.lower().startswith("aws:"):
        return Invalid(f"{value!r} cannot be a tag's key", "1 to 128 characters that do not begin with aws:")
    return _check_tag(value)


def _check_tag_value(value: str) -> Invalid | None:
    if len(value) > 256:
        return Invalid(f"has {len(value)} characters", "a tag's value has at most 256")
    return _check_tag(value)


Tags = dict[
    Annotated[str, Checked(_check_tag_key)],
    Annotated[str, Checked(_check_tag_value, {"maxLength": 256})],
]


def endpoint_name(prefix: str, model: str) -> str:
    """The SageMaker endpoint of a model, as `stacks/inference` names it; dots cannot be in it."""
    return f"{prefix}-{model}".replace(".", "-")


def model_store_bucket(project: str, account_id: str, region: str) -> str:
    """The model store's bucket, unless the file names one."""
    return f"{project}-models-{account_id}-{region}"


def state_bucket(project: str, account_id: str, region: str) -> str:
    """The bucket of Terraform's state, unless the file names one."""
    return f"{project}-state-{account_id}-{region}"


class Environment(ConfigModel):
    """An environment: models on SageMaker behind an OpenAI-compatible API."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"target": {"const": "aws"}}},
            "then": {"required": ["account_id"]},
        }
    )

    target: Literal["local", "aws"]
    """Where it runs: `local` is the embedded cloud on this machine, `aws` an AWS account."""
    project: Annotated[
        str,
        matching(
            r"[a-z]([a-z0-9-]{0,14}[a-z0-9])?",
            "up to 16 lower-case letters, digits and hyphens, with a letter first and no hyphen last",
        ),
    ] = Field(alias="name", examples=["llm"])
    """What its resources are called: their names begin with `<name>-<environment>`."""
    description: Annotated[str, Field(max_length=1024)] = ""
    """What it is for; shown in the AWS console."""
    region: Annotated[str, Checked(_check_region, {"enum": list(catalogue.regions())})] = Field(
        examples=["us-east-1"]
    )
    """The AWS region."""
    account_id: AccountId = LOCAL_ACCOUNT_ID
    """The AWS account, 12 digits in quotes; `target: aws` needs it, and commands refuse any other account."""
    protected: bool = False
    """Whether nothing of it is destroyed or replaced without `--allow-destroy` and its name."""
    tags: Annotated[Tags, Field(max_length=40)] = Field(default={})
    """Tags of every resource."""
    account: Account = Account()
    """What exists once per account."""
    models: Annotated[dict[ModelName, Model], Field(min_length=1)]
    """The models, by the names that clients ask for."""
    api: Api = Api()
    """The API."""
    policy: Policy = Policy()
    """What the policy gate of `plan` and `apply` lets through."""

    _name: str = PrivateAttr()
    _file: str = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        """Take over what does not stand in the file: its own name."""
        self._name = context["name"]
        self._file = context["file"]

    @property
    def name(self) -> str:
        """The environment's name: that of its file."""
        return self._name

    @property
    def file(self) -> str:
        """Its file, relative to the project."""
        return self._file

    @property
    def prefix(self) -> str:
        """What the names of its resources begin with."""
        return f"{self.project}-{self.name}"

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine."""
        return self.target == "local"

    @property
    def state_bucket(self) -> str:
        """The bucket of Terraform's state."""
        return self.account.state.bucket or state_bucket(self.project, self.account_id, self.region)

    @property
    def state_key(self) -> str:
        """Where in that bucket the state of the inference stack lies."""
        return f"{self.name}/inference.tfstate"

    @property
    def model_store_bucket(self) -> str:
        """The bucket of the models' weights."""
        named = self.account.model_store.bucket
        return named or model_store_bucket(self.project, self.account_id, self.region)


@dataclass(frozen=True)
class ValidParts:
    """Those parts of a file that are right by themselves; None for the others.

    With it what several keys say together can be checked although something else in the file is reason,
    and all mistakes are told at once.
    """

    name: str
    target: str | None
    project: str | None
    region: str | None
    account_id: str | None
    account: Account | None
    models: Mapping[str, Model]
    api: Api | None = None

    @property
    def readable_bucket(self) -> str | None:
        """The only bucket that the execution role may use; None if unknown, or if the role is the user's."""
        if self.account is None or self.account.execution_role.arn is not None:
            return None
        if self.account.model_store.bucket is not None:
            return self.account.model_store.bucket
        if self.project is None or self.account_id is None or self.region is None:
            return None
        return model_store_bucket(self.project, self.account_id, self.region)
