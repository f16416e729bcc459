"""Images in registries of other accounts: those of AWS are known from the catalogue, no others."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from moto.ecr.models import ECRBackend

from toolkit.serving import catalogue


def extend() -> None:
    """Extend moto in this process."""
    own = ECRBackend.batch_get_image

    def batch_get_image(
        self: ECRBackend, repository_name: str, registry_id: str | None = None, image_ids: Any = None
    ) -> dict[str, Any]:
        if registry_id in (None, self.account_id):
            return own(self, repository_name, registry_id, image_ids)
        images, failures = [], []
        for image in image_ids or ():
            tagged = f"{repository_name}:{image.get('imageTag')}"
            if catalogue.is_published(str(registry_id), self.region_name, tagged):
                images.append(_image(str(registry_id), repository_name, image))
            else:
                reason = "Requested image not found"
                failures.append({"imageId": image, "failureCode": "ImageNotFound", "failureReason": reason})
        return {"images": images, "failures": failures}

    ECRBackend.batch_get_image = batch_get_image  # type: ignore[method-assign]


def image_digest(tagged: str) -> str:
    """The digest of an image of AWS: made of repository and tag, the same in every registry."""
    name = tagged.partition("/")[2] if ".dkr.ecr" in tagged else tagged
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def _image(registry: str, repository: str, image: dict[str, str]) -> dict[str, Any]:
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": kind})
    digest = image.get("imageDigest") or image_digest(f"{repository}:{image.get('imageTag')}")
    return {
        "registryId": registry,
        "repositoryName": repository,
        "imageId": {**image, "imageDigest": digest},
        "imageManifest": manifest,
        "imageManifestMediaType": kind,
    }
