use super::*;

const SKEW: Duration = Duration::from_secs(5);
const DAY: i64 = 86_400_000;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A clock that shows `base` + elapsed + `off`.
fn seen(elapsed: u64, off: i64) -> Timestamp {
    Timestamp::from_millis(DAY + i64::try_from(elapsed * 1000).unwrap() + off)
}

fn observe(clock: &mut StoreClock, elapsed: u64, off: i64) -> Span {
    clock.observe(seen(elapsed, off), Duration::ZERO, seconds(elapsed))
}

#[test]
fn a_steady_clock_is_believed_to_the_point() {
    let mut clock = StoreClock::new(SKEW, None, seconds(0));
    assert_eq!(clock.estimate(seconds(0)), None);
    for elapsed in 0..20 {
        assert_eq!(observe(&mut clock, elapsed, 0), Span::at(seen(elapsed, 0)));
    }
    let estimate = clock.estimate(seconds(30)).unwrap();
    assert_eq!((estimate.earliest, estimate.latest), (seen(30, -5000), seen(30, 5000)));
    let coarse = clock.observe(seen(31, 0), seconds(1), seconds(31));
    assert_eq!((coarse.earliest, coarse.latest), (seen(31, 0), seen(32, 0)));
}

#[test]
fn several_servers_that_differ_widen_the_span() {
    let mut clock = StoreClock::new(SKEW, None, seconds(0));
    observe(&mut clock, 0, 0);
    let span = observe(&mut clock, 10, 4000);
    assert_eq!((span.earliest, span.latest), (seen(10, 0), seen(10, 4000)));
}

#[test]
fn a_jump_ends_no_claim_early_and_moves_no_deadline_back() {
    for jump in [600_000, -600_000, 10 * DAY, -10 * DAY] {
        let mut clock = StoreClock::new(SKEW, None, seconds(0));
        observe(&mut clock, 0, 0);
        for elapsed in 10..100 {
            let span = observe(&mut clock, elapsed, jump);
            assert_eq!(span.earliest, seen(elapsed, jump.min(0)), "{jump} {elapsed}");
            assert_eq!(span.latest, seen(elapsed, jump.max(0)), "{jump} {elapsed}");
            let estimate = clock.estimate(seconds(elapsed)).unwrap();
            assert!(estimate.earliest <= span.earliest && estimate.latest >= span.latest, "{jump} {elapsed}");
        }
        // After two steady minutes it is believed.
        observe(&mut clock, 131, jump);
        let span = observe(&mut clock, 132, jump);
        assert_eq!((span.earliest, span.latest), (seen(132, jump), seen(132, jump)), "{jump}");
        // But a window that began while the clock was slow lasts until its end by the right clock.
        assert_eq!(span.windows_from, seen(132, jump.max(0)), "{jump}");
    }
}

#[test]
fn a_clock_that_keeps_jumping_is_not_believed() {
    let mut clock = StoreClock::new(SKEW, None, seconds(0));
    observe(&mut clock, 0, 0);
    for elapsed in (10..2000).step_by(10) {
        let off = if elapsed % 20 == 0 { 3_600_000 } else { 7_200_000 };
        assert_eq!(observe(&mut clock, elapsed, off).earliest, seen(elapsed, 0), "{elapsed}");
    }
}

#[test]
fn drift_is_followed_and_is_no_jump() {
    let mut clock = StoreClock::new(SKEW, None, seconds(0));
    for elapsed in 0..200_000 {
        let off = i64::try_from(elapsed / 5).unwrap();
        let span = observe(&mut clock, elapsed, off);
        assert!(span.latest.since(span.earliest) < seconds(1), "{elapsed}");
    }
    assert!(clock.forgetting(seconds(200_000)).is_ok());
}

#[test]
fn a_busy_store_does_not_wear_the_clock_down() {
    let mut clock = StoreClock::new(SKEW, None, Duration::ZERO);
    for step in 0..1_000_000_u64 {
        let elapsed = Duration::from_micros(step * 137);
        let seen = Timestamp::from_millis(DAY).plus(elapsed);
        let span = clock.observe(seen, Duration::ZERO, elapsed);
        assert!(span.latest.since(span.earliest) <= Duration::from_millis(1), "{step}: {span:?}");
    }
}

#[test]
fn forgetting_needs_a_clock_that_was_watched_and_never_jumped() {
    let mut clock = StoreClock::new(SKEW, None, seconds(0));
    assert_eq!(clock.forgetting(seconds(0)), Err(Halted::Unwatched));
    observe(&mut clock, 0, 0);
    observe(&mut clock, 599, 0);
    assert_eq!(clock.forgetting(seconds(599)), Err(Halted::Unwatched));
    observe(&mut clock, 600, 0);
    assert_eq!(clock.forgetting(seconds(600)), Ok(seen(600, -5000)));
    for elapsed in 601..3000 {
        observe(&mut clock, elapsed, 20 * DAY);
        assert_eq!(clock.forgetting(seconds(elapsed)), Err(Halted::Jumped), "{elapsed}");
    }
    observe(&mut clock, 3000, 0);
    assert_eq!(clock.forgetting(seconds(3000)), Ok(seen(3000, -5000)), "set right again");
}

#[test]
fn after_a_restart_the_time_that_was_closed_is_not_believed_at_once() {
    // The last stamp was at 0; the clock says a day more.
    let mut clock = StoreClock::new(SKEW, Some(seen(0, 0)), seconds(0));
    let span = observe(&mut clock, 1, DAY);
    assert_eq!((span.earliest, span.latest), (seen(1, 0), seen(1, DAY)));
    observe(&mut clock, 121, DAY);
    assert_eq!(observe(&mut clock, 122, DAY), Span::at(seen(122, DAY)));
    // A day closed is no jump for forgetting, a day back is.
    observe(&mut clock, 700, DAY);
    assert!(clock.forgetting(seconds(700)).is_ok());
    let mut back = StoreClock::new(SKEW, Some(seen(0, 0)), seconds(0));
    observe(&mut back, 1, -DAY);
    observe(&mut back, 700, -DAY);
    assert_eq!(back.forgetting(seconds(700)), Err(Halted::Jumped));
}
