# A role of this project's account stack, which deployers can only read and pass.
data "aws_iam_role" "execution" {
  count = var.execution_role.name != null ? 1 : 0
  name  = var.execution_role.name
}

data "aws_partition" "current" {}

locals {
  execution_role_arn = var.execution_role.arn != null ? var.execution_role.arn : data.aws_iam_role.execution[0].arn
  endpoint_types     = { for name, model in var.models : name => coalesce(try(model.endpoint.type, null), "realtime") }
  endpoint_names     = { for name in keys(var.models) : name => "${var.prefix}-${replace(name, ".", "-")}" }
}

module "endpoint" {
  source   = "../../modules/sagemaker_endpoint"
  for_each = var.models

  paused             = var.paused
  name               = local.endpoint_names[each.key]
  execution_role_arn = local.execution_role_arn
  log_retention_days = var.api.log_retention_days

  variants = {
    for name, variant in each.value.variants : name => merge(variant, {
      instance_count = lookup(lookup(var.instance_counts, each.key, {}), name, null)
    })
  }

  endpoint     = try(each.value.endpoint, null)
  shadow       = try(each.value.shadow, null)
  rollout      = try(each.value.rollout, null)
  routing      = try(each.value.routing, null)
  kms_key_arn  = try(each.value.kms_key_arn, null)
  vpc          = try(each.value.vpc, null)
  data_capture = try(each.value.data_capture, null)
}

module "api" {
  source = "../../modules/inference_api"

  name               = var.prefix
  description        = var.description
  region             = var.region
  account_id         = var.account_id
  stage              = var.api.stage
  throttle           = var.api.throttle
  auth               = var.api.auth
  key_header         = var.api.key_header
  usage_plans        = var.api.usage_plans
  keys               = var.api.keys
  jwt                = var.api.jwt
  cors               = var.api.cors
  private            = var.api.private
  domain             = var.api.domain
  waf                = var.api.waf
  guard              = var.api.guard
  access_log         = var.api.access_log
  log_retention_days = var.api.log_retention_days
  authorizer         = var.api.authorizer

  # The account stack creates it.
  permissions_boundary_arn = "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:policy/${var.prefix}-function-boundary"

  gateway = var.api.gateway

  # By name instead of the endpoints' outputs, so that the API does not have to wait for the endpoints.
  models = {
    for name, model in var.models : name => {
      endpoint_name = local.endpoint_names[name]
      serverless    = local.endpoint_types[name] == "serverless"
      aliases       = try(model.aliases, null)
      dialect       = try(model.dialect, null)
      capabilities  = try(model.capabilities, null)
      operations    = try(model.operations, null)
      limits        = try(model.limits, null)
      fallback      = try(model.fallback, null)
      price         = try(model.price, null)
    } if local.endpoint_types[name] != "async"
  }
}

module "observability" {
  source = "../../modules/observability"

  name        = var.prefix
  region      = var.region
  alarms      = var.api.alarms
  dashboard   = var.api.dashboard
  cost_alarms = var.cost_alarms

  api = {
    name    = var.prefix
    stage   = var.api.stage
    gateway = "${var.prefix}-gateway"
    budgets = module.api.has_budgets
    guard   = try(var.api.guard, null) != null
  }

  endpoints = {
    for name, model in var.models : name => {
      endpoint_name = local.endpoint_names[name]
      variant_names = sort(keys(model.variants))
    }
  }
}
