data "aws_partition" "current" {}

locals {
  count     = var.enabled ? 1 : 0
  key_count = var.enabled && var.auth == "keys" ? 1 : 0
  partition = data.aws_partition.current.partition

  # Not empty: the provider would keep the previous one.
  description = coalesce(var.description, "OpenAI-compatible inference API")

  endpoint_arns = [
    for model in var.models :
    "arn:${local.partition}:sagemaker:${var.region}:${var.account_id}:endpoint/${model.endpoint_name}"
  ]

  guardrail_arn = try("arn:${local.partition}:bedrock:${var.region}:${var.account_id}:guardrail/${var.guard.bedrock.id}", null)

  # Derived from inputs, not from resources, so that a plan shows the complete API and its permissions.
  function_names = {
    for function in var.auth == "keys" ? ["gateway", "authorizer"] : ["gateway"] : function => "${var.name}-${function}"
  }
  function_arns = {
    for function in ["gateway", "authorizer"] :
    function => "arn:${local.partition}:lambda:${var.region}:${var.account_id}:function:${var.name}-${function}"
  }
}
