provider "aws" {
  region = "us-east-1"
}

variable "packages" {
  description = "Zip files of the functions' code."
  type        = object({ gateway = string, authorizer = string })
}

module "api" {
  source = "../.."

  name       = "example-prod"
  region     = "us-east-1"
  account_id = "123456789012"
  gateway    = { package = var.packages.gateway, architecture = "x86_64", timeout_seconds = 300 }
  authorizer = { package = var.packages.authorizer }

  models = {
    "qwen3-8b" = { endpoint_name = "example-prod-qwen3-8b", aliases = ["chat"] }
    "bge"      = { endpoint_name = "example-prod-bge" }
  }

  key_header = "authorization"
  throttle   = { rate_per_second = 100, burst = 200 }
  usage_plans = {
    search = { rate_per_second = 20, burst = 40, models = ["bge"] }
    trial  = { rate_per_second = 1, burst = 5, quota = { requests = 1000, per = "day" }, tokens = { per_minute = 20000 } }
  }
  keys = {
    website = { usage_plan = "search" }
    guests  = { usage_plan = "trial" }
    team-a  = {}
  }

  guard = {
    bedrock = { id = "gr1a2b3c4d5e", version = "3" }
    models  = ["chat"]
    sources = ["input"]
  }

  cors = { allow_origins = ["https://chat.example.com"] }
  waf  = { requests_per_five_minutes = 1000 }
  domain = {
    name            = "llm.example.com"
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
    base_path       = "prod"
    hosted_zone_id  = "Z0123456789ABCDEFGHIJ"
  }
}

output "base_url" {
  value = "${module.api.domain_url}/v1"
}
