"""Application Auto Scaling: scalable targets, their policies and schedules, their tags.

Not moto's, which lacks tags, and for whose sake moto would load all of EC2: seconds and a hundred
megabytes. Targets bound the instance counts of SageMaker's variants.
"""
