variable "region" {
  description = "AWS region."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "AWS account; credentials of other accounts are rejected."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits; quote it to keep leading zeros."
  }
}

variable "environment" {
  description = "Name of the environment."
  type        = string
  nullable    = false
}

variable "prefix" {
  description = "Prefix of all names."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*[a-z0-9]$", var.prefix)) && length(var.prefix) <= 40
    error_message = "prefix \"${var.prefix}\" must be 2 to 40 lower-case letters, digits and hyphens: shorten the project's or the environment's name."
  }
}

variable "description" {
  description = "Purpose of the environment."
  type        = string
  default     = ""
  nullable    = false
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "execution_role" {
  description = "Existing execution role of SageMaker: its `name` or its `arn`."
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
  description = "Name of the model store, the only bucket that the execution role can read."
  type        = string
  nullable    = false
}

variable "models" {
  description = <<-EOT
    Models by OpenAI model name, with the inputs of modules/sagemaker_endpoint, and:
    - `aliases`: alternative names.
    - `dialect`, `capabilities`, `operations`, `limits`, `fallback`, `price`: see modules/inference_api. The API does not include asynchronous models.
  EOT
  type        = any
  nullable    = false

  validation {
    condition     = length(var.models) > 0 && alltrue([for model in values(var.models) : can(keys(model.variants))])
    error_message = "models needs at least one model, and each model needs variants."
  }

  validation {
    condition     = length(distinct([for name in keys(var.models) : replace(name, ".", "-")])) == length(var.models)
    error_message = "models has names that differ only in dots and hyphens and share an endpoint name: rename one of ${join(", ", keys(var.models))}."
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
    error_message = "model_data_s3_uri, output_s3_uri, failure_s3_uri and data_capture.s3_uri must be in s3://${var.model_store_bucket}/, the only bucket that the execution role can use: stage the weights there, or set execution_role.arn to a role with access to other buckets."
  }
}

variable "paused" {
  description = "Delete the endpoints, but keep everything else."
  type        = bool
  default     = false
  nullable    = false
}

variable "api" {
  description = <<-EOT
    The API, with the inputs of modules/inference_api, and:
    - `log_retention_days`: retention of all log groups in days.
    - `alarms`, `dashboard`: see modules/observability.
    - `gateway`, `authorizer`: the Lambda functions; `package` is the path of a zip file, relative to this directory. Set `web_adapter_layer_arn` in partitions and regions where AWS publishes the layer in another account.
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
    jwt                = optional(any)
    cors               = optional(any)
    private            = optional(any)
    domain             = optional(any)
    waf                = optional(any)
    guard              = optional(any)
    alarms             = optional(any)
    dashboard          = optional(any)
    gateway            = any
    authorizer         = any
  })
  nullable = false
}

variable "cost_alarms" {
  description = "Alarms of AWS Billing, see modules/observability; null for none."
  type        = any
  default     = null
}

variable "instance_counts" {
  description = "Current instance counts by model and variant, which a rollout preserves; empty if there are no endpoints."
  type        = map(map(number))
  default     = {}
  nullable    = false
}

variable "imports" {
  description = "Existing resources to import: by `resource` block, their ids and their keys in the stack."
  type = map(list(object({
    id    = string
    model = optional(string)
    key   = optional(string)
  })))
  default  = {}
  nullable = false
}
