//! Who may come in. A key is the password; whoever needs none is let in without being asked.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{Sink, SinkExt};
use pgwire::api::auth::{
    ServerParameterProvider, StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use pgwire::api::{ClientInfo, PgWireConnectionState, PidSecretKeyGenerator, RandomPidSecretKeyGenerator};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::startup::Authentication;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};

use crate::failure::fatal;
use crate::server::Door;
use crate::session::{FIXED, Session};

/// What a client may set when it connects.
const TAKEN: [&str; 2] = ["application_name", "statement_timeout"];

/// Lets clients in.
pub struct Startup {
    door: Arc<Door>,
    secrets: RandomPidSecretKeyGenerator,
}

impl Startup {
    /// At this door.
    pub fn new(door: Arc<Door>) -> Self {
        Self { door, secrets: RandomPidSecretKeyGenerator::default() }
    }

    async fn enter<C>(&self, client: &mut C) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let session = Session::of(client);
        for name in TAKEN {
            if let Some(value) = client.metadata().get(name) {
                session.set(name, Some(value)).map_err(|reason| fatal("22023", reason))?;
            }
        }
        let (pid, secret) = self.secrets.generate(client);
        session.keep(self.door.running.enter((pid, secret.to_bytes()), Arc::clone(&session.cancel)));
        client.set_pid_and_secret_key(pid, secret);
        finish_authentication(client, &Told).await
    }
}

#[async_trait]
impl StartupHandler for Startup {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let address = client.socket_addr().ip();
        match message {
            PgWireFrontendMessage::Startup(startup) => {
                protocol_negotiation(client, &startup).await?;
                save_startup_parameters_to_metadata(client, &startup);
                if self.door.keeper.admit(None, address).await.is_ok() {
                    return self.enter(client).await;
                }
                if !client.is_secure() && !address.is_loopback() {
                    return Err(fatal(
                        "28000",
                        "a key is needed, and taken over TLS only: connect with sslmode=require",
                    ));
                }
                client.set_state(PgWireConnectionState::AuthenticationInProgress);
                client.send(PgWireBackendMessage::Authentication(Authentication::CleartextPassword)).await?;
                Ok(())
            }
            PgWireFrontendMessage::PasswordMessageFamily(password) => {
                if !matches!(client.state(), PgWireConnectionState::AuthenticationInProgress) {
                    return Err(fatal("08P01", "a password before it was asked for"));
                }
                let password = password.into_password()?;
                let admitted = self.door.keeper.admit(Some(&password.password), address).await;
                admitted.map_err(|reason| fatal("28P01", reason))?;
                Session::of(client).keep_key(&password.password);
                self.enter(client).await
            }
            _ => Err(fatal("08P01", "expected a start-up message")),
        }
    }
}

/// What a client is told of the server.
struct Told;

impl ServerParameterProvider for Told {
    fn server_parameters<C: ClientInfo>(&self, client: &C) -> Option<std::collections::HashMap<String, String>> {
        let mut told: std::collections::HashMap<_, _> =
            FIXED.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        for (told_as, name) in [("application_name", "application_name"), ("session_authorization", "user")] {
            if let Some(value) = client.metadata().get(name) {
                told.insert(told_as.to_owned(), value.clone());
            }
        }
        Some(told)
    }
}
