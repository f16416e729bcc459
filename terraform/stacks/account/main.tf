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
