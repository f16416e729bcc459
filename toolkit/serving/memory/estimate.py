"""Computes whether an engine starts with a model on an instance type, with every number that leads there.

vLLM divides the memory of a GPU into weights, overhead and KV cache, and refuses to start if the cache cannot
hold one request of the longest context. Its sizes are exact (vllm `v1/kv_cache_interface.py`). The overhead
is not: it depends on kernels and versions, so it is a range, and the verdict is `tight` if it decides.
llama.cpp allocates the cache of the whole context when it starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from toolkit.serving.catalogue import Instance, instances
from toolkit.serving.engines import OptionValue
from toolkit.serving.memory.architecture import Architecture, Layers, UnknownArchitectureError
from toolkit.serving.memory.config import dtype_bytes

GIB = 2**30
Verdict = Literal["fits", "tight", "does_not_fit", "unknown"]

# Memory that CUDA reports, in GiB, by GPU and the memory that EC2 lists in MiB: "GPU 0 has a total capacity
# of …" in PyTorch's errors, the least of several reports of 2025 and 2026. It is up to 9 % less than EC2's.
_USABLE_GIB = {
    ("T4", 16384): 14.56,
    ("A10G", 22888): 22.06,
    ("L4", 22888): 22.03,
    ("L40S", 45776): 44.39,
    ("A100", 40960): 39.38,
    ("A100", 81920): 79.14,
    ("H100", 81920): 79.18,
    ("H200", 144384): 139.72,
    ("B200", 183359): 178.35,
    ("RTX PRO Server 6000", 98304): 94.97,
}
# Of GPUs without a report: the lowest share among the others with ECC inside the memory.
_USABLE_SHARE = 0.985

# Options by engine: context length, GPUs for tensor and pipeline parallelism, requests in a batch,
# quantization at load time.
_OPTIONS: dict[str, dict[str, str]] = {
    "vllm": {
        "context": "max_model_len",
        "tensor": "tensor_parallel_size",
        "pipeline": "pipeline_parallel_size",
        "requests": "max_num_seqs",
        "quantization": "quantization",
    },
    "lmi": {
        "context": "max_model_len",
        "tensor": "tensor_parallel_degree",
        "pipeline": "pipeline_parallel_degree",
        "requests": "max_rolling_batch_size",
        "quantization": "quantize",
    },
}
# Memory that other options of vLLM add, or move elsewhere.
_UNMODELLED = (
    "speculative_config",
    "cpu_offload_gb",
    "enable_lora",
    "data_parallel_size",
    "kv_cache_memory_bytes",
)
_BLOCK = 16
# vllm config/cache.py.
_UTILIZATION = 0.92
# Measured on H100 (llm-d-planner docs/empirical-vllm-memory-results.md): memory outside PyTorch with one GPU
# and with several, and the peak of the sampler, which is 9.5 to 9.75 times its logits in float32.
_OUTSIDE_TORCH, _OUTSIDE_TORCH_PARALLEL = 0.13 * GIB, 0.55 * GIB
_SAMPLER_COPIES = 9.75
# CUDA graphs, compiled code and the rest: 0.61 GiB in the output of the package kvplan 0.1.1.
_GRAPHS = 0.6 * GIB
_KV_BYTES = {"auto": 0.0, "float16": 2.0, "half": 2.0, "bfloat16": 2.0, "nvfp4": 0.5625}
# Bytes per element of ggml's types: blocks of 32 elements with their scales.
_GGML_BYTES = {
    "f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 34 / 32, "q5_1": 24 / 32, "q5_0": 22 / 32, "q4_1": 20 / 32,
    "q4_0": 18 / 32, "iq4_nl": 18 / 32,
}  # fmt: skip
# llama-server's defaults: tokens in a physical batch, slots.
_UBATCH, _SLOTS = 512, 4
_PADDING = 256  # cells of its KV cache


@dataclass(frozen=True)
class Settings:
    """A deployment of a model.

    Attributes:
        engine: name of the engine.
        options: options that the environment file sets.
        instance: hardware.
        instance_type: name of the instance type; None if serverless.
        utilization: share of the GPU memory that the engine uses by default.
        long_context: whether the engine accepts a longer context than the model's.
    """

    engine: str
    options: Mapping[str, OptionValue]
    instance: Instance
    instance_type: str | None
    utilization: float = _UTILIZATION
    long_context: bool = False

    def name(self, option: str) -> str:
        """The engine's name of an option."""
        if self.engine == "llama_cpp":
            return {"context": "ctx_size"}.get(option, option)
        return _OPTIONS.get(self.engine, {}).get(option, option)

    def number(self, option: str, default: int) -> int:
        """The value of an option with a whole number."""
        value = self.options.get(self.name(option), default)
        if isinstance(value, str):
            return int(value) if value.isdecimal() else default
        return int(value)

    @property
    def gpu_bytes(self) -> float:
        """Memory of one GPU."""
        return usable_gpu_bytes(self.instance)


