module "model_store" {
  source = "../../modules/model_store"

  bucket          = var.model_store_bucket
  lifecycle_rules = var.lifecycle_rules
}

module "execution_role" {
  source = "../../modules/execution_role"

  role               = var.execution_role
  grants             = var.execution_role_grants
  region             = var.region
  account_id         = var.account_id
  model_store_bucket = var.model_store_bucket
}

module "deployer_policies" {
  source = "../../modules/deployer_policies"

  policies = var.policies
}

module "ci_roles" {
  source = "../../modules/ci_roles"

  account_id         = var.account_id
  roles              = var.ci_roles
  existing_providers = var.existing_oidc_providers
  policy_arns        = module.deployer_policies.arns
}

module "api_logging" {
  source = "../../modules/api_logging"

  enabled    = var.api_logging
  name       = var.name
  region     = var.region
  account_id = var.account_id
}
