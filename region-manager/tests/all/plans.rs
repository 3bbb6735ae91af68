//! Plans: from anything to what is wanted, and then no more.

use cloudping_region_manager::{
    Alarm, Configuration, Fires, Function, LogGroup, Permission, Producer, Rule, RuleKind, Step, Tags, Target, plan,
};
use proptest::option::weighted;
use proptest::prelude::*;

use crate::model::{code, take, wanted};

/// Values that are the wanted one as often as not, so that all kinds of differences come together.
fn or<T: Clone + std::fmt::Debug + 'static>(wanted: T, other: T) -> impl Strategy<Value = T> {
    prop_oneof![Just(wanted), Just(other)]
}

fn tags() -> impl Strategy<Value = Tags> {
    let tag = |value: &str| Tags::from([("application".to_owned(), value.to_owned())]);
    let foreign = Tags::from([("owner".to_owned(), "somebody".to_owned())]);
    prop_oneof![Just(tag("cloudping")), Just(tag("else")), Just(Tags::new()), Just(foreign)]
}

fn function() -> impl Strategy<Value = Function> {
    let right = wanted(1).function.unwrap();
    let configuration = or(right.configuration.clone(), Configuration { memory_mib: 256, ..right.configuration });
    let code = or(right.code_sha256, "another".to_owned());
    (code, or(right.architecture, "arm64".to_owned()), configuration, tags()).prop_map(
        |(code_sha256, architecture, configuration, tags)| Function { code_sha256, architecture, configuration, tags },
    )
}

/// A rule of this sort: with our target or without, and perhaps with somebody else's.
fn rule(kind: RuleKind) -> impl Strategy<Value = Rule> {
    let right = wanted(1).rule(kind).unwrap().clone();
    let (id, target) = right.targets.first_key_value().map(|(id, target)| (id.clone(), target.clone())).unwrap();
    let fires = or(right.fires, Fires::By("rate(1 hour)".to_owned()));
    let target = weighted(0.7, or(target, Target::default()));
    (fires, any::<bool>(), tags(), target, any::<bool>()).prop_map(move |(fires, enabled, tags, target, foreign)| {
        let own = target.map(|target| (id.clone(), target));
        let foreign = foreign.then(|| ("foreign".to_owned(), Target::default()));
        Rule { fires, enabled, tags, targets: own.into_iter().chain(foreign).collect() }
    })
}

fn alarm() -> impl Strategy<Value = Alarm> {
    let right = wanted(1).alarm.unwrap();
    let threshold = or(right.threshold, None);
    let tells = [Vec::new(), vec!["arn:aws:sns:eu-west-1:000000000000:on-call".to_owned()], Vec::new()];
    (threshold, any::<bool>(), or(right.tells.clone(), tells), tags())
        .prop_map(move |(threshold, acts, tells, tags)| Alarm { threshold, acts, tells, tags, ..right.clone() })
}

prop_compose! {
    /// Anything that a region may have: without a function there is nothing that hangs on one.
    fn found()(
        log in weighted(0.7, (weighted(0.7, or(30, 7)), tags())),
        function in weighted(0.7, function()),
        retries in weighted(0.7, or(0, 2)),
        permission in weighted(0.7, or(wanted(1).permission.unwrap(), Permission::default())),
        schedule in weighted(0.7, rule(RuleKind::Schedule)),
        alarm in weighted(0.7, alarm()),
        report in weighted(0.7, rule(RuleKind::Report)),
    ) -> Producer {
        let there = function.is_some();
        Producer {
            log: log.map(|(retention_days, tags)| LogGroup { retention_days, tags }),
            retries: retries.filter(|_| there),
            permission: permission.filter(|_| there),
            function,
            schedule,
            alarm,
            report,
        }
    }
}

/// What is there without tags and targets of others, and whom they have the alarm tell.
fn without_others(mut producer: Producer) -> Producer {
    let (schedule, report) = (producer.schedule.as_mut().unwrap(), producer.report.as_mut().unwrap());
    let alarm = producer.alarm.as_mut().unwrap();
    (alarm.acts, alarm.tells) = (true, Default::default());
    for rule in [&mut *schedule, &mut *report] {
        rule.targets.remove("foreign");
    }
    let (log, function) = (producer.log.as_mut().unwrap(), producer.function.as_mut().unwrap());
    for tags in [&mut log.tags, &mut function.tags, &mut alarm.tags, &mut schedule.tags, &mut report.tags] {
        tags.remove("owner");
    }
    producer
}

