"""Serving engines: what their containers are told, and what they need of the host.

Containers are configured by environment variables. Most turn those with a prefix into flags of the
engine's own server: `SM_VLLM_MAX_MODEL_LEN=4096` becomes `--max-model-len 4096`, the value `true` a bare
flag, and `false` no flag at all. So an option of the environment file is a flag's name with underscores.
TGI and TEI read each flag from a variable of the same name without a prefix.

Read from the containers' entry points: aws/deep-learning-containers `scripts/docker/{vllm,llama_cpp}`,
deepjavalibrary/djl-serving `serving/docker` and `starting-guide.md`, and the `sagemaker-entrypoint.sh` of
huggingface/text-generation-inference and huggingface/text-embeddings-inference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from toolkit.serving.catalogue import Image, Instance

OptionValue = str | int | float | bool

# Where SageMaker mounts the weights that a model's definition names.
MODEL_DIRECTORY = "/opt/ml/model"

# CUDA release of the NVIDIA driver on SageMaker's machine images, from the API reference of
# ProductionVariant.InferenceAmiVersion; oldest first.
AMI_CUDA: dict[str, tuple[int, int]] = {
    "al2-ami-sagemaker-inference-gpu-2": (12, 2),
    "al2-ami-sagemaker-inference-gpu-2-1": (12, 2),
    "al2-ami-sagemaker-inference-gpu-3-1": (12, 4),
    "al2023-ami-sagemaker-inference-gpu-4-1": (13, 0),
}
# The newest one that every AWS provider from 5.100 on accepts.
_CUDA_12_AMI = "al2-ami-sagemaker-inference-gpu-3-1"
_CUDA_13_AMI = "al2023-ami-sagemaker-inference-gpu-4-1"


class ModelVariables(NamedTuple):
    """The environment variables that tell a container which model to load.

    Attributes:
        model: a repository of the Hugging Face hub, or a folder.
        revision: the repository's revision.
    """

    model: str
    revision: str


class Hub(NamedTuple):
    """A model of the Hugging Face hub.

    Attributes:
        repository: its owner and name.
        revision: what to load of it; None is the newest.
    """

    repository: str
    revision: str | None


@dataclass(frozen=True)
class Engine:
    """What differs between engines.

    Attributes:
        name: as in the environment file and the catalogue.
        prefix: of the environment variables that become flags.
        task: what its models are asked for.
        dialect: what its container is asked in: OpenAI's, or one of its own.
        served_name: the option that sets the name which the server gives its model, or None if any name
            will do in a request.
        parallelism: the option that spreads a model over GPUs, or None if the engine finds out itself.
        model: the variables that say what to load, or None if the engine can only load what is mounted
            and finds that by itself.
        variables: environment variables of options that do not follow the prefix.
        forward_compatibility: environment with which the container runs on a driver older than its CUDA
            release, or None if it cannot.
        defaults: options whose own default in the engine is too small for clients of OpenAI's API.
        reserved: further options that the container contract fixes.
    """

    name: str
    prefix: str
    task: Literal["chat", "embeddings"] = "chat"
    dialect: Literal["openai", "tei"] = "openai"
    served_name: str | None = None
    parallelism: str | None = None
    model: ModelVariables | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    forward_compatibility: Mapping[str, str] | None = None
    defaults: Mapping[str, OptionValue] = field(default_factory=dict)
    reserved: frozenset[str] = frozenset()

    @property
    def reserved_options(self) -> frozenset[str]:
        """Options that the toolkit or the container sets, and the environment file must not."""
        return self.reserved | {self.served_name or ""}

    @property
    def reserved_variables(self) -> frozenset[str]:
        """Environment variables that the toolkit sets, and the environment file must not."""
        name = () if self.served_name is None else (self.variable(self.served_name),)
        return frozenset({*(self.model or ()), *name})

    def variable(self, option: str) -> str:
        """The environment variable of an option."""
        return self.variables.get(option) or self.prefix + option.upper()


_HUGGING_FACE = ModelVariables("HF_MODEL_ID", "HF_MODEL_REVISION")
_LAUNCHER_OPTIONS = frozenset({"model_id", "revision", "hostname", "port", "huggingface_hub_cache"})

ENGINES: dict[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine(
            "llama_cpp",
            prefix="SM_LLAMA_CPP_",
            served_name="alias",
            reserved=frozenset({"model", "model_dir", "host", "port", "hf_repo", "hf_file", "model_url"}),
        ),
        Engine(
            "vllm",
            prefix="SM_VLLM_",
            served_name="served_model_name",
            parallelism="tensor_parallel_size",
            model=ModelVariables("SM_VLLM_MODEL", "SM_VLLM_REVISION"),
            forward_compatibility={"VLLM_ENABLE_CUDA_COMPATIBILITY": "1"},
            reserved=frozenset({"model", "revision", "host", "port"}),
        ),
        Engine(
            "lmi",
            prefix="OPTION_",
            # Without it the server knows its model as `lmi`, and refuses any other name.
            served_name="served_model_name",
            parallelism="tensor_parallel_degree",
            model=ModelVariables("HF_MODEL_ID", "HF_REVISION"),
            variables={"tensor_parallel_degree": "TENSOR_PARALLEL_DEGREE"},
            # The container's entry point looks at the driver and takes care of it.
            forward_compatibility={},
            reserved=frozenset({"model_id", "revision"}),
        ),
        Engine(
            "tgi",
            prefix="",
            parallelism="num_shard",
            model=_HUGGING_FACE,
            variables={"num_shard": "SM_NUM_GPUS"},
            reserved=_LAUNCHER_OPTIONS,
        ),
        Engine(
            "tei",
            prefix="",
            task="embeddings",
            dialect="tei",
            served_name="served_model_name",
            model=_HUGGING_FACE,
            # As many inputs as OpenAI takes, as large a request as SageMaker does; its own are 32 and 2 MB.
            defaults={"max_client_batch_size": 2048, "payload_limit": 6291456},
            reserved=_LAUNCHER_OPTIONS | {"json_output", "uds_path"},
        ),
        Engine("custom", prefix=""),
    )
}


def inference_ami_version(engine: Engine, image: Image) -> str | None:
    """The machine image whose NVIDIA driver an engine's container starts on; None is SageMaker's default.

    The default has a driver so old that containers of later CUDA releases die on it before they write a
    line of log. An engine that brings CUDA's forward compatibility gets the machine image that also
    older AWS providers know.
    """
    if image.cuda is None or image.cuda <= (12, 2):
        return None
    if image.cuda < (13, 0) or engine.forward_compatibility is not None:
        return _CUDA_12_AMI
    return _CUDA_13_AMI


def container_environment(
    engine: Engine,
    *,
    served_name: str,
    options: Mapping[str, OptionValue],
    instance: Instance,
    hub: Hub | None = None,
) -> dict[str, str]:
    """The environment that makes a container serve one model.

    Args:
        engine: the engine in the container.
        served_name: what the server is to call the model.
        options: flags of the engine's server, by their names with underscores.
        instance: what it runs on.
        hub: what the container is to load from the Hugging Face hub; without, it is told to take what
            SageMaker mounts.
    """
    flags: dict[str, OptionValue] = dict(engine.defaults)
    if engine.served_name is not None:
        flags[engine.served_name] = served_name
    if engine.parallelism is not None and instance.gpus > 1:
        flags[engine.parallelism] = instance.gpus
    environment = {engine.variable(option): _text(value) for option, value in {**flags, **options}.items()}
    return environment | _what_to_load(engine, hub)


def forward_compatibility(engine: Engine, image: Image, ami_version: str | None) -> Mapping[str, str]:
    """Further environment for a container whose CUDA release is later than the host driver's."""
    driver = AMI_CUDA.get(ami_version or "")
    if driver is None or image.cuda is None or image.cuda[0] <= driver[0]:
        return {}
    return engine.forward_compatibility or {}


def _what_to_load(engine: Engine, hub: Hub | None) -> dict[str, str]:
    if hub is None:
        return {} if engine.model is None else {engine.model.model: MODEL_DIRECTORY}
    if engine.model is None:
        raise ValueError(f"{engine.name} cannot load a model from the hub")
    revision = {} if hub.revision is None else {engine.model.revision: hub.revision}
    return {engine.model.model: hub.repository, **revision}


def _text(value: OptionValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
