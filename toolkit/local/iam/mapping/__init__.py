"""From an HTTP request to IAM's terms.

operations              the operation and its parameters
checks                  the actions and resources that it needs
dependents              further actions that it needs, such as iam:PassRole
reference               AWS's Service Authorization Reference
arns                    resource ARNs from parameters
condition_keys          the values of condition keys
s3, apigateway, wafv2   services with their own rules
"""
