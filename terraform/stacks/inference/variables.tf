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
  type        = any
  nullable    = false

  validation {
    condition     = length(var.models) > 0 && alltrue([for model in values(var.models) : can(keys(model.variants))])
    error_message = "models needs at least one model, and each of them variants."
  }

  validation {
    condition     = length(distinct([for name in keys(var.models) : replace(name, ".", "-")])) == length(var.models)
    error_message = "two names in models differ only in dots and hyphens, which gives one endpoint name: rename one of ${join(", ", keys(var.models))}."
  }

  validation {
    condition = var.execution_role.arn != null || alltrue([
      for uri in compact(flatten([
        for model in values(var.models) : [
          [for container in concat(values(model.variants), try(model.shadow, null)[*]) : try(container.model_data_s3_uri, null)],
          try(model.endpoint.async.output_s3_uri, null), try(model.endpoint.async.failure_s3_uri, null),
          try(model.data_capture.s3_uri, null),
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
    auth               = optional(any)
    key_header         = optional(any)
    access_log         = optional(any)
    throttle           = optional(any)
    usage_plans        = optional(any)
    keys               = optional(any)
    cors               = optional(any)
    private            = optional(any)
    domain             = optional(any)
    waf                = optional(any)
    alarms             = optional(any)
    dashboard          = optional(any)
    gateway            = any
    authorizer         = any
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
