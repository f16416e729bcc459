"""An OpenAI-compatible API in front of SageMaker endpoints, as a web function in AWS Lambda.

`app` and `handlers` speak HTTP, `service` answers; `schema`, `dialects`, `chunks` and `completion`
know the data.
"""
