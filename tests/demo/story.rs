//! The story itself, the same with and without pods.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::harness::{Output, wait_until};
use crate::installation::{NAMESPACE, SOON, says};
use crate::narrator::Narrator;
use crate::stage::Stage;

/// Where the governed things are, as the binding of the change tickets names it.
const PRODUCTION: &str = "production";
const TICKET: &str = "change.example.com/ticket";
/// How long the replica that was taken away may go on answering, in attempts of about a quarter of a second.
const ATTEMPTS: usize = 120;

/// Tells all of it.
pub(crate) fn tell<S: Stage>(stage: &S, told: &Narrator) -> Result<()> {
    told.chapter("Install");
    stage.install(told)?;
    let story = Story::begin(stage, told)?;
    story.policies()?;
    story.permitted()?;
    story.verified()?;
    story.forbidden()?;
    story.used_up()?;
    story.in_force()
}

struct Story<'a, S> {
    stage: &'a S,
    told: &'a Narrator,
    /// A developer, who has the rights of `edit` in production and none on Writ.
    alice: PathBuf,
    image: String,
    folder: PathBuf,
}

impl<'a, S: Stage> Story<'a, S> {
    fn begin(stage: &'a S, told: &'a Narrator) -> Result<Self> {
        let folder = stage.cluster().directory().join("demo");
        fs::create_dir_all(&folder)?;
        let alice = stage.cluster().kubeconfig("alice", &["developers"])?;
        Ok(Self { image: stage.image()?, stage, told, alice, folder })
    }

    fn policies(&self) -> Result<()> {
        self.told.chapter("People define authority: policies and what they bind");
        self.admin(&["create", "namespace", PRODUCTION])?;
        self.admin(&[
            "create",
            "rolebinding",
            "developers",
            "-n",
            PRODUCTION,
            "--clusterrole=edit",
            "--group=developers",
        ])?;
        for example in ["change-ticket", "pinned-images"] {
            let files = ["policy", "binding"].map(|file| format!("manifests/{example}/{file}.yaml"));
            let [policy, binding] = &files;
            let command = ["apply", "-f", policy, "-f", binding];
            self.told.command(&format!("kubectl {}", command.join(" ")));
            let said = self.admin(&command)?;
            self.told.quote(&said);
        }
        self.told.command(&format!("kubectl {}", READY.join(" ")));
        self.told.prove("both policies compile, and every replica has them in force", || {
            self.stage.cluster().kubectl(&READY, "")?.ok().map(drop)
        })
    }

    fn permitted(&self) -> Result<()> {
        self.told.chapter("A permitted change is admitted, and carries a writ");
        let web = deployment("web", &self.image, Some("CHG-1001"));
        self.told
            .note("alice, a developer, deploys a pinned image from an allowed registry under change ticket CHG-1001:");
        self.told.command("kubectl apply -f web.yaml");
        let said =
            self.told.prove("the Deployment is admitted", || self.as_alice(&["apply", "-f", "-"], &web)?.ok())?;
        self.told.quote(&said);
        if self.stage.runs_pods() {
            self.told.prove("its pods run", || {
                self.admin(&["rollout", "status", "deployment/web", "-n", PRODUCTION, "--timeout=60s"])?;
                let pods = self.get(&["pods", "-l", "app=web"])?;
                let running = items(&pods).filter(|pod| pod["status"]["phase"] == "Running").count();
                ensure!(running == 2, "{running} pods run");
                Ok(())
            })?;
        }
        let kinds = [("deployment", "deployments.apps"), ("replicaset", "replicasets.apps"), ("pod", "pods")];
        let size = self.told.prove(
            "the Deployment, its ReplicaSet and its Pods each carry an attestation of their own",
            || {
                let mut size = 0;
                for (kind, scope) in kinds {
                    let key = format!("attestation.writ.dev/{scope}");
                    let found = wait_until(&format!("a {kind}"), SOON, || {
                        let found = self.get(&[kind, "-l", "app=web"])?;
                        Ok((items(&found).count() > 0).then_some(found))
                    })?;
                    for object in items(&found) {
                        let text = object["metadata"]["annotations"][&key].as_str();
                        let text =
                            text.with_context(|| format!("{kind} {} has no {key}", object["metadata"]["name"]))?;
                        size = if kind == "deployment" { text.len() } else { size };
                    }
                }
                Ok(size)
            },
        )?;
        self.told.prove(&format!("that of the Deployment has {size} bytes, below 1,000"), || {
            ensure!(size < 1000, "{size} bytes");
            Ok(())
        })
    }

