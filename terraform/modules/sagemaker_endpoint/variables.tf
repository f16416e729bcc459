variable "enabled" {
  description = "Whether to create anything; false plans nothing."
  type        = bool
  default     = true
  nullable    = false
}

variable "paused" {
  description = "Whether the endpoint is taken away, with its autoscaling and alarms; what costs nothing stays."
  type        = bool
  default     = false
  nullable    = false
}

variable "name" {
  description = "Name of the endpoint. Models and endpoint configurations add a hash of their content."
  type        = string
  nullable    = false

  validation {
    # SageMaker allows 63 characters; the hash and its hyphen take nine.
    condition     = length(var.name) <= 54 && can(regex("^[a-zA-Z0-9](-*[a-zA-Z0-9])*$", var.name))
    error_message = "name \"${var.name}\" must be at most 54 letters, digits and inner hyphens: shorten the environment's or the model's name."
  }
}

variable "execution_role_arn" {
  description = "Role that SageMaker runs the model in, and looks at the alarms. It must be known when planning."
  type        = string
  nullable    = false
}

variable "endpoint" {
  description = <<-EOT
    How requests get to the model:
    - `type`: `realtime`, `serverless` or `async`. Another type is another endpoint, which replaces the old one.
    - `serverless`: memory and number of its copies; `provisioned_concurrency` of them are kept warm.
    - `async`: S3 prefixes of answers and failures, SNS topics that are told, and how many requests an instance works on.
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
    error_message = "endpoint.type serverless needs endpoint.serverless, async needs endpoint.async, and neither goes with another type: add or remove it."
  }

  validation {
    condition = alltrue([
      for each in var.endpoint.serverless[*] :
      contains([1024, 2048, 3072, 4096, 5120, 6144], each.memory_mb) && each.max_concurrency >= 1 &&
      each.max_concurrency <= 200 && coalesce(each.provisioned_concurrency, 1) >= 1 &&
      coalesce(each.provisioned_concurrency, 1) <= each.max_concurrency
    ])
    error_message = "endpoint.serverless needs memory_mb from 1024 to 6144 in steps of 1024, max_concurrency from 1 to 200, and provisioned_concurrency up to max_concurrency."
  }

  validation {
    condition = alltrue([
      for uri in compact(flatten([for each in var.endpoint.async[*] : [each.output_s3_uri, each.failure_s3_uri]])) :
      can(regex("^s3://[^/]+/.+", uri))
    ])
    error_message = "endpoint.async.output_s3_uri and failure_s3_uri must be prefixes in a bucket, like s3://bucket/answers/."
  }
}

