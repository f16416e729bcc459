# Imports resources that an interrupted apply created, but did not record in the state. The toolkit finds them by name
# and tags, and passes their ids.
locals {
  imports = { for block, resources in var.imports : block => { for resource in resources : resource.id => resource } }
}

import {
  for_each = lookup(local.imports, "module.execution_role.aws_iam_role.this", {})
  to       = module.execution_role.aws_iam_role.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.model_store.aws_s3_bucket.this", {})
  to       = module.model_store.aws_s3_bucket.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.api_logging.aws_iam_role.this", {})
  to       = module.api_logging.aws_iam_role.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.deployer_policies.aws_iam_policy.this", {})
  to       = module.deployer_policies.aws_iam_policy.this[each.value.key]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.ci_roles.aws_iam_role.this", {})
  to       = module.ci_roles.aws_iam_role.this[each.value.key]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.ci_roles.aws_iam_openid_connect_provider.this", {})
  to       = module.ci_roles.aws_iam_openid_connect_provider.this[each.value.key]
  id       = each.key
}
