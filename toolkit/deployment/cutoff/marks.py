"""Marks that an interruption leaves in the state on what was made whole.

Terraform marks what it was making as tainted, and makes it anew. SageMaker makes a model or a configuration
at once or not at all, and their names are their content's: another one of the same name is refused, by every
apply again, until the mark is gone.
"""

from __future__ import annotations

from toolkit.deployment.context import Context
from toolkit.errors import TerraformError
from toolkit.terraform import Plan, Workspace

WHOLE = ("aws_sagemaker_model", "aws_sagemaker_endpoint_configuration")


def whole(plan: Plan) -> list[str]:
    """Addresses of what a plan makes anew though it is there as it should be."""
    return [
        change.address
        for change in plan.changes
        if (change.action, change.reason) == ("replace", "tainted") and change.resource_type in WHOLE
    ]


def remove(context: Context, workspace: Workspace, plan: Plan) -> bool:
    """Take the marks away; returns whether the plan is another one now."""
    marked = whole(plan)
    try:
        for address in marked:
            workspace.untaint(address)
            context.console.line(f"keeping {address}: an apply that was interrupted had made it")
    except TerraformError as error:
        # Who may only look sees what Terraform would do.
        context.console.warning(str(error))
        return False
    return bool(marked)
