variable "enabled" {
  description = "Create the module's resources."
  type        = bool
  default     = true
  nullable    = false
}

variable "paused" {
  description = "Delete the endpoint, its autoscaling and its alarms, but keep the resources without cost."
  type        = bool
  default     = false
  nullable    = false
}

variable "name" {
  description = "Name of the endpoint. Names of models and endpoint configurations append a hash of their content."
  type        = string
  nullable    = false

  validation {
    # SageMaker allows 63 characters; the hash and its hyphen take nine.
    condition     = length(var.name) <= 54 && can(regex("^[a-zA-Z0-9](-*[a-zA-Z0-9])*$", var.name))
    error_message = "name \"${var.name}\" must be at most 54 letters, digits and inner hyphens: shorten the environment's or the model's name."
  }
}

variable "execution_role_arn" {
  description = "Role that SageMaker assumes to run the model and to read the alarms. It must be known at plan time."
  type        = string
  nullable    = false
}

variable "endpoint" {
  description = <<-EOT
    Endpoint type and its settings:
    - `type`: `realtime`, `serverless` or `async`. A change of the type replaces the endpoint.
    - `serverless`: memory and maximum concurrency; `provisioned_concurrency` copies stay warm.
    - `async`: S3 prefixes for responses and failures, SNS topics to notify, and concurrent requests per instance.
  EOT
  type = object({
    type = optional(string, "realtime")
    serverless = optional(object({
      memory_mb               = number
      max_concurrency         = number
      provisioned_concurrency = optional(number)
    }))
    async = optional(object({
      output_s3_uri              = string
      failure_s3_uri             = optional(string)
      success_topic_arn          = optional(string)
      error_topic_arn            = optional(string)
      max_concurrent_invocations = optional(number)
    }))
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["realtime", "serverless", "async"], var.endpoint.type)
    error_message = "endpoint.type must be realtime, serverless or async."
  }

  validation {
    condition = (
      (var.endpoint.type == "serverless") == (var.endpoint.serverless != null) &&
      (var.endpoint.type == "async") == (var.endpoint.async != null)
    )
    error_message = "endpoint.type serverless needs endpoint.serverless, async needs endpoint.async, and other types accept neither: add or remove it."
  }

  validation {
    condition = alltrue([
      for serverless in var.endpoint.serverless[*] :
      contains([1024, 2048, 3072, 4096, 5120, 6144], serverless.memory_mb) && serverless.max_concurrency >= 1 &&
      serverless.max_concurrency <= 200 && coalesce(serverless.provisioned_concurrency, 1) >= 1 &&
      coalesce(serverless.provisioned_concurrency, 1) <= serverless.max_concurrency
    ])
    error_message = "endpoint.serverless needs memory_mb from 1024 to 6144 in steps of 1024, max_concurrency from 1 to 200, and provisioned_concurrency up to max_concurrency."
  }

  validation {
    condition = alltrue([
      for uri in compact(flatten([for async in var.endpoint.async[*] : [async.output_s3_uri, async.failure_s3_uri]])) :
      can(regex("^s3://[^/]+/.+", uri))
    ])
    error_message = "endpoint.async.output_s3_uri and failure_s3_uri must be prefixes in a bucket, such as s3://bucket/responses/."
  }
}

