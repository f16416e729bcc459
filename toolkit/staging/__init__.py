"""Model weights in the model store: where they lie, and how they get there.

A model's weights lie under `s3://<model store>/<model>/<digest>/`. The digest is of what the weights are
(the files' contents, or the hub's repository, commit and the files wanted), so that other weights are
another address and with it another model in SageMaker. A manifest outside of that prefix, written last,
says that all of them are there.
"""

from toolkit.staging.addresses import StagedModel, locate, locate_one, variants_with_weights
from toolkit.staging.inventory import StoredModel, inventory, not_staged_reason
from toolkit.staging.manifest import Manifest
from toolkit.staging.transfer import Staged, stage, upload

__all__ = [
    "Manifest",
    "Staged",
    "StagedModel",
    "StoredModel",
    "inventory",
    "locate",
    "locate_one",
    "not_staged_reason",
    "stage",
    "upload",
    "variants_with_weights",
]
