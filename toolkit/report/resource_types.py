"""Facts about Terraform's resource types: readable names, and what destroying one loses."""

from __future__ import annotations

_DISPLAY_NAMES = {
    "aws_api_gateway_account": "API Gateway logging role",
    "aws_api_gateway_base_path_mapping": "API mapping of the domain",
    "aws_api_gateway_deployment": "API deployment",
    "aws_api_gateway_domain_name": "API domain name",
    "aws_api_gateway_method_settings": "API throttling",
    "aws_api_gateway_rest_api": "API",
    "aws_api_gateway_rest_api_policy": "resource policy of the API",
    "aws_api_gateway_stage": "API stage",
    "aws_api_gateway_usage_plan": "usage plan",
    "aws_appautoscaling_policy": "scaling policy",
    "aws_appautoscaling_scheduled_action": "scheduled scaling action",
    "aws_appautoscaling_target": "scalable target",
    "aws_budgets_budget": "budget",
    "aws_ce_anomaly_monitor": "anomaly monitor",
    "aws_ce_anomaly_subscription": "anomaly subscription",
    "aws_cloudwatch_log_group": "log group",
    "aws_cloudwatch_metric_alarm": "alarm",
    "aws_dynamodb_table": "table",
    "aws_iam_policy": "IAM policy",
    "aws_iam_role": "IAM role",
    "aws_iam_role_policy": "role policy",
    "aws_iam_role_policy_attachment": "role policy attachment",
    "aws_kms_key": "encryption key",
    "aws_lambda_function": "function",
    "aws_lambda_permission": "function permission",
    "aws_route53_record": "DNS record",
    "aws_s3_bucket": "bucket",
    "aws_sagemaker_endpoint": "endpoint",
    "aws_sagemaker_endpoint_configuration": "endpoint configuration",
    "aws_sagemaker_model": "SageMaker model",
    "aws_wafv2_web_acl": "web ACL",
    "aws_wafv2_web_acl_association": "web ACL association",
}

# Immutable resources, named after a digest of their content: a deletion and a creation are a new version.
VERSIONED = ("aws_sagemaker_model", "aws_sagemaker_endpoint_configuration")

# These exist only in Terraform's state, not in AWS.
STATE_ONLY = ("terraform_data", "null_resource", "time_sleep")

# Consequence of destroying or replacing a resource of the type.
STATEFUL = {
    "aws_sagemaker_endpoint": "endpoint {name} stops serving",
    "aws_api_gateway_rest_api": "API {name} and its URL are deleted: every client's base URL changes",
    "aws_api_gateway_stage": "API stage {name} is deleted: its URL returns 403",
    "aws_api_gateway_domain_name": "domain name {name} no longer routes to the API",
    "aws_api_gateway_usage_plan": "usage plan {name} is deleted: its API keys are rejected",
    "aws_api_gateway_api_key": "API key {name} is deleted: its clients are rejected",
    "aws_s3_bucket": "bucket {name} is deleted with its objects",
    "aws_s3_object": "object {name} is deleted",
    "aws_kms_key": "key {name} is scheduled for deletion: data encrypted with it becomes unreadable",
    "aws_cloudwatch_log_group": "the logs in {name} are deleted",
    "aws_dynamodb_table": "table {name} is deleted with its data",
    "aws_secretsmanager_secret": "secret {name} is deleted",
    "aws_cognito_user_pool": "user pool {name} is deleted with its users",
    "aws_sqs_queue": "queue {name} is deleted with its messages",
    "aws_wafv2_ip_set": "the addresses in {name} are deleted",
}


def display_name(resource_type: str) -> str:
    """The readable name of a resource type."""
    return _DISPLAY_NAMES.get(resource_type, resource_type.removeprefix("aws_").replace("_", " "))
