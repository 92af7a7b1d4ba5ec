//! A running cluster: what tests ask it for, and what they do to it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::client::Client;
use super::component::Component;
use super::control_plane::{
    API_SERVER, Addresses, CONTROLLER_MANAGER, ETCD, Plan, SCHEDULER, SECOND_API_SERVER, audit_log,
};
use super::kubeconfig::{cluster_access, webhook_access};
use super::node::{self, CONTAINERD, KUBE_PROXY, KUBELET, Namespaces, Node};
use super::options::Options;
use super::pki::{Authority, Identity};
use super::place::Place;
use super::state::State;
use super::{connect, image, tools};

/// How long a component may take to be ready. In a quiet machine all of them together take 3 s.
const READY: Duration = Duration::from_secs(90);

/// The user whose certificate the API servers show to webhooks.
pub(crate) const WEBHOOK_CALLER: &str = "system:writ-test:webhook-caller";

/// A cluster. Dropping it ends every process and removes every file; so does the end of this process, however it comes.
/// If anything panicked in this process meanwhile, the logs are kept and their place is printed.
pub(crate) struct Cluster {
    state: State,
    node: Option<Namespaces>,
    components: Mutex<BTreeMap<String, Component>>,
    addresses: Addresses,
    authority: Authority,
    webhook_authority: Authority,
    webhook_caller: Option<Identity>,
    admin: PathBuf,
    client: Client,
    kubeconfigs: AtomicU32,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Stdout of a command that must succeed.
    pub(crate) fn ok(self) -> Result<String> {
        if self.success { Ok(self.stdout) } else { bail!("the command failed: {}{}", self.stderr, self.stdout) }
    }

    /// Stderr of a command that must fail.
    pub(crate) fn refused(self) -> Result<String> {
        if self.success { bail!("the command succeeded: {}", self.stdout) } else { Ok(self.stderr) }
    }
}

impl Cluster {
    /// etcd and an API server on loopback, with what `options` adds. Needs no root and takes about 3 s; any number of
    /// them can run side by side.
    pub(crate) fn control_plane(options: Options) -> Result<Self> {
        let state = State::create(options.name.as_deref())?;
        let addresses = Addresses::loopback(&state)?;
        let cluster = Self::prepare(state, None, addresses, &options)?;
        cluster.ready_or_failed(|| cluster.start_control_plane())?;
        Ok(cluster)
    }

    /// A whole cluster with one node that runs real pods, in namespaces of its own. Needs root and takes about 8 s; any
    /// number of them can run side by side, since each has a network of its own (see `connect` and `forward`).
    pub(crate) fn node(options: Options) -> Result<Self> {
        node::check_prerequisites()?;
        let options = Options { controller_manager: true, scheduler: true, ..options };
        let state = State::create(options.name.as_deref())?;
        let namespaces = Namespaces::create(&state).inspect_err(|_| state.mark_failed())?;
        let cluster = Self::prepare(state, Some(namespaces), Addresses::fixed(node::ADDRESS), &options)?;
        cluster.ready_or_failed(|| {
            cluster.launch(CONTAINERD)?;
            cluster.start_control_plane()?;
            cluster.wait_ready(CONTAINERD)?;
            cluster.load(&image::pause_archive(&tools::cache()?)?)?;
            cluster.launch(KUBELET)?;
            cluster.start(KUBE_PROXY)?;
            cluster.wait_ready(KUBELET)
        })?;
        Ok(cluster)
    }

    fn start_control_plane(&self) -> Result<()> {
        for name in [ETCD, API_SERVER, SECOND_API_SERVER, CONTROLLER_MANAGER, SCHEDULER] {
            if self.has(name) {
                self.start(name)?;
            }
        }
        Ok(())
    }

    fn prepare(state: State, node: Option<Namespaces>, addresses: Addresses, options: &Options) -> Result<Self> {
        let authority = Authority::new("writ test cluster")?;
        let webhook_authority = Authority::new("writ test webhook callers")?;
        let webhook_caller = if options.authenticate_to_webhooks {
            let identity = webhook_authority.client(WEBHOOK_CALLER, &[])?;
            fs::write(state.directory().join("webhook-caller.json"), webhook_access(&identity).to_string())?;
            Some(identity)
        } else {
            None
        };
        let administrator = authority.client("admin", &["system:masters"])?;
        let client = Client::tls(addresses.api_server, authority.certificate(), Some(&administrator))?
            .within(node.as_ref().map(Namespaces::network));
        let cluster = Self {
            components: Mutex::default(),
            admin: state.subdirectory("kubeconfig")?.join("admin.json"),
            state,
            node,
            addresses,
            authority,
            webhook_authority,
            webhook_caller,
            client,
            kubeconfigs: AtomicU32::new(0),
        };
        let access = cluster_access(addresses.api_server, cluster.authority.certificate(), &administrator);
        fs::write(&cluster.admin, access.to_string())?;
        cluster.provide("kubectl")?;
        for mut component in cluster.components_of(options)? {
            component.enter = cluster.enter();
            cluster.add(component);
        }
        Ok(cluster)
    }

