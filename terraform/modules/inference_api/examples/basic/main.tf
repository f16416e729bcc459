provider "aws" {
  region = "us-east-1"
}

variable "packages" {
  description = "Zip files of the functions' code."
  type        = object({ gateway = string, authorizer = string })
}

module "api" {
  source = "../.."

  name       = "example-dev"
  region     = "us-east-1"
  account_id = "123456789012"
  gateway    = { package = var.packages.gateway }
  authorizer = { package = var.packages.authorizer }

  models = {
    "qwen3-8b" = { endpoint_name = "example-dev-qwen3-8b", aliases = ["default"] }
  }
}

output "invoke_url" {
  value = module.api.invoke_url
}
