"""Model weights in the model store: their addresses, and uploads.

A model's weights have the prefix `s3://<model store>/<model>/<digest>/`. The digest identifies the weights
(by the files' contents, or by repository, commit and file patterns on the hub), so other weights have another
address and become another model in SageMaker. A manifest outside the prefix, written last, marks complete
weights.
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
