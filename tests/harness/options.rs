//! What a cluster shall be like.

/// The Kubernetes minor of an API server; the patch versions are pinned in `tests/cluster/tools/*/go.mod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Minor {
    /// 1.37
    Current,
    /// 1.36. Built at its first use, which takes minutes.
    Previous,
}

/// How much an API server writes into its audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audit {
    /// No audit log.
    Off,
    /// Every request: who did what, the decision, the annotations of webhooks.
    Metadata,
    /// The same with the bodies of requests and answers.
    RequestResponse,
}

/// A description of a cluster; `Options::default()` is etcd and one API server of the current minor.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) name: Option<String>,
    pub(crate) minor: Minor,
    pub(crate) second_api_server: Option<Minor>,
    pub(crate) controller_manager: bool,
    pub(crate) scheduler: bool,
    pub(crate) authenticate_to_webhooks: bool,
    pub(crate) audit: Audit,
    pub(crate) feature_gates: Vec<(String, bool)>,
    pub(crate) api_server_args: Vec<String>,
    pub(crate) api_server_env: Vec<(String, String)>,
    pub(crate) etcd_args: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: None,
            minor: Minor::Current,
            second_api_server: None,
            controller_manager: false,
            scheduler: false,
            authenticate_to_webhooks: false,
            audit: Audit::Off,
            feature_gates: Vec::new(),
            api_server_args: Vec::new(),
            api_server_env: Vec::new(),
            etcd_args: Vec::new(),
        }
    }
}

impl Options {
    /// A name by which the `cluster` command finds it. Without one, a free name is made up.
    pub(crate) fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// The minor of the (first) API server.
    pub(crate) fn minor(mut self, minor: Minor) -> Self {
        self.minor = minor;
        self
    }

    /// A second API server (`kube-apiserver-2`) on the same etcd.
    pub(crate) fn second_api_server(mut self, minor: Minor) -> Self {
        self.second_api_server = Some(minor);
        self
    }

    /// The controllers: Deployment → ReplicaSet → Pod, namespace deletion, garbage collection, service accounts.
    pub(crate) fn controller_manager(mut self) -> Self {
        self.controller_manager = true;
        self
    }

    /// The scheduler.
    pub(crate) fn scheduler(mut self) -> Self {
        self.scheduler = true;
        self
    }

    /// The API servers present a client certificate to every webhook; see `Cluster::webhook_caller`.
    pub(crate) fn authenticate_to_webhooks(mut self) -> Self {
        self.authenticate_to_webhooks = true;
        self
    }

    /// An audit log; see `Cluster::audit_log`.
    pub(crate) fn audit(mut self, audit: Audit) -> Self {
        self.audit = audit;
        self
    }

    /// A feature gate for all Kubernetes components.
    pub(crate) fn feature_gate(mut self, name: &str, enabled: bool) -> Self {
        self.feature_gates.push((name.to_owned(), enabled));
        self
    }

    /// Further arguments for every API server, for example `--runtime-config=…`.
    pub(crate) fn api_server_args(mut self, arguments: &[&str]) -> Self {
        self.api_server_args.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// An environment variable for every API server, for example `DISABLE_HTTP2` for its calls to webhooks.
    pub(crate) fn api_server_env(mut self, name: &str, value: &str) -> Self {
        self.api_server_env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Further arguments for etcd, for example `--quota-backend-bytes=16777216`.
    pub(crate) fn etcd_args(mut self, arguments: &[&str]) -> Self {
        self.etcd_args.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }
}
