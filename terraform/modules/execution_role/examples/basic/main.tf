provider "aws" {
  region = "us-east-1"
}

module "execution_role" {
  source = "../.."

  role               = { name = "HuggingfaceExecuteRole" }
  region             = "us-east-1"
  account_id         = "123456789012"
  model_store_bucket = "example-models-123456789012-us-east-1"
}

output "arn" {
  value = module.execution_role.arn
}
