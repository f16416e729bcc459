# Imports resources that an interrupted apply created, but did not record in the state. The toolkit finds them by name
# and tags, and passes their ids.
locals {
  imports = { for block, resources in var.imports : block => { for resource in resources : resource.id => resource } }
}

import {
  for_each = lookup(local.imports, "module.endpoint.aws_sagemaker_model.this", {})
  to       = module.endpoint[each.value.model].aws_sagemaker_model.this[each.value.key]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.endpoint.aws_sagemaker_endpoint_configuration.this", {})
  to       = module.endpoint[each.value.model].aws_sagemaker_endpoint_configuration.this[each.value.key]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.endpoint.aws_sagemaker_endpoint.this", {})
  to       = module.endpoint[each.value.model].aws_sagemaker_endpoint.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.endpoint.aws_appautoscaling_target.this", {})
  to       = module.endpoint[each.value.model].aws_appautoscaling_target.this[each.value.key]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.endpoint.aws_appautoscaling_target.scheduled", {})
  to       = module.endpoint[each.value.model].aws_appautoscaling_target.scheduled[each.value.key]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.endpoint.aws_cloudwatch_log_group.this", {})
  to       = module.endpoint[each.value.model].aws_cloudwatch_log_group.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.api.aws_cloudwatch_log_group.this", {})
  to       = module.api.aws_cloudwatch_log_group.this[each.value.key]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.api.aws_iam_role.function", {})
  to       = module.api.aws_iam_role.function[each.value.key]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.api.aws_lambda_function.gateway", {})
  to       = module.api.aws_lambda_function.gateway[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.api.aws_lambda_function.authorizer", {})
  to       = module.api.aws_lambda_function.authorizer[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.api.aws_lambda_permission.gateway", {})
  to       = module.api.aws_lambda_permission.gateway[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.api.aws_lambda_permission.authorizer", {})
  to       = module.api.aws_lambda_permission.authorizer[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.api.aws_api_gateway_rest_api.this", {})
  to       = module.api.aws_api_gateway_rest_api.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.api.aws_api_gateway_stage.this", {})
  to       = module.api.aws_api_gateway_stage.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.api.aws_api_gateway_usage_plan.this", {})
  to       = module.api.aws_api_gateway_usage_plan.this[each.value.key]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.api.aws_dynamodb_table.budgets", {})
  to       = module.api.aws_dynamodb_table.budgets[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.api.aws_api_gateway_domain_name.this", {})
  to       = module.api.aws_api_gateway_domain_name.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.api.aws_api_gateway_base_path_mapping.this", {})
  to       = module.api.aws_api_gateway_base_path_mapping.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.api.aws_route53_record.domain", {})
  to       = module.api.aws_route53_record.domain[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.api.aws_wafv2_web_acl.this", {})
  to       = module.api.aws_wafv2_web_acl.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.observability.aws_budgets_budget.this", {})
  to       = module.observability.aws_budgets_budget.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.observability.aws_ce_anomaly_monitor.this", {})
  to       = module.observability.aws_ce_anomaly_monitor.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "module.observability.aws_ce_anomaly_subscription.this", {})
  to       = module.observability.aws_ce_anomaly_subscription.this[each.value.key]
  id       = each.key
}
