"""moto, extended: the control plane of everything that no service of the cloud handles.

application  moto as an ASGI application; WAF and Route 53, extended
dynamodb     DynamoDB, extended: atomic updates
s3           S3, extended: large objects in files, checksums, owners
"""
