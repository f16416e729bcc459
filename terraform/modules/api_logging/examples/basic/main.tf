provider "aws" {
  region = "us-east-1"
}

module "api_logging" {
  source = "../.."

  name       = "example"
  region     = "us-east-1"
  account_id = "123456789012"
}
