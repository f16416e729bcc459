variable "enabled" {
  description = "Whether to create anything; false plans nothing."
  type        = bool
  default     = true
  nullable    = false
}

variable "roles" {
  description = <<-EOT
    The roles by name:
    - `issuer`: host of the CI system's OIDC provider, such as token.actions.githubusercontent.com.
    - `audience`: who the tokens are for.
    - `subjects`: subjects of the tokens that may assume the role; `*` stands for any characters.
    - `policies`: names of the policies it has.
  EOT
  type = map(object({
    issuer   = string
    audience = string
    subjects = list(string)
    policies = list(string)
  }))
  nullable = false

  validation {
    condition = alltrue(flatten([
      for role in values(var.roles) : [for subject in role.subjects : can(regex("^(repo|project_path):[^*?/:]+/[^*?:]+:.*[A-Za-z0-9]", subject))]
    ]))
    error_message = "roles.*.subjects must name one repository and what of it, like repo:owner/name:ref:refs/heads/main: with less, everybody who can make a repository there could assume the role."
  }

  validation {
    condition     = alltrue([for role in values(var.roles) : length(role.subjects) > 0 && length(role.policies) > 0])
    error_message = "roles.* need at least one of subjects and one of policies; remove a role that nobody uses."
  }
}

variable "account_id" {
  description = "Account that the roles and the providers are in."
  type        = string
  nullable    = false
}

variable "policy_arns" {
  description = "ARNs of the policies by name."
  type        = map(string)
  nullable    = false
}

variable "existing_providers" {
  description = "Issuers that the account has an OIDC provider for already; an account can have but one for each."
  type        = list(string)
  default     = []
  nullable    = false
}
