"""The kinds of objects that there are: Kubernetes', an administrator's policies and podwire's own, as a table.

Server, client, validation and manifests all need the same facts about a kind (where it is served, how it is called,
whether it lives in a namespace), so they stand here once. The table lists a kind under the version that current
Kubernetes serves by default; kinds that have not reached a stable version are listed under their newest. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from k8sshim.cluster import CLUSTER_API_VERSION

POLICY_GROUP = "policy.networking.k8s.io"  # of an administrator's policies: kubernetes-sigs/network-policy-api


@dataclass(frozen=True)
class Kind:
    """What the API says about one kind of object, as `kubectl api-resources` shows it."""

    group: str  # "" for the core group
    version: str
    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...]
    namespaced: bool
    has_status: bool  # the subresource `status`
    has_scale: bool  # the subresource `scale`
    in_all: bool  # belongs to the category `all` of `kubectl get all`
    stored: bool  # False for kinds that are only ever asked (reviews, Binding)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


# apiVersion, then a line a kind: kind, plural, short names, and what it has:
# n(amespaced), s(tatus), c (scale), a (in the category `all`), x (asked only, not stored)
_TABLE = f"""
v1
  Binding bindings - nx
  ComponentStatus componentstatuses cs -
  ConfigMap configmaps cm n
  Endpoints endpoints ep n
  Event events ev n
  LimitRange limitranges limits n
  Namespace namespaces ns s
  Node nodes no s
  PersistentVolume persistentvolumes pv s
  PersistentVolumeClaim persistentvolumeclaims pvc ns
  Pod pods po nsa
  PodTemplate podtemplates - n
  ReplicationController replicationcontrollers rc nsca
  ResourceQuota resourcequotas quota ns
  Secret secrets - n
  Service services svc nsa
  ServiceAccount serviceaccounts sa n
admissionregistration.k8s.io/v1
  MutatingAdmissionPolicy mutatingadmissionpolicies - -
  MutatingAdmissionPolicyBinding mutatingadmissionpolicybindings - -
  MutatingWebhookConfiguration mutatingwebhookconfigurations - -
  ValidatingAdmissionPolicy validatingadmissionpolicies - s
  ValidatingAdmissionPolicyBinding validatingadmissionpolicybindings - -
  ValidatingWebhookConfiguration validatingwebhookconfigurations - -
apiextensions.k8s.io/v1
  CustomResourceDefinition customresourcedefinitions crd,crds s
apiregistration.k8s.io/v1
  APIService apiservices - s
apps/v1
  ControllerRevision controllerrevisions - n
  DaemonSet daemonsets ds nsa
  Deployment deployments deploy nsca
  ReplicaSet replicasets rs nsca
  StatefulSet statefulsets sts nsca
authentication.k8s.io/v1
  SelfSubjectReview selfsubjectreviews - x
  TokenReview tokenreviews - x
authorization.k8s.io/v1
  LocalSubjectAccessReview localsubjectaccessreviews - nx
  SelfSubjectAccessReview selfsubjectaccessreviews - x
  SelfSubjectRulesReview selfsubjectrulesreviews - x
  SubjectAccessReview subjectaccessreviews - x
autoscaling/v2
  HorizontalPodAutoscaler horizontalpodautoscalers hpa nsa
autoscaling/v1
  HorizontalPodAutoscaler horizontalpodautoscalers hpa nsa
batch/v1
  CronJob cronjobs cj nsa
  Job jobs - nsa
certificates.k8s.io/v1
  CertificateSigningRequest certificatesigningrequests csr s
  ClusterTrustBundle clustertrustbundles - -
  PodCertificateRequest podcertificaterequests - ns
coordination.k8s.io/v1
  Lease leases - n
coordination.k8s.io/v1beta1
  LeaseCandidate leasecandidates - n
discovery.k8s.io/v1
  EndpointSlice endpointslices - n
events.k8s.io/v1
  Event events ev n
flowcontrol.apiserver.k8s.io/v1
  FlowSchema flowschemas - s
  PriorityLevelConfiguration prioritylevelconfigurations - s
internal.apiserver.k8s.io/v1alpha1
  StorageVersion storageversions - s
lifecycle.k8s.io/v1alpha1
  Eviction evictions - ns
  EvictionRequest evictionrequests - ns
