"""Invalid engines, images and sources."""

from __future__ import annotations

MODEL = "models.qwen3-8b"
SERVING = """\
    serving:
      engine: vllm
      options: {max_model_len: 16384}
      environment: {VLLM_LOGGING_LEVEL: INFO}
"""
SOURCE = """\
    source:
      hub: Qwen/Qwen3-8B
      revision: b968826d9c46dd6066d109eabc6255188de91218
"""
PINNED = "revision: b968826d9c46dd6066d109eabc6255188de91218"
ACCOUNT = "123456789012.dkr.ecr"
IMAGE = f"{ACCOUNT}.us-east-1.amazonaws.com/x:1"
MIRROR = f"{ACCOUNT}.us-east-1.amazonaws.com/llama-cpp:server-sagemaker-cpu-v1"


def serving(content: str, key: str, expected: str) -> tuple[str, str, int, str, str]:
    """Another way of serving, in one line."""
    return SERVING, f"    serving: {content}\n", 10, f"{MODEL}.serving{key}", expected


def on_cpu(content: str, line: int, key: str, expected: str) -> tuple[str, str, int, str, str]:
    """Another way of serving on CPUs."""
    instance = "    instance_type: {}\n"
    replaced = SERVING + SOURCE + instance.format("ml.g6.2xlarge")
    return replaced, content + instance.format("ml.c7i.xlarge"), line, f"{MODEL}{key}", expected


def source(content: str, key: str, expected: str, line: int = 14) -> tuple[str, str, int, str, str]:
    """Another source, in one line."""
    return SOURCE, f"    source: {content}\n", line, f"{MODEL}{key}", expected


