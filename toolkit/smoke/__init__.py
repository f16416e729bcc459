"""The smoke test of a deployment.

runner.py     order of the checks, time limits, repetitions
endpoint.py   the control plane: endpoint, instances, autoscaling, alarms
runtime.py    the SageMaker runtime: whole and streamed
function.py   the Lambda functions, as deployed
access.py     credentials of the API: the request that the others rest on, refused requests, the usage plan
api.py        the API: whole, streamed, its errors
telemetry.py  the log and the metrics of the requests above
replies.py    parses replies of models
causes.py     from errors to causes
results.py    the result of a check
formats.py    JSON, JUnit XML and Markdown
"""

from toolkit.smoke.execution import Options
from toolkit.smoke.results import Check, Layer, raise_for_failures
from toolkit.smoke.runner import run, test

__all__ = ["Check", "Layer", "Options", "raise_for_failures", "run", "test"]
