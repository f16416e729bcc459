"""CloudWatch metrics and alarms: what moto keeps of them, made to work.

series        samples of every metric, and statistics over them
cloudwatch    moto's CloudWatch API on those samples: exact dimensions, percentiles, histories of alarms
evaluation    what state an alarm is in, by its datapoints
alarms        alarms evaluated period by period, and their actions
topics        actions that are SNS topics
service       all of it as a part of the cloud: `Metrics`

A metric's samples have the present time. Statistics are over the periods that a caller asks for. Only alarms
look at periods of scaled length: see `toolkit.local.timescale`.
"""
