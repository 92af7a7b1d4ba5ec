//! The `cluster` command: what a person and a script get from it.

#[path = "harness_support/remains.rs"]
mod remains;

use std::fs::{self, hard_link};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use remains::{remains, signal_process};
use rustix::process::Signal;

const SOON: Duration = Duration::from_secs(60);

/// Exit code, stdout and stderr of one call.
type Said = (Option<i32>, String, String);

#[test]
fn a_cluster_lives_from_up_to_down() -> Result<()> {
    let name = "command-life";
    let up = cluster(&["up", "--name", name, "--controllers", "--audit"])?;
    assert_eq!(up.0, Some(0), "{up:?}");
    assert!(up.1.contains("cluster down command-life"), "{}", up.1);
    let directory = directory_of(name)?;
    let get = ["run", name, "--", "kubectl", "get", "serviceaccount", "default", "-o", "name"];
    let table: &[(&[&str], i32, &str)] = &[
        (&["up", "--name", name], 2, "cluster `command-life` is up already"),
        (&get, 0, "serviceaccount/default"),
        (&["run", name, "--", "helm", "list"], 0, "NAMESPACE"),
        (&["run", name, "--", "sh", "-c", "exit 7"], 7, ""),
        (&["stop", name, "kube-apiserver"], 0, ""),
        (&get, 1, "refused"),
        (&["start", name, "kube-apiserver"], 0, ""),
        (&["pause", name, "etcd"], 0, ""),
        (&["run", name, "--", "kubectl", "get", "ns", "--request-timeout=1s"], 1, ""),
        (&["resume", name, "etcd"], 0, ""),
        (&["kill", name, "kube-controller-manager"], 0, ""),
        (&["pause", name, "kube-controller-manager"], 2, "`kube-controller-manager` does not run"),
        (&["stop", name, "nothing"], 2, "the components are etcd, kube-apiserver, kube-controller-manager"),
        (&["load", name, "/dev/null"], 2, "this cluster has no node"),
        (&["run", "no-such-cluster", "--", "true"], 2, "there is no cluster `no-such-cluster`"),
        (&["up", "--name", "Wrong_Name"], 2, "1 to 40 of a-z"),
        (&["down", name], 0, ""),
        (&["down", name], 2, "there is no cluster `command-life`"),
    ];
    for (arguments, code, words) in table {
        let said = cluster(arguments)?;
        ensure!(said.0 == Some(*code), "{arguments:?} should exit with {code}: {said:?}");
        ensure!(format!("{}{}", said.1, said.2).contains(words), "{arguments:?} should say `{words}`: {said:?}");
    }
    assert_eq!(remains(&directory), Vec::<String>::new());
    Ok(())
}

#[test]
fn with_passes_the_exit_code_on_and_leaves_nothing() -> Result<()> {
    let logs = tempfile::tempdir()?;
    for (script, code) in [("echo in $WRIT_CLUSTER; kubectl get ns default", 0), ("echo in $WRIT_CLUSTER; exit 3", 3)] {
        let output = command(&["with", "--", "sh", "-c", script])?.env("WRIT_CLUSTER_LOGS", logs.path()).output()?;
        assert_eq!(output.status.code(), Some(code));
        let stdout = String::from_utf8(output.stdout)?;
        let directory = stdout.lines().find_map(|line| line.strip_prefix("in ")).context("no directory")?;
        assert_eq!(remains(Path::new(directory)), Vec::<String>::new());
        let kept = String::from_utf8(output.stderr)?.contains("logs kept in");
        assert_eq!(kept, code != 0, "logs are kept exactly on failure");
    }
    Ok(())
}

/// Ctrl-C, SIGTERM and SIGKILL of the outer command end the inner one and the cluster.
#[test]
fn nothing_survives_the_end_of_with() -> Result<()> {
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let script = "echo in $WRIT_CLUSTER $$; exec sleep 1000";
        let mut outer = command(&["with", "--", "sh", "-c", script])?.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(outer.stdout.take().context("no pipe")?).read_line(&mut line)?;
        let (directory, inner) = line.trim().trim_start_matches("in ").split_once(' ').context("no directory")?;
        signal_process(outer.id(), signal)?;
        assert!(!outer.wait()?.success());
        let inner = Path::new("/proc").join(inner).join("cmdline");
        wait_until_gone(&format!("{signal:?}"), || {
            let mut left = remains(Path::new(directory));
            left.extend(fs::read_to_string(&inner).ok().filter(|line| line.contains("1000")));
            left
        })?;
    }
    Ok(())
}

