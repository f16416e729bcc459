variable "enabled" {
  description = "Create the module's resources."
  type        = bool
  default     = true
  nullable    = false
}

variable "name" {
  description = "Name of the API and prefix of all other names."
  type        = string
  nullable    = false

  validation {
    # Function names have at most 64 characters; "-authorizer" has eleven.
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9-]{0,52}$", var.name))
    error_message = "name \"${var.name}\" must be at most 53 letters, digits and hyphens, starting with a letter: shorten the environment's name."
  }
}

variable "description" {
  description = "Description of the API; empty for a general one."
  type        = string
  default     = ""
  nullable    = false
}

variable "region" {
  description = "AWS region."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "AWS account."
  type        = string
  nullable    = false
}

variable "models" {
  description = <<-EOT
    Models by OpenAI model name:
    - `endpoint_name`: SageMaker endpoint; `serverless`: whether it is serverless.
    - `aliases`: alternative names.
    - `dialect`: API of the container: `openai`; `llama_cpp`, `tgi` or `lmi`, which ignore some fields, so that the gateway refuses them; or `tei` for Text Embeddings Inference.
    - `capabilities`: what a model does besides text: `media` (images, audio and video in messages), which the gateway checks for `llama_cpp`; `embeddings` or `rerank`, which the smoke test requests.
    - `operations`: what the container serves at `/invocations`, of `chat`, `completions`, `embeddings`, `rerank` and `score`; the gateway refuses the others. Null for all.
    - `limits`: `max_tokens_default` and `max_tokens_ceiling` of a response, `body_bytes` of a request; null selects the limits of the engine and of SageMaker.
    - `fallback`: model that serves a request if this one has no capacity.
    - `price`: US dollars per million tokens of prompts and of responses, for budgets in dollars.
  EOT
  type = map(object({
    endpoint_name = string
    serverless    = optional(bool, false)
    aliases       = optional(list(string), [])
    dialect       = optional(string, "openai")
    capabilities  = optional(list(string), [])
    operations    = optional(list(string))
    limits = optional(object({
      max_tokens_default = optional(number)
      max_tokens_ceiling = optional(number)
      body_bytes         = optional(number)
    }), {})
    fallback = optional(string)
    price    = optional(object({ input_per_million = number, output_per_million = number }))
  }))
  nullable = false

  validation {
    condition     = alltrue([for model in var.models : contains(["openai", "llama_cpp", "lmi", "tgi", "tei"], model.dialect)])
    error_message = "models.*.dialect must be openai, llama_cpp, lmi, tgi or tei."
  }

  validation {
    condition = alltrue([
      for model in var.models : alltrue([
        for operation in coalesce(model.operations, []) : contains(["chat", "completions", "embeddings", "rerank", "score"], operation)
      ])
    ])
    error_message = "models.*.operations must be of chat, completions, embeddings, rerank and score."
  }

  validation {
    condition     = alltrue([for model in var.models : model.fallback == null || contains(keys(var.models), coalesce(model.fallback, "-"))])
    error_message = "models.*.fallback must be one of the models: ${join(", ", keys(var.models))}."
  }

  validation {
    condition = length(distinct(flatten([for name, model in var.models : concat([name], model.aliases)]))) == sum(concat(
      [0], [for model in var.models : 1 + length(model.aliases)],
    ))
    error_message = "models has a duplicate name or alias: rename one of ${join(", ", flatten([for name, model in var.models : concat([name], model.aliases)]))}."
  }
}

variable "gateway" {
  description = <<-EOT
    The gateway function, which serves requests:
    - `package`: path of its zip file.
    - `memory_mb`: memory; `timeout_seconds`: maximum duration of a response. API Gateway streams for at most 900 s.
    - `architecture`: `arm64` or `x86_64`.
    - `keepalive_seconds`: interval of keep-alive messages while a client waits.
    - `log_content`: log prompts and responses verbatim.
    - `web_adapter_layer_arn`: layer with the Lambda Web Adapter; null selects the layer that AWS publishes.
    - `reserved_concurrency`: maximum concurrent executions, reserved for the function; null for the account's limit.
  EOT
  type = object({
    package               = string
    memory_mb             = optional(number, 512)
    timeout_seconds       = optional(number, 900)
    architecture          = optional(string, "arm64")
    keepalive_seconds     = optional(number, 30)
    log_content           = optional(bool, false)
    web_adapter_layer_arn = optional(string)
    reserved_concurrency  = optional(number)
  })
  nullable = false

  validation {
    condition     = var.gateway.keepalive_seconds >= 1 && var.gateway.keepalive_seconds <= 240
    error_message = "gateway.keepalive_seconds must be from 1 to 240: API Gateway closes connections after 300 idle seconds."
  }

  validation {
    condition     = contains(["arm64", "x86_64"], var.gateway.architecture)
    error_message = "gateway.architecture must be arm64 or x86_64."
  }

  validation {
    condition     = var.gateway.timeout_seconds >= 1 && var.gateway.timeout_seconds <= 900
    error_message = "gateway.timeout_seconds must be from 1 to 900: the limit of Lambda and API Gateway."
  }

  validation {
    condition     = var.gateway.memory_mb >= 128 && var.gateway.memory_mb <= 10240
    error_message = "gateway.memory_mb must be from 128 to 10240 (Lambda's limits)."
  }
}

