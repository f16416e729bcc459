variable "enabled" {
  description = "Create the module's resources."
  type        = bool
  default     = true
  nullable    = false
}

variable "name" {
  description = "Prefix of the role's name."
  type        = string
  nullable    = false
}

variable "region" {
  description = "AWS region of the APIs."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "AWS account of the APIs."
  type        = string
  nullable    = false
}
