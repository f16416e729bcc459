# The keys are made through the API: as resources their values would lie in the state.
resource "aws_api_gateway_usage_plan" "this" {
  count = local.count

  name        = var.name
  description = "Keys for ${var.name}"

  api_stages {
    api_id = aws_api_gateway_rest_api.this[0].id
    stage  = aws_api_gateway_stage.this[0].stage_name
  }

  throttle_settings {
    rate_limit  = var.throttle.rate_per_second
    burst_limit = var.throttle.burst
  }
}
