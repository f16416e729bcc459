variable "enabled" {
  description = "Create the module's resources."
  type        = bool
  default     = true
  nullable    = false
}

variable "role" {
  description = "`name` of the role to create, or `arn` of an existing role."
  type = object({
    name = optional(string)
    arn  = optional(string)
  })
  default  = { name = "HuggingfaceExecuteRole" }
  nullable = false

  validation {
    condition     = (var.role.name == null) != (var.role.arn == null)
    error_message = "role needs exactly one of name (create a role) and arn (use an existing role)."
  }

  validation {
    condition     = var.role.name == null || can(regex("^[\\w+=,.@-]{1,64}$", var.role.name))
    error_message = "role.name must be 1 to 64 letters, digits and any of +=,.@_-; to use an existing role, set role.arn."
  }

  validation {
    condition     = var.role.arn == null || can(regex("^arn:[\\w-]+:iam::[0-9]{12}:role/.+$", var.role.arn))
    error_message = "role.arn must look like arn:aws:iam::123456789012:role/NAME; to create a role, set role.name instead."
  }
}

variable "region" {
  description = "AWS region of the endpoints."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "AWS account of the endpoints."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits; quote it to keep leading zeros."
  }
}

variable "model_store_bucket" {
  description = "Bucket with model weights, the only bucket that the role can read."
  type        = string
  nullable    = false
}

variable "kms_key_arn" {
  description = "KMS key of the model store; null if S3 manages the key."
  type        = string
  default     = null
}

variable "grants" {
  description = <<-EOT
    Optional permissions beyond reading the model store:
    - `write_s3_uris`: S3 prefixes for responses of asynchronous endpoints and for captured data.
    - `topic_arns`: SNS topics that asynchronous endpoints notify.
    - `kms_key_arns`: keys of storage volumes, responses and captured data.
    - `subnet_ids`, `security_group_ids`: subnets and security groups of the containers' network interfaces.
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
    error_message = "grants.write_s3_uris must be prefixes in a bucket that end in \"/\", such as s3://bucket/model/async/: a role with access to the whole bucket could replace weights."
  }

  validation {
    condition     = (length(var.grants.subnet_ids) == 0) == (length(var.grants.security_group_ids) == 0)
    error_message = "grants.subnet_ids and grants.security_group_ids must be set together: list at least one of each, or none."
  }
}
