use super::*;

fn kind_of(group: &str, kind: &str) -> GroupVersionKind {
    GroupVersionKind { group: group.to_owned(), version: "v1".to_owned(), kind: kind.to_owned() }
}

#[test]
fn bodies_of_subresources() {
    let exec = subresource(&kind_of("", "PodExecOptions")).unwrap();
    assert_eq!((exec.resource, exec.subresource, exec.operation), ("pods", "exec", Operation::Connect));
    assert!(exec.namespaced);
    assert!(!subresource(&kind_of("", "NodeProxyOptions")).unwrap().namespaced);
    assert_eq!(subresource(&kind_of("", "Pod")), None);
    assert_eq!(known(&kind_of("", "Eviction")), None);
}

#[test]
fn resources_are_read_as_writ_writes_them() {
    let kind = GroupVersionKind { group: "shop.example".to_owned(), version: "v2".to_owned(), kind: "Cart".to_owned() };
    for (text, resource) in
        [("carts", "shop.example/v2/carts"), ("v1/pods", "v1/pods"), ("apps/v1/deployments", "apps/v1/deployments")]
    {
        assert_eq!(parse_resource(text, &kind).map(|resource| resource.to_string()).as_deref(), Ok(resource));
    }
    for wrong in ["", "/", "Carts", "a/b/c/d", "deployments/scale ", "v1/"] {
        assert!(parse_resource(wrong, &kind).is_err(), "{wrong}");
    }
}

/// The types that are generated from Kubernetes' own API description say the same.
#[cfg(feature = "cluster")]
#[test]
fn the_table_is_right() {
    use k8s_openapi::{Resource, api, apiextensions_apiserver, kube_aggregator};

    trait Scope {
        const NAMESPACED: bool;
    }
    impl Scope for k8s_openapi::ClusterResourceScope {
        const NAMESPACED: bool = false;
    }
    impl Scope for k8s_openapi::NamespaceResourceScope {
        const NAMESPACED: bool = true;
    }
    fn check<T: Resource<Scope: Scope>>(checked: &mut Vec<&'static str>) {
        let known = known(&kind_of(T::GROUP, T::KIND)).unwrap_or_else(|| panic!("{}", T::KIND));
        let facts = (T::URL_PATH_SEGMENT, <T::Scope as Scope>::NAMESPACED);
        assert_eq!((known.resource, known.namespaced), facts, "{}", T::KIND);
        assert_eq!(known_resource(T::GROUP, T::URL_PATH_SEGMENT), Some(known));
        checked.push(T::KIND);
    }
    macro_rules! check_all {
        ($($kind:ty),* $(,)?) => {{
            let mut checked = Vec::new();
            $(check::<$kind>(&mut checked);)*
            checked
        }};
    }
    let checked = check_all![
        api::core::v1::ConfigMap,
        api::core::v1::Endpoints,
        api::core::v1::Event,
        api::core::v1::LimitRange,
        api::core::v1::Namespace,
        api::core::v1::Node,
        api::core::v1::PersistentVolume,
        api::core::v1::PersistentVolumeClaim,
        api::core::v1::Pod,
        api::core::v1::PodTemplate,
        api::core::v1::ReplicationController,
        api::core::v1::ResourceQuota,
        api::core::v1::Secret,
        api::core::v1::Service,
        api::core::v1::ServiceAccount,
        api::admissionregistration::v1::MutatingAdmissionPolicy,
        api::admissionregistration::v1::MutatingAdmissionPolicyBinding,
        api::admissionregistration::v1::MutatingWebhookConfiguration,
        api::admissionregistration::v1::ValidatingAdmissionPolicy,
        api::admissionregistration::v1::ValidatingAdmissionPolicyBinding,
        api::admissionregistration::v1::ValidatingWebhookConfiguration,
        apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
        kube_aggregator::pkg::apis::apiregistration::v1::APIService,
        api::apps::v1::ControllerRevision,
        api::apps::v1::DaemonSet,
        api::apps::v1::Deployment,
        api::apps::v1::ReplicaSet,
        api::apps::v1::StatefulSet,
        api::autoscaling::v2::HorizontalPodAutoscaler,
        api::batch::v1::CronJob,
        api::batch::v1::Job,
        api::certificates::v1::CertificateSigningRequest,
        api::certificates::v1::ClusterTrustBundle,
        api::certificates::v1::PodCertificateRequest,
        api::coordination::v1::Lease,
        api::coordination::v1beta1::LeaseCandidate,
        api::discovery::v1::EndpointSlice,
        api::events::v1::Event,
        api::flowcontrol::v1::FlowSchema,
        api::flowcontrol::v1::PriorityLevelConfiguration,
        api::networking::v1::IPAddress,
        api::networking::v1::Ingress,
        api::networking::v1::IngressClass,
        api::networking::v1::NetworkPolicy,
        api::networking::v1::ServiceCIDR,
        api::node::v1::RuntimeClass,
        api::policy::v1::PodDisruptionBudget,
        api::rbac::v1::ClusterRole,
        api::rbac::v1::ClusterRoleBinding,
        api::rbac::v1::Role,
        api::rbac::v1::RoleBinding,
        api::resource::v1::DeviceClass,
        api::resource::v1::DeviceTaintRule,
        api::resource::v1::ResourceClaim,
        api::resource::v1::ResourceClaimTemplate,
        api::resource::v1::ResourceSlice,
        api::scheduling::v1::PriorityClass,
        api::storage::v1::CSIDriver,
        api::storage::v1::CSINode,
        api::storage::v1::CSIStorageCapacity,
        api::storage::v1::StorageClass,
        api::storage::v1::VolumeAttachment,
        api::storage::v1::VolumeAttributesClass,
        api::storagemigration::v1::StorageVersionMigration,
    ];
    let ours = KINDS.iter().filter(|known| ["writ.dev", "gateway.networking.k8s.io"].contains(&known.group)).count();
    assert_eq!(checked.len() + ours, KINDS.len());
}
