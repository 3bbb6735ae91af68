//! Notices through a topic on a real SNS server into a queue.

use std::time::Duration;

use aws_sdk_sns::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sns::{Client, Config};
use cloudping_backend_aws::SnsTopics;
use cloudping_ports::{Message, Notifier};
use cloudping_testkit::servers::Server;

const REGION: &str = "eu-west-1";

fn client(address: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(format!("http://{address}"));
    Client::from_conf(config.build())
}

/// Asks SQS by its query protocol: it is needed here only, and not worth a client.
fn sqs(address: &str, query: &str) -> String {
    let credential = format!("AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/sqs/aws4_request");
    let request = ureq::post(format!("http://{address}/"))
        .header("authorization", credential)
        .header("content-type", "application/x-www-form-urlencoded");
    request.send(query).unwrap().body_mut().read_to_string().unwrap()
}

async fn topic(client: &Client) -> String {
    for _ in 0..60 {
        if let Ok(made) = client.create_topic().name("alarms").send().await {
            return made.topic_arn.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("no topic was made in 30 s");
}

#[tokio::test]
async fn a_notice_reaches_who_is_subscribed() {
    let Some(server) = Server::sns() else { return };
    let address = server.address();
    let client = client(&address);
    let arn = topic(&client).await;
    let made = sqs(&address, "Action=CreateQueue&QueueName=alarms&Version=2012-11-05");
    let url = made.split("<QueueUrl>").nth(1).unwrap().split('<').next().unwrap();
    let account = arn.split(':').nth(4).unwrap();
    let queue = format!("arn:aws:sqs:{REGION}:{account}:alarms");
    client.subscribe().topic_arn(&arn).protocol("sqs").endpoint(queue).send().await.unwrap();

    // Its own region counts, not the client's.
    let topics = SnsTopics::new(client);
    assert!(topics.takes(&arn), "{arn}");
    let message = |to: &str| Message {
        to: to.to_owned(),
        id: "1-slow-0".to_owned(),
        subject: "slow: FIRING a -> b".to_owned(),
        body: r#"{"id":"1-slow-0"}"#.into(),
        secret: None,
        sent_at: 0,
    };
    topics.notify(&message(&arn)).await.unwrap();
    let received = sqs(&address, &format!("Action=ReceiveMessage&QueueUrl={url}&WaitTimeSeconds=2&Version=2012-11-05"));
    assert!(received.contains("1-slow-0") && received.contains("slow: FIRING a -"), "{received}");

    let nowhere = topics.notify(&message(&arn.replace("alarms", "nothing"))).await.unwrap_err().to_string();
    assert_eq!(nowhere, "SNS answered NotFound", "and no address in it");
}
