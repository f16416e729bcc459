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
