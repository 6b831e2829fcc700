"""Manifests as people write them: read strictly, judged as a whole, and applied as kubectl does."""

from k8sshim.manifests.apply import Applied, Outcome, apply, not_acted_on
from k8sshim.manifests.documents import Document, load

__all__ = ["Applied", "Document", "Outcome", "apply", "load", "not_acted_on"]
