"""An OpenAI-compatible API in front of SageMaker endpoints, as a web function in AWS Lambda.

`app`, `handlers` and `responses` speak HTTP, `service` answers and `endpoints` asks SageMaker; `schema`,
`dialects`, `chunks`, `completion` and `embeddings` know the data, `requestlog` and `metrics` tell of it.
"""
