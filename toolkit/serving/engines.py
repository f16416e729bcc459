"""Serving engines: what their containers are told, and what they need of the host.

Each AWS container turns environment variables with a prefix into flags of the engine's own server:
`SM_VLLM_MAX_MODEL_LEN=4096` becomes `--max-model-len 4096`, the value `true` a bare flag, and `false`
no flag at all. So an option of the environment file is a flag's name with underscores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from toolkit.serving.catalogue import Image, Instance

OptionValue = str | int | float | bool

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


@dataclass(frozen=True)
class Engine:
    """What differs between engines.

    Attributes:
        name: as in the environment file and the catalogue.
        prefix: of the environment variables that become flags.
        served_name: the option that sets the name which the server gives its model.
        parallelism: the option that spreads a model over GPUs, or None if the engine finds out itself.
        hub: the options that name a model of the Hugging Face hub and its revision, or None if the
            engine cannot load a pinned revision by itself.
        forward_compatibility: environment with which the container runs on a driver older than its CUDA
            release, or None if it cannot.
        reserved: further options that the container contract fixes.
    """

    name: str
    prefix: str
    served_name: str
    parallelism: str | None = None
    hub: tuple[str, str] | None = None
    forward_compatibility: Mapping[str, str] | None = None
    reserved: frozenset[str] = field(default_factory=frozenset)

    @property
    def reserved_options(self) -> frozenset[str]:
        """Options that the toolkit or the container sets, and the environment file must not."""
        return self.reserved | {self.served_name} | set(self.hub or ())

    def variable(self, option: str) -> str:
        """The environment variable of an option."""
        return self.prefix + option.upper()


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
            hub=("model", "revision"),
            forward_compatibility={"VLLM_ENABLE_CUDA_COMPATIBILITY": "1"},
            reserved=frozenset({"host", "port"}),
        ),
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
    hub: tuple[str, str] | None = None,
) -> dict[str, str]:
    """The environment that makes a container serve one model.

    Args:
        engine: the engine in the container.
        served_name: what the server is to call the model.
        options: flags of the engine's server, by their names with underscores.
        instance: what it runs on.
        hub: the model's repository on the Hugging Face hub and its revision; without, the container finds
            the weights where SageMaker mounts them.
    """
    flags: dict[str, OptionValue] = {engine.served_name: served_name}
    if hub is not None:
        if engine.hub is None:
            raise ValueError(f"{engine.name} cannot load a pinned revision from the hub")
        flags |= zip(engine.hub, hub, strict=True)
    if engine.parallelism is not None and instance.gpus > 1:
        flags[engine.parallelism] = instance.gpus
    return {engine.variable(option): _text(value) for option, value in {**flags, **options}.items()}


def forward_compatibility(engine: Engine, image: Image, ami_version: str | None) -> Mapping[str, str]:
    """Further environment for a container whose CUDA release is later than the host driver's."""
    driver = AMI_CUDA.get(ami_version or "")
    if driver is None or image.cuda is None or image.cuda[0] <= driver[0]:
        return {}
    return engine.forward_compatibility or {}


def _text(value: OptionValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
