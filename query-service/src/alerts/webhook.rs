//! Tells by HTTP: a POST of JSON, signed where a secret is shared.

use std::time::Duration;

use async_trait::async_trait;
use cloudping_ports::{Message, Notifier, NotifyError, Secret};
use ring::hmac;
use ureq::Agent;
use url::Url;

/// From the look-up of the name to the head of the answer; its body is not read.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest head of an answer.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// POSTs to addresses of http and https. Redirects are not followed: they would take what is signed elsewhere.
#[derive(Debug, Clone)]
pub struct Webhooks(Agent);

impl Default for Webhooks {
    fn default() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(MAX_HEAD_BYTES)
            .user_agent(concat!("cloudping/", env!("CARGO_PKG_VERSION")))
            .timeout_global(Some(LIMIT));
        Self(config.build().into())
    }
}

#[async_trait]
impl Notifier for Webhooks {
    fn takes(&self, to: &str) -> bool {
        // A password in an address would end up in logs of others.
        let fits = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.host_str().is_some_and(|host| !host.is_empty())
                && url.username().is_empty()
                && url.password().is_none()
        };
        to.len() <= 2_048 && Url::parse(to).is_ok_and(|url| fits(&url))
    }

    async fn notify(&self, message: &Message) -> Result<(), NotifyError> {
        let (agent, message) = (self.0.clone(), message.clone());
        let sent = tokio::task::spawn_blocking(move || post(&agent, &message)).await;
        sent.map_err(|error| NotifyError(error.to_string()))?
    }
}

fn post(agent: &Agent, message: &Message) -> Result<(), NotifyError> {
    let mut request =
        agent.post(&message.to).header("content-type", "application/json").header("cloudping-notice-id", &message.id);
    if let Some(secret) = &message.secret {
        request = request.header("cloudping-signature", signature(secret, message.sent_at, &message.body));
    }
    match request.send(&message.body[..]) {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(NotifyError(format!("it answered {}", answer.status()))),
        // The error of a malformed address holds the address.
        Err(ureq::Error::BadUri(_)) => Err(NotifyError("its address cannot be used".to_owned())),
        Err(error) => Err(NotifyError(error.to_string())),
    }
}

/// `t=SECONDS,v1=HEX`: the HMAC-SHA256 of `SECONDS.BODY`, so that a message that was overheard cannot be sent again much later.
fn signature(secret: &Secret, at: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.0.as_bytes());
    let tag = hmac::sign(&key, &[at.to_string().as_bytes(), b".", body].concat());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_web_addresses_are_taken() {
        let webhooks = Webhooks::default();
        for good in ["https://example.com/hook?x=1", "http://127.0.0.1:9/", "https://[2001:db8::1]/a"] {
            assert!(webhooks.takes(good), "{good}");
        }
        let long = format!("https://example.com/{}", "x".repeat(2_048));
        for bad in [
            "",
            "example.com/hook",
            "ftp://example.com",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https://",
            "https://user:password@example.com/",
            "https://user@example.com/",
            "arn:aws:sns:eu-west-1:123456789012:alarms",
            long.as_str(),
        ] {
            assert!(!webhooks.takes(bad), "{bad}");
        }
    }

    #[test]
    fn signatures_are_those_of_the_standard() {
        // By Python: hmac.new(b"key", b"1767355220.{}", "sha256").hexdigest()
        let expected = "t=1767355220,v1=e7d7db9062a123f7321e44c62d20a6f9f76d35b25a6bec263062d047c6dfb59c";
        assert_eq!(signature(&Secret("key".to_owned()), 1_767_355_220, b"{}"), expected);
    }
}
