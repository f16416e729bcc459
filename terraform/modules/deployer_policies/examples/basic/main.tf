provider "aws" {
  region = "us-east-1"
}

module "deployer_policies" {
  source = "../.."

  policies = {
    example-viewer = {
      description = "Look at the endpoints of example"
      document = jsonencode({
        Version = "2012-10-17"
        Statement = [{
          Sid      = "ReadEndpoints"
          Effect   = "Allow"
          Action   = "sagemaker:DescribeEndpoint"
          Resource = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/example-*"
        }]
      })
    }
  }
}

output "arns" {
  value = module.deployer_policies.arns
}
