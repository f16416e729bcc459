locals {
  # A metric in CloudWatch's format is a list: namespace, name, dimensions, options.
  graphs = [
    {
      title = "Requests and errors"
      stat  = "Sum"
      metrics = [
        for metric in ["Requests", "ClientErrors", "Throttles", "ServerErrors", "Fallbacks", "Disconnects"] :
        ["InferenceGateway", metric, "FunctionName", var.api.gateway, { label = metric }]
      ]
    },
    {
      title = "API Gateway: requests, 4xx, 5xx"
      stat  = "Sum"
      metrics = [
        for metric in ["Count", "4XXError", "5XXError"] :
        ["AWS/ApiGateway", metric, "ApiName", var.api.name, "Stage", var.api.stage, { label = metric }]
      ]
    },
    {
      title   = "Time to last token (ms)"
      stat    = "p50"
      metrics = concat([], [for model in local.models : [for stat in ["p50", "p99"] : ["InferenceGateway", "Latency", "FunctionName", var.api.gateway, "Model", model, { stat = stat, label = "${model} ${stat}" }]]]...)
    },
    {
      title   = "Time to first token (ms)"
      stat    = "p50"
      metrics = concat([], [for model in local.models : [for stat in ["p50", "p99"] : ["InferenceGateway", "TimeToFirstToken", "FunctionName", var.api.gateway, "Model", model, { stat = stat, label = "${model} ${stat}" }]]]...)
    },
    {
      title   = "Input and output tokens"
      stat    = "Sum"
      metrics = concat([], [for model in local.models : [for metric in ["InputTokens", "OutputTokens"] : ["InferenceGateway", metric, "FunctionName", var.api.gateway, "Model", model, { label = "${model} ${metric}" }]]]...)
    },
    {
      title = "Throttled requests"
      stat  = "Sum"
      metrics = concat(
        [["AWS/Lambda", "Throttles", "FunctionName", var.api.gateway, { label = "gateway function" }]],
        [for model in local.models : ["InferenceGateway", "Throttles", "FunctionName", var.api.gateway, "Model", model, { label = model }]],
      )
    },
    {
      title = "Budgets and guards"
      stat  = "Sum"
      metrics = [
        for metric in concat(var.api.budgets ? ["BudgetRejections", "BudgetErrors"] : [], var.api.guard ? ["GuardBlocks", "GuardFailures"] : []) :
        ["InferenceGateway", metric, "FunctionName", var.api.gateway, { label = metric }]
      ]
    },
    {
      title   = "Endpoints: maximum concurrent requests"
      stat    = "Maximum"
      metrics = [for variant in local.variants : ["AWS/SageMaker", "ConcurrentRequestsPerModel", "EndpointName", variant.endpoint, "VariantName", variant.name, { label = variant.label }]]
    },
    {
      title = "Endpoints: utilization (%)"
      stat  = "Average"
      metrics = concat([], [
        for variant in local.variants : [
          for metric in ["CPUUtilization", "MemoryUtilization", "GPUUtilization", "GPUMemoryUtilization"] :
          ["/aws/sagemaker/Endpoints", metric, "EndpointName", variant.endpoint, "VariantName", variant.name, { label = "${variant.label} ${metric}" }]
        ]
      ]...)
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  count = var.enabled && var.dashboard ? 1 : 0

  dashboard_name = var.name
  dashboard_body = jsonencode({
    # Two per row, on CloudWatch's grid of 24 columns. CloudWatch rejects graphs without metrics.
    widgets = [
      for index, graph in [for graph in local.graphs : graph if length(graph.metrics) > 0] : {
        type   = "metric"
        x      = index % 2 * 12
        y      = floor(index / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = graph.title
          region  = var.region
          view    = "timeSeries"
          stat    = graph.stat
          period  = 60
          metrics = graph.metrics
        }
      }
    ]
  })
}
