variable "region" {
  description = "Region of everything in this stack but the roles, which have none."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "Account to work in; credentials of another one are refused."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits; quote it, so that leading zeros stay."
  }
}

variable "environment" {
  description = "Name of the environment."
  type        = string
  nullable    = false
}

variable "prefix" {
  description = "What every name in this environment begins with."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*[a-z0-9]$", var.prefix)) && length(var.prefix) <= 40
    error_message = "prefix \"${var.prefix}\" must be 2 to 40 lower-case letters, digits and hyphens: shorten the project's or the environment's name."
  }
}

variable "description" {
  description = "What the environment is for."
  type        = string
  default     = ""
  nullable    = false
}

variable "tags" {
  description = "Tags for everything."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "execution_role" {
  description = "The role that SageMaker runs models in, which exists: its `name`, to be looked up, or its `arn`."
  type = object({
    name = optional(string)
    arn  = optional(string)
  })
  nullable = false

  validation {
    condition     = (var.execution_role.name == null) != (var.execution_role.arn == null)
    error_message = "execution_role needs exactly one of name and arn."
  }
}

variable "model_store_bucket" {
  description = "Name of the bucket for model weights, the only one that the execution role may read."
  type        = string
  nullable    = false
}

variable "models" {
  description = <<-EOT
    The models, by their OpenAI name, as modules/sagemaker_endpoint takes them, and:
    - `aliases`: further OpenAI names.
    - `dialect`, `limits`, `fallback`: as modules/inference_api takes them. Asynchronous models are no part of the API.
  EOT
  type = map(object({
    aliases = optional(list(string), [])
    dialect = optional(string)
    limits = optional(object({
      max_tokens_default = optional(number)
      max_tokens_ceiling = optional(number)
      body_bytes         = optional(number)
    }))
    fallback = optional(string)

    endpoint = optional(object({
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
    }), {})

    variants = map(object({
      weight                   = optional(number, 1)
      image                    = string
      environment              = optional(map(string), {})
      model_data_s3_uri        = optional(string)
      network_isolation        = optional(bool, false)
      download_timeout_seconds = optional(number, 600)
      startup_timeout_seconds  = optional(number, 600)
      instance_type            = optional(string)
      inference_ami_version    = optional(string)
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

    shadow = optional(object({
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
    }))

    rollout = optional(object({
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
    }))

    routing      = optional(string)
    kms_key_arn  = optional(string)
    vpc          = optional(object({ subnet_ids = list(string), security_group_ids = list(string) }))
    data_capture = optional(object({ percent = number, s3_uri = string, kms_key_arn = optional(string) }))
  }))
  nullable = false

  validation {
    condition     = length(var.models) > 0
    error_message = "models needs at least one model."
  }

  validation {
    condition     = length(distinct([for name in keys(var.models) : replace(name, ".", "-")])) == length(var.models)
    error_message = "two names in models differ only in dots and hyphens, which gives one endpoint name: rename one of ${join(", ", keys(var.models))}."
  }

  validation {
    condition = var.execution_role.arn != null || alltrue([
      for uri in compact(flatten([
        for model in values(var.models) : [
          [for container in concat(values(model.variants), model.shadow[*]) : container.model_data_s3_uri],
          [for async in model.endpoint.async[*] : [async.output_s3_uri, async.failure_s3_uri]],
          [for capture in model.data_capture[*] : capture.s3_uri],
        ]
      ])) : startswith(uri, "s3://${var.model_store_bucket}/")
    ])
    error_message = "model_data_s3_uri, output_s3_uri, failure_s3_uri and data_capture.s3_uri must lie in s3://${var.model_store_bucket}/, the only bucket that the execution role may use: stage the weights there, or give the ARN of a role that may do more as execution_role.arn."
  }
}

variable "paused" {
  description = "Whether the endpoints are taken away; everything else stays."
  type        = bool
  default     = false
  nullable    = false
}

variable "api" {
  description = <<-EOT
    The API in front of the models, as modules/inference_api takes it, and:
    - `log_retention_days`: for all log groups of the environment.
    - `alarms`, `dashboard`: as modules/observability takes them.
    - `gateway`, `authorizer`: the Lambda functions; `package` is the path of a zip file, relative to this folder, and the rest as modules/inference_api takes it; `web_adapter_layer_arn` is for partitions and regions where AWS's own layer is elsewhere.
  EOT
  type = object({
    stage              = optional(string, "live")
    log_retention_days = optional(number, 30)
    auth               = optional(string, "keys")
    key_header         = optional(string, "either")
    access_log         = optional(bool, true)
    throttle           = optional(object({ rate_per_second = number, burst = number }), { rate_per_second = 50, burst = 100 })
    usage_plans = optional(map(object({
      rate_per_second = number
      burst           = number
      quota           = optional(object({ requests = number, per = string }))
      models          = optional(list(string))
    })), {})
    keys    = optional(map(object({ usage_plan = optional(string, "default") })), {})
    cors    = optional(object({ allow_origins = list(string) }))
    private = optional(object({ vpc_endpoint_ids = list(string) }))
    domain = optional(object({
      name            = string
      certificate_arn = string
      base_path       = optional(string, "")
      hosted_zone_id  = optional(string)
    }))
    waf = optional(object({
      requests_per_five_minutes = optional(number)
      managed_rules             = optional(list(string), [])
    }))
    alarms = optional(object({
      server_error_percent       = optional(number)
      latency_p99_ms             = optional(number)
      time_to_first_token_p99_ms = optional(number)
      throttles                  = optional(number)
      topic_arns                 = optional(list(string), [])
    }), { server_error_percent = 5 })
    dashboard = optional(bool, true)
    gateway = object({
      package         = string
      memory_mb       = optional(number, 512)
      timeout_seconds = optional(number, 900)
      architecture    = optional(string, "arm64")

      keepalive_seconds     = optional(number, 30)
      log_content           = optional(bool, false)
      web_adapter_layer_arn = optional(string)
    })
    authorizer = object({ package = string })
  })
  nullable = false
}

variable "instance_counts" {
  description = "How many instances each variant has now, by model and variant: a rollout keeps them. Empty where nothing runs."
  type        = map(map(number))
  default     = {}
  nullable    = false
}

variable "adopt" {
  description = "What exists of this environment and is missing in the state: by type of resource, the ids to import, and where in the stack they belong."
  type = map(list(object({
    id    = string
    model = optional(string)
    key   = optional(string)
  })))
  default  = {}
  nullable = false
}
