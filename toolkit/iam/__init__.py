"""The deployers' IAM policies, rendered from `policies/iam/`, and AWS's "access denied" messages."""

from __future__ import annotations

from toolkit.iam import denials
from toolkit.iam.denials import granted_by
from toolkit.iam.documents import BOUNDARY, MAX_CHARACTERS, NAMES, Document, document, documents

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
