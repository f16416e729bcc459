provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    # The policies of the environment's deployers (policies/iam/) are limited to what has the tag `deployment`.
    tags = merge(var.tags, {
      managed-by  = "terraform"
      stack       = "inference"
      environment = var.environment
      deployment  = var.prefix
    })
  }
}
