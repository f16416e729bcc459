"""Application Auto Scaling: scalable targets, their policies, scheduled actions and tags.

This replaces moto's, which lacks tags and makes moto load all of EC2 (seconds, and 100 MB).

service     the service: assembles the parts
responses   the operations, and the service-linked role
models      scalable targets with their policies and scheduled actions; scaling activities
capacity    instance counts of SageMaker variants, and their changes: bounds, one at a time, cooldowns
policies    target tracking and step scaling, and the alarms of target tracking
schedules   the grammar of cron(…), at(…) and rate(…)
lifecycle   one region: alarms and the clock change capacities
"""