@dataclass(frozen=True)
class Weights:
    """The size of the files of the weights.

    Attributes:
        bytes: their size; 0 if it is unknown.
        source: where it comes from.
    """

    bytes: int = 0
    source: str = ""


@dataclass(frozen=True)
class Term:
    """A term of the sum.

    Attributes:
        name: what it is.
        low: its least size in bytes.
        high: its largest size in bytes.
        formula: how it is computed.
    """

    name: str
    low: float
    high: float
    formula: str


@dataclass(frozen=True)
class Estimate:
    """Whether a model fits and starts.

    Attributes:
        verdict: `fits`, `tight` (overhead that is not known exactly decides), `does_not_fit` or `unknown`.
        reason: why.
        remedy: what to change; empty if nothing has to.
        terms: the sum, per GPU or of the host.
        context: context length in tokens of one request.
        largest_context: largest context length that surely fits; None if unknown.
        concurrency: requests of the whole context length at once; None if unknown.
        option: the option that sets the context length.
        trained_context: context length that the model was trained for; None if unknown.
    """

    verdict: Verdict
    reason: str
    remedy: str = ""
    terms: tuple[Term, ...] = ()
    context: int | None = None
    largest_context: int | None = None
    concurrency: float | None = None
    option: str = ""
    trained_context: int | None = None


@dataclass(frozen=True)
class _Plan:
    """Memory that a GPU, or the host, has and needs."""

    budget: Term
    weights: Term
    overhead: Term
    cache: Callable[[int], float]
    context: int
    longest: int
    formula: str
    content: str = "one request of {} tokens"

    @property
    def available(self) -> tuple[float, float]:
        """The least and the most that remains for the cache."""
        budget = self.budget.low
        return (
            budget - self.weights.high - self.overhead.high,
            budget - self.weights.low - self.overhead.low,
        )

    def largest(self, available: float) -> int:
        """The largest context whose cache fits, a multiple of 16."""
        low, high = 0, self.longest // _BLOCK
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.cache(middle * _BLOCK) <= available else (low, middle - 1)
        return low * _BLOCK


def usable_gpu_bytes(instance: Instance) -> float:
    """The memory of one GPU that CUDA reports."""
    memory_mib = instance.gpu_memory_mib // max(1, instance.gpus)
    gib = _USABLE_GIB.get((instance.gpu, memory_mib), memory_mib / 1024 * _USABLE_SHARE)
    return gib * GIB


def estimate(architecture: Architecture, settings: Settings, weights: Weights) -> Estimate:
    """Whether an engine starts with a model.

    Args:
        architecture: the model.
        settings: engine, options and hardware.
        weights: size of the files of the weights, if it is known.
    """
    try:
        if settings.engine == "llama_cpp":
            judged = _llama_cpp(architecture, settings, weights)
            return replace(judged, trained_context=architecture.context or None)
        if settings.engine in _OPTIONS and settings.instance.gpus:
            judged = _vllm(architecture, settings, weights)
            return replace(judged, trained_context=architecture.context or None)
    except UnknownArchitectureError as error:
        return unknown(str(error))
    hardware = "" if settings.instance.processor == "gpu" else f" on {settings.instance.processor.upper()}s"
    return unknown(f"the memory that {settings.engine} needs{hardware} is not known")


