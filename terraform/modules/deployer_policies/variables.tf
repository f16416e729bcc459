variable "enabled" {
  description = "Create the module's resources."
  type        = bool
  default     = true
  nullable    = false
}

variable "policies" {
  description = "Policies by name: description and JSON document."
  type = map(object({
    description = string
    document    = string
  }))
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.policies) : can(regex("^[\\w+=,.@-]{1,128}$", name))])
    error_message = "policies need names of 1 to 128 letters, digits and any of +=,.@_-; shorten or rename ${join(", ", keys(var.policies))}."
  }

  validation {
    condition     = alltrue([for policy in values(var.policies) : length(replace(policy.document, "/\\s/", "")) <= 6144])
    error_message = "policies.*.document can have 6144 characters, not counting white space: split ${join(", ", [for name, policy in var.policies : name if length(replace(policy.document, "/\\s/", "")) > 6144])}."
  }
}