ENGINES = {
    "prompt longer than the context": serving(
        "{engine: tgi, options: {max_input_tokens: 20, max_total_tokens: 10}}",
        ".options",
        "max_input_tokens 20 leaves no completion tokens",
    ),
    "data type of LMI": serving("{engine: lmi, options: {dtype: half}}", ".options.dtype", "'fp16'"),
    "pooling of TEI": serving("{engine: tei, options: {pooling: max}}", ".options.pooling", "'cls', 'mean'"),
    "LMI's GPUs": serving(
        "{engine: lmi, options: {tensor_parallel_degree: 4}}",
        ".options.tensor_parallel_degree",
        "ml.g6.2xlarge has 1",
    ),
    "TGI's GPUs": serving(
        "{engine: tgi, options: {num_shard: 2}}", ".options.num_shard", "ml.g6.2xlarge has 1"
    ),
    "TGI's model as a variable": serving(
        "{engine: tgi, environment: {HF_MODEL_ID: a/b}}", ".environment.HF_MODEL_ID", "set by the toolkit"
    ),
    "TGI's option as a variable": serving(
        "{engine: tgi, environment: {MAX_TOTAL_TOKENS: '9'}}",
        ".environment.MAX_TOTAL_TOKENS",
        "options.max_total_tokens",
    ),
    "LMI's GPUs as a variable": serving(
        "{engine: lmi, environment: {TENSOR_PARALLEL_DEGREE: '1'}}",
        ".environment.TENSOR_PARALLEL_DEGREE",
        "set options.tensor_parallel_degree instead",
    ),
    "LMI's option as a variable": serving(
        "{engine: lmi, environment: {OPTION_DTYPE: fp16}}", ".environment.OPTION_DTYPE", "options.dtype"
    ),
    "LMI's name": serving(
        "{engine: lmi, options: {served_model_name: x}}", ".options.served_model_name", "set by the toolkit"
    ),
    "token for TGI": serving(
        "{engine: tgi, environment: {HUGGING_FACE_HUB_TOKEN: x}}",
        ".environment.HUGGING_FACE_HUB_TOKEN",
        "the name of a secret",
    ),
    "custom without an image": serving(
        "{engine: custom}", ".image", "is missing; add it, such as image: 1234"
    ),
    "options of a custom image": (
        SERVING + SOURCE,
        f"    serving: {{engine: custom, image: '{IMAGE}', options: {{a: 1}}}}\n",
        10,
        f"{MODEL}.serving.options",
        "unknown key; use one of engine, environment",
    ),
    "custom image from the hub": (
        SERVING,
        f"    serving: {{engine: custom, image: '{IMAGE}'}}\n",
        12,
        f"{MODEL}.source.hub",
        "custom cannot download models from the Hub; add staged: true",
    ),
    "image outside ECR": serving(
        "{engine: vllm, image: 'vllm/vllm-openai:v0.20'}",
        ".image",
        "push it to Amazon ECR, and use its URI, such as 123456789012.dkr.ecr.us-east-1",
    ),
    "image of another region": serving(
        f"{{engine: vllm, image: '{ACCOUNT}.eu-west-1.amazonaws.com/x:1'}}",
        ".image",
        "push it to us-east-1 too",
    ),
    "machine image of another accelerator": (
        "engine: vllm",
        "engine: vllm\n      inference_ami_version: al2-ami-sagemaker-inference-neuron-2",
        12,
        f"{MODEL}.serving.inference_ami_version",
        "requires Neuron accelerators, but ml.g6.2xlarge has none",
    ),
    "instance type that the provider refuses": (
        "ml.g6.2xlarge",
        "ml.p5.4xlarge",
        17,
        f"{MODEL}.instance_type",
        "AWS provider 5.100.0 refuses; move to AWS provider 6.62.0 or later with `make provider`",
    ),
    "inference AMI that the provider refuses": (
        "engine: vllm",
        "engine: vllm\n      inference_ami_version: al2023-ami-sagemaker-inference-gpu-4-1",
        12,
        f"{MODEL}.serving.inference_ami_version",
        "AWS provider 5.100.0 refuses; move to AWS provider 6.62.0 or later with `make provider`",
    ),
    "default inference AMI that the provider refuses": (
        SERVING + SOURCE,
        "    serving: {engine: llama_cpp}\n    source: {path: model.gguf}\n",
        12,
        f"{MODEL}.instance_type",
        "(CUDA 13.0) on ml.g6.2xlarge needs the inference AMI al2023-ami-sagemaker-inference-gpu-4-1, which",
    ),
    "driver too old for the engine": (
        SERVING + SOURCE,
        "    serving: {engine: llama_cpp, inference_ami_version: al2-ami-sagemaker-inference-gpu-3-1}\n"
        "    source: {path: model.gguf}\n",
        10,
        f"{MODEL}.serving.inference_ami_version",
        "requires CUDA 13.0, but the driver of al2-ami-sagemaker-inference-gpu-3-1 is older",
    ),
    "embeddings with AWS's llama.cpp image": on_cpu(
        "    serving: {engine: llama_cpp, options: {embeddings: true}}\n    source: {path: model.gguf}\n",
        10,
        ".serving.engine",
        "serves chat completions, not embeddings; use one of the engines vllm, lmi, tei, or an own image",
    ),
    "rankings with a mirror of AWS's llama.cpp image": on_cpu(
        f"    serving: {{engine: llama_cpp, image: '{MIRROR}', options: {{reranking: true}}}}\n"
        "    source: {path: model.gguf}\n",
        10,
        ".serving.engine",
        "serves chat completions, not rankings; use one of the engines vllm, tei, or an own image",
    ),
    "embeddings with an old image of LMI": serving(
        "{engine: lmi, version: '0.35.0', options: {task: text-embedding}}",
        ".engine",
        "serves chat completions, completions, not embeddings; use version 0.36 or later",
    ),
    "sparse vectors of TEI": serving(
        "{engine: tei, options: {pooling: splade}}",
        ".engine",
        "serves no operation of the API, not embeddings; use one of the engines vllm, lmi, or an own image",
    ),
    "chats with an old image of TGI": serving(
        "{engine: tgi, version: '2.3.1'}",
        ".engine",
        "serves no operation of the API, not chat completions; use version 2.4 or later, or one of",
    ),
    "unknown version of LMI": serving(
        "{engine: lmi, version: '1.0'}", ".version", "versions in us-east-1: 0.3"
    ),
    "many variables": serving(
        f"{{engine: vllm, environment: {{{', '.join(f'V{i}: x' for i in range(81))}}}}}",
        ".environment",
        "has 81 entries; use at most 80",
    ),
}
WEIGHTS = {
    "engine without a source": (
        SOURCE,
        "",
        9,
        f"{MODEL}.source",
        "is missing; add the source of the weights",
    ),
    "branch": source(
        "{hub: a/b, revision: main}", ".source.revision", "or allow_unpinned: true to load a branch or tag"
    ),
    "short commit": source("{hub: a/b, revision: b968826}", ".source.revision", "'b968826' is not a commit"),
    "staged and unpinned": source(
        "{hub: a/b, staged: true, allow_unpinned: true}", ".source.allow_unpinned", "always pinned"
    ),
    "files that are not staged": source(
        f"{{hub: a/b, {PINNED}, files: ['*.json']}}", ".source.files", "add staged: true"
    ),
    "no files": source(f"{{hub: a/b, {PINNED}, staged: true, files: []}}", ".source.files", "at least 1"),
    "absolute file": source(
        f"{{hub: a/b, {PINNED}, staged: true, files: [/etc/passwd]}}", ".source.files[0]", "a pattern of file"
    ),
    "staged as a string": source(
        f"{{hub: a/b, {PINNED}, staged: 'yes'}}", ".source.staged", "without quotes"
    ),
    "GGUF for vLLM": source("{path: weights/model.gguf}", ".serving.engine", "use the engine llama_cpp", 11),
    "safetensors for llama.cpp": on_cpu(
        "    serving: {engine: llama_cpp}\n    source: {path: model.safetensors}\n",
        10,
        ".serving.engine",
        "use a GGUF file",
    ),
    "GGUF repository without files": on_cpu(
        f"    serving: {{engine: llama_cpp}}\n    source: {{hub: a/b-GGUF, {PINNED}, staged: true}}\n",
        11,
        ".source",
        'files: ["*Q4_K_M.gguf"]',
    ),
    "hub for llama.cpp, not staged": on_cpu(
        f"    serving: {{engine: llama_cpp}}\n    source: {{hub: a/b, {PINNED}}}\n",
        11,
        ".source.hub",
        "add staged: true, and run `toolkit model stage`",
    ),
}
CASES = ENGINES | WEIGHTS
