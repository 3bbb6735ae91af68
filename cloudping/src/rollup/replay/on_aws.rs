//! The live store made anew in another DynamoDB table: nothing can rename one.

use std::sync::Arc;

use cloudping_agent::failure::Failure;
use cloudping_backend_aws::{DynamoStore, KinesisLog, create_table_if_absent};
use cloudping_batch_rollup::{Progress, Tables};
use cloudping_schemas::stored::{NetworkMark, keys};

use super::live::{self, Source};
use super::{From, ReplayArgs, ReplayReport, micros, network, origins, since};
use crate::aws::Clients;
use crate::up::on_aws;

/// What it works on.
pub struct Names<'a> {
    /// The table that holds the live store.
    pub old: &'a str,
    /// The table that will.
    pub new: &'a str,
    /// The stream that both are made from.
    pub stream: &'a str,
}

/// Fills the new table, or says what there is to do.
pub async fn replay(
    args: &ReplayArgs,
    names: Names<'_>,
    tables: &Tables,
    progress: &dyn Progress,
) -> Result<ReplayReport, Failure> {
    let Names { old: old_name, new: new_name, stream } = names;
    if old_name == new_name {
        return Err(Failure::setting(format!("--into {new_name}: expected another table than --table")));
    }
    let clients = Clients::from_settings().await;
    let old = DynamoStore::new(clients.dynamodb.clone(), old_name);
    let mine = NetworkMark { network: network(args).to_owned(), stream: on_aws::stream_arn(&clients, stream).await? };
    on_aws::mark::is_ours(&old, old_name, &mine).await?;
    let log = Arc::new(KinesisLog::new(clients.kinesis, stream));
    let source = match args.from {
        From::Log => Source::log(log, since(args)),
        From::Samples => {
            let source = Source::samples(Some(log.clone()), tables, origins(args.planet), since(args)).await?;
            source.and_the_rest(log)
        }
    };
    if args.dry_run {
        return source.outlook().await;
    }
    if args.create {
        let made = create_table_if_absent(&clients.dynamodb, new_name).await;
        made.map_err(|error| Failure::setting(format!("--create: the table {new_name} was not made: {error}")))?;
    }
    let new = Arc::new(DynamoStore::new(clients.dynamodb, new_name).with_expiry(keys::expires_at));
    is_empty(new.as_ref(), new_name).await?;
    let before = live::list(&old, keys::HEADS).await?;
    let report = live::fill(new, &old, source, micros(args.allowed_lateness), progress).await?;
    if live::list(&old, keys::HEADS).await? != before {
        return Err(Failure::runtime(format!(
            "something went on filling {old_name} meanwhile, so {new_name} may lack what was written to it alone: stop \
             what processes {stream}, delete {new_name}, and begin again"
        )));
    }
    Ok(report)
}

/// One that a replay was cut off in cannot be gone on with: rounds of hours that are folded would count as late.
async fn is_empty(new: &DynamoStore, name: &str) -> Result<(), Failure> {
    for partition in [keys::HEADS, keys::SERIES, keys::CHECKPOINTS, keys::NETWORK] {
        let held = live::list(new, partition).await?;
        if !held.is_empty() {
            return Err(Failure::setting(format!(
                "--into {name}: it holds something already; expected a table that is empty: delete it if a replay was cut \
                 off in it, or name another"
            )));
        }
    }
    Ok(())
}
