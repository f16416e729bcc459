output "arn" {
  description = "ARN of the created or existing role; null if disabled."
  value       = var.enabled ? (local.create ? aws_iam_role.this[0].arn : var.role.arn) : null
}

output "name" {
  description = "Name of the created or existing role; null if disabled."
  value       = var.enabled ? (local.create ? aws_iam_role.this[0].name : reverse(split("/", var.role.arn))[0]) : null
}
