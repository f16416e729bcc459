output "arns" {
  description = "ARNs of the policies by name."
  value       = { for name, policy in aws_iam_policy.this : name => policy.arn }
}
