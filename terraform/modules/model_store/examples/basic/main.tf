provider "aws" {
  region = "us-east-1"
}

module "model_store" {
  source = "../.."

  bucket = "example-models-123456789012-us-east-1"
}

output "bucket" {
  value = module.model_store.bucket
}