def unknown(reason: str, remedy: str = "") -> Estimate:
    """No estimate."""
    return Estimate("unknown", reason, remedy)


def weights_alone(settings: Settings, weights: Weights) -> Estimate | None:
    """The verdict for an unknown architecture whose weights alone do not fit; None if they may."""
    instance, gpus = settings.instance, settings.instance.gpus
    if not weights.bytes or settings.engine == "custom" or "cpu_offload_gb" in settings.options:
        return None
    if settings.engine == "llama_cpp" or not gpus:
        memory, where = instance.memory_mib * 2**20 + gpus * settings.gpu_bytes, "host"
    else:
        memory, where = gpus * settings.gpu_bytes, f"{gpus} x {instance.gpu}"
    if weights.bytes <= memory or _quantizes(settings):
        return None
    term = Term("weights", weights.bytes, weights.bytes, weights.source)
    return Estimate(
        "does_not_fit",
        f"the weights of {gib(weights.bytes)} are larger than the memory of {gib(memory)} ({where})",
        "use an instance type with more memory, or a quantized model",
        (term,),
    )


def gib(size: float) -> str:
    """A size in GiB."""
    return f"{size / GIB:.2f} GiB"


# vLLM


def _vllm(model: Architecture, settings: Settings, files: Weights) -> Estimate:
    instance = settings.instance
    tensor = max(1, settings.number("tensor", instance.gpus))
    pipeline = max(1, settings.number("pipeline", 1))
    context = settings.number("context", model.context)
    refusal = _refusal(model, settings, tensor, pipeline, context)
    if refusal is not None:
        return refusal
    unmodelled = next((name for name in _UNMODELLED if settings.options.get(name)), None)
    if unmodelled is not None:
        return unknown(f"the memory with {unmodelled} is not known")
    if not context:
        return unknown("the context length of the model is not known", "set max_model_len")
    plan = _vllm_plan(model, settings, files, (tensor, pipeline, context))
    return _judge(plan, settings, _alternatives(model, settings, files, plan))


def _refusal(
    model: Architecture, settings: Settings, tensor: int, pipeline: int, context: int
) -> Estimate | None:
    """A refusal of vLLM: its config/model.py, config/parallel.py, model_executor/models/llama.py."""
    name, gpus = settings.name("tensor"), settings.instance.gpus
    if tensor * pipeline > gpus:
        reason = f"{tensor * pipeline} GPUs are needed ({tensor} x {pipeline}), but the instance has {gpus}"
        return Estimate("does_not_fit", reason, f"lower {name}, or use an instance type with more GPUs")
    if model.heads % tensor:
        fitting = max(size for size in range(1, tensor + 1) if model.heads % size == 0)
        reason = f"{model.heads} attention heads cannot be divided among {tensor} GPUs"
        return Estimate("does_not_fit", reason, f"set {name}: {fitting}")
    for layers in model.layers:
        if layers.heads > 1 and layers.heads % tensor and tensor % layers.heads:
            reason = f"{layers.heads} KV heads cannot be divided among {tensor} GPUs"
            return Estimate("does_not_fit", reason, f"set {name}: {layers.heads}")
    longer = settings.long_context or "hf_overrides" in settings.options
    if model.context and context > model.context and not longer:
        reason = f"the model supports {model.context:,} tokens, but {settings.name('context')} is {context:,}"
        remedy = f"set {settings.name('context')}: {model.context}, or remove it"
        return Estimate("does_not_fit", reason, remedy)
    if settings.instance.gpu == "T4" and settings.options.get("dtype") in ("bfloat16", "bf16"):
        return Estimate("does_not_fit", "the T4 does not support bfloat16", "set dtype: float16")
    return None


