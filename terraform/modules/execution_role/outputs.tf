output "arn" {
  description = "ARN of the role, created or given; null when disabled."
  value       = var.enabled ? (local.create ? aws_iam_role.this[0].arn : var.role.arn) : null
}

output "name" {
  description = "Name of the role, created or given; null when disabled."
  value       = var.enabled ? (local.create ? aws_iam_role.this[0].name : reverse(split("/", var.role.arn))[0]) : null
}
