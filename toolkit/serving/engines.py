"""Serving engines: environment variables of their containers, and requirements on the host.

Most containers turn environment variables with a prefix into flags of the server:
`SM_VLLM_MAX_MODEL_LEN=4096` becomes `--max-model-len 4096`, `true` a flag without a value, and `false` no
flag. So an option of the environment file is the name of a flag with underscores. TGI and TEI read flags from
variables without a prefix.

Source: the entry points of the containers in aws/deep-learning-containers `scripts/docker/{vllm,llama_cpp}`,
deepjavalibrary/djl-serving `serving/docker` and `starting-guide.md`, and the `sagemaker-entrypoint.sh` of
huggingface/text-generation-inference and huggingface/text-embeddings-inference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from toolkit.serving.catalogue import Image, Instance

OptionValue = str | int | float | bool

# SageMaker mounts the weights here.
MODEL_DIRECTORY = "/opt/ml/model"

# CUDA release of the NVIDIA driver in SageMaker's inference AMIs, oldest first, from the API reference of
# ProductionVariant.InferenceAmiVersion.
AMI_CUDA: dict[str, tuple[int, int]] = {
    "al2-ami-sagemaker-inference-gpu-2": (12, 2),
    "al2-ami-sagemaker-inference-gpu-2-1": (12, 2),
    "al2-ami-sagemaker-inference-gpu-3-1": (12, 4),
    "al2023-ami-sagemaker-inference-gpu-4-1": (13, 0),
}
# The newest one that AWS providers from 5.100 accept.
_CUDA_12_AMI = "al2-ami-sagemaker-inference-gpu-3-1"
_CUDA_13_AMI = "al2023-ami-sagemaker-inference-gpu-4-1"

# First CUDA release that supports a GPU, and so the oldest for its driver and for containers on it, from the
# release notes of CUDA: Turing 10.0, Ampere 11.0 and 11.1, Ada and Hopper 11.8, Blackwell 12.8 and 12.9.
GPU_CUDA: dict[str, tuple[int, int]] = {
    "T4": (10, 0),
    "A100": (11, 0),
    "A10G": (11, 1),
    "L4": (11, 8),
    "L40S": (11, 8),
    "H100": (11, 8),
    "H200": (11, 8),
    "B200": (12, 8),
    "RTX PRO 4500": (12, 8),
    "RTX PRO Server 6000": (12, 8),
    "B300": (12, 9),
}


class ModelVariables(NamedTuple):
    """The environment variables that select the model to load.

    Attributes:
        model: a Hugging Face repository, or a folder.
        revision: the revision of the repository.
    """

    model: str
    revision: str


class Hub(NamedTuple):
    """A model on the Hugging Face Hub.

    Attributes:
        repository: owner and name.
        revision: commit, branch or tag; None is the newest.
    """

    repository: str
    revision: str | None


@dataclass(frozen=True)
class Engine:
    """The properties of a serving engine.

    Attributes:
        name: name in the environment file and the catalogue.
        prefix: prefix of the environment variables that become flags.
        task: task of its models.
        dialect: API of its container: OpenAI's, of which `llama_cpp`, `tgi` and `lmi` ignore members, or its
            own; `lmi` has its own for embeddings.
        served_name: option for the name of the model in the server; None if requests may use any name.
        parallelism: option for the number of GPUs; None if the engine detects it.
        model: variables that select the model; None if the engine can only load mounted weights.
        variables: environment variables of options without the prefix.
        forward_compatibility: environment that lets the container run on a driver older than its CUDA
            release; None if it cannot.
        defaults: options whose default in the engine is too small for OpenAI clients.
        reserved: other options that the container contract fixes.
        startup_files: files that would change how the container starts if they were among the weights: they
            run third-party code, install packages without a network, or override variables. Not staged.
        mounted: environment variables that switch these files off among mounted weights.
    """

    name: str
    prefix: str
    task: Literal["chat", "embeddings"] = "chat"
    dialect: Literal["openai", "llama_cpp", "lmi", "tgi", "tei"] = "openai"
    served_name: str | None = None
    parallelism: str | None = None
    model: ModelVariables | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    forward_compatibility: Mapping[str, str] | None = None
    defaults: Mapping[str, OptionValue] = field(default_factory=dict)
    reserved: frozenset[str] = frozenset()
    startup_files: frozenset[str] = frozenset()
    mounted: Mapping[str, str] = field(default_factory=dict)

    @property
    def reserved_options(self) -> frozenset[str]:
        """Options that the environment file must not set, because the toolkit or the container does."""
        return self.reserved | {self.served_name or ""}

    @property
    def reserved_variables(self) -> frozenset[str]:
        """Environment variables that the environment file must not set, because the toolkit does."""
        name = () if self.served_name is None else (self.variable(self.served_name),)
        return frozenset({*(self.model or ()), *name})

    def variable(self, option: str) -> str:
        """The environment variable of an option."""
        return self.variables.get(option) or self.prefix + option.upper()

    def environment(self, options: Mapping[str, OptionValue]) -> dict[str, str]:
        """The environment variables of options."""
        return {self.variable(option): _text(value) for option, value in options.items()}


_HUGGING_FACE = ModelVariables("HF_MODEL_ID", "HF_MODEL_REVISION")
_LAUNCHER_OPTIONS = frozenset({"model_id", "revision", "hostname", "port", "huggingface_hub_cache"})

ENGINES: dict[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine(
            "llama_cpp",
            prefix="SM_LLAMA_CPP_",
            dialect="llama_cpp",
            served_name="alias",
            reserved=frozenset({"model_dir", "host", "port", "hf_repo", "hf_file", "model_url"}),
        ),
        Engine(
            "vllm",
            prefix="SM_VLLM_",
            served_name="served_model_name",
            parallelism="tensor_parallel_size",
            model=ModelVariables("SM_VLLM_MODEL", "SM_VLLM_REVISION"),
            forward_compatibility={"VLLM_ENABLE_CUDA_COMPATIBILITY": "1"},
            reserved=frozenset({"model", "revision", "host", "port"}),
            # aws/model-hosting-container-standards: docs/sagemaker/06_dependency_installation.md and
            # 02_customize_handlers.md. A script that does not exist is skipped.
            startup_files=frozenset({"model.py", "requirements.txt"}),
            mounted={"STANDARD_AUTO_INSTALL_REQ": "false", "CUSTOM_SCRIPT_FILENAME": "none"},
        ),
        Engine(
            "lmi",
            prefix="OPTION_",
            dialect="lmi",
            # Without it, the server accepts only the model name `lmi`.
            served_name="served_model_name",
            parallelism="tensor_parallel_degree",
            model=ModelVariables("HF_MODEL_ID", "HF_REVISION"),
            variables={"tensor_parallel_degree": "TENSOR_PARALLEL_DEGREE"},
            # The entry point of the container detects the driver.
            forward_compatibility={},
            reserved=frozenset({"model_id", "revision"}),
            # deepjavalibrary/djl-serving: serving/docs/modes.md; serving.properties precedes variables.
            startup_files=frozenset({"model.py", "requirements.txt", "serving.properties"}),
        ),
        Engine(
            "tgi",
            prefix="",
            dialect="tgi",
            parallelism="num_shard",
            model=_HUGGING_FACE,
            variables={"num_shard": "SM_NUM_GPUS"},
            # The limit of SageMaker; the default is 2 MB (text-generation-launcher --help).
            defaults={"payload_limit": 6291456},
            reserved=_LAUNCHER_OPTIONS,
        ),
        Engine(
            "tei",
            prefix="",
            task="embeddings",
            dialect="tei",
            served_name="served_model_name",
            model=_HUGGING_FACE,
            # The limits of OpenAI and SageMaker; the defaults are 32 inputs and 2 MB.
            defaults={"max_client_batch_size": 2048, "payload_limit": 6291456},
            reserved=_LAUNCHER_OPTIONS | {"json_output", "uds_path"},
        ),
        Engine("custom", prefix=""),
    )
}


def inference_ami_version(engine: Engine, image: Image, instance: Instance) -> str | None:
    """The inference AMI with an NVIDIA driver for container and GPU; None is the default of SageMaker.

    Containers with a later CUDA release than the driver of the default crash before they log anything. An
    engine with CUDA forward compatibility gets the AMI that older AWS providers also accept, unless that
    driver is older than the GPU.
    """
    if image.cuda is None or not instance.gpus:
        return None
    if GPU_CUDA[instance.gpu] > AMI_CUDA[_CUDA_12_AMI]:
        return _CUDA_13_AMI
    if image.cuda <= (12, 2):
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
    """The environment variables of a container that serves one model.

    Args:
        engine: engine in the container.
        served_name: name of the model in the server.
        options: flags of the server, by name with underscores.
        instance: hardware of the instance.
        hub: model to download from the Hugging Face Hub; None loads the weights that SageMaker mounts.
    """
    flags: dict[str, OptionValue] = dict(engine.defaults)
    if engine.served_name is not None:
        flags[engine.served_name] = served_name
    if engine.parallelism is not None and instance.gpus > 1:
        flags[engine.parallelism] = instance.gpus
    flags |= options
    if engine.name == "llama_cpp" and "model" in flags:
        flags["model"] = f"{MODEL_DIRECTORY}/{flags['model']}"
    return engine.environment(flags) | _model_variables(engine, hub)


def forward_compatibility(engine: Engine, image: Image, ami_version: str | None) -> Mapping[str, str]:
    """Environment variables for a container with a later CUDA release than the driver of the host."""
    driver = AMI_CUDA.get(ami_version or "")
    if driver is None or image.cuda is None or image.cuda[0] <= driver[0]:
        return {}
    return engine.forward_compatibility or {}


def _model_variables(engine: Engine, hub: Hub | None) -> dict[str, str]:
    if hub is None:
        return {} if engine.model is None else {engine.model.model: MODEL_DIRECTORY, **engine.mounted}
    if engine.model is None:
        raise ValueError(f"{engine.name} cannot download models from the Hub")
    revision = {} if hub.revision is None else {engine.model.revision: hub.revision}
    return {engine.model.model: hub.repository, **revision}


def _text(value: OptionValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
