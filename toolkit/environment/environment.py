"""The top level of the typed environment file."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PrivateAttr

from toolkit.durations import parse_seconds
from toolkit.environment.account import Account, AccountId
from toolkit.environment.api import Api
from toolkit.environment.aws_types import SigningKeyArn
from toolkit.environment.base import Checked, ConfigModel, Invalid, matching
from toolkit.environment.cost import Cost
from toolkit.environment.model import Model, ModelName, ResolvedVariant
from toolkit.environment.policy import Policy
from toolkit.environment.problems import did_you_mean
from toolkit.errors import InputError
from toolkit.serving import catalogue

# The account of the embedded cloud.
LOCAL_ACCOUNT_ID = "123456789012"
# Tags that the stacks set; IAM ignores the case of tag keys.
TOOLKIT_TAGS = ("deployment", "environment", "managed-by", "stack")


def _check_region(value: str) -> Invalid | None:
    regions = catalogue.regions()
    if value in regions:
        return None
    remedy = did_you_mean(value, regions) or "use a region such as us-east-1"
    return Invalid(f"{value!r} is not an AWS region", remedy)


# A first apply, with a slow start of a model, takes that long.
_SHORTEST_TTL_SECONDS = 2 * 3600


def _check_ttl(value: str) -> Invalid | None:
    try:
        seconds = parse_seconds(value, "ttl")
    except InputError:
        return Invalid(f"{value!r} is not a duration", "use hours or days, such as 12h or 3d")
    if seconds < _SHORTEST_TTL_SECONDS:
        return Invalid(f"{value} is shorter than a first apply may take", "use 2h or more")
    return None


def _check_tag(value: str) -> Invalid | None:
    for character in value:
        if unicodedata.category(character)[0] not in "LNZ" and character not in "_.:/=+-@":
            return Invalid(
                f"{character!r} is not allowed in tags", "use letters, digits, spaces and _ . : / = + - @"
            )
    return None


def _check_tag_key(value: str) -> Invalid | None:
    if value.lower() in TOOLKIT_TAGS:
        return Invalid(f"the toolkit sets the tag {value}", "use another key")
    if not 1 <= len(value) <= 128 or value.lower().startswith("aws:"):
        return Invalid(
            f"{value!r} is not a valid tag key", "use 1 to 128 characters that do not begin with aws:"
        )
    return _check_tag(value)


def _check_tag_value(value: str) -> Invalid | None:
    if len(value) > 256:
        return Invalid(f"has {len(value)} characters", "use at most 256")
    return _check_tag(value)


Tags = dict[
    Annotated[str, Checked(_check_tag_key)],
    Annotated[str, Checked(_check_tag_value, {"maxLength": 256})],
]


def budget_table(prefix: str) -> str:
    """Name of the DynamoDB table with the counters of budgets, if there are budgets."""
    return f"{prefix}-budgets"


def endpoint_name(prefix: str, model: str) -> str:
    """The SageMaker endpoint of a model, as `stacks/inference` names it: dots are not allowed."""
    return f"{prefix}-{model}".replace(".", "-")


def model_store_bucket(project: str, account_id: str, region: str) -> str:
    """Default name of the bucket of the model store."""
    return f"{project}-models-{account_id}-{region}"


def state_bucket(project: str, account_id: str, region: str) -> str:
    """Default name of the bucket of the Terraform state."""
    return f"{project}-state-{account_id}-{region}"


class Evidence(ConfigModel):
    """Evidence of releases, which is signed if a key is set."""

    kms_key_arn: SigningKeyArn | None = Field(
        default=None,
        examples=["arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"],
    )
    """ARN of the KMS key, of the type ECC_NIST_P256, that signs releases; by default they are not signed."""


class Environment(ConfigModel):
    """An environment: models on SageMaker behind an OpenAI-compatible API."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"target": {"const": "aws"}}},
            "then": {"required": ["account_id"]},
        }
    )

    target: Literal["local", "aws"]
    """Deployment target: `local` is the embedded cloud on this machine, `aws` an AWS account."""
    project: Annotated[
        str,
        matching(
            r"[a-z]([a-z0-9-]{0,14}[a-z0-9])?",
            "use up to 16 lower-case letters, digits and hyphens, with a letter first and no hyphen last",
        ),
    ] = Field(alias="name", examples=["llm"])
    """Prefix of resource names, which begin with `<name>-<environment>`."""
    description: Annotated[str, Field(max_length=1024)] = ""
    """Purpose of the environment, shown in the AWS console."""
    region: Annotated[str, Checked(_check_region, {"enum": list(catalogue.regions())})] = Field(
        examples=["us-east-1"]
    )
    """AWS region."""
    account_id: AccountId = LOCAL_ACCOUNT_ID
    """AWS account id, 12 digits in quotes. Required for `target: aws`; commands refuse other accounts."""
    protected: bool = False
    """Whether destroying or replacing resources requires `--allow-destroy` and the environment's name."""
    ttl: Annotated[str, Checked(_check_ttl, {"pattern": r"^\d{1,9}[smhd]$"})] | None = Field(
        default=None, examples=["3d"]
    )
    """Time to live after the last apply, for previews: `toolkit reap` then destroys the environment, unless
    it is protected. By default it never expires."""
    tags: Annotated[Tags, Field(max_length=40)] = Field(default={})
    """Tags of every resource."""
    account: Account = Account()
    """Resources that exist once per account."""
    models: Annotated[dict[ModelName, Model], Field(min_length=1)]
    """Models by the names that clients use."""
    api: Api = Api()
    """OpenAI-compatible API."""
    policy: Policy = Policy()
    """Policy checks of `plan` and `apply`."""
    evidence: Evidence = Evidence()
    """Evidence of releases."""
    cost: Cost = Cost()
    """Costs of the environment: prices, expected traffic, a ceiling, and alarms."""

    _name: str = PrivateAttr()
    _file: str = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        """Store the name and the path of the file, which are not part of its content."""
        self._name = context["name"]
        self._file = context["file"]

    @property
    def name(self) -> str:
        """Name of the environment, which is that of its file."""
        return self._name

    @property
    def file(self) -> str:
        """Path of the file, relative to the project."""
        return self._file

    @property
    def prefix(self) -> str:
        """Prefix of all resource names."""
        return f"{self.project}-{self.name}"

    @property
    def ttl_seconds(self) -> int | None:
        """Seconds after the last apply until it expires; None if it never does."""
        return None if self.ttl is None else parse_seconds(self.ttl, "ttl")

    @property
    def is_local(self) -> bool:
        """Whether the target is the embedded cloud on this machine."""
        return self.target == "local"

    @property
    def state_bucket(self) -> str:
        """Bucket of the Terraform state."""
        return self.account.state.bucket or state_bucket(self.project, self.account_id, self.region)

    @property
    def measured_variants(self) -> list[ResolvedVariant]:
        """The variants whose capacity rests on a benchmark."""
        variants = (
            item for name, model in self.models.items() for item in model.resolved_variants(name).values()
        )
        return [variant for variant in variants if variant.capacity.measured is not None]

    @property
    def state_key(self) -> str:
        """Key of the state of the inference stack in that bucket."""
        return self.state_keys["inference"]

    @property
    def state_keys(self) -> dict[str, str]:
        """Keys of the states in that bucket, by stack."""
        return {"account": "account/terraform.tfstate", "inference": f"{self.name}/inference.tfstate"}

    @property
    def model_store_bucket(self) -> str:
        """Bucket of the model weights."""
        bucket = self.account.model_store.bucket
        return bucket or model_store_bucket(self.project, self.account_id, self.region)


@dataclass(frozen=True)
class ValidParts:
    """The valid parts of a file; None for the others.

    Checks of several keys use them even if other parts are invalid: all problems are reported at once.
    """

    name: str
    target: str | None
    project: str | None
    region: str | None
    account_id: str | None
    account: Account | None
    models: Mapping[str, Model]
    api: Api | None = None
    cost: Cost | None = None

    @property
    def readable_bucket(self) -> str | None:
        """The only bucket that the execution role may use; None if unknown or if the role exists already."""
        if self.account is None or self.account.execution_role.arn is not None:
            return None
        if self.account.model_store.bucket is not None:
            return self.account.model_store.bucket
        if self.project is None or self.account_id is None or self.region is None:
            return None
        return model_store_bucket(self.project, self.account_id, self.region)
