variable "enabled" {
  description = "Whether to create anything; false plans nothing."
  type        = bool
  default     = true
  nullable    = false
}

variable "bucket" {
  description = "Name of the bucket, unique among all AWS accounts."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket \"${var.bucket}\" is no valid name: use 3 to 63 lower-case letters, digits and hyphens (dots break TLS to virtual-hosted buckets)."
  }
}

variable "kms_key_arn" {
  description = "Key for the bucket's default encryption; null encrypts with S3's own keys."
  type        = string
  default     = null
}

variable "lifecycle_rules" {
  description = "Whether S3 clears away replaced objects and unfinished uploads; takes a minute to set up."
  type        = bool
  default     = true
  nullable    = false
}
