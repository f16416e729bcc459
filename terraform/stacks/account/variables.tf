variable "region" {
  description = "Region of everything in this stack but the role, which has none."
  type        = string
  nullable    = false
}

variable "account_id" {
  description = "Account to work in; credentials of another one are refused."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits; quote it, so that leading zeros stay."
  }
}

variable "name" {
  description = "What the project is called."
  type        = string
  nullable    = false
}

variable "tags" {
  description = "Tags for everything."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "execution_role" {
  description = "`name` of the SageMaker execution role to create, or `arn` of one that exists, as modules/execution_role takes it."
  type        = any
  nullable    = false
}

variable "execution_role_grants" {
  description = "What the endpoints of the account's environments need beyond reading the model store, as modules/execution_role takes it."
  type        = any
  default     = {}
  nullable    = false
}

variable "model_store_bucket" {
  description = "Name of the bucket for model weights."
  type        = string
  nullable    = false
}

variable "state_bucket" {
  description = "Name of the bucket that holds Terraform's state, this stack's too; it exists already."
  type        = string
  nullable    = false
}

variable "lifecycle_rules" {
  description = "Whether S3 clears away replaced objects and unfinished uploads; takes a minute to set up."
  type        = bool
  default     = true
  nullable    = false
}

variable "policies" {
  description = "IAM policies of the environments' deployers and the boundaries of their functions, by name, as modules/deployer_policies takes them."
  type        = any
  default     = {}
  nullable    = false
}

variable "ci_roles" {
  description = "Roles that pipelines assume, by name, as modules/ci_roles takes them."
  type        = any
  default     = {}
  nullable    = false
}

variable "existing_oidc_providers" {
  description = "Hosts of OIDC providers that the account has already."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "api_logging" {
  description = "Whether the role that API Gateway writes access logs with is made here; one is for all APIs of the account and region."
  type        = bool
  default     = true
  nullable    = false
}

variable "adopt" {
  description = "What exists of this stack and is missing in its state: by what it is, the ids to import, and where in the stack they belong."
  type = map(list(object({
    id  = string
    key = optional(string)
  })))
  default  = {}
  nullable = false
}