networking.k8s.io/v1
  Ingress ingresses ing ns
  IngressClass ingressclasses - -
  IPAddress ipaddresses ip -
  NetworkPolicy networkpolicies netpol n
  ServiceCIDR servicecidrs - s
node.k8s.io/v1
  RuntimeClass runtimeclasses - -
{POLICY_GROUP}/v1alpha2
  ClusterNetworkPolicy clusternetworkpolicies cnp s
{POLICY_GROUP}/v1alpha1
  AdminNetworkPolicy adminnetworkpolicies anp s
  BaselineAdminNetworkPolicy baselineadminnetworkpolicies banp s
policy/v1
  PodDisruptionBudget poddisruptionbudgets pdb ns
rbac.authorization.k8s.io/v1
  ClusterRole clusterroles - -
  ClusterRoleBinding clusterrolebindings - -
  Role roles - n
  RoleBinding rolebindings - n
resource.k8s.io/v1
  DeviceClass deviceclasses - -
  DeviceTaintRule devicetaintrules - s
  ResourceClaim resourceclaims - ns
  ResourceClaimTemplate resourceclaimtemplates - n
  ResourceSlice resourceslices - -
resource.k8s.io/v1alpha3
  ResourcePoolStatusRequest resourcepoolstatusrequests - s
scheduling.k8s.io/v1
  PriorityClass priorityclasses pc -
scheduling.k8s.io/v1beta1
  PodGroup podgroups - ns
  Workload workloads - n
scheduling.k8s.io/v1alpha3
  CompositePodGroup compositepodgroups - ns
storage.k8s.io/v1
  CSIDriver csidrivers - -
  CSINode csinodes - s
  CSIStorageCapacity csistoragecapacities - n
  StorageClass storageclasses sc -
  VolumeAttachment volumeattachments - s
  VolumeAttributesClass volumeattributesclasses vac -
storagemigration.k8s.io/v1
  StorageVersionMigration storageversionmigrations - s
{CLUSTER_API_VERSION}
  Cluster clusters - s
"""

# The kinds that podwire acts on; every other one is stored, and reported as not acted on.
ACTED_ON = frozenset(
    {
        ("v1", "Endpoints"),
        ("v1", "Namespace"),
        ("v1", "Node"),
        ("v1", "Pod"),
        ("v1", "ReplicationController"),
        ("v1", "Service"),
        ("v1", "ServiceAccount"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "ReplicaSet"),
        ("apps/v1", "StatefulSet"),
        ("coordination.k8s.io/v1", "Lease"),
        ("batch/v1", "CronJob"),
        ("batch/v1", "Job"),
        ("discovery.k8s.io/v1", "EndpointSlice"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("policy/v1", "PodDisruptionBudget"),
        (f"{POLICY_GROUP}/v1alpha1", "AdminNetworkPolicy"),
        (f"{POLICY_GROUP}/v1alpha1", "BaselineAdminNetworkPolicy"),
        (f"{POLICY_GROUP}/v1alpha2", "ClusterNetworkPolicy"),
        (CLUSTER_API_VERSION, "Cluster"),
    }
)


def _kinds(table: str) -> Iterator[Kind]:
    group = version = ""
    for line in table.strip().splitlines():
        if not line.startswith(" "):
            group, _, version = line.rpartition("/")
            continue
        kind, plural, short, has = line.split()
        yield Kind(
            group=group,
            version=version,
            kind=kind,
            plural=plural,
            singular=kind.lower(),
            short_names=() if short == "-" else tuple(short.split(",")),
            namespaced="n" in has,
            has_status="s" in has,
            has_scale="c" in has,
            in_all="a" in has,
            stored="x" not in has,
        )


KINDS: tuple[Kind, ...] = tuple(_kinds(_TABLE))
_BY_NAME = {(kind.api_version, kind.kind): kind for kind in KINDS}


def find(api_version: str, kind: str) -> Kind | None:
    """The kind of that name in that apiVersion, or None where there is none."""
    return _BY_NAME.get((api_version, kind))


def api_versions(kind: str) -> tuple[str, ...]:
    """Every apiVersion that has a kind of that name."""
    return tuple(entry.api_version for entry in KINDS if entry.kind == kind)
