variable "enabled" {
  description = "Whether to manage anything; false plans nothing."
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
  description = "Key for the bucket's default encryption; null encrypts with S3's own keys."
  type        = string
  default     = null
}

variable "lifecycle_rules" {
  description = "Whether S3 clears away replaced objects and unfinished uploads. The provider takes a minute to see such rules settle, which a bucket that lives for a day does not repay."
  type        = bool
  default     = true
  nullable    = false
}

variable "noncurrent_version_days" {
  description = "Days that a replaced or deleted object can still be restored."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.noncurrent_version_days >= 1 && floor(var.noncurrent_version_days) == var.noncurrent_version_days
    error_message = "noncurrent_version_days must be a whole number of days, 1 or more."
  }
}