    fn verified(&self) -> Result<()> {
        self.told.chapter("Anybody can verify it offline, with the public key alone");
        let commands = [
            ("web.yaml", &["get", "deployment", "web", "-n", PRODUCTION, "-o", "yaml"][..]),
            (
                "writ.pub",
                &["get", "configmap", "writ-public-key", "-n", NAMESPACE, "-o", "jsonpath={.data.public-key\\.pem}"],
            ),
        ];
        for (file, command) in commands {
            self.told.command(&format!("kubectl {} > {file}", command.join(" ")));
            fs::write(self.folder.join(file), self.admin(command)?)?;
        }
        let id = self.admin(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"])?;
        self.told.command(&format!("writ verify web.yaml --key writ.pub --cluster-id {id}"));
        let verify = |file: &str| -> Result<std::process::Output> {
            let mut command = Command::new(self.stage.program());
            // Nothing of the cluster: no configuration, no environment, and not in its network.
            command.env_clear().current_dir(&self.folder).args([
                "verify",
                file,
                "--key",
                "writ.pub",
                "--cluster-id",
                &id,
            ]);
            Ok(command.output()?)
        };
        let said = self.told.prove("the attestation holds, for this very object (exit code 0)", || {
            let output = verify("web.yaml")?;
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let errors = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.code() == Some(0), "exit code {:?}: {said}{errors}", output.status.code());
            says(&said, &["change-ticket", "pinned-images", "by alice"])?;
            Ok(said)
        })?;
        self.told.quote(&said);
        self.told.command("sed s,apps/web@,apps/evil@, web.yaml > forged.yaml && writ verify forged.yaml …");
        let web = fs::read_to_string(self.folder.join("web.yaml"))?;
        fs::write(self.folder.join("forged.yaml"), web.replace("apps/web@", "apps/evil@"))?;
        self.told.prove("for an object that was changed it does not hold (exit code 1)", || {
            let output = verify("forged.yaml")?;
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            ensure!(output.status.code() == Some(1), "exit code {:?}: {said}", output.status.code());
            says(&said, &["spec"])
        })
    }

    fn forbidden(&self) -> Result<()> {
        self.told.chapter("A forbidden change is refused, and told what to do");
        let foreign = deployment("api", "docker.io/library/nginx:1.27", Some("CHG-1002"));
        let unsigned = deployment("api", &self.image, None);
        for (note, object, words) in [
            (
                "an image from somewhere else:",
                &foreign,
                &["RegistryNotAllowed", "images come from registry.example.com/apps"][..],
            ),
            ("no change ticket:", &unsigned, &["TicketMissing", "set the annotation change.example.com/ticket"]),
        ] {
            self.told.note(note);
            self.told.command("kubectl apply -f api.yaml");
            let said = self.told.prove("it is refused with the policy, the reason and the remedy", || {
                let said = self.as_alice(&["apply", "-f", "-"], object)?.refused()?;
                says(&said, words)?;
                Ok(said)
            })?;
            self.told.quote(said.lines().last().unwrap_or_default());
        }
        self.told.note("alice does what she was told; the ticket of the refused change was not used up by it:");
        self.told.command("kubectl apply -f api.yaml");
        let repaired = deployment("api", &self.image, Some("CHG-1002"));
        let said = self.told.prove("it is admitted", || self.as_alice(&["apply", "-f", "-"], &repaired)?.ok())?;
        self.told.quote(&said);
        Ok(())
    }