variable "variants" {
  description = <<-EOT
    What serves, by the name of the production variant, and which share of the requests each gets:
    - `weight`: relative to the other variants' weights.
    - `image`, `environment`: the container; nothing secret, it can be read back.
    - `model_data_s3_uri`: S3 prefix of uncompressed weights, mounted at `/opt/ml/model`; null if the image fetches them.
    - `network_isolation`: whether the container has no network at all.
    - `download_timeout_seconds`, `startup_timeout_seconds`: how long the weights' way to the instance, and then the start, may take.
    - `instance_type`: not for a serverless endpoint, nor are the following.
    - `inference_ami_version`: SageMaker's inference AMI, which CUDA images may need; null is SageMaker's default.
    - `instance_count`: how many run now, which a new endpoint configuration starts with, so that a rollout keeps them. Null is `capacity.min`.
    - `capacity`: bounds of the instance count; requests in progress per instance that autoscaling aims at, or in an asynchronous endpoint's queue; cooldowns; other bounds from certain times on.
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
    error_message = "variants needs 1 to 10 of them, named with up to 63 letters, digits and inner hyphens."
  }

  validation {
    condition     = length(var.variants) == 1 || var.endpoint.type == "realtime"
    error_message = "Only a real-time endpoint can have several variants: a serverless one takes one, and an asynchronous one has a single queue. Keep one of ${join(", ", keys(var.variants))}."
  }

  validation {
    condition = (
      alltrue([for each in values(var.variants) : each.weight >= 0]) &&
      anytrue([for each in values(var.variants) : each.weight > 0])
    )
    error_message = "variants.*.weight must not be negative, and one of them must be above 0, or nobody gets the requests."
  }

  validation {
    condition = alltrue([
      for each in values(var.variants) : each.model_data_s3_uri == null || can(regex("^s3://[^/]+/.*/$", each.model_data_s3_uri))
    ])
    error_message = "variants.*.model_data_s3_uri must be a prefix of uncompressed files and end in \"/\", like s3://bucket/models/name/."
  }

  validation {
    condition = alltrue([
      for seconds in flatten([for each in values(var.variants) : [each.startup_timeout_seconds, each.download_timeout_seconds]]) :
      seconds >= 60 && seconds <= 3600
    ])
    error_message = "variants.*.startup_timeout_seconds and download_timeout_seconds must be from 60 to 3600, SageMaker's limits."
  }

  validation {
    condition = alltrue([
      for each in values(var.variants) : var.endpoint.type == "serverless" ? each.instance_type == null : can(regex("^ml\\.[a-z0-9-]+\\.[a-z0-9]+$", each.instance_type))
    ])
    error_message = "variants.*.instance_type must be a SageMaker instance type, like ml.g6.2xlarge; only a serverless endpoint has none."
  }

  validation {
    condition     = alltrue([for each in values(var.variants) : !startswith(coalesce(each.instance_type, "-"), "ml.t2.")])
    error_message = "variants.*.instance_type must not be of family ml.t2, which Application Auto Scaling cannot count: choose ml.c7i.large or larger."
  }

  validation {
    condition     = var.endpoint.type != "serverless" || !anytrue([for each in values(var.variants) : each.network_isolation])
    error_message = "variants.*.network_isolation is not for serverless endpoints, which SageMaker cannot isolate: remove it, or choose endpoint.type realtime."
  }

  validation {
    condition = alltrue([
      for each in values(var.variants) : each.capacity.min <= each.capacity.max && each.capacity.max >= 1 && alltrue([
        for least in concat([each.capacity.min], [for schedule in values(each.capacity.schedules) : schedule.min if schedule.min != null]) :
        least >= (var.endpoint.type == "async" ? 0 : 1)
      ])
    ])
    error_message = "variants.*.capacity needs 1 <= min <= max, in its schedules too: only an asynchronous endpoint can do without an instance; to stop paying, pause or disable the endpoint."
  }

  validation {
    condition = alltrue(flatten([
      for each in values(var.variants) : [
        for schedule in values(each.capacity.schedules) :
        coalesce(schedule.min, each.capacity.min) <= coalesce(schedule.max, each.capacity.max) &&
        can(regex("^(cron|at|rate)\\(.+\\)$", schedule.schedule)) && (schedule.min != null || schedule.max != null)
      ]
    ]))
    error_message = "variants.*.capacity.schedules need a schedule like cron(0 8 ? * MON-FRI *) or at(2030-01-31T08:00:00), and min or max or both, in the right order."
  }

  validation {
    condition     = alltrue([for each in values(var.variants) : each.capacity.concurrent_requests > 0])
    error_message = "variants.*.capacity.concurrent_requests must be above 0: the requests that one instance should have in progress."
  }
}

variable "shadow" {
  description = "A variant that gets copies of `sampling_percent` of the requests and whose answers nobody sees, on `instance_count` instances; the rest as in `variants`."
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
    instance_count           = optional(number, 1)
  })
  default = null

  validation {
    condition     = var.shadow == null || (var.endpoint.type == "realtime" && length(var.variants) == 1)
    error_message = "shadow copies the requests of one variant of a real-time endpoint: remove it, or keep one variant."
  }

  validation {
    condition = alltrue([
      for each in var.shadow[*] : each.sampling_percent > 0 && each.sampling_percent <= 100 && each.instance_count >= 1
    ])
    error_message = "shadow.sampling_percent must be above 0 and at most 100, shadow.instance_count at least 1; to have no shadow, remove it."
  }
}

