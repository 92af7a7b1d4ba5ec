use std::time::Duration;

/// How a replica's controller is configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Writ's own namespace: its lease and its records.
    pub namespace: String,
    /// This replica's name: a DNS label, the same after a restart.
    pub replica: String,
    /// Namespace labels that only trusted people can set, beside `kubernetes.io/metadata.name`.
    pub guarded_labels: Vec<String>,
    /// Name of both webhook configurations of this installation.
    pub webhook_configuration: String,
    /// The users as whom Writ's replicas act: only they write the status of Writ's own kinds.
    pub own_users: Vec<String>,
    /// Whether the API server proves to the webhook that it is the caller.
    pub callers_authenticated: bool,
    /// The operator accepts `Once` policies without that.
    pub accept_unauthenticated_once: bool,
    /// How often it is checked that the watches have seen everything. At most a third of the time after which a
    /// replica stops deciding.
    pub currency_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            namespace: "writ-system".to_owned(),
            replica: "writ-0".to_owned(),
            guarded_labels: Vec::new(),
            webhook_configuration: "zz-writ".to_owned(),
            own_users: vec!["system:serviceaccount:writ-system:writ".to_owned()],
            callers_authenticated: false,
            accept_unauthenticated_once: false,
            currency_interval: Duration::from_secs(3),
        }
    }
}

impl Settings {
    /// Whether `Once` policies may be enforced.
    #[must_use]
    pub const fn once_is_safe(&self) -> bool {
        self.callers_authenticated || self.accept_unauthenticated_once
    }
}
