//! `cloudping key`: keys of those who ask the query service.

use std::time::Duration;

use clap::{Args, Subcommand};
use cloudping_agent::cli::Format;
use cloudping_agent::failure::Failure;
use cloudping_agent::{clock, output};
use cloudping_model::UtcMicros;
use cloudping_ports::LiveStore;
use cloudping_query_service::access::keys::{self, NewKey};
use cloudping_query_service::access::{Budget, KeyId, NoKeyId, Scope, Secret};
use cloudping_schemas::stored::{ApiKey, ApiKeyUsage, ApiRate};
use serde::Serialize;

use crate::live_store::StoreArgs;

/// Days of use that `show` shows.
const DAYS: i64 = 31;
const DAY_US: i64 = 86_400_000_000;

/// Arguments of `key`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cloudping key create --name grafana --scope read,sql
  cloudping key create --name lab --scope read,history,download --quota 10000 --expires 90d
  cloudping key list
  cloudping key show 630dcd2966c43366
  cloudping key revoke 630dcd2966c43366        or the key itself, where it was found

The key is shown once; the store has its SHA-256. Who asks sends it as `Authorization: Bearer cp_…`
or as `x-api-key: cp_…`, never in an address. What the scopes open, and what is open without a key,
stands in docs/access.md.")]
pub struct KeyArgs {
    /// What to do
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key, and show it: standard output is the key and nothing else
    Create(CreateArgs),
    /// List the keys, without their secrets
    List(ListArgs),
    /// Show one key, and what was asked by it
    Show(ShowArgs),
    /// Let nobody in any more by a key, for good: within ten seconds
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// Whose it is, or what it is for
    #[arg(long, value_name = "TEXT")]
    name: String,
    /// What it opens, separated by commas: read, sql, history, download
    #[arg(long, value_delimiter = ',', default_value = "read,history", value_name = "SCOPE,…")]
    scope: Vec<Scope>,
    /// Light requests in a time, such as 600/1m [default: what the service gives to any key]
    #[arg(long, value_name = "COUNT/TIME")]
    rate: Option<Budget>,
    /// Heavy requests (SQL, samples, downloads) in a time [default: what the service gives to any key]
    #[arg(long, value_name = "COUNT/TIME")]
    heavy_rate: Option<Budget>,
    /// Requests a day (UTC) [default: no bound]
    #[arg(long, value_name = "COUNT")]
    quota: Option<u64>,
    /// Time of running SQL a day (UTC), such as 10m [default: no bound]
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIME")]
    sql_quota: Option<Duration>,
    /// How long it is good, such as 90d [default: until it is revoked]
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIME")]
    expires: Option<Duration>,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// table in a terminal, json in a pipe, unless given
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The key's id, as `list` shows it
    id: KeyId,
    #[command(flatten)]
    store: StoreArgs,
    /// table in a terminal, json in a pipe, unless given
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// The key's id, as `list` shows it; or the key itself, where it was found
    #[arg(value_parser = id_of)]
    id: KeyId,
    #[command(flatten)]
    store: StoreArgs,
}

/// The id that this is, or that the key has that this is.
fn id_of(text: &str) -> Result<KeyId, NoKeyId> {
    Secret::parse(text).map_or_else(|| text.parse(), |secret| Ok(secret.id()))
}

/// A key as it is listed.
#[derive(Debug, Serialize)]
struct Listed {
    id: String,
    name: String,
    scopes: Vec<String>,
    status: &'static str,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    /// To the hour.
    last_used: Option<String>,
    requests_today: u64,
    rate: Option<String>,
    heavy_rate: Option<String>,
    quota: Option<u64>,
    sql_quota_s: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    days: Vec<Day>,
}

/// What was asked by a key on one day.
#[derive(Debug, Serialize)]
struct Day {
    day: String,
    requests: u64,
    sql_s: f64,
}

/// Does what is asked.
pub fn run(args: KeyArgs) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::runtime)?;
    runtime.block_on(async {
        match args.command {
            KeyCommand::Create(args) => create(args).await,
            KeyCommand::List(args) => list(args.store.open().await?.as_ref(), args.output).await,
            KeyCommand::Show(args) => show(args.store.open().await?.as_ref(), args.id, args.output).await,
            KeyCommand::Revoke(args) => revoke(args.store.open().await?.as_ref(), args.id).await,
        }
    })
}

async fn create(args: CreateArgs) -> Result<(), Failure> {
    let now = clock::now();
    let after = |time: Duration| now + i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    let new = NewKey {
        name: args.name.clone(),
        scopes: args.scope,
        light: args.rate,
        heavy: args.heavy_rate,
        requests_a_day: args.quota,
        sql_a_day: args.sql_quota,
        expires_at: args.expires.map(after),
    };
    let store = args.store.open().await?;
    let secret = keys::create(store.as_ref(), new, now).await.map_err(Failure::setting)?;
    // Standard output is the key and nothing else, to be piped to where it is kept.
    eprintln!("key {} of {}; it is not shown again:", secret.id(), args.name);
    output::print(secret.to_text())
}