variable "authorizer" {
  description = "The authorizer function, which reads the API key of a request: `package` is the path of its zip file, `reserved_concurrency` as for the gateway."
  type = object({
    package              = string
    reserved_concurrency = optional(number)
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
  description = "Authorization: `keys` (API Gateway API keys) or `iam` (requests signed with AWS credentials)."
  type        = string
  default     = "keys"
  nullable    = false

  validation {
    condition     = contains(["keys", "iam"], var.auth)
    error_message = "auth must be keys or iam."
  }
}

variable "key_header" {
  description = "Header with the API key: `authorization`, `x-api-key` or `either`. With a single header, API Gateway caches the authorizer's results for five minutes."
  type        = string
  default     = "either"
  nullable    = false

  validation {
    condition     = contains(["either", "authorization", "x-api-key"], var.key_header)
    error_message = "key_header must be either, authorization or x-api-key."
  }
}

variable "jwt" {
  description = <<-EOT
    Callers with a JWT from an OpenID Connect issuer, next to API keys; null for none:
    - `issuer`, `audience`, `algorithms`, `leeway_seconds`: the tokens that are valid.
    - `jwks_url`: address of the issuer's public keys; null discovers it.
    - `claim`, `usage_plans`: usage plans by value of this claim; the first that matches applies.
    - `default_usage_plan`: usage plan of other callers; null refuses them.
    - `log_subject`: log the caller's subject instead of its digest.
  EOT
  type = object({
    issuer             = string
    audience           = list(string)
    jwks_url           = optional(string)
    claim              = optional(string)
    usage_plans        = optional(list(object({ value = string, usage_plan = string })), [])
    default_usage_plan = optional(string)
    algorithms         = optional(list(string), ["RS256", "ES256"])
    leeway_seconds     = optional(number, 60)
    log_subject        = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.jwt == null || try(length(var.jwt.audience) > 0, false)
    error_message = "jwt.audience needs at least one name of this API: otherwise tokens for other APIs would be valid."
  }

  validation {
    condition = var.jwt == null || alltrue([
      for plan in try(concat(var.jwt.usage_plans[*].usage_plan, var.jwt.default_usage_plan[*]), []) :
      plan == "default" || contains(keys(var.usage_plans), plan)
    ])
    error_message = "jwt has unknown usage plans: choose from ${join(", ", concat(["default"], keys(var.usage_plans)))}."
  }
}

variable "throttle" {
  description = "Requests per second and burst of each path and method, for all clients together, and unless `usage_plans.default` is set, of each key."
  type = object({
    rate_per_second = optional(number, 50)
    burst           = optional(number, 100)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.throttle.rate_per_second > 0 && var.throttle.burst >= 1
    error_message = "throttle.rate_per_second must be above 0 and throttle.burst at least 1: otherwise all requests are rejected."
  }
}

variable "usage_plans" {
  description = <<-EOT
    Limits of API keys by usage plan; `default` applies to keys without a plan:
    - `rate_per_second`, `burst`: throttling of each key.
    - `quota`: maximum `requests` of each key `per` day, week or month; null is unlimited.
    - `tokens`: maximum tokens of each key `per_minute` and `per_month`; null is unlimited.
    - `dollars_per_month`: maximum US dollars of each key, by the prices of the models; null is unlimited.
    - `models`: allowed model names and aliases; null allows all.
  EOT
  type = map(object({
    rate_per_second   = number
    burst             = number
    quota             = optional(object({ requests = number, per = string }))
    tokens            = optional(object({ per_minute = optional(number), per_month = optional(number) }), {})
    dollars_per_month = optional(number)
    models            = optional(list(string))
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for plan in var.usage_plans : plan.quota == null || contains(["day", "week", "month"], try(plan.quota.per, ""))])
    error_message = "usage_plans.*.quota.per must be day, week or month."
  }

  validation {
    condition = alltrue(flatten([
      for plan in var.usage_plans : [for model in coalesce(plan.models, []) : contains(flatten([for name, served in var.models : concat([name], served.aliases)]), model)]
    ]))
    error_message = "usage_plans.*.models has unknown models: choose from ${join(", ", flatten([for name, model in var.models : concat([name], model.aliases)]))}."
  }
}

variable "keys" {
  description = "Usage plans of API keys by key name. The keys themselves are created through the API."
  type        = map(object({ usage_plan = optional(string, "default") }))
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in var.keys : key.usage_plan == "default" || contains(keys(var.usage_plans), key.usage_plan)])
    error_message = "keys.*.usage_plan is unknown: add it to usage_plans, which has ${join(", ", concat(["default"], keys(var.usage_plans)))}."
  }
}

variable "cors" {
  description = "Origins whose pages can call the API from a browser: `allow_origins`, or `[\"*\"]` for all; null disables CORS."
  type        = object({ allow_origins = list(string) })
  default     = null

  validation {
    condition     = var.cors == null || try(length(var.cors.allow_origins) > 0 && alltrue([for origin in var.cors.allow_origins : can(regex("^(\\*|https?://[^/'\"\\s]+)$", origin))]), false)
    error_message = "cors.allow_origins needs origins such as https://chat.example.com, without a path, or *."
  }
}

variable "private" {
  description = "Private API, reachable only through the VPC endpoints `vpc_endpoint_ids`; null creates a public API."
  type        = object({ vpc_endpoint_ids = list(string) })
  default     = null

  validation {
    condition     = var.private == null || try(length(var.private.vpc_endpoint_ids) > 0 && alltrue([for id in var.private.vpc_endpoint_ids : startswith(id, "vpce-")]), false)
    error_message = "private.vpc_endpoint_ids needs ids of interface endpoints for execute-api, such as vpce-0123456789abcdef0."
  }
}

variable "domain" {
  description = <<-EOT
    Custom domain name; null uses API Gateway's:
    - `name`: such as llm.example.com.
    - `certificate_arn`: ACM certificate for the name, in the API's region.
    - `base_path`: first segment of the path; empty for none.
    - `hosted_zone_id`: Route 53 zone for the DNS record; null creates no record.
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
    error_message = "domain needs a public API: remove domain, or private."
  }

  validation {
    condition     = var.domain == null || try(split(":", var.domain.certificate_arn)[3] == var.region, false)
    error_message = "domain.certificate_arn must be a certificate in ${var.region}, the API's region: request one there."
  }
}

