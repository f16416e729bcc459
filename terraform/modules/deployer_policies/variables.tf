variable "enabled" {
  description = "Whether to create anything; false plans nothing."
  type        = bool
  default     = true
  nullable    = false
}

variable "policies" {
  description = "The policies by name: what each is for, and its document in JSON."
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
    condition     = alltrue([for each in values(var.policies) : length(replace(each.document, "/\\s/", "")) <= 6144])
    error_message = "policies.*.document may have 6144 characters, white space aside: split ${join(", ", [for name, each in var.policies : name if length(replace(each.document, "/\\s/", "")) > 6144])}."
  }
}
