provider "aws" {
  region = "us-east-1"
}

module "observability" {
  source = "../.."

  name   = "example-dev"
  region = "us-east-1"
  api    = { name = "example-dev", stage = "live", gateway = "example-dev-gateway", budgets = true, guard = true }

  endpoints = {
    "qwen3-8b" = { endpoint_name = "example-dev-qwen3-8b", variant_names = ["AllTraffic"] }
  }

  alarms = {
    server_error_percent       = 2
    time_to_first_token_p99_ms = 5000
    topic_arns                 = ["arn:aws:sns:us-east-1:123456789012:on-call"]
  }

  cost_alarms = {
    emails    = ["platform@example.com"]
    monthly   = { amount = 5000 }
    anomalies = { minimum_impact = 100 }
  }
}

output "alarms" {
  value = module.observability.alarm_names
}
