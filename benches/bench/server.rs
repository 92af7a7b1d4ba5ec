use std::{
    ffi::OsString,
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use writ::sign::Signer;

use crate::{
    Programs,
    harness::{Client, wait_until},
};

/// How long a server may take to come up.
const LIMIT: Duration = Duration::from_secs(60);

/// A process that ends with its value.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Starts a program; `arguments` end with what its address is given by.
    pub(crate) fn start(program: &Path, arguments: Vec<OsString>, log: &Path) -> Result<Self> {
        let address = free()?;
        let child = Command::new(program)
            .args(arguments)
            .arg("--listen")
            .arg(address.to_string())
            .stdin(Stdio::null())
            // Decisions go to a file: written as in production, and read by nobody.
            .stdout(fs::File::create(log)?)
            .stderr(fs::File::create(log.with_extension("err"))?)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(Self { address, child })
    }

    /// How long it takes until `/readyz` says yes, from now.
    pub(crate) fn until_ready(&self, authority: &str) -> Result<Duration> {
        let begun = Instant::now();
        wait_until("the server to be ready", LIMIT, || {
            let response = Client::tls(self.address, authority, None)?.get("/readyz")?;
            anyhow::ensure!(response.status == 200, "{}", response.text());
            Ok(Some(begun.elapsed()))
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// What the servers of one run share: certificates and a signing key, in a folder that ends with it.
pub(crate) struct Common {
    folder: tempfile::TempDir,
    pub(crate) authority: String,
}

impl Common {
    pub(crate) fn new(programs: &Programs) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let made = Command::new(&programs.load).arg("certificates").arg(folder.path()).status()?;
        anyhow::ensure!(made.success(), "no certificates");
        // TEST KEY, never used for anything else.
        fs::write(folder.path().join("key.pem"), Signer::from_seed(&[7; 32])?.to_pkcs8_pem().as_bytes())?;
        let authority = fs::read_to_string(folder.path().join("ca.crt"))?;
        Ok(Self { folder, authority })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The floor program, or the Go pair: both take the same flags.
    pub(crate) fn plain(&self, program: &Path, annotation_bytes: usize) -> Result<Server> {
        let arguments = vec![
            "--certificate".into(),
            self.path("tls.crt").into(),
            "--key".into(),
            self.path("tls.key").into(),
            format!("--annotation-bytes={annotation_bytes}").into(),
        ];
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let server = Server::start(program, arguments, &self.path(&format!("{name}.log")))?;
        wait_until("the server to listen", LIMIT, || Ok(std::net::TcpStream::connect(server.address).ok().map(drop)))?;
        Ok(server)
    }

    /// `writ serve` with these policies and further arguments; not ready yet.
    pub(crate) fn writ(&self, programs: &Programs, name: &str, source: &Source<'_>) -> Result<Server> {
        let folder = self.path(name);
        fs::create_dir_all(&folder)?;
        for file in ["tls.crt", "tls.key"] {
            fs::copy(self.path(file), folder.join(file))?;
        }
        let mut arguments: Vec<OsString> = vec!["serve".into(), "--tls-dir".into(), folder.clone().into()];
        arguments.extend(["--signing-key".into(), self.path("key.pem").into()]);
        arguments.extend(["--replica".into(), name.into(), "--drain-seconds".into(), "0".into()]);
        match source {
            Source::Files(policies) => {
                let files = folder.join("policies");
                fs::create_dir_all(&files)?;
                for (number, text) in policies.iter().enumerate() {
                    fs::write(files.join(format!("policies-{number}.yaml")), text)?;
                }
                arguments.extend(["--standalone".into(), files.into(), "--cluster-id".into(), "bench".into()]);
                arguments.push("--initialize-store".into());
            }
            Source::Cluster(kubeconfig) => {
                arguments.extend(["--kubeconfig".into(), kubeconfig.into(), "--own-user".into(), "admin".into()]);
            }
        }
        Server::start(&programs.writ, arguments, &self.path(&format!("{name}.log")))
    }
}

/// Where a writ gets its policies from.
pub(crate) enum Source<'s> {
    /// YAML, each in a file of its own.
    Files(&'s [String]),
    /// The API server of a kubeconfig.
    Cluster(&'s Path),
}

/// The policy that is measured: five checks on the containers, as people write them.
pub(crate) const POLICY: &str = r#"apiVersion: writ.dev/v1alpha1
kind: Policy
metadata: {name: containers.v1}
spec:
  id: containers
  version: v1
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: [CREATE, UPDATE]}]
  params: [{name: registry, type: String}]
  variables: [{name: containers, expression: object.spec.template.spec.containers}]
  signals:
  - {name: images, type: StringList, expression: 'variables.containers.map(c, c.image)'}
  - {name: limited, type: Boolean, expression: 'variables.containers.all(c, has(c.resources) && has(c.resources.limits))'}
  - {name: replicas, type: Integer, expression: 'object.spec.replicas'}
  rules:
  - {name: foreign, when: '!signals.images.all(i, i.startsWith(params.registry))', outcome: Deny, reason: ForeignRegistry}
  - {name: unlimited, when: '!signals.limited', outcome: Deny, reason: NoLimits}
  - {name: many, when: 'signals.replicas > 100', outcome: Deny, reason: TooMany}
  - {name: fine, outcome: Allow, reason: WithinBounds}
  replay: {mode: Repeatable}
---
apiVersion: writ.dev/v1alpha1
kind: PolicyBinding
metadata: {name: containers}
spec:
  policyRef: {id: containers, version: v1}
  params: {registry: registry.example.com/}
  mode: Enforce
"#;

/// Documents of one file: a reader of YAML takes no more than some thousands.
const IN_A_FILE: usize = 1000;

/// The policy that is measured, and beside it so many with a binding each, about kinds that nobody asks for.
pub(crate) fn beside_idle(count: usize) -> Vec<String> {
    let numbers: Vec<usize> = (0..count).collect();
    let idle = numbers.chunks(IN_A_FILE).map(|numbers| numbers.iter().map(|number| idle(*number)).collect());
    std::iter::once(POLICY.to_owned()).chain(idle).collect()
}

fn idle(number: usize) -> String {
    let (id, group) = (format!("idle-{number}"), format!("group-{number}.example.com"));
    format!(
        r#"---
apiVersion: writ.dev/v1alpha1
kind: Policy
metadata: {{name: {id}.v1}}
spec:
  id: {id}
  version: v1
  matchConstraints:
    resourceRules: [{{apiGroups: [{group}], apiVersions: ["*"], resources: [things], operations: [CREATE, UPDATE]}}]
  signals: [{{name: size, type: Integer, expression: 'object.spec.size'}}]
  rules: [{{name: big, when: 'signals.size > {number}', outcome: Deny, reason: TooBig}}, {{name: fine, outcome: Allow, reason: Fine}}]
  replay: {{mode: Repeatable}}
---
apiVersion: writ.dev/v1alpha1
kind: PolicyBinding
metadata: {{name: {id}}}
spec: {{policyRef: {{id: {id}, version: v1}}, mode: Enforce}}
"#
    )
}
