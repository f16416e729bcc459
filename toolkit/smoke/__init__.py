"""The smoke test of a deployment.

runner.py        the checks of a deployment, in order
execution.py     runs them: time limits, repetitions, what a failure prevents
endpoint.py      the control plane: endpoint, instances, autoscaling, alarms
runtime.py       the SageMaker runtime: whole and streamed
asynchronous.py  a round trip through S3
function.py      the Lambda functions, as deployed
access.py        the API's credentials: accepted, refused, limited
api.py           the API: whole, streamed, its errors
expectations.py  the answers that the environment file expects
objectives.py    the latency that the environment file demands
telemetry.py     the log and the metrics of the requests above
replies.py       parses replies of models
causes.py        from errors to causes
results.py       the result of a check
formats.py       JSON, JUnit XML and Markdown
"""

from toolkit.smoke.execution import Options
from toolkit.smoke.results import Check, Layer, raise_for_failures
from toolkit.smoke.runner import run, test

__all__ = ["Check", "Layer", "Options", "raise_for_failures", "run", "test"]