variable "waf" {
  description = <<-EOT
    Web application firewall (AWS WAF); null for none:
    - `requests_per_five_minutes`: limit per IP address, at least 10; null is unlimited.
    - `managed_rules`: AWS managed rule groups. Their rules for request bodies only count matches, because prompts often match them.
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
    error_message = "waf.requests_per_five_minutes must be at least 10 (AWS WAF's limit); null is unlimited."
  }
}

variable "guard" {
  description = <<-EOT
    Checks of requests and responses; null for none:
    - `bedrock`: Amazon Bedrock guardrail, by `id` and `version`, which the gateway may apply.
    - `python`: function in the folder `guard` of the gateway's package, as `module:function`.
    - `models`: names and aliases of the guarded models; null for all.
    - `sources`: `input`, `output` or both; `roles`: whose messages of a chat are checked.
    - `window`: new characters of a stream that are checked together; null to check each text as a whole.
    - `overlap`: characters of a window that wait for the next.
    - `timeout_seconds`: maximum duration of one check.
  EOT
  type = object({
    bedrock         = optional(object({ id = string, version = string }))
    python          = optional(string)
    models          = optional(list(string))
    sources         = optional(list(string))
    roles           = optional(list(string))
    window          = optional(number)
    overlap         = optional(number)
    timeout_seconds = optional(number)
  })
  default = null

  validation {
    condition     = var.guard == null || try(var.guard.bedrock, null) != null || try(var.guard.python, null) != null
    error_message = "guard needs bedrock or python: add one of them, or remove guard."
  }

  validation {
    condition = alltrue([
      for model in try(coalesce(var.guard.models, []), []) : contains(flatten([for name, served in var.models : concat([name], served.aliases)]), model)
    ])
    error_message = "guard.models has unknown models: choose from ${join(", ", flatten([for name, model in var.models : concat([name], model.aliases)]))}."
  }
}

variable "access_log" {
  description = "Write an access log. Needs API Gateway's account-wide logging role."
  type        = bool
  default     = true
  nullable    = false
}

variable "log_retention_days" {
  description = "Retention of logs in days."
  type        = number
  default     = 30
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "Permissions boundary of the functions' roles; null for none."
  type        = string
  default     = null
}
