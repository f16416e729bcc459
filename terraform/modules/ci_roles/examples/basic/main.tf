provider "aws" {
  region = "us-east-1"
}

module "ci_roles" {
  source = "../.."

  account_id = "123456789012"
  roles = {
    example-ci-deploy = {
      issuer   = "token.actions.githubusercontent.com"
      audience = "sts.amazonaws.com"
      subjects = ["repo:example/llm-deployments:ref:refs/heads/main"]
      policies = ["example-viewer"]
    }
  }
  policy_arns = { example-viewer = "arn:aws:iam::123456789012:policy/example-viewer" }
}

output "arns" {
  value = module.ci_roles.arns
}
