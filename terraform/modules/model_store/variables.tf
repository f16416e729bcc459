variable "enabled" {
  description = "Create the module's resources."
  type        = bool
  default     = true
  nullable    = false
}

variable "bucket" {
  description = "Name of the bucket, globally unique."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket \"${var.bucket}\" is not a valid name: use 3 to 63 lower-case letters, digits and hyphens (dots break TLS to virtual-hosted buckets)."
  }
}

variable "kms_key_arn" {
  description = "KMS key for default encryption; null selects S3-managed keys."
  type        = string
  default     = null
}

variable "lifecycle_rules" {
  description = "Let S3 delete noncurrent versions and incomplete uploads. Creating the rules takes a minute."
  type        = bool
  default     = true
  nullable    = false
}
