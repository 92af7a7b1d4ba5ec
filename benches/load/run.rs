use std::{
    cell::Cell,
    net::SocketAddr,
    rc::Rc,
    str::FromStr,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tokio::task::LocalSet;

use crate::{
    Calls, Run,
    client::{Client, Dialer},
    process,
    report::{Report, Round, Setting},
    review::{Reviews, Verdict},
};

/// A server to measure.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) pid: Option<u32>,
}

impl FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, rest) = text.split_once('=').context("a target is written as `NAME=ADDRESS[,PID]`")?;
        let (address, pid) = match rest.split_once(',') {
            Some((address, pid)) => (address, Some(pid.parse().context("the PID is not a number")?)),
            None => (rest, None),
        };
        let address = address.parse().context("the address is not written as `127.0.0.1:8443`")?;
        Ok(Self { name: name.to_owned(), address, pid })
    }
}

/// Runs all rounds.
pub(crate) async fn measure(run: &Run) -> anyhow::Result<Report> {
    anyhow::ensure!(run.count > 0 && run.rounds > 0 && run.connections > 0 && run.streams > 0, "nothing to measure");
    let dialer = Dialer::new(run)?;
    let reviews = Rc::new(Reviews::new(run.object_bytes));
    let setting = Setting {
        protocol: format!("{:?}", run.protocol).to_lowercase(),
        calls: format!("{:?}", run.calls).to_lowercase(),
        connections: run.connections,
        streams: run.streams,
        count: run.count,
        rate: run.rate,
        object_bytes: reviews.object_bytes(),
    };
    let mut report = Report::new(setting, run.targets.iter().map(|target| target.name.clone()));
    let next = Rc::new(Cell::new(0));
    for round in 0..=run.rounds {
        for target in &run.targets {
            let count = if round == 0 { run.warm_up } else { run.count };
            // New connections: while others were measured, a server may have given up on idle ones.
            let clients = connect(run, &dialer, target).await?;
            let mut measured = one_round(run, target, clients, &reviews, &next, count).await?;
            // The order in time, for who reads the raw numbers.
            measured.round = round;
            if round > 0 {
                report.add(&target.name, measured);
            }
        }
    }
    report.finish();
    Ok(report)
}

async fn connect(run: &Run, dialer: &Dialer, target: &Target) -> anyhow::Result<Vec<Client>> {
    let mut clients = Vec::new();
    for _ in 0..run.connections {
        let client = dialer.connect(target.address).await.with_context(|| format!("target `{}`", target.name))?;
        for _ in 1..run.streams {
            clients.push(client.share().context("several streams on a connection need `--protocol h2`")?);
        }
        clients.push(client);
    }
    Ok(clients)
}

/// What the workers of one round share.
struct Shared {
    reviews: Rc<Reviews>,
    next: Rc<Cell<usize>>,
    end: usize,
    first: usize,
    begun: Instant,
    interval: Option<Duration>,
    calls: Calls,
}

async fn one_round(
    run: &Run,
    target: &Target,
    clients: Vec<Client>,
    reviews: &Rc<Reviews>,
    next: &Rc<Cell<usize>>,
    count: usize,
) -> anyhow::Result<Round> {
    let before = target.pid.map(process::cpu_time).transpose()?;
    let shared = Rc::new(Shared {
        reviews: Rc::clone(reviews),
        next: Rc::clone(next),
        first: next.get(),
        end: next.get() + count,
        begun: Instant::now(),
        interval: run.rate.map(|rate| Duration::from_secs_f64(1.0 / rate)),
        calls: run.calls,
    });
    let local = LocalSet::new();
    let workers: Vec<_> =
        clients.into_iter().map(|client| local.spawn_local(work(client, Rc::clone(&shared)))).collect();
    let mut round = Round::default();
    local
        .run_until(async {
            for worker in workers {
                round.join(worker.await?);
            }
            anyhow::Ok(())
        })
        .await?;
    round.seconds = shared.begun.elapsed().as_secs_f64();
    if let (Some(pid), Some(before)) = (target.pid, before) {
        let used = process::cpu_time(pid)?.saturating_sub(before);
        round.cpu_us_per_change = Some(used.as_secs_f64() * 1e6 / count.max(1) as f64);
        let (resident, peak) = process::memory(pid)?;
        (round.resident_kb, round.peak_kb) = (Some(resident), Some(peak));
    }
    round.settle();
    Ok(round)
}

/// Takes changes until there are no more.
async fn work(mut client: Client, shared: Rc<Shared>) -> Round {
    let mut round = Round::default();
    loop {
        let change = shared.next.get();
        if change >= shared.end {
            return round;
        }
        shared.next.set(change + 1);
        let due = match shared.interval {
            None => Instant::now(),
            Some(interval) => {
                let due = shared.begun + interval.mul_f64((change - shared.first) as f64);
                tokio::time::sleep_until(due.into()).await;
                due
            }
        };
        match one_change(&mut client, &shared, change, due, &mut round).await {
            Ok(true) => {}
            Ok(false) => round.denied += 1,
            Err(error) => round.fail(&error),
        }
    }
}

/// One call or a pair; whether it was allowed.
async fn one_change(
    client: &mut Client,
    shared: &Shared,
    change: usize,
    due: Instant,
    round: &mut Round,
) -> anyhow::Result<bool> {
    let reviews = &shared.reviews;
    let answer = client.post("/mutate", reviews.mutating(change)).await?;
    round.mutate.push(due.elapsed());
    let Verdict::Allowed(annotation) = reviews.read(change, 0, &answer)? else { return Ok(false) };
    if shared.calls == Calls::Mutate {
        return Ok(true);
    }
    let body = reviews.validating(change, &annotation);
    let begun = Instant::now();
    let answer = client.post("/validate", body).await?;
    round.validate.push(begun.elapsed());
    Ok(matches!(reviews.read(change, 1, &answer)?, Verdict::Allowed(_)))
}