variable "variants" {
  description = <<-EOT
    Production variants by name:
    - `weight`: share of the requests, relative to the other variants' weights.
    - `image`, `environment`: the container. Variables are readable, so do not put secrets there.
    - `model_data_s3_uri`: weights in S3, mounted at `/opt/ml/model`: a prefix of uncompressed files, or a `.tar.gz`, as serverless endpoints require; null if the container downloads them.
    - `network_isolation`: run the container without network access.
    - `download_timeout_seconds`, `startup_timeout_seconds`: time limits for downloading the weights and for starting the container.
    - `instance_type`: required, except for serverless endpoints, to which this and the following settings do not apply.
    - `inference_ami_version`: SageMaker's inference AMI, which some CUDA images need; null selects SageMaker's default.
    - `volume_size_gb`: storage volume for the weights; null selects SageMaker's default of 30 GB, or the local disks of the instance type.
    - `instance_count`: current number of instances, which a new endpoint configuration starts with to preserve it during a rollout; null selects `capacity.min`.
    - `capacity`: minimum and maximum instance count; target of concurrent requests per instance (for asynchronous endpoints, queued requests); cooldowns; schedules with other limits.
  EOT
  type = map(object({
    weight                   = optional(number, 1)
    image                    = string
    environment              = optional(map(string), {})
    model_data_s3_uri        = optional(string)
    network_isolation        = optional(bool, false)
    download_timeout_seconds = optional(number, 600)
    startup_timeout_seconds  = optional(number, 600)
    instance_type            = optional(string)
    inference_ami_version    = optional(string)
    volume_size_gb           = optional(number)
    instance_count           = optional(number)
    capacity = optional(object({
      min                        = optional(number, 1)
      max                        = optional(number, 1)
      concurrent_requests        = optional(number, 8)
      scale_in_cooldown_seconds  = optional(number, 600)
      scale_out_cooldown_seconds = optional(number, 60)
      schedules = optional(map(object({
        schedule = string
        timezone = optional(string, "UTC")
        min      = optional(number)
        max      = optional(number)
      })), {})
    }), {})
  }))
  nullable = false

  validation {
    condition = length(var.variants) >= 1 && length(var.variants) <= 10 && alltrue([
      for name in keys(var.variants) : can(regex("^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$", name))
    ])
    error_message = "variants needs 1 to 10 entries, with names of up to 63 letters, digits and inner hyphens."
  }

  validation {
    condition     = length(var.variants) == 1 || var.endpoint.type == "realtime"
    error_message = "Only real-time endpoints support several variants: a serverless endpoint has one, and an asynchronous endpoint has a single queue. Keep one of ${join(", ", keys(var.variants))}."
  }

  validation {
    condition = (
      alltrue([for variant in values(var.variants) : variant.weight >= 0]) &&
      anytrue([for variant in values(var.variants) : variant.weight > 0])
    )
    error_message = "variants.*.weight must not be negative, and at least one must be above 0."
  }

  validation {
    condition = alltrue([
      for variant in values(var.variants) : variant.model_data_s3_uri == null || can(regex("^s3://[^/]+/(.*/|.+\\.tar\\.gz)$", variant.model_data_s3_uri))
    ])
    error_message = "variants.*.model_data_s3_uri must be a prefix of uncompressed files and end in \"/\", such as s3://bucket/models/name/, or a .tar.gz."
  }

  validation {
    condition = alltrue([
      for seconds in flatten([for variant in values(var.variants) : [variant.startup_timeout_seconds, variant.download_timeout_seconds]]) :
      seconds >= 60 && seconds <= 3600
    ])
    error_message = "variants.*.startup_timeout_seconds and download_timeout_seconds must be from 60 to 3600 (SageMaker's limits)."
  }

  validation {
    condition = alltrue([
      for variant in values(var.variants) : var.endpoint.type == "serverless" ? variant.instance_type == null : can(regex("^ml\\.[a-z0-9-]+\\.[a-z0-9]+$", variant.instance_type))
    ])
    error_message = "variants.*.instance_type must be a SageMaker instance type, such as ml.g6.2xlarge; only serverless endpoints have none."
  }

  validation {
    condition     = alltrue([for variant in values(var.variants) : !startswith(coalesce(variant.instance_type, "-"), "ml.t2.")])
    error_message = "variants.*.instance_type must not be of family ml.t2, which Application Auto Scaling does not support: choose ml.c7i.large or larger."
  }

  validation {
    condition     = var.endpoint.type != "serverless" || !anytrue([for variant in values(var.variants) : variant.network_isolation])
    error_message = "variants.*.network_isolation is not supported on serverless endpoints: remove it, or set endpoint.type to realtime."
  }

  validation {
    condition = var.endpoint.type != "serverless" || alltrue([
      for variant in values(var.variants) : endswith(coalesce(variant.model_data_s3_uri, ".tar.gz"), ".tar.gz")
    ])
    error_message = "variants.*.model_data_s3_uri of a serverless endpoint must be a .tar.gz: SageMaker does not mount uncompressed weights there."
  }

  validation {
    condition = alltrue([
      for variant in values(var.variants) : variant.capacity.min <= variant.capacity.max && variant.capacity.max >= 1 && alltrue([
        for least in concat([variant.capacity.min], [for schedule in values(variant.capacity.schedules) : schedule.min if schedule.min != null]) :
        least >= (var.endpoint.type == "async" ? 0 : 1)
      ])
    ])
    error_message = "variants.*.capacity needs 1 <= min <= max, also in its schedules: only asynchronous endpoints scale to zero; to stop charges, pause or disable the endpoint."
  }

  validation {
    condition = alltrue(flatten([
      for variant in values(var.variants) : [
        for schedule in values(variant.capacity.schedules) :
        coalesce(schedule.min, variant.capacity.min) <= coalesce(schedule.max, variant.capacity.max) &&
        can(regex("^(cron|at|rate)\\(.+\\)$", schedule.schedule)) && (schedule.min != null || schedule.max != null)
      ]
    ]))
    error_message = "variants.*.capacity.schedules need a schedule such as cron(0 8 ? * MON-FRI *) or at(2030-01-31T08:00:00), and min, max or both, with min <= max."
  }

  validation {
    condition     = alltrue([for variant in values(var.variants) : variant.capacity.concurrent_requests > 0])
    error_message = "variants.*.capacity.concurrent_requests must be above 0: it is the target of concurrent requests per instance."
  }
}

