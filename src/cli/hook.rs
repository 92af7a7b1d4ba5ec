//! `writ hook`: what the Helm chart runs as Jobs around an installation, an upgrade, a test and a removal.
//!
//! Hooks hold rights that `writ serve` never has, and live for seconds. Each may be run again at any time: it gathers
//! what is there, decides, and changes only what is missing.

mod authority;
mod ca_bundle;
mod install;
mod objects;
mod pre_delete;
mod pre_upgrade;
mod self_test;

pub use ca_bundle::CaBundleHook;
pub use install::InstallHook;
pub(in crate::cli) use objects::{PUBLIC_KEY, STORE_ROOT};
pub use pre_delete::PreDeleteHook;
pub use pre_upgrade::PreUpgradeHook;
pub use self_test::SelfTestHook;

/// Steps of the Helm chart, run as Jobs in Writ's namespace.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum HookCommand {
    /// Makes the certificate authority, the signing key and the root of the store, unless they are there.
    Install(InstallHook),
    /// Puts the certificate authority into the webhook configurations.
    CaBundle(CaBundleHook),
    /// Compiles every policy version in force with this program and refuses if one fails or changes.
    PreUpgrade(PreUpgradeHook),
    /// Removes the protecting policies, then the webhooks.
    PreDelete(PreDeleteHook),
    /// Asks the API server to ask Writ, without changing anything.
    SelfTest(SelfTestHook),
}

impl HookCommand {
    /// Runs the hook against the cluster that the program runs in, or that `KUBECONFIG` names.
    ///
    /// # Errors
    /// What could not be done, and what to do about it. Nothing that exists has been overwritten.
    pub async fn run(self) -> anyhow::Result<()> {
        let client = kube::Client::try_default().await?;
        let result = match self {
            Self::Install(hook) => hook.run(client).await,
            Self::CaBundle(hook) => hook.run(client).await,
            Self::PreUpgrade(hook) => hook.run(client).await,
            Self::PreDelete(hook) => hook.run(client).await,
            Self::SelfTest(hook) => hook.run(client).await,
        };
        result.map_err(readable)
    }
}

/// An answer of the API server as its message alone: printed whole, it says everything three times.
fn readable(error: anyhow::Error) -> anyhow::Error {
    let mut parts = Vec::new();
    for cause in error.chain() {
        match cause.downcast_ref() {
            Some(kube::Error::Api(status)) => {
                parts.push(status.message.clone());
                break;
            }
            _ => parts.push(cause.to_string()),
        }
    }
    anyhow::Error::msg(parts.join(": "))
}