    fn used_up(&self) -> Result<()> {
        self.told.chapter("A change ticket that was used up is refused: once means once");
        self.told.note("CHG-1001 let alice create `web`. Now she changes it under the same ticket:");
        self.told.command(MORE_AS_TYPED);
        let (said, first) = self.told.prove("it is refused as a replay", || self.replay())?;
        self.told.quote(&said);
        self.told.note(&format!("Replica {first} wrote the line of that decision."));

        self.told.note(&format!("Without {first}, the other replica has to answer:"));
        self.stage.take_away(&first, self.told)?;
        let other =
            self.told.prove("the other replica refuses it too, and none of the two let it pass meanwhile", || {
                for _ in 0..ATTEMPTS {
                    let (_, replica) = self.replay()?;
                    if replica != first {
                        return Ok(replica);
                    }
                }
                anyhow::bail!("{first} went on answering")
            })?;
        self.told.note(&format!("Replica {other} wrote the line of that decision."));

        self.told.note("After all pods were restarted:");
        self.stage.restart_all(self.told)?;
        self.told.command(MORE_AS_TYPED);
        let (said, replica) = self.told.prove("it is refused as a replay, still", || self.replay())?;
        self.told.quote(&said);
        self.told
            .note(&format!("Replica {replica}, started after the ticket was used, wrote the line of that decision."));

        self.told.note("With a ticket of its own the change is admitted:");
        let fresh = json!({"metadata": {"annotations": {TICKET: "CHG-1003"}}, "spec": {"replicas": 3}}).to_string();
        self.told.command(&format!("kubectl patch deployment web -n {PRODUCTION} -p '{fresh}'"));
        self.told.prove("it is admitted", || {
            self.as_alice(&["patch", "deployment", "web", "-n", PRODUCTION, "-p", &fresh], &Value::Null)?.ok()
        })?;
        if self.stage.runs_pods() {
            self.told.prove("and three pods run", || {
                self.admin(&["rollout", "status", "deployment/web", "-n", PRODUCTION, "--timeout=60s"])?;
                let web = self.get(&["deployment", "web"])?;
                ensure!(web["status"]["availableReplicas"] == 3, "{}", web["status"]);
                Ok(())
            })?;
        }
        Ok(())
    }

    fn in_force(&self) -> Result<()> {
        self.told.chapter("What is in force");
        self.told.command("kubectl get wpol,wpb");
        let table =
            self.told.prove("two policies and two bindings are ready, each with its version in force", || {
                let table = self.admin(&["get", "wpol,wpb"])?;
                for id in ["change-ticket", "pinned-images"] {
                    let line = |start: String| table.lines().find(|line| line.starts_with(&start)).unwrap_or_default();
                    let policy = line(format!("policy.writ.dev/{id}.v1 "));
                    ensure!(policy.matches("True").count() == 2, "{table}");
                    let binding = line(format!("policybinding.writ.dev/{id} "));
                    ensure!(binding.matches(" v1 ").count() == 2 && binding.contains(" Enforce "), "{table}");
                    ensure!(binding.contains(" True "), "{table}");
                }
                Ok(table)
            })?;
        self.told.quote(&table);
        Ok(())
    }

    /// Tries the change under the used ticket: the refusal, and which replica decided it. Anything but a refusal as a
    /// replay is an error.
    fn replay(&self) -> Result<(String, String)> {
        let said = self.as_alice(&MORE, &Value::Null)?.refused()?;
        says(&said, &["Replayed", "change-ticket"])?;
        let decision = said.rsplit_once("[decision ").and_then(|(_, rest)| rest.split_once(']')).map(|(id, _)| id);
        let decision = decision.with_context(|| format!("no decision id in: {said}"))?;
        let replica = wait_until("the decision's line", SOON, || self.stage.decided_by(decision))?;
        Ok((said, replica))
    }

    fn admin(&self, arguments: &[&str]) -> Result<String> {
        self.stage.cluster().kubectl(arguments, "")?.ok().with_context(|| format!("kubectl {}", arguments.join(" ")))
    }

    fn as_alice(&self, arguments: &[&str], object: &Value) -> Result<Output> {
        let stdin = if object.is_null() { String::new() } else { object.to_string() };
        self.stage.cluster().kubectl_as(&self.alice, arguments, &stdin)
    }

    fn get(&self, what: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.admin(&[&["get", "-n", PRODUCTION, "-o", "json"], what].concat())?)?)
    }
}

const READY: [&str; 5] = ["wait", "--for=condition=Ready", "wpol,wpb", "--all", "--timeout=60s"];

/// A change of `web` that leaves its ticket as it is.
const MORE: [&str; 7] = ["patch", "deployment", "web", "-n", PRODUCTION, "-p", r#"{"spec":{"replicas":3}}"#];

const MORE_AS_TYPED: &str = r#"kubectl patch deployment web -n production -p '{"spec":{"replicas":3}}'"#;

fn deployment(name: &str, image: &str, ticket: Option<&str>) -> Value {
    let labels = json!({"app": name});
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": PRODUCTION, "labels": labels},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "app", "image": image}]},
        }},
    });
    if let Some(ticket) = ticket {
        object["metadata"]["annotations"] = json!({TICKET: ticket});
    }
    object
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}