variable "rollout" {
  description = <<-EOT
    How a new configuration takes over. Changes hold from the next one on:
    - `strategy`: `all_at_once`, `canary`, `linear` or `rolling`.
    - `percent`: of the fleet, for the canary, each linear step or each rolling batch.
    - `wait_seconds`: between steps; `bake_seconds`: until the old fleet goes; `timeout_seconds`: for everything.
    - `alarms`: what sends it back: shares of failed requests and the average latency, each minute on the new configuration; `extra` are names of alarms that exist already. Without `server_error_percent` only a fleet that answers nothing but errors is sent back.
  EOT
  type = object({
    strategy        = optional(string, "all_at_once")
    percent         = optional(number)
    wait_seconds    = optional(number, 0)
    bake_seconds    = optional(number, 0)
    timeout_seconds = optional(number)
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
    error_message = "rollout.percent must be from 1 to 50 for canary, 10 to 50 for linear, 5 to 50 for rolling: SageMaker moves at most half of a fleet in one step."
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
    error_message = "rollout.strategy rolling is for one variant: SageMaker cannot roll through ${length(var.variants)}; use canary or linear."
  }

  validation {
    condition     = var.rollout.alarms.model_error_percent == null || var.endpoint.type != "async"
    error_message = "rollout.alarms.model_error_percent has no metric on an asynchronous endpoint: use server_error_percent."
  }

  validation {
    condition = 10 >= length(var.rollout.alarms.extra) + length(var.variants) * (
      1 + length([for each in [var.rollout.alarms.model_error_percent, var.rollout.alarms.latency_ms] : each if each != null])
    )
    error_message = "rollout.alarms are more than the 10 that SageMaker watches, counting those of each variant: remove a threshold or some of extra."
  }
}

variable "routing" {
  description = "Which instance of a real-time endpoint gets a request: `least_outstanding_requests` or `random`."
  type        = string
  default     = "least_outstanding_requests"
  nullable    = false

  validation {
    condition     = contains(["least_outstanding_requests", "random"], var.routing)
    error_message = "routing must be least_outstanding_requests or random."
  }
}

variable "kms_key_arn" {
  description = "Key for the storage volumes of instances that have some, and for an asynchronous endpoint's answers; null leaves AWS's own."
  type        = string
  default     = null
}

variable "vpc" {
  description = "Subnets and security groups that the containers get network interfaces in; null is SageMaker's network."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
  default = null

  validation {
    condition = var.vpc == null || var.endpoint.type != "serverless" && alltrue([
      for each in var.vpc[*] : length(each.subnet_ids) > 0 && length(each.security_group_ids) > 0
    ])
    error_message = "vpc needs at least one of subnet_ids and one of security_group_ids, and is not for serverless endpoints."
  }
}

variable "data_capture" {
  description = "Keeps `percent` of the requests and answers below `s3_uri`, encrypted with `kms_key_arn`; null keeps nothing."
  type = object({
    percent     = number
    s3_uri      = string
    kms_key_arn = optional(string)
  })
  default = null

  validation {
    condition = var.data_capture == null || var.endpoint.type != "serverless" && alltrue([
      for each in var.data_capture[*] : each.percent > 0 && each.percent <= 100 && can(regex("^s3://[^/]+/.+", each.s3_uri))
    ])
    error_message = "data_capture needs percent above 0 and up to 100 and s3_uri like s3://bucket/captured/, and is not for serverless endpoints."
  }
}

variable "log_retention_days" {
  description = "Days that the container's log lines are kept."
  type        = number
  default     = 30
  nullable    = false
}
