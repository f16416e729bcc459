"""Run Terraform. No other package does.

    program = discover(project, console)
    workspace = Workspace(
        program=program, project=project, console=console,
        stack=project.stack("inference"), directory=project.environment_build("dev") / "inference",
        var_file=…, backend_file=…, environment={"AWS_REGION": "us-east-1", "AWS_PROFILE": None},
    )
    workspace.init()                     # skipped if nothing it depends on has changed
    plan = workspace.plan()              # or plan(destroy=True)
    if plan.has_changes:
        workspace.apply(plan)
    workspace.outputs()                  # {"api_id": "abc123", …}

    state_file.parse(content, where).outputs    # outputs from a state file, without Terraform

    workspace.show(plan)                 # Terraform's JSON of a plan
    workspace.validate()                 # after init; works without a backend_file
    program.describe()                   # for people

They raise TerraformError (exit 5), StateError (locked or stale, exit 9), InterruptedByUserError (exit 130,
after Terraform has stopped gracefully) and PreflightError (no usable program).
"""

from toolkit.terraform.plan import Plan
from toolkit.terraform.program import Program, discover
from toolkit.terraform.progress import Watch
from toolkit.terraform.transcript import Change, Counts
from toolkit.terraform.workspace import Workspace

__all__ = ["Change", "Counts", "Plan", "Program", "Watch", "Workspace", "discover"]
