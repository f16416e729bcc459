"""Resolved variants of a model, and the key paths of their settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.toolkit.environment.everything import EVERYTHING
from toolkit.environment import Environment, load
from toolkit.project import Project


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    (tmp_path / "terraform" / "environments").mkdir(parents=True)
    project = Project(tmp_path)
    project.environment_file("all").write_text(EVERYTHING)
    return load(project, "all")


def test_a_model_has_one_variant_by_default(environment: Environment) -> None:
    (only,) = environment.models["small"].resolved_variants("small").values()
    assert only.variant == "AllTraffic"
    assert only.path("serving", "engine") == ("models", "small", "serving", "engine")
    assert list(environment.models["big"].resolved_variants("big")) == ["stable", "faster"]


def test_a_variant_overrides_settings_of_the_model(environment: Environment) -> None:
    stable, faster = environment.models["big"].resolved_variants("big").values()
    assert (stable.engine, faster.engine) == ("vllm", "lmi")
    assert (stable.weights, faster.weights) == ("big", "big/faster")
    assert (stable.is_staged, faster.is_staged) == (True, False)
    assert stable.path("source") == ("models", "big", "source")
    assert faster.path("source") == ("models", "big", "variants", "faster", "source")
    assert (stable.capacity.max, faster.capacity.max) == (4, 2)


def test_a_shadow_has_a_fixed_number_of_instances(environment: Environment) -> None:
    shadow = environment.models["watched"].resolved_shadow("watched")
    assert shadow is not None
    assert (shadow.capacity.min, shadow.capacity.max) == (2, 2)
    assert shadow.path("instance_type") == ("models", "watched", "shadow", "instance_type")
    assert shadow.path("capacity") == ("models", "watched", "capacity")
    assert environment.models["big"].resolved_shadow("big") is None


def test_endpoint_types(environment: Environment) -> None:
    kinds = {name: model.endpoint_type for name, model in environment.models.items()}
    assert kinds == {
        "big": "realtime",
        "watched": "realtime",
        "small": "serverless",
        "slow": "async",
        "embeddings": "realtime",
        "canary": "realtime",
    }


def test_models_that_chat(environment: Environment) -> None:
    assert {name for name, model in environment.models.items() if not model.chats} == {"slow", "embeddings"}


def test_wait_times_of_rollouts(environment: Environment) -> None:
    rollouts = {name: model.rollout for name, model in environment.models.items()}
    waits = {name: rollout.waits for name, rollout in rollouts.items() if rollout is not None}
    assert waits == {
        "big": (300, 300, 300, 300, 600),
        "watched": (300,),
        "embeddings": (120, 120),
        "canary": (300, 300),
    }
