"""Who may do what with an environment: the deployers' IAM policies, rendered from `policies/iam/`."""

from __future__ import annotations

from toolkit.permissions import denials
from toolkit.permissions.documents import BOUNDARY, MAX_CHARACTERS, NAMES, Document, document, documents
from toolkit.permissions.grants import granted_by

__all__ = [
    "BOUNDARY",
    "MAX_CHARACTERS",
    "NAMES",
    "Document",
    "denials",
    "document",
    "documents",
    "granted_by",
]
