//! Runs over all regions.

use std::sync::Mutex;

use cloudping_region_manager::{Cloud, Fleet, FleetError, Mode, OptStatus, Outcome, Producer, Report};
use cloudping_schemas::catalogue::Catalogue;

use crate::model::{Account, code, settings, wanted};

const FOUR: [&str; 4] = ["ap-south-1", "eu-west-1", "us-east-1", "us-west-1"];

fn fleet(account: &Account) -> Fleet<'_> {
    Fleet::new(account, settings(), Some(account.code.clone()), Catalogue::built_in().unwrap())
}

async fn run(account: &Account, mode: Mode) -> Report {
    fleet(account).run(mode, |_| {}).await.unwrap()
}

fn outcome(report: &Report, id: &str) -> Outcome {
    report.regions.iter().find(|region| region.region == id).unwrap().outcome
}

#[tokio::test]
async fn a_second_run_has_nothing_to_do() {
    let account = Account::new(&FOUR);
    let first = run(&account, Mode::Sync).await;
    assert_eq!((first.count(Outcome::Created), first.count(Outcome::None)), (3, 1), "one is left out");
    assert_eq!(account.producer("eu-west-1"), wanted(1));
    assert_eq!(account.producer("us-west-1"), Producer::default());
    let second = run(&account, Mode::Sync).await;
    assert_eq!(second.count(Outcome::Unchanged), 3);
    assert!(second.regions.iter().all(|region| region.steps.is_empty()));
    let sha256 = second.regions[1].code_sha256.as_deref();
    assert_eq!(sha256, Some(account.code.sha256()));
}

#[tokio::test]
async fn new_code_is_updated_and_left_out_regions_are_cleared() {
    let mut account = Account::new(&FOUR);
    let unlike = ["us-west-1", "eu-west-1"].map(|id| (id.to_owned(), (OptStatus::EnabledByDefault, wanted(1))));
    account.regions.lock().unwrap().extend(unlike);
    account.code = code(2);
    let report = run(&account, Mode::Deploy).await;
    assert_eq!(outcome(&report, "eu-west-1"), Outcome::Updated);
    assert_eq!(report.regions[1].steps, ["update code"]);
    assert_eq!(outcome(&report, "us-west-1"), Outcome::Removed);
    assert_eq!(account.producer("us-west-1"), Producer::default());
}

#[tokio::test]
async fn only_allowed_regions_are_enabled_and_only_by_a_sync() {
    let account = Account::new(&[]).with("af-south-1", OptStatus::Disabled).with("me-south-1", OptStatus::Disabled);
    let deployed = run(&account, Mode::Deploy).await;
    assert_eq!(account.status("af-south-1"), OptStatus::Disabled);
    assert!(deployed.regions[0].note.as_ref().unwrap().contains("regions enable"));
    run(&account, Mode::Enable).await;
    assert_eq!(account.status("af-south-1"), OptStatus::Enabling);
    account.set_status("af-south-1", OptStatus::Disabled);
    let synced = run(&account, Mode::Sync).await;
    assert_eq!(
        (account.status("af-south-1"), account.status("me-south-1")),
        (OptStatus::Enabling, OptStatus::Disabled)
    );
    assert_eq!((outcome(&synced, "af-south-1"), outcome(&synced, "me-south-1")), (Outcome::Enabling, Outcome::None));
    assert!(synced.regions[1].note.as_ref().unwrap().contains("regionManager.enable"));
    let waiting = run(&account, Mode::Sync).await;
    assert_eq!((outcome(&waiting, "af-south-1"), &waiting.regions[0].steps), (Outcome::Enabling, &vec![]));
    account.set_status("af-south-1", OptStatus::Enabled);
    assert_eq!(outcome(&run(&account, Mode::Sync).await, "af-south-1"), Outcome::Created);
    // Its account gives it up again: what can still be reached is removed.
    account.set_status("af-south-1", OptStatus::Disabling);
    assert_eq!(outcome(&run(&account, Mode::Sync).await, "af-south-1"), Outcome::Removed);
}

