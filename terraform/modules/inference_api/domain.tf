locals {
  domain_count = var.enabled && var.domain != null ? 1 : 0
  base_path    = try(var.domain.base_path, "") == "" ? "" : "/${var.domain.base_path}"
}

resource "aws_api_gateway_domain_name" "this" {
  count = local.domain_count

  domain_name              = var.domain.name
  regional_certificate_arn = var.domain.certificate_arn
  security_policy          = "TLS_1_2"

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_base_path_mapping" "this" {
  count = local.domain_count

  domain_name = aws_api_gateway_domain_name.this[0].domain_name
  base_path   = var.domain.base_path == "" ? null : var.domain.base_path
  api_id      = aws_api_gateway_rest_api.this[0].id
  stage_name  = aws_api_gateway_stage.this[0].stage_name
}

resource "aws_route53_record" "domain" {
  count = local.domain_count == 1 && try(var.domain.hosted_zone_id, null) != null ? 1 : 0

  zone_id = var.domain.hosted_zone_id
  name    = var.domain.name
  type    = "A"

  alias {
    name                   = aws_api_gateway_domain_name.this[0].regional_domain_name
    zone_id                = aws_api_gateway_domain_name.this[0].regional_zone_id
    evaluate_target_health = false
  }
}
