variable "enabled" {
  description = "Whether to create anything; false plans nothing."
  type        = bool
  default     = true
  nullable    = false
}

variable "name" {
  description = "What the role's name begins with."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Region whose APIs may log."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "Account whose APIs may log."
  type        = string
  nullable    = false
}
