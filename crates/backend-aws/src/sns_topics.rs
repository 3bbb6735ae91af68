//! Notices to topics on SNS.

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::config::{Builder, Region};
use aws_sdk_sns::error::ProvideErrorMetadata;
use cloudping_ports::{Message, Notifier, NotifyError};

/// The longest subject that SNS takes.
const MAX_SUBJECT: usize = 100;

/// Publishes to topics by their ARNs, each in its own region. The account of the client must be allowed to `sns:Publish`.
#[derive(Debug, Clone)]
pub struct SnsTopics(Client);

impl SnsTopics {
    /// With a client, whose region does not matter.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self(client)
    }
}

/// The region of a topic's ARN; `None` where it is none.
fn region_of(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", partition, "sns", region, account, topic] = parts[..] else { return None };
    let account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (partition.starts_with("aws") && !region.is_empty() && account && !topic.is_empty()).then_some(region)
}

/// What SNS takes for the subject of a mail: printable ASCII, not too long.
fn subject(text: &str) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).take(MAX_SUBJECT).collect()
}

#[async_trait]
impl Notifier for SnsTopics {
    fn takes(&self, to: &str) -> bool {
        region_of(to).is_some()
    }

    async fn notify(&self, message: &Message) -> Result<(), NotifyError> {
        let region = region_of(&message.to).ok_or_else(|| NotifyError("its address is no topic's".to_owned()))?;
        let body = String::from_utf8_lossy(&message.body);
        let mut request = self.0.publish().topic_arn(&message.to).subject(subject(&message.subject)).message(body);
        if message.to.ends_with(".fifo") {
            request = request.message_group_id("cloudping").message_deduplication_id(&message.id);
        }
        let region = Builder::new().region(Region::new(region.to_owned()));
        match request.customize().config_override(region).send().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let code = error.code().map(str::to_owned);
                Err(NotifyError(code.map_or_else(|| error.to_string(), |code| format!("SNS answered {code}"))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_topics_are_taken() {
        assert_eq!(region_of("arn:aws:sns:eu-west-1:123456789012:alarms"), Some("eu-west-1"));
        assert_eq!(region_of("arn:aws-cn:sns:cn-north-1:123456789012:alarms.fifo"), Some("cn-north-1"));
        for bad in [
            "",
            "https://example.com",
            "arn:aws:sqs:eu-west-1:123456789012:alarms",
            "arn:aws:sns:eu-west-1:123:alarms",
            "arn:aws:sns:eu-west-1:123456789012:alarms:subscription",
            "arn:aws:sns::123456789012:alarms",
        ] {
            assert_eq!(region_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn subjects_are_short_and_printable() {
        assert_eq!(subject("a \u{2192} b\n"), "a ? b?");
        assert_eq!(subject(&"x".repeat(200)).len(), 100);
    }
}
