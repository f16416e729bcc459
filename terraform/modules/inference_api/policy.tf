# The resource policy of a private API. Not part of the document: the import of a changed document would add the VPC
# endpoints back to an API that is no longer private, which API Gateway refuses (hashicorp/terraform-provider-aws#14269).
locals {
  policy = var.private == null ? null : jsonencode({
    Version = "2012-10-17"
    Statement = [
      # Resources are "*": API Gateway returns "execute-api:/*" as an ARN, which would differ in each plan.
      { Sid = "CallFromAnywhere", Effect = "Allow", Principal = "*", Action = "execute-api:Invoke", Resource = "*" },
      {
        Sid       = "ButOnlyThroughTheseEndpoints"
        Effect    = "Deny"
        Principal = "*"
        Action    = "execute-api:Invoke"
        Resource  = "*"
        Condition = { StringNotEquals = { "aws:SourceVpce" = var.private.vpc_endpoint_ids } }
      },
    ]
  })
}

# Its deletion removes the policy when the API is private no more, which the API's own argument cannot do.
resource "aws_api_gateway_rest_api_policy" "this" {
  count = var.enabled && var.private != null ? 1 : 0

  rest_api_id = aws_api_gateway_rest_api.this[0].id
  policy      = local.policy
}
