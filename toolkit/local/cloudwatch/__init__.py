"""CloudWatch metrics and alarms: moto's API on its own samples, with alarms that are evaluated.

service     the service: publish metrics, wait for alarms, register alarm actions
responses   moto's CloudWatch operations on these samples: exact dimensions, percentiles, alarm histories
models      samples of every metric, and statistics over them
evaluation  an alarm's state, by its datapoints
alarms      alarms evaluated at the end of each period, and their actions

Samples have the present time, and statistics cover the periods that a caller requests. Only alarms use
periods of scaled length: see `toolkit.local.timescale`.
"""