variable "shadow" {
  description = "Shadow variant that receives copies of `sampling_percent` of the requests, on `instance_count` instances; SageMaker discards its responses. Other settings as in `variants`."
  type = object({
    sampling_percent         = number
    image                    = string
    environment              = optional(map(string), {})
    model_data_s3_uri        = optional(string)
    network_isolation        = optional(bool, false)
    download_timeout_seconds = optional(number, 600)
    startup_timeout_seconds  = optional(number, 600)
    instance_type            = string
    inference_ami_version    = optional(string)
    volume_size_gb           = optional(number)
    instance_count           = optional(number, 1)
  })
  default = null

  validation {
    condition     = var.shadow == null || (var.endpoint.type == "realtime" && length(var.variants) == 1)
    error_message = "shadow needs a real-time endpoint with one variant: remove it, or keep one variant."
  }

  validation {
    condition = alltrue([
      for shadow in var.shadow[*] : shadow.sampling_percent > 0 && shadow.sampling_percent <= 100 && shadow.instance_count >= 1
    ])
    error_message = "shadow.sampling_percent must be above 0 and at most 100, shadow.instance_count at least 1; remove shadow to disable it."
  }
}

variable "rollout" {
  description = <<-EOT
    How SageMaker rolls out a new configuration. Changed settings apply to the next rollout:
    - `strategy`: `all_at_once`, `canary`, `linear` or `rolling`.
    - `percent`: size of the canary, of a linear step or of a rolling batch, in percent of the fleet.
    - `wait_seconds`: time between steps; `bake_seconds`: time until the old fleet is terminated; `timeout_seconds`: time limit of the rollout.
    - `quality_namespace`: CloudWatch namespace of the metric `FailedExpectations`, with the dimensions `EndpointName` and `EndpointConfigName`: a value of 1 or more during a rollout rolls it back.
    - `alarms`: thresholds that trigger a rollback: failed requests in percent and average latency, per minute on the new configuration; `extra` lists existing alarms. Without `server_error_percent`, the rollout is rolled back only if every request fails.
  EOT
  type = object({
    strategy          = optional(string, "all_at_once")
    percent           = optional(number)
    wait_seconds      = optional(number, 0)
    bake_seconds      = optional(number, 0)
    timeout_seconds   = optional(number)
    quality_namespace = optional(string)
    alarms = optional(object({
      server_error_percent = optional(number)
      model_error_percent  = optional(number)
      latency_ms           = optional(number)
      extra                = optional(list(string), [])
    }), {})
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["all_at_once", "canary", "linear", "rolling"], var.rollout.strategy)
    error_message = "rollout.strategy must be all_at_once, canary, linear or rolling."
  }

  validation {
    condition = var.rollout.strategy == "all_at_once" || (
      coalesce(var.rollout.percent, 0) >= lookup({ linear = 10, rolling = 5 }, var.rollout.strategy, 1) &&
      coalesce(var.rollout.percent, 0) <= 50
    )
    error_message = "rollout.percent must be from 1 to 50 for canary, 10 to 50 for linear, 5 to 50 for rolling: SageMaker shifts at most half of a fleet in one step."
  }

  validation {
    condition = (
      alltrue([for seconds in [var.rollout.wait_seconds, var.rollout.bake_seconds] : seconds >= 0 && seconds <= 3600]) &&
      coalesce(var.rollout.timeout_seconds, 600) >= 600 && coalesce(var.rollout.timeout_seconds, 600) <= 14400
    )
    error_message = "rollout.wait_seconds and bake_seconds must be from 0 to 3600, timeout_seconds from 600 to 14400."
  }

  validation {
    condition     = var.rollout.strategy != "rolling" || length(var.variants) == 1
    error_message = "rollout.strategy rolling supports one variant, not ${length(var.variants)}: use canary or linear."
  }

  validation {
    condition     = var.rollout.quality_namespace == null || var.endpoint.type == "realtime"
    error_message = "rollout.quality_namespace needs a real-time endpoint: the fleets of others cannot be asked."
  }

  validation {
    condition     = var.rollout.alarms.model_error_percent == null || var.endpoint.type != "async"
    error_message = "rollout.alarms.model_error_percent has no metric on asynchronous endpoints: use server_error_percent."
  }

  validation {
    condition = 10 >= length(var.rollout.alarms.extra) + length(var.rollout.quality_namespace[*]) + length(var.variants) * (
      1 + length([for threshold in [var.rollout.alarms.model_error_percent, var.rollout.alarms.latency_ms] : threshold if threshold != null])
    )
    error_message = "rollout.alarms exceed SageMaker's limit of 10 alarms, counting those of each variant: remove a threshold or some of extra."
  }
}