fn run(producer: &mut Producer, steps: &[Step], version: u8) {
    steps.iter().for_each(|step| take(producer, step, &code(version)));
}

proptest! {
    #[test]
    fn a_plan_leads_there_and_then_there_is_none(found in found(), remove in any::<bool>()) {
        let wanted = if remove { Producer::default() } else { wanted(1) };
        let mut producer = found.clone();
        run(&mut producer, &plan(&found, &wanted), 1);
        prop_assert_eq!(plan(&producer, &wanted), []);
        if remove {
            prop_assert_eq!(producer, wanted);
        } else {
            // But for what others have put beside it, which is as it was.
            if let (Some(before), Some(after)) = (&found.alarm, &producer.alarm) {
                prop_assert_eq!((before.acts, &before.tells), (after.acts, &after.tells));
            }
            prop_assert_eq!(without_others(producer), wanted);
        }
    }

    #[test]
    fn a_plan_that_is_broken_off_is_finished_by_the_next(found in found(), cut in 0_usize..16, remove in any::<bool>()) {
        let wanted = if remove { Producer::default() } else { wanted(1) };
        let steps = plan(&found, &wanted);
        let mut straight = found.clone();
        run(&mut straight, &steps, 1);
        let mut producer = found;
        run(&mut producer, &steps[..cut.min(steps.len())], 1);
        let rest = plan(&producer, &wanted);
        run(&mut producer, &rest, 1);
        prop_assert_eq!(producer, straight);
    }

    #[test]
    fn the_schedule_fires_at_no_function_that_is_not_there(found in found(), remove in any::<bool>()) {
        let wanted = if remove { Producer::default() } else { wanted(1) };
        // Where it did so before, no step makes it worse.
        let invokes = |rule: &Rule| rule.targets.contains_key("producer");
        let fires = |producer: &Producer| producer.schedule.as_ref().is_some_and(invokes) && producer.function.is_none();
        prop_assume!(!fires(&found));
        let mut producer = found.clone();
        for step in plan(&found, &wanted) {
            take(&mut producer, &step, &code(1));
            prop_assert!(!fires(&producer), "after {}", step);
        }
    }
}

#[test]
fn one_difference_is_one_step() {
    let steps = |change: &dyn Fn(&mut Producer)| {
        let mut found = wanted(1);
        change(&mut found);
        plan(&found, &wanted(1)).iter().map(Step::to_string).collect::<Vec<_>>()
    };
    assert_eq!(steps(&|_| {}), [""; 0]);
    let function = |change: fn(&mut Function)| steps(&|found| change(found.function.as_mut().unwrap()));
    assert_eq!(function(|it| it.code_sha256 = "old".to_owned()), ["update code"]);
    assert_eq!(function(|it| it.configuration.memory_mib = 256), ["update configuration"]);
    assert_eq!(function(|it| it.configuration.environment.clear()), ["update configuration"]);
    assert_eq!(function(|it| it.tags.clear()), ["tag function"]);
    assert_eq!(steps(&|found| found.retries = None), ["set retries"]);
    assert_eq!(steps(&|found| found.schedule.as_mut().unwrap().enabled = false), ["put schedule"]);
    assert_eq!(steps(&|found| found.permission = None), ["add permission"]);
    assert_eq!(steps(&|found| found.schedule.as_mut().unwrap().targets.clear()), ["put target of schedule"]);
    assert_eq!(steps(&|found| found.report.as_mut().unwrap().targets.clear()), ["put target of report"]);
    assert_eq!(steps(&|found| found.alarm.as_mut().unwrap().period_s = 60), ["put alarm"]);
    assert_eq!(steps(&|found| found.alarm.as_mut().unwrap().acts = false), [""; 0]);
    assert_eq!(steps(&|found| found.log.as_mut().unwrap().retention_days = None), ["keep log 30 days"]);
    let other = |found: &mut Producer| found.permission.as_mut().unwrap().source_arn.push('x');
    assert_eq!(steps(&other), ["remove permission", "add permission"]);
}