def _vllm_plan(model: Architecture, settings: Settings, files: Weights, shape: tuple[int, int, int]) -> _Plan:
    tensor, pipeline, context = shape
    large = settings.gpu_bytes >= 70 * GIB and settings.instance.gpu != "A100"
    tokens = settings.number("max_num_batched_tokens", 8192 if large else 2048)
    requests = settings.number("requests", 1024 if large else 256)
    share = settings.options.get("gpu_memory_utilization", settings.utilization)
    share = float(share) if isinstance(share, int | float) else settings.utilization
    budget = Term(
        "GPU memory",
        settings.gpu_bytes * share,
        settings.gpu_bytes * share,
        f"{gib(settings.gpu_bytes)} ({settings.instance.gpu}) x gpu_memory_utilization {share:g}",
    )
    size = _kv_bytes(model, settings)
    stage = -(-model.depth // pipeline) / max(1, model.depth)

    def cache(length: int) -> float:
        return sum(_vllm_cache(layers, length, size, tensor, tokens) for layers in model.layers) * stage

    eager = bool(settings.options.get("enforce_eager"))
    return _Plan(
        budget,
        _weights(model, settings, files, tensor, stage),
        _overhead(model, tensor, tokens, requests, 0 if eager else _GRAPHS),
        cache,
        context,
        model.context or context,
        cache_formula(model.layers, size, tensor),
    )


def _vllm_cache(layers: Layers, length: int, size: float, tensor: int, batch: int) -> float:
    """Bytes of one request's cache in these layers, on one GPU: `max_memory_usage_bytes` of KVCacheSpec."""
    if layers.cache == "state":
        return layers.count * layers.state * 4 / tensor
    heads = max(1, layers.heads // tensor)
    blocks = -(-length // _BLOCK)
    if layers.cache == "sliding":
        blocks = -(-min(layers.window - 1 + batch, length) // _BLOCK) + 1
    return layers.count * blocks * _BLOCK * heads * (layers.key + layers.value) * size


def _kv_bytes(model: Architecture, settings: Settings) -> float:
    kind = str(settings.options.get("kv_cache_dtype", "auto"))
    if kind.startswith(("fp8_ds", "nvfp4_", "turboquant", "int4")):
        raise UnknownArchitectureError(f"the size of a KV cache with kv_cache_dtype {kind} is not known")
    if kind.startswith(("fp8", "int8")):
        return 1.0
    if kind not in _KV_BYTES:
        raise UnknownArchitectureError(f"the size of a KV cache with kv_cache_dtype {kind} is not known")
    scales = model.quantization.kv_bytes if model.quantization else 0
    return _KV_BYTES[kind] or float(scales or _loaded_bytes(model, settings))


def _loaded_bytes(model: Architecture, settings: Settings) -> int:
    """Bytes per unquantized parameter after loading; vLLM loads float32 in 16 bits by default."""
    dtype = str(settings.options.get("dtype", "auto"))
    if dtype in ("float", "float32", "fp32"):
        return 4
    return 2 if dtype != "auto" else min(2, dtype_bytes(model.dtype))


def _quantizes(settings: Settings) -> bool:
    return settings.options.get(settings.name("quantization")) in ("fp8", "bitsandbytes")


def _weights(model: Architecture, settings: Settings, files: Weights, tensor: int, stage: float) -> Term:
    """The weights on one GPU."""
    parameters, base = model.parameters, _loaded_bytes(model, settings)
    if parameters is None:
        raise UnknownArchitectureError("the number of parameters is not known")
    quantized = base if model.quantization is None else model.quantization.bytes
    method = model.quantization.method if model.quantization else ""
    if model.quantization is None and _quantizes(settings):
        method = str(settings.options[settings.name("quantization")])
        quantized = 1.0 if method == "fp8" else 0.53
    experts_only = model.quantization is not None and model.quantization.experts_only
    plain = parameters.embedding + parameters.vision + (parameters.linear if experts_only else 0)
    packed = (model.padded_experts or parameters.experts) + (0 if experts_only else parameters.linear)
    total = plain * base + packed * quantized
    formula = f"{parameters.total:,} parameters x {base} bytes"
    if method:
        formula = f"{packed:,} parameters x {quantized:.3g} bytes ({method}) + {plain:,} x {base} bytes"
    converted = model.quantization is None and (_quantizes(settings) or dtype_bytes(model.dtype) != base)
    if files.bytes and not converted and not model.padded_experts:
        total, formula = float(files.bytes), files.source
    ends = parameters.embedding * base
    share = total if stage == 1 else (total - ends) * stage + ends
    if tensor > 1:
        formula = f"({formula}) ÷ {tensor} GPUs"
    return Term("weights", share / tensor, share / tensor, formula)


def _overhead(model: Architecture, tensor: int, tokens: int, requests: int, graphs: float) -> Term:
    """Activations, sampler, CUDA graphs and what is outside PyTorch."""
    outside = _OUTSIDE_TORCH if tensor == 1 else _OUTSIDE_TORCH_PARALLEL
    activations = tokens * (model.mlp / tensor + 2 * model.hidden) * 2
    sampler = requests * model.vocabulary * 4 * _SAMPLER_COPIES
    formula = f"activations of {tokens:,} tokens, sampler of {requests:,} requests, CUDA graphs"
    return Term("overhead", outside + activations, outside + max(activations, sampler) + graphs, formula)


def cache_formula(layers: tuple[Layers, ...], size: float, tensor: int = 1) -> str:
    """The cache per token, as a formula."""
    parts = []
    for group in layers:
        if group.cache == "state":
            parts.append(f"{group.count} layers with a state of {group.state * 4:,} bytes")
            continue
        heads = max(1, group.heads // tensor)
        elements = f"{group.key} + {group.value}" if group.value else f"{group.key}"
        window = f", window {group.window:,}" if group.window else ""
        parts.append(f"{group.count} layers x {heads} KV heads x ({elements}) x {size:.3g} bytes{window}")
    return "; ".join(parts).replace("x 1 KV heads", "x 1 KV head")


def _alternatives(model: Architecture, settings: Settings, files: Weights, plan: _Plan) -> list[str]:
    """Changes with which the same context surely fits."""
    remedies = []

    def fits(changed: Settings) -> bool:
        instance = changed.instance
        if model.heads % instance.gpus:
            return False
        other = _vllm_plan(model, changed, files, (instance.gpus, 1, plan.context))
        return other.cache(plan.context) <= other.available[0]

    options = settings.options
    tensor, pipeline = settings.number("tensor", settings.instance.gpus), settings.number("pipeline", 1)
    if "kv_cache_dtype" not in options and settings.instance.gpu not in ("T4", "A100", "A10G"):
        changed = replace(settings, options={**options, "kv_cache_dtype": "fp8"})
        other = _vllm_plan(model, changed, files, (tensor, pipeline, plan.context))
        if other.cache(plan.context) <= other.available[0]:
            remedies.append("set kv_cache_dtype: fp8")
    kept = {name: value for name, value in options.items() if name != settings.name("tensor")}
    for name, instance in sorted(instances().items(), key=lambda item: (item[1].gpus, item[1].vcpus)):
        if (instance.gpu, instance.gpus > settings.instance.gpus) != (settings.instance.gpu, True):
            continue
        if fits(replace(settings, options=kept, instance=instance, instance_type=name)):
            remedies.append(f"use {name} ({instance.gpus} x {instance.gpu})")
            break
    return remedies


def _judge(plan: _Plan, settings: Settings, alternatives: list[str]) -> Estimate:
    least, most = plan.available
    needed = plan.cache(plan.context)
    content = plan.content.format(f"{plan.context:,}")
    option = settings.name("context")
    largest = plan.largest(least)
    terms = (
        plan.budget,
        plan.weights,
        plan.overhead,
        Term("KV cache", max(0.0, least), max(0.0, most), "what remains"),
        Term("needed", needed, needed, f"{content}: {plan.formula}"),
    )
    concurrency = max(0.0, least) / needed if needed else None
    if needed <= least:
        verdict: Verdict = "fits"
        reason = f"{content} needs {gib(needed)} of KV cache, and {gib(least)} remain"
        remedies: list[str] = []
    else:
        verdict = "tight" if needed <= most else "does_not_fit"
        remedies = [f"set {option}: {largest}"] if largest >= 1024 else []
        remedies += alternatives
        if most <= 0:
            total = gib(plan.weights.low + plan.overhead.low)
            reason = f"weights and overhead need {total} of {gib(plan.budget.low)}"
        else:
            between = gib(most) if verdict == "does_not_fit" else f"{gib(max(0.0, least))} to {gib(most)}"
            reason = f"{content} needs {gib(needed)} of KV cache, but {between} remain"
        if not remedies:
            remedies = ["use an instance type with more GPU memory, or a quantized model"]
    return Estimate(
        verdict, reason, ", or ".join(remedies), terms, plan.context, largest, concurrency, option
    )


# llama.cpp


def _llama_cpp(model: Architecture, settings: Settings, files: Weights) -> Estimate:
    instance, options = settings.instance, settings.options
    context = settings.number("context", 0) or model.context
    if not files.bytes:
        return unknown("the size of the GGUF file is not known")
    if not context:
        return unknown("the context length of the model is not known", "set ctx_size")
    slots = settings.number("parallel", _SLOTS)
    batch = settings.number("ubatch_size", _UBATCH)
    key, value = (str(options.get(f"cache_type_{part}", "f16")) for part in "kv")
    unified = "parallel" not in options or bool(options.get("kv_unified"))
    if bool(options.get("swa_full")):
        model = replace(model, layers=tuple(_without_window(layers) for layers in model.layers))

    def cache(length: int) -> float:
        return sum(
            _llama_cache(layers, length, (slots, unified, batch), (_GGML_BYTES[key], _GGML_BYTES[value]))
            for layers in model.layers
        )

    # Newer versions compute logits for the last token of each request only, others for the whole batch.
    buffers = batch * model.hidden * 64
    logits = batch * model.vocabulary * 4
    plan = _Plan(
        _host(settings),
        Term("weights", files.bytes, files.bytes, files.source),
        Term(
            "overhead",
            0.25 * GIB,
            GIB + logits + buffers,
            f"logits of {batch:,} tokens x {model.vocabulary:,}, buffers, operating system",
        ),
        cache,
        context,
        model.context or context,
        f"{cache_formula(model.layers, _GGML_BYTES[key])}",
        f"a context of {{}} tokens for {slots} {'slot' if slots == 1 else 'slots'}",
    )
    if not instance.gpus:
        return replace(_judge(plan, settings, []), concurrency=None)
    on_gpus = replace(plan, budget=_gpus(settings))
    judged = _judge(on_gpus, settings, [])
    if judged.verdict == "does_not_fit" and cache(context) <= plan.available[0] + on_gpus.budget.low:
        # `--fit`, on by default: "successfully fit params to free device memory" (ollama/ollama#16416).
        reason = f"{judged.reason}; llama.cpp keeps the other layers in host memory, which is slow"
        judged = replace(judged, verdict="tight", reason=reason)
    return replace(judged, concurrency=None)


def _host(settings: Settings) -> Term:
    memory = settings.instance.memory_mib * 2**20
    return Term("host memory", memory, memory, settings.instance_type or "serverless")


def _gpus(settings: Settings) -> Term:
    memory = settings.instance.gpus * settings.gpu_bytes
    formula = f"{settings.instance.gpus} x {gib(settings.gpu_bytes)} ({settings.instance.gpu})"
    return Term("GPU memory", memory, memory, formula)


def _without_window(layers: Layers) -> Layers:
    return replace(layers, cache="full", window=0) if layers.cache == "sliding" else layers


def _llama_cache(
    layers: Layers, length: int, slots: tuple[int, bool, int], size: tuple[float, float]
) -> float:
    """Bytes of the whole cache in these layers: llama.cpp `src/llama-kv-cache*.cpp`."""
    count, unified, batch = slots
    if layers.cache == "state":
        return layers.count * layers.state * 4 * count
    cells = _padded(length)
    if layers.cache == "sliding" and unified:
        cells = min(cells, _padded(layers.window * count + batch))
    elif layers.cache == "sliding":
        cells = count * min(_padded(-(-length // count)), _padded(layers.window + batch))
    return layers.count * cells * layers.heads * (layers.key * size[0] + layers.value * size[1])


def _padded(cells: int) -> int:
    return -(-cells // _PADDING) * _PADDING