#[test]
fn a_killed_keeper_takes_its_cluster_along() -> Result<()> {
    let name = "command-keeper";
    assert_eq!(cluster(&["up", "--name", name])?.0, Some(0));
    let directory = directory_of(name)?;
    let owner = fs::read_to_string(directory.join("owner"))?;
    signal_process(owner.split(' ').next().context("no id")?.parse()?, Signal::KILL)?;
    wait_until_gone("the keeper's end", || remains(&directory))
}

/// Root is needed for a node, and only for a node.
#[test]
fn without_rights_there_is_a_control_plane_and_for_a_node_one_clear_line() -> Result<()> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        let refused = cluster(&["with", "--node", "--", "true"])?;
        assert_eq!(refused.0, Some(2));
        assert!(refused.2.contains("a node needs root"), "{}", refused.2);
        assert_eq!(cluster(&["with", "--", "kubectl", "get", "ns"])?.0, Some(0));
        return Ok(());
    }
    // As root: the same as a user without any rights (65534), from a copy of the program that it may read; and a control
    // plane as root without any capability.
    let place = tempfile::tempdir()?;
    fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755))?;
    let copy = place.path().join("cluster");
    if hard_link(program()?, &copy).is_err() {
        fs::copy(program()?, &copy)?;
    }
    let user = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let refused = Command::new("setpriv").args(user).arg(copy).args(["with", "--node", "--", "true"]).output()?;
    let said = String::from_utf8(refused.stderr)?;
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("a node needs root") && said.lines().count() == 1, "{said}");
    let mut weak = Command::new("setpriv");
    weak.args(["--bounding-set=-all", "--inh-caps=-all"]).arg(program()?).args(["with", "--", "kubectl", "get", "ns"]);
    let output = weak.output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn a_node_takes_images_of_both_makes() -> Result<()> {
    let place = tempfile::tempdir()?;
    let program = static_program(place.path())?;
    let containerfile = place.path().join("Containerfile");
    fs::write(&containerfile, "FROM scratch\nCOPY hello /hello\nENTRYPOINT [\"/hello\"]\n")?;
    let (plain, built) = (place.path().join("plain.tar"), place.path().join("built.tar"));
    let text = |path: &PathBuf| path.display().to_string();
    let image = ["image", &text(&program), "hello:plain", "-o", &text(&plain)];
    assert_eq!(cluster(&image)?, (Some(0), String::new(), String::new()));
    let image =
        ["image", &text(&program), "hello:built", "-o", &text(&built), "--containerfile", &text(&containerfile)];
    assert_eq!(cluster(&image)?, (Some(0), String::new(), String::new()));
    let script = "set -e
        for image in plain built; do
            kubectl run $image --image=hello:$image --image-pull-policy=Never --restart=Never
            kubectl wait --for=jsonpath='{.status.phase}'=Succeeded pod/$image --timeout=60s
            kubectl logs $image
        done";
    let load = [format!("--load={}", text(&plain)), format!("--load={}", text(&built))];
    let said = cluster(&["with", "--node", &load[0], &load[1], "--", "bash", "-c", script])?;
    assert_eq!(said.0, Some(0), "{said:?}");
    assert_eq!(said.1.matches("hello from a pod").count(), 2, "{said:?}");
    Ok(())
}

fn static_program(directory: &Path) -> Result<PathBuf> {
    let (source, program) = (directory.join("hello.c"), directory.join("hello"));
    fs::write(&source, "#include <stdio.h>\nint main(void) { puts(\"hello from a pod\"); return 0; }\n")?;
    ensure!(Command::new("cc").arg("-static").arg("-o").arg(&program).arg(&source).status()?.success());
    Ok(program)
}

/// The program stands beside this test; `cargo test` builds both.
fn program() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let program = test.parent().and_then(Path::parent).context("no target directory")?.join("examples/cluster");
    ensure!(program.exists(), "{} is missing: `cargo build --example cluster` makes it", program.display());
    Ok(program)
}

fn command(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(program()?);
    command.args(arguments).stdin(Stdio::null()).env_remove("WRIT_KEEP_LOGS");
    Ok(command)
}

fn cluster(arguments: &[&str]) -> Result<Said> {
    let output = command(arguments)?.output()?;
    Ok((output.status.code(), String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?))
}

fn directory_of(name: &str) -> Result<PathBuf> {
    let list = cluster(&["list"])?.1;
    let line = list.lines().find(|line| line.starts_with(&format!("{name} "))).context("the list does not name it")?;
    Ok(PathBuf::from(line.split_whitespace().last().context("no directory")?))
}

fn wait_until_gone(after: &str, left: impl Fn() -> Vec<String>) -> Result<()> {
    let start = Instant::now();
    loop {
        let found = left();
        if found.is_empty() {
            return Ok(());
        }
        ensure!(start.elapsed() < SOON, "left after {after}: {found:?}");
        thread::sleep(Duration::from_millis(20));
    }
}