#[tokio::test]
async fn one_regions_failure_stops_no_other() {
    let mut account = Account::new(&FOUR);
    account.broken.insert("eu-west-1".to_owned());
    let told = Mutex::new(Vec::new());
    let report =
        fleet(&account).run(Mode::Sync, |region| told.lock().unwrap().push(region.region.clone())).await.unwrap();
    let failed: Vec<_> = report.failed().collect();
    assert_eq!((failed.len(), failed[0].region.as_str()), (1, "eu-west-1"));
    assert_eq!(
        failed[0].note.as_deref(),
        Some("lambda:GetFunction: injected; run it again; nothing that was done is lost")
    );
    assert_eq!(report.count(Outcome::Created), 2);
    assert_eq!(told.into_inner().unwrap().len(), 4);
}

#[tokio::test]
async fn whichever_call_fails_the_next_run_reaches_the_same() {
    for (version, effective) in [(1, false), (1, true), (2, false), (2, true)] {
        for nth in 0.. {
            let mut account = Account::new(&["eu-west-1"]);
            if version == 2 {
                run(&account, Mode::Sync).await;
                account.code = code(2);
            }
            *account.fault.lock().unwrap() = Some((nth, effective));
            let broken = run(&account, Mode::Sync).await;
            if account.fault.lock().unwrap().take().is_some() {
                assert!(nth > 2, "the run made {nth} calls");
                break;
            }
            assert_eq!(broken.count(Outcome::Failed), 1, "call {nth}");
            run(&account, Mode::Sync).await;
            assert_eq!(account.producer("eu-west-1"), wanted(version), "call {nth}");
            assert_eq!(run(&account, Mode::Sync).await.count(Outcome::Unchanged), 1);
        }
    }
}

#[tokio::test]
async fn enabling_touches_no_producer() {
    let account = Account::new(&FOUR).with("af-south-1", OptStatus::Disabled);
    let report = run(&account, Mode::Enable).await;
    assert_eq!((report.count(Outcome::Enabling), report.count(Outcome::None)), (1, 4));
    assert!(FOUR.iter().all(|id| account.producer(id) == Producer::default()));
}

#[tokio::test]
async fn a_dry_run_says_all_and_does_nothing() {
    let account = Account::new(&FOUR).with("af-south-1", OptStatus::Disabled);
    let report = fleet(&account).dry(true).run(Mode::Sync, |_| {}).await.unwrap();
    assert_eq!(report.count(Outcome::Planned), 4);
    assert_eq!(report.regions[0].steps, ["enable region"]);
    assert_eq!(report.regions[2].steps.first().map(String::as_str), Some("create log"));
    assert_eq!(account.status("af-south-1"), OptStatus::Disabled);
    assert!(FOUR.iter().all(|id| account.producer(id) == Producer::default()));
}

#[tokio::test]
async fn a_new_region_is_measured_before_anybody_knows_where_it_is() {
    let account = Account::new(&["eu-west-1", "xx-new-1"]);
    let report = run(&account, Mode::Sync).await;
    assert_eq!(report.count(Outcome::Created), 2);
    assert_eq!(report.regions.iter().map(|region| region.catalogued).collect::<Vec<_>>(), [true, false]);
    let environment = account.producer("eu-west-1").function.unwrap().configuration.environment;
    assert_eq!(environment.get("CLOUDPING_ALSO").map(String::as_str), Some("xx-new-1"));
}

#[tokio::test]
async fn producers_are_removed_where_it_is_asked() {
    let account = Account::new(&FOUR);
    run(&account, Mode::Sync).await;
    let one = fleet(&account).only(vec!["eu-west-1".to_owned()]).run(Mode::Remove, |_| {}).await.unwrap();
    assert_eq!((one.regions.len(), one.count(Outcome::Removed)), (1, 1));
    assert_eq!(account.producer("us-east-1"), wanted_in("us-east-1", &account).await);
    assert_eq!(run(&account, Mode::Remove).await.count(Outcome::Removed), 2);
    let error = fleet(&account).only(vec!["eu-west-9".to_owned()]).run(Mode::Remove, |_| {}).await.unwrap_err();
    assert!(matches!(error, FleetError::Unknown(id) if id == "eu-west-9"));
}

async fn wanted_in(id: &str, account: &Account) -> Producer {
    let listed = account.regions().await.unwrap();
    let region = listed.iter().find(|region| region.id == id).unwrap();
    let deployment = cloudping_region_manager::Deployment::new(settings(), &account.code, Vec::new()).unwrap();
    deployment.producer(region)
}
