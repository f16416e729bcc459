provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    # The deployers' policies (policies/iam/) are limited to resources with the tag `deployment`.
    tags = merge(var.tags, {
      managed-by  = "terraform"
      stack       = "inference"
      environment = var.environment
      deployment  = var.prefix
    })
  }
}