    fn components_of(&self, options: &Options) -> Result<Vec<Component>> {
        let node = self.node.as_ref().map(|_| Node { state: &self.state, feature_gates: &options.feature_gates });
        let plan = Plan {
            state: &self.state,
            options,
            addresses: self.addresses,
            authority: &self.authority,
            webhook_caller: self.webhook_caller.as_ref(),
            api_server_args: node.as_ref().map(Node::api_server_args).unwrap_or_default(),
        };
        plan.write_files()?;
        let mut components = vec![plan.etcd()?, plan.api_server(API_SERVER, options.minor, self.addresses.api_server)?];
        if let Some(minor) = options.second_api_server {
            components.push(plan.api_server(SECOND_API_SERVER, minor, self.addresses.second_api_server)?);
        }
        if options.controller_manager {
            components.push(plan.controller_manager(&self.kubeconfig("system:kube-controller-manager", &[])?)?);
        }
        if options.scheduler {
            components.push(plan.scheduler(&self.kubeconfig("system:kube-scheduler", &[])?)?);
        }
        if let Some(node) = node {
            let user = format!("system:node:{}", node::NODE);
            components.push(node.containerd()?);
            components.push(node.kubelet(&self.kubeconfig(&user, &["system:nodes"])?)?);
            components.push(node.kube_proxy(&self.kubeconfig("system:kube-proxy", &[])?)?);
        }
        Ok(components)
    }

    fn ready_or_failed(&self, bring_up: impl FnOnce() -> Result<()>) -> Result<()> {
        bring_up().inspect_err(|_| self.state.mark_failed())
    }

    // ---- who and where

    /// The cluster's name.
    pub(crate) fn name(&self) -> &str {
        self.state.name()
    }

    /// The cluster's directory. Tests may put files there; they go with the cluster.
    pub(crate) fn directory(&self) -> &Path {
        self.state.directory()
    }

    /// What another process would need to run commands in the cluster.
    pub(crate) fn place(&self) -> Place {
        Place::from(self.directory())
    }

    /// The kubeconfig of `admin` in `system:masters`.
    pub(crate) fn admin(&self) -> &Path {
        &self.admin
    }

    /// A new kubeconfig with a client certificate for any user and groups. Rights are a matter of RBAC objects.
    pub(crate) fn kubeconfig(&self, user: &str, groups: &[&str]) -> Result<PathBuf> {
        self.kubeconfig_for(API_SERVER, user, groups)
    }

    /// The same towards the API server of that name (`kube-apiserver-2` is the second).
    pub(crate) fn kubeconfig_for(&self, api_server: &str, user: &str, groups: &[&str]) -> Result<PathBuf> {
        let access = cluster_access(
            self.address(api_server),
            self.authority.certificate(),
            &self.authority.client(user, groups)?,
        );
        let number = self.kubeconfigs.fetch_add(1, Ordering::Relaxed);
        let plain: String = user.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let path = self.state.subdirectory("kubeconfig")?.join(format!("{plain}-{number}.json"));
        fs::write(&path, access.to_string())?;
        Ok(path)
    }

    /// A raw client as `admin`.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A raw client as any user, towards the API server of that name.
    pub(crate) fn client_as(&self, api_server: &str, user: &str, groups: &[&str]) -> Result<Client> {
        let identity = self.authority.client(user, groups)?;
        let client = Client::tls(self.address(api_server), self.authority.certificate(), Some(&identity))?;
        Ok(client.within(self.network()))
    }

    /// Where an API server listens.
    pub(crate) fn address(&self, api_server: &str) -> SocketAddr {
        if api_server == SECOND_API_SERVER { self.addresses.second_api_server } else { self.addresses.api_server }
    }

