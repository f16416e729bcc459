locals {
  roles = var.enabled ? var.roles : {}

  audiences = { for role in values(local.roles) : role.issuer => role.audience... }
}

data "aws_partition" "current" {}
