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

variable "auth" {
  description = "Who may call: `keys`, API Gateway's API keys; or `iam`, AWS identities that sign their requests."
  type        = string
  default     = "keys"
  nullable    = false

  validation {
    condition     = contains(["keys", "iam"], var.auth)
    error_message = "auth must be keys or iam."
  }
}

variable "key_header" {
  description = "Where clients put their key: `authorization`, `x-api-key`, or `either`. With one of them alone API Gateway keeps the authorizer's answers for five minutes."
  type        = string
  default     = "either"
  nullable    = false

  validation {
    condition     = contains(["either", "authorization", "x-api-key"], var.key_header)
    error_message = "key_header must be either, authorization or x-api-key."
  }
}

variable "throttle" {
  description = "Requests per second and burst, of all clients together and, unless a usage plan `default` says otherwise, of each key."
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

variable "usage_plans" {
  description = <<-EOT
    What keys may, by the usage plan's name; `default` is for keys that are in no other:
    - `rate_per_second`, `burst`: requests of each key.
    - `quota`: `requests` of each key `per` day, week or month; null is no limit.
    - `models`: names that it may ask for, aliases too; null is all.
  EOT
  type = map(object({
    rate_per_second = number
    burst           = number
    quota           = optional(object({ requests = number, per = string }))
    models          = optional(list(string))
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for plan in var.usage_plans : plan.quota == null || contains(["day", "week", "month"], try(plan.quota.per, ""))])
    error_message = "quota.per in usage_plans must be day, week or month."
  }

  validation {
    condition = alltrue(flatten([
      for plan in var.usage_plans : [for model in coalesce(plan.models, []) : contains(flatten([for name, each in var.models : concat([name], each.aliases)]), model)]
    ]))
    error_message = "usage_plans names models that there are not: correct models, which are ${join(", ", flatten([for name, each in var.models : concat([name], each.aliases)]))}."
  }
}

variable "keys" {
  description = "Which usage plan each key is in, by its name; the keys themselves are made through the API."
  type        = map(object({ usage_plan = optional(string, "default") }))
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in var.keys : key.usage_plan == "default" || contains(keys(var.usage_plans), key.usage_plan)])
    error_message = "keys names usage plans that there are not: add them to usage_plans, which has ${join(", ", concat(["default"], keys(var.usage_plans)))}."
  }
}

variable "cors" {
  description = "Pages of which origins may call from a browser: `allow_origins`, or `[\"*\"]`; null is none."
  type        = object({ allow_origins = list(string) })
  default     = null

  validation {
    condition     = var.cors == null || try(length(var.cors.allow_origins) > 0 && alltrue([for origin in var.cors.allow_origins : can(regex("^(\\*|https?://[^/'\"\\s]+)$", origin))]), false)
    error_message = "cors.allow_origins must have origins such as https://chat.example.com, without a path, or *."
  }
}

variable "private" {
  description = "For an API that only the VPC endpoints `vpc_endpoint_ids` lead to; null is an API on the internet."
  type        = object({ vpc_endpoint_ids = list(string) })
  default     = null

  validation {
    condition     = var.private == null || try(length(var.private.vpc_endpoint_ids) > 0 && alltrue([for id in var.private.vpc_endpoint_ids : startswith(id, "vpce-")]), false)
    error_message = "private.vpc_endpoint_ids must have ids such as vpce-0123456789abcdef0, of interface endpoints for execute-api."
  }
}

variable "domain" {
  description = <<-EOT
    A domain name of one's own; null is API Gateway's:
    - `name`: such as llm.example.com.
    - `certificate_arn`: an ACM certificate for it, in the API's region.
    - `base_path`: what the path begins with, one segment; empty is nothing.
    - `hosted_zone_id`: Route 53 zone to make the record in; null makes none.
  EOT
  type = object({
    name            = string
    certificate_arn = string
    base_path       = optional(string, "")
    hosted_zone_id  = optional(string)
  })
  default = null

  validation {
    condition     = var.domain == null || var.private == null
    error_message = "domain is for APIs on the internet: leave it out, or private."
  }

  validation {
    condition     = var.domain == null || try(split(":", var.domain.certificate_arn)[3] == var.region, false)
    error_message = "domain.certificate_arn must be a certificate in ${var.region}, where the API is: request one there."
  }
}

variable "waf" {
  description = <<-EOT
    A web application firewall; null is none:
    - `requests_per_five_minutes`: of one address, from 10; null is no limit.
    - `managed_rules`: AWS's rule groups. Those of their rules that look into bodies only count, as prompts are full of what they look for.
  EOT
  type = object({
    requests_per_five_minutes = optional(number)
    managed_rules = optional(list(string), [
      "AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesKnownBadInputsRuleSet", "AWSManagedRulesCommonRuleSet",
    ])
  })
  default = null

  validation {
    condition     = try(var.waf.requests_per_five_minutes, null) == null || try(var.waf.requests_per_five_minutes >= 10, false)
    error_message = "waf.requests_per_five_minutes must be at least 10, AWS WAF's limit; null is no limit."
  }
}

variable "access_log" {
  description = "Whether the stage logs each request; needs the account-wide role that API Gateway writes logs with."
  type        = bool
  default     = true
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
