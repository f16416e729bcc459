variable "enabled" {
  description = "Create the module's resources."
  type        = bool
  default     = true
  nullable    = false
}

variable "roles" {
  description = <<-EOT
    Roles by name:
    - `issuer`: host of the CI system's OIDC provider, such as token.actions.githubusercontent.com.
    - `audience`: audience of the tokens.
    - `subjects`: token subjects that can assume the role; `*` matches any characters.
    - `principals`: instead of these three, ARNs of IAM principals that can assume the role.
    - `policies`: names of the policies to attach.
  EOT
  type = map(object({
    issuer     = optional(string)
    audience   = optional(string)
    subjects   = optional(list(string), [])
    principals = optional(list(string), [])
    policies   = list(string)
  }))
  nullable = false

  validation {
    condition = alltrue(flatten([
      for role in values(var.roles) : [for subject in role.subjects : can(regex("^(repo|project_path):[^*?/:]+/[^*?:]+:.*[A-Za-z0-9]", subject))]
    ]))
    error_message = "roles.*.subjects must name one repository and a ref, tag or environment, such as repo:owner/name:ref:refs/heads/main: otherwise other repositories could assume the role."
  }

  validation {
    condition     = alltrue([for role in values(var.roles) : length(role.subjects) + length(role.principals) > 0 && length(role.policies) > 0])
    error_message = "roles.* need at least one entry in subjects or principals, and in policies; remove unused roles."
  }

  validation {
    condition     = alltrue([for role in values(var.roles) : (length(role.principals) == 0) == (role.issuer != null && role.audience != null)])
    error_message = "roles.* need either principals, or issuer, audience and subjects."
  }

  validation {
    condition     = alltrue(flatten([for role in values(var.roles) : [for arn in role.principals : can(regex("^arn:[^*?]+$", arn))]]))
    error_message = "roles.*.principals must be ARNs without wildcards."
  }
}

variable "account_id" {
  description = "AWS account of the roles and providers."
  type        = string
  nullable    = false
}

variable "policy_arns" {
  description = "ARNs of the policies by name."
  type        = map(string)
  nullable    = false
}

variable "existing_providers" {
  description = "Issuers for which the account already has an OIDC provider; an account can have only one per issuer."
  type        = list(string)
  default     = []
  nullable    = false
}
