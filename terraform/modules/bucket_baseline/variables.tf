variable "enabled" {
  description = "Create the module's resources."
  type        = bool
  default     = true
  nullable    = false
}

variable "bucket" {
  description = "Name of an existing bucket."
  type        = string
  nullable    = false
}

variable "kms_key_arn" {
  description = "KMS key for default encryption; null selects S3-managed keys."
  type        = string
  default     = null
}

variable "lifecycle_rules" {
  description = "Let S3 delete noncurrent versions and incomplete uploads. The provider waits a minute for the rules to take effect, so disable them for short-lived buckets."
  type        = bool
  default     = true
  nullable    = false
}

variable "noncurrent_version_days" {
  description = "Days for which replaced or deleted objects can be restored."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.noncurrent_version_days >= 1 && floor(var.noncurrent_version_days) == var.noncurrent_version_days
    error_message = "noncurrent_version_days must be a whole number of days, 1 or more."
  }
}