variable "routing" {
  description = "Routing strategy of a real-time endpoint: `least_outstanding_requests`, `random`, or with AWS providers that accept it `kv_aware`."
  type        = string
  default     = "least_outstanding_requests"
  nullable    = false

  validation {
    condition     = contains(["least_outstanding_requests", "random", "kv_aware"], var.routing)
    error_message = "routing must be least_outstanding_requests, random or kv_aware."
  }
}

variable "kms_key_arn" {
  description = "KMS key for storage volumes of instances and for responses of asynchronous endpoints; null selects AWS's keys."
  type        = string
  default     = null
}

variable "vpc" {
  description = "Subnets and security groups of the containers' network interfaces; null selects SageMaker's network."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
  default = null

  validation {
    condition = var.vpc == null || var.endpoint.type != "serverless" && alltrue([
      for vpc in var.vpc[*] : length(vpc.subnet_ids) > 0 && length(vpc.security_group_ids) > 0
    ])
    error_message = "vpc needs at least one subnet_ids and one security_group_ids entry, and is not supported on serverless endpoints."
  }
}

variable "data_capture" {
  description = "Capture `percent` of requests and responses below `s3_uri`, encrypted with `kms_key_arn`; null disables data capture."
  type = object({
    percent     = number
    s3_uri      = string
    kms_key_arn = optional(string)
  })
  default = null

  validation {
    condition = var.data_capture == null || var.endpoint.type != "serverless" && alltrue([
      for capture in var.data_capture[*] : capture.percent > 0 && capture.percent <= 100 && can(regex("^s3://[^/]+/.+", capture.s3_uri))
    ])
    error_message = "data_capture needs percent above 0 and up to 100 and s3_uri such as s3://bucket/captured/, and is not supported on serverless endpoints."
  }
}

variable "log_retention_days" {
  description = "Retention of the containers' logs in days."
  type        = number
  default     = 30
  nullable    = false
}
