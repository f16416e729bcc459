"""What Terraform's resource types are called among people, and which of them hold what is lost with them."""

from __future__ import annotations

NAMES = {
    "aws_api_gateway_account": "API Gateway's logging role",
    "aws_api_gateway_base_path_mapping": "way from the domain to the API's stage",
    "aws_api_gateway_deployment": "API deployment",
    "aws_api_gateway_domain_name": "API domain name",
    "aws_api_gateway_method_settings": "API throttling",
    "aws_api_gateway_rest_api": "API",
    "aws_api_gateway_stage": "API stage",
    "aws_api_gateway_usage_plan": "usage plan",
    "aws_appautoscaling_policy": "scaling policy",
    "aws_appautoscaling_scheduled_action": "scaling schedule",
    "aws_appautoscaling_target": "fleet bounds",
    "aws_cloudwatch_log_group": "log group",
    "aws_cloudwatch_metric_alarm": "alarm",
    "aws_iam_policy": "policy",
    "aws_iam_role": "role",
    "aws_iam_role_policy": "rights of a role",
    "aws_iam_role_policy_attachment": "rights of a role",
    "aws_kms_key": "encryption key",
    "aws_lambda_function": "function",
    "aws_lambda_permission": "permission to call a function",
    "aws_route53_record": "DNS record",
    "aws_s3_bucket": "bucket",
    "aws_sagemaker_endpoint": "endpoint",
    "aws_sagemaker_endpoint_configuration": "endpoint configuration",
    "aws_sagemaker_model": "SageMaker model",
    "aws_wafv2_web_acl": "firewall",
    "aws_wafv2_web_acl_association": "firewall's place before the API",
}

# Immutable things that are made anew under a name with their content's digest: one that goes while another
# comes is a new version.
VERSIONED = ("aws_sagemaker_model", "aws_sagemaker_endpoint_configuration")

# Terraform's notes to itself: nothing of them is in AWS.
BOOKKEEPING = ("terraform_data", "null_resource", "time_sleep")

# What is lost when one of these is destroyed, or replaced: a sentence about it, by `{name}`.
STATEFUL = {
    "aws_sagemaker_endpoint": "the endpoint {name} stops answering",
    "aws_api_gateway_rest_api": "the API {name} and its address are gone: every client's base URL changes",
    "aws_api_gateway_stage": "the API's stage {name} is gone: its address answers 403",
    "aws_api_gateway_domain_name": "the domain name {name} no longer leads to the API",
    "aws_api_gateway_usage_plan": "the usage plan {name} is gone: API keys without a plan are refused",
    "aws_api_gateway_api_key": "the API key {name} is gone: whoever uses it is refused",
    "aws_s3_bucket": "the bucket {name} is deleted with what lies in it",
    "aws_s3_object": "the object {name} is deleted",
    "aws_kms_key": "the key {name} is to be deleted: what it encrypted cannot be read afterwards",
    "aws_cloudwatch_log_group": "the logs in {name} are deleted",
    "aws_dynamodb_table": "the table {name} is deleted with what is in it",
    "aws_secretsmanager_secret": "the secret {name} is deleted",
    "aws_cognito_user_pool": "the user pool {name} is deleted with its users",
    "aws_sqs_queue": "the queue {name} is deleted with the messages in it",
    "aws_wafv2_ip_set": "the addresses in {name} are deleted",
}


def name(resource_type: str) -> str:
    """What people call it."""
    return NAMES.get(resource_type, resource_type.removeprefix("aws_").replace("_", " "))
