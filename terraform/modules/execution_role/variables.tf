variable "enabled" {
  description = "Whether to create anything; false plans nothing."
  type        = bool
  default     = true
  nullable    = false
}

variable "role" {
  description = "`name` of the role to create, or `arn` of a role that exists already; then nothing is created."
  type = object({
    name = optional(string)
    arn  = optional(string)
  })
  default  = { name = "HuggingfaceExecuteRole" }
  nullable = false

  validation {
    condition     = (var.role.name == null) != (var.role.arn == null)
    error_message = "role needs exactly one of name (create a role) and arn (use a role that exists)."
  }

  validation {
    condition     = var.role.name == null || can(regex("^[\\w+=,.@-]{1,64}$", var.role.name))
    error_message = "role.name must be 1 to 64 letters, digits and any of +=,.@_-; to use a role that exists, give its ARN as role.arn."
  }

  validation {
    condition     = var.role.arn == null || can(regex("^arn:[\\w-]+:iam::[0-9]{12}:role/.+$", var.role.arn))
    error_message = "role.arn must look like arn:aws:iam::123456789012:role/NAME; to create a role, give role.name instead."
  }
}

variable "region" {
  description = "Region that the endpoints run in."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "Account that may use the role through SageMaker."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits; quote it, so that leading zeros stay."
  }
}

variable "model_store_bucket" {
  description = "The only bucket that the role may read."
  type        = string
  nullable    = false
}

variable "kms_key_arn" {
  description = "Key that the model store is encrypted with; null if it uses S3's own keys."
  type        = string
  default     = null
}

variable "grants" {
  description = <<-EOT
    What endpoints need beyond reading the model store; by default nothing:
    - `write_s3_uris`: prefixes for answers of asynchronous endpoints and for captured data.
    - `topic_arns`: SNS topics that asynchronous endpoints tell of answers and failures.
    - `kms_key_arns`: keys of storage volumes, answers and captured data.
    - `subnet_ids`, `security_group_ids`: where containers get network interfaces.
  EOT
  type = object({
    write_s3_uris      = optional(list(string), [])
    topic_arns         = optional(list(string), [])
    kms_key_arns       = optional(list(string), [])
    subnet_ids         = optional(list(string), [])
    security_group_ids = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for uri in var.grants.write_s3_uris : can(regex("^s3://[^/*]+/[^*]+/$", uri))])
    error_message = "grants.write_s3_uris must be prefixes in a bucket that end in \"/\", like s3://bucket/model/async/: a role that may write everywhere may replace weights."
  }

  validation {
    condition     = (length(var.grants.subnet_ids) == 0) == (length(var.grants.security_group_ids) == 0)
    error_message = "grants.subnet_ids and grants.security_group_ids belong together: give at least one of each, or none."
  }
}
