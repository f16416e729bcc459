variable "enabled" {
  description = "Whether to create anything; false plans nothing."
  type        = bool
  default     = true
  nullable    = false
}

variable "name" {
  description = "Name of the API and prefix of everything else here."
  type        = string
  nullable    = false

  validation {
    # A function's name may have 64 characters; "-authorizer" takes eleven.
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9-]{0,52}$", var.name))
    error_message = "name \"${var.name}\" must be at most 53 letters, digits and hyphens and begin with a letter: shorten the environment's name."
  }
}

variable "description" {
  description = "What the API says of itself."
  type        = string
  default     = "OpenAI-compatible inference API"
  nullable    = false
}

variable "region" {
  description = "Region that all of this is in."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "Account that all of this is in."
  type        = string
  nullable    = false
}

variable "models" {
  description = <<-EOT
    What clients can ask for, by OpenAI model name:
    - `endpoint_name`: SageMaker endpoint; `serverless` if it is one.
    - `aliases`: further names.
    - `dialect`: what the container is asked in: `openai`, or `tei` for Text Embeddings Inference.
    - `limits`: `max_tokens_default` and `max_tokens_ceiling` of an answer, `body_bytes` of a request; null is the engine's or SageMaker's own.
    - `fallback`: the model that answers when this one has no capacity.
  EOT
  type = map(object({
    endpoint_name = string
    serverless    = optional(bool, false)
    aliases       = optional(list(string), [])
    dialect       = optional(string, "openai")
    limits = optional(object({
      max_tokens_default = optional(number)
      max_tokens_ceiling = optional(number)
      body_bytes         = optional(number)
    }), {})
    fallback = optional(string)
  }))
  nullable = false

  validation {
    condition     = alltrue([for model in var.models : contains(["openai", "tei"], model.dialect)])
    error_message = "dialect must be openai or tei."
  }

  validation {
    condition     = alltrue([for model in var.models : model.fallback == null || contains(keys(var.models), coalesce(model.fallback, "-"))])
    error_message = "fallback must name one of the models: ${join(", ", keys(var.models))}."
  }

  validation {
    condition = length(distinct(flatten([for name, model in var.models : concat([name], model.aliases)]))) == sum(concat(
      [0], [for model in var.models : 1 + length(model.aliases)],
    ))
    error_message = "a name or alias occurs twice in models, so it is not clear which endpoint it means: rename one of ${join(", ", flatten([for name, model in var.models : concat([name], model.aliases)]))}."
  }
}

variable "gateway" {
  description = <<-EOT
    The function that answers:
    - `package`: path of its zip file.
    - `memory_mb`, `timeout_seconds`: its size, and the longest answer; API Gateway streams for at most 900 s.
    - `architecture`: `arm64` or `x86_64`.
    - `keepalive_seconds`: how long a client waits without a sign of life.
    - `log_content`: whether prompts and answers are logged, word for word.
    - `web_adapter_layer_arn`: Lambda Web Adapter; null is AWS's published layer for the architecture.
  EOT
  type = object({
    package               = string
    memory_mb             = optional(number, 512)
    timeout_seconds       = optional(number, 900)
    architecture          = optional(string, "arm64")
    keepalive_seconds     = optional(number, 30)
    log_content           = optional(bool, false)
    web_adapter_layer_arn = optional(string)
  })
  nullable = false

  validation {
    condition     = var.gateway.keepalive_seconds >= 1 && var.gateway.keepalive_seconds <= 240
    error_message = "gateway.keepalive_seconds must be from 1 to 240: API Gateway cuts a line that is silent for 300 seconds."
  }

  validation {
    condition     = contains(["arm64", "x86_64"], var.gateway.architecture)
    error_message = "gateway.architecture must be arm64 or x86_64."
  }

  validation {
    condition     = var.gateway.timeout_seconds >= 1 && var.gateway.timeout_seconds <= 900
    error_message = "gateway.timeout_seconds must be from 1 to 900: neither Lambda nor API Gateway streams longer."
  }

  validation {
    condition     = var.gateway.memory_mb >= 128 && var.gateway.memory_mb <= 10240
    error_message = "gateway.memory_mb must be from 128 to 10240, Lambda's limits."
  }
}

variable "authorizer" {
  description = "The function that reads the API key from the request: `package` is the path of its zip file."
  type = object({
    package = string
  })
  nullable = false
}

variable "stage" {
  description = "Name of the API's stage."
  type        = string
  default     = "live"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,128}$", var.stage))
    error_message = "stage must be 1 to 128 letters, digits, hyphens and underscores."
  }
}

variable "throttle" {
  description = "Requests per second and burst, of all clients together and of each key."
  type = object({
    rate_per_second = optional(number, 50)
    burst           = optional(number, 100)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.throttle.rate_per_second > 0 && var.throttle.burst >= 1
    error_message = "throttle.rate_per_second must be above 0 and throttle.burst at least 1: with less no request gets through."
  }
}

variable "access_log" {
  description = "Whether the stage logs each request; needs the account-wide role that API Gateway writes logs with."
  type        = bool
  default     = false
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that log lines are kept."
  type        = number
  default     = 30
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "Policy that is the most that the functions may ever be allowed; null sets no such boundary."
  type        = string
  default     = null
}
