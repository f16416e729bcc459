variable "region" {
  description = "AWS region."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "AWS account; credentials of other accounts are rejected."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits; quote it to keep leading zeros."
  }
}

variable "name" {
  description = "Name of the project."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Tags of all resources."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "execution_role" {
  description = "`name` of the SageMaker execution role to create, or `arn` of an existing role, see modules/execution_role."
  type        = any
  nullable    = false
}

variable "execution_role_grants" {
  description = "Optional permissions of the execution role, see `grants` of modules/execution_role."
  type        = any
  default     = {}
  nullable    = false
}

variable "model_store_bucket" {
  description = "Name of the model store, the bucket with model weights."
  type        = string
  nullable    = false
}

variable "state_bucket" {
  description = "Name of the existing bucket with Terraform's state, including this stack's."
  type        = string
  nullable    = false
}

variable "lifecycle_rules" {
  description = "Let S3 delete noncurrent versions and incomplete uploads. Creating the rules takes a minute."
  type        = bool
  default     = true
  nullable    = false
}

variable "policies" {
  description = "IAM policies of deployers and permissions boundaries of functions, see modules/deployer_policies."
  type        = any
  default     = {}
  nullable    = false
}

variable "ci_roles" {
  description = "Roles of pipelines, see modules/ci_roles."
  type        = any
  default     = {}
  nullable    = false
}

variable "existing_oidc_providers" {
  description = "Issuers for which the account already has an OIDC provider."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "api_logging" {
  description = "Create the role with which API Gateway writes access logs, one for all APIs of the account and region."
  type        = bool
  default     = true
  nullable    = false
}

variable "imports" {
  description = "Existing resources to import: by `resource` block, their ids and their keys in the stack."
  type = map(list(object({
    id  = string
    key = optional(string)
  })))
  default  = {}
  nullable = false
}