    /// The cluster's authority: its client certificates are users of the API server. It may also issue a webhook's
    /// serving certificate (`authority().server(&["127.0.0.1"])`; `authority().certificate()` is the `caBundle`).
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The authority that a webhook trusts for its callers. It issues nothing that the API server accepts.
    pub(crate) fn webhook_authority(&self) -> &Authority {
        &self.webhook_authority
    }

    /// What the API servers show to webhooks, with `Options::authenticate_to_webhooks`; the user is [`WEBHOOK_CALLER`].
    pub(crate) fn webhook_caller(&self) -> Option<&Identity> {
        self.webhook_caller.as_ref()
    }

    /// The audit log of an API server, one JSON event a line; written before the request is answered.
    pub(crate) fn audit_log(&self, api_server: &str) -> PathBuf {
        audit_log(&self.state, api_server)
    }

    /// A TCP port on loopback for a server of the test: one that no outgoing connection can take meanwhile.
    pub(crate) fn port(&self) -> Result<u16> {
        self.state.port()
    }

    /// Keeps the logs when the cluster ends. A panic does so by itself; a test that ends with `Err` has to say it.
    pub(crate) fn keep_logs(&self) {
        self.state.mark_failed();
    }

    // ---- commands

    /// A command in this cluster (with a node: in its namespaces). KUBECONFIG is the administrator's, PATH has kubectl.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.place().command(program)
    }

    /// The environment of a command in this cluster.
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        self.place().environment()
    }

    /// Puts a third-party program, for example `helm`, on the PATH of the cluster's commands.
    pub(crate) fn provide(&self, program: &str) -> Result<()> {
        let link = self.state.subdirectory("bin")?.join(program);
        std::os::unix::fs::symlink(tools::path(program)?, &link).with_context(|| format!("linking {}", link.display()))
    }

    /// kubectl as `admin`.
    pub(crate) fn kubectl(&self, arguments: &[&str], stdin: &str) -> Result<Output> {
        self.kubectl_as(&self.admin, arguments, stdin)
    }

    /// kubectl with another kubeconfig.
    pub(crate) fn kubectl_as(&self, kubeconfig: &Path, arguments: &[&str], stdin: &str) -> Result<Output> {
        let mut command = self.command(self.directory().join("bin/kubectl"));
        command.args(arguments).env("KUBECONFIG", kubeconfig);
        run(command, stdin)
    }

    /// A connection to an address of the cluster's network, for example a pod's or a Service's.
    pub(crate) fn connect(&self, address: SocketAddr) -> Result<TcpStream> {
        connect::connect(self.network().as_deref(), address)
    }

    /// A port on loopback, outside of any namespace, that leads to an address of the cluster's network.
    pub(crate) fn forward(&self, address: SocketAddr) -> Result<SocketAddr> {
        connect::forward(self.network(), address)
    }

    /// Imports an OCI archive into the node's image store.
    pub(crate) fn load(&self, archive: &Path) -> Result<()> {
        let archive = archive.canonicalize().with_context(|| archive.display().to_string())?;
        run(node::ctr(&self.enter(), &["images", "import", &archive.display().to_string()])?, "")?.ok()?;
        Ok(())
    }

    /// Gives an image of the node another name, pinned by its digest: `REPOSITORY@sha256:…`, which it answers with.
    pub(crate) fn pin(&self, image: &str, repository: &str) -> Result<String> {
        let list = run(node::ctr(&self.enter(), &["images", "list", &format!("name=={image}")])?, "")?.ok()?;
        let digest = list.split_whitespace().find(|word| word.starts_with("sha256:"));
        let pinned = format!("{repository}@{}", digest.with_context(|| format!("the node has no image {image}"))?);
        run(node::ctr(&self.enter(), &["images", "tag", "--force", image, &pinned])?, "")?.ok()?;
        Ok(pinned)
    }

    // ---- components

    /// Takes another process into the cluster, not started yet: it gets a log, `start`, `stop`, `pause`, `kill`, and
    /// dies with the cluster. `start` does not wait for it to be ready.
    pub(crate) fn add(&self, component: Component) {
        self.lock().insert(component.name().to_owned(), component);
    }

    /// A component for [`Cluster::add`], with the environment of [`Cluster::command`].
    pub(crate) fn component(&self, name: &str, program: impl Into<PathBuf>) -> Component {
        let mut component = Component::new(name, program, self.directory());
        component.enter = self.enter();
        component.environment = self.environment().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        component
    }

    /// The names of all components.
    pub(crate) fn components(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Starts a component and waits until it is ready (an API server: `readyz` and the first namespaces; the
    /// controller-manager: the default service account).
    pub(crate) fn start(&self, name: &str) -> Result<()> {
        self.launch(name)?;
        self.wait_ready(name)
    }

    /// Waits until a component that was launched or resumed is ready; fails at once if it ends.
    pub(crate) fn wait_ready(&self, name: &str) -> Result<()> {
        self.with(name, |component| component.wait(READY, || self.is_ready(name)))
    }

    /// Starts a component and does not wait.
    pub(crate) fn launch(&self, name: &str) -> Result<()> {
        self.with(name, Component::start)
    }

    /// Ends a component in order (SIGTERM, after 30 s SIGKILL) and waits for its end.
    pub(crate) fn stop(&self, name: &str) -> Result<()> {
        self.with(name, Component::stop)
    }

    /// Ends a component at once (SIGKILL) and waits for its end.
    pub(crate) fn kill(&self, name: &str) -> Result<()> {
        self.with(name, Component::kill)
    }

    /// Stops a component where it is (SIGSTOP).
    pub(crate) fn pause(&self, name: &str) -> Result<()> {
        self.with(name, |component| component.pause())
    }

    /// Lets a paused component go on (SIGCONT).
    pub(crate) fn resume(&self, name: &str) -> Result<()> {
        self.with(name, |component| component.resume())
    }

    /// The process id of a running component.
    pub(crate) fn pid(&self, name: &str) -> Result<u32> {
        self.with(name, |component| component.pid())
    }

    /// The file with what a component printed, over all its starts.
    pub(crate) fn log(&self, name: &str) -> Result<PathBuf> {
        self.with(name, |component| Ok(component.log()))
    }

    fn is_ready(&self, name: &str) -> Result<bool> {
        let found = |client: &Client, path: &str| -> Result<bool> { Ok(client.get(path)?.status == 200) };
        match name {
            ETCD => found(&Client::plain(self.addresses.etcd).within(self.network()), "/health"),
            API_SERVER => serves(&self.client),
            SECOND_API_SERVER => serves(&self.client_as(name, "admin", &["system:masters"])?),
            CONTROLLER_MANAGER => found(&self.client, "/api/v1/namespaces/default/serviceaccounts/default"),
            CONTAINERD => Ok(run(node::ctr(&self.enter(), &["version"])?, "")?.success),
            KUBELET => self.node_is_ready(),
            KUBE_PROXY => {
                let address = SocketAddr::new(node::ADDRESS, node::KUBE_PROXY_HEALTH);
                found(&Client::plain(address).within(self.network()), "/healthz")
            }
            _ => Ok(true),
        }
    }

    fn node_is_ready(&self) -> Result<bool> {
        let answer = self.client.get(&format!("/api/v1/nodes/{}", node::NODE))?.json()?;
        let conditions = answer.pointer("/status/conditions").and_then(|conditions| conditions.as_array());
        Ok(conditions.is_some_and(|conditions| {
            conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        }))
    }

    fn enter(&self) -> Vec<OsString> {
        self.node.as_ref().map(Namespaces::enter).unwrap_or_default()
    }

    fn network(&self) -> Option<PathBuf> {
        self.node.as_ref().map(Namespaces::network)
    }

    fn has(&self, name: &str) -> bool {
        self.lock().contains_key(name)
    }

    fn with<T>(&self, name: &str, act: impl FnOnce(&mut Component) -> Result<T>) -> Result<T> {
        let mut components = self.lock();
        let known = components.keys().cloned().collect::<Vec<_>>().join(", ");
        act(components.get_mut(name).with_context(|| format!("there is no `{name}`; the components are {known}"))?)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Component>> {
        self.components.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serves(client: &Client) -> Result<bool> {
    for path in ["/readyz", "/api/v1/namespaces/default", "/api/v1/namespaces/kube-system"] {
        let answer = client.get(path)?;
        if answer.status != 200 {
            bail!("{path} answers {}: {}", answer.status, answer.text());
        }
    }
    Ok(true)
}

/// Runs a command to its end with `stdin` as its input.
pub(crate) fn run(mut command: Command, stdin: &str) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    let mut pipe = child.stdin.take().context("no pipe to the command")?;
    let input = stdin.to_owned();
    // In a thread: a command that prints much before it reads must not block us, and one that does not read may end.
    let writer = thread::spawn(move || drop(pipe.write_all(input.as_bytes())));
    let output = child.wait_with_output()?;
    drop(writer.join());
    Ok(Output {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
