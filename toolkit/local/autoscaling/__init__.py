"""Application Auto Scaling: scalable targets, their policies and schedules, their tags.

Not moto's, which lacks tags, and for whose sake moto would load all of EC2: seconds and a hundred
megabytes. Targets bound the instance counts of SageMaker's variants, and policies and schedules move them.

targets     scalable targets, with their policies and scheduled actions
variants    SageMaker's side: how many instances there are, and shall be
scaling     changes of capacity: within the bounds, one at a time, with cooldowns
activities  what was done
alarms      the alarms that target tracking makes for itself
policies    an alarm fires, the capacity follows: target tracking and steps
cron        expressions of schedules
schedules   scheduled actions, when they are due
region      all of it, in one region
service     the operations
"""