async fn revoke(store: &dyn LiveStore, id: KeyId) -> Result<(), Failure> {
    keys::revoke(store, id, clock::now()).await.map_err(Failure::setting)?;
    output::print(format_args!("nobody is let in any more by the key {id}"))
}

async fn list(store: &dyn LiveStore, format: Option<Format>) -> Result<(), Failure> {
    let (now, mut listed) = (clock::now(), Vec::new());
    for (id, key) in keys::list(store).await.map_err(Failure::runtime)? {
        // All days that are kept: the last use may be long ago.
        let days = keys::usage(store, id, UtcMicros(0)).await.map_err(Failure::runtime)?;
        listed.push(Listed::new(id, key, &days, now));
    }
    if output::chosen(format) == Format::Json {
        return output::json(&listed);
    }
    let header = ["id", "name", "scopes", "status", "created", "last used", "requests today"];
    let row = |key: Listed| {
        let (last_used, today) = (key.last_used.unwrap_or_default(), key.requests_today.to_string());
        vec![key.id, key.name, key.scopes.join(","), key.status.to_owned(), key.created_at, last_used, today]
    };
    output::print(output::table(&header, listed.into_iter().map(row).collect(), header.len() - 1))
}

async fn show(store: &dyn LiveStore, id: KeyId, format: Option<Format>) -> Result<(), Failure> {
    let now = clock::now();
    let key = keys::get(store, id).await.map_err(Failure::runtime)?;
    let key = key.ok_or_else(|| Failure::setting(keys::KeyError::Unknown(id)))?;
    let days = keys::usage(store, id, UtcMicros(0)).await.map_err(Failure::runtime)?;
    let mut listed = Listed::new(id, key, &days, now);
    let recent = days.iter().filter(|(day, _)| *day > now - DAYS * DAY_US);
    listed.days = recent.map(|(day, used)| Day::new(*day, used)).collect();
    if output::chosen(format) == Format::Json {
        return output::json(&listed);
    }
    output::print(output::table(&["key", ""], listed.facts(), 2))?;
    let row = |day: &Day| vec![day.day.clone(), day.requests.to_string(), format!("{:.1}", day.sql_s)];
    output::print(output::table(&["day", "requests", "SQL s"], listed.days.iter().map(row).collect(), 1))
}

impl Listed {
    fn new(id: KeyId, key: ApiKey, days: &[(UtcMicros, ApiKeyUsage)], now: UtcMicros) -> Self {
        let today = days.last().filter(|(day, _)| *day == now.floor(DAY_US));
        let rate = |rate: Option<ApiRate>| {
            rate.map(|rate| Budget::try_from(rate).map_or_else(|error| error.to_string(), |rate| rate.to_string()))
        };
        Self {
            id: id.to_string(),
            status: status(&key, now),
            name: key.name,
            scopes: key.scopes,
            created_at: clock::rfc3339(key.created_at),
            expires_at: key.expires_at.map(clock::rfc3339),
            revoked_at: key.revoked_at.map(clock::rfc3339),
            last_used: days.last().map(|(_, used)| clock::rfc3339(used.last_used)),
            requests_today: today.map_or(0, |(_, used)| used.requests),
            rate: rate(key.light),
            heavy_rate: rate(key.heavy),
            quota: key.requests_a_day,
            sql_quota_s: key.sql_seconds_a_day,
            days: Vec::new(),
        }
    }

    /// What stands of it in a table of names and values.
    fn facts(&self) -> Vec<Vec<String>> {
        let none = || "-".to_owned();
        let facts = [
            ("id", self.id.clone()),
            ("name", self.name.clone()),
            ("scopes", self.scopes.join(",")),
            ("status", self.status.to_owned()),
            ("created", self.created_at.clone()),
            ("expires", self.expires_at.clone().unwrap_or_else(none)),
            ("revoked", self.revoked_at.clone().unwrap_or_else(none)),
            ("last used", self.last_used.clone().unwrap_or_else(none)),
            ("requests today", self.requests_today.to_string()),
            ("rate", self.rate.clone().unwrap_or_else(none)),
            ("heavy rate", self.heavy_rate.clone().unwrap_or_else(none)),
            ("requests a day", self.quota.map_or_else(none, |quota| quota.to_string())),
            ("SQL s a day", self.sql_quota_s.map_or_else(none, |quota| quota.to_string())),
        ];
        facts.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect()
    }
}

impl Day {
    fn new(day: UtcMicros, used: &ApiKeyUsage) -> Self {
        let text = clock::rfc3339(day);
        let day = text.split('T').next().unwrap_or_default().to_owned();
        Self { day, requests: used.requests, sql_s: used.sql_us as f64 / 1e6 }
    }
}

fn status(key: &ApiKey, now: UtcMicros) -> &'static str {
    match (key.revoked_at, key.expires_at) {
        (Some(_), _) => "revoked",
        (None, Some(at)) if at <= now => "expired",
        _ => "good",
    }
}
