//! The gate before every door.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use cloudping_model::UtcMicros;
use cloudping_ports::LiveStore;
use cloudping_schemas::stored::ApiKeyUsage;

use super::addresses::Addresses;
use super::budget::{Budget, Standing};
use super::keys::{self, KeyError};
use super::known::{Cache, Found, Known, Spent};
use super::refusal::Refusal;
use super::scope::Scope;
use super::secret::{KeyId, Secret};
use super::settings::AccessSettings;

/// Keys that are not known yet, or none, by one address: each may ask the store.
const DOUBTFUL: Budget = Budget::of(30, 60);
const DAY_US: i64 = 86_400_000_000;

/// The fields of draft-ietf-httpapi-ratelimit-headers-10.
pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Lets requests in, or not: one for all doors of a service. Copies share everything.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    settings: AccessSettings,
    store: Arc<dyn LiveStore>,
    clock: fn() -> UtcMicros,
    started: UtcMicros,
    light: Addresses,
    heavy: Addresses,
    doubtful: Addresses,
    /// Of the addresses' budgets.
    policies: [HeaderValue; 2],
    cache: Cache,
}

impl Gate {
    pub(crate) fn new(settings: AccessSettings, store: Arc<dyn LiveStore>, clock: fn() -> UtcMicros) -> Self {
        let places = settings.addresses;
        Self(Arc::new(Inner {
            light: Addresses::new(places),
            heavy: Addresses::new(places),
            doubtful: Addresses::new(places / 8),
            policies: [policy(false, settings.light, None), policy(true, settings.heavy, None)],
            cache: Cache::default(),
            started: clock(),
            settings,
            store,
            clock,
        }))
    }

    /// Whether a request of this kind is let in, which counts it. `presented` is the text of a key, however it came; `address` that of who asks.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn admit(&self, presented: Option<&str>, address: IpAddr, needs: Scope) -> Result<Admitted, Refusal> {
        let free = self.0.settings.loopback_is_free && address.to_canonical().is_loopback();
        self.admit_from(presented, address, free, needs).await
    }

    /// [`admit`](Self::admit), where it is known whether the address has no limits.
    pub(crate) async fn admit_from(
        &self,
        presented: Option<&str>,
        address: IpAddr,
        free: bool,
        needs: Scope,
    ) -> Result<Admitted, Refusal> {
        match presented {
            None => self.anonymous(address, free, needs),
            Some(text) => self.keyed(text, address, free, needs).await,
        }
    }

    pub(crate) fn settings(&self) -> &AccessSettings {
        &self.0.settings
    }

    fn anonymous(&self, address: IpAddr, free: bool, needs: Scope) -> Result<Admitted, Refusal> {
        if !self.is_open(needs) {
            return Err(Refusal::KeyNeeded(needs));
        }
        let heavy = needs.is_heavy();
        let budget = if heavy { self.0.settings.heavy } else { self.0.settings.light };
        let addresses = if heavy { &self.0.heavy } else { &self.0.light };
        let standing = match free {
            true => None,
            false => Some(addresses.spend(address, budget, self.ticks((self.0.clock)()), 1).map_err(|wait| {
                Refusal::TooFast { heavy, keyed: false, wait, policy: self.0.policies[usize::from(heavy)].clone() }
            })?),
        };
        Ok(Admitted { gate: self.clone(), key: None, heavy, standing, left_today: None })
    }

    async fn keyed(&self, text: &str, address: IpAddr, free: bool, needs: Scope) -> Result<Admitted, Refusal> {
        let now = (self.0.clock)();
        let doubt = || {
            let spent = match free {
                true => Ok(()),
                false => self.0.doubtful.spend(address, DOUBTFUL, self.ticks(now), 1).map(|_| ()),
            };
            spent.map_err(Refusal::Doubtful)
        };
        let Some(secret) = Secret::parse(text) else {
            doubt()?;
            return Err(Refusal::Malformed);
        };
        let hash = secret.hash();
        let known = match self.0.cache.find(KeyId::of(&hash), &hash, now) {
            Found::Fresh(known) => known,
            Found::Stale => self.read(&hash, now).await?,
            Found::Absent => {
                doubt()?;
                self.read(&hash, now).await?
            }
        };
        self.good(known, needs, now)
    }

    /// Lets a key in that is there.
    fn good(&self, known: Arc<Known>, needs: Scope, now: UtcMicros) -> Result<Admitted, Refusal> {
        if known.key.revoked_at.is_some() {
            return Err(Refusal::Revoked);
        }
        if known.key.expires_at.is_some_and(|at| at <= now) {
            return Err(Refusal::Expired);
        }
        if !known.has(needs) {
            return Err(Refusal::Scope { needs, has: known.key.scopes.join(", ") });
        }
        let heavy = needs.is_heavy();
        let standing = known.spend(heavy, self.ticks(now)).map_err(|wait| {
            let policy = policy(heavy, known.budget(heavy), known.key.requests_a_day);
            Refusal::TooFast { heavy, keyed: true, wait, policy }
        })?;
        let wait = (now.floor(DAY_US) + DAY_US).since(now);
        let left_today = known.count(needs, now).map_err(|spent| match spent {
            Spent::Requests(most) => Refusal::Requests { most, wait },
            Spent::SqlSeconds(most) => Refusal::SqlSeconds { most, wait },
        })?;
        Ok(Admitted { gate: self.clone(), key: Some(known), heavy, standing: Some(standing), left_today })
    }

    /// Reads a key from the store.
    async fn read(&self, hash: &[u8; 32], now: UtcMicros) -> Result<Arc<Known>, Refusal> {
        let id = KeyId::of(hash);
        let read = async {
            let key = keys::get(self.0.store.as_ref(), id).await?;
            let used = match &key {
                Some(key) if key.requests_a_day.is_some() || key.sql_seconds_a_day.is_some() => {
                    let days = keys::usage(self.0.store.as_ref(), id, now.floor(DAY_US)).await?;
                    days.first().map_or_else(ApiKeyUsage::default, |(_, used)| *used)
                }
                _ => ApiKeyUsage::default(),
            };
            Ok::<_, KeyError>((key, used))
        };
        let (key, used) = read.await.map_err(|error| {
            tracing::error!("{error}");
            Refusal::Unavailable
        })?;
        let Some(key) = key else {
            self.0.cache.forget(id);
            return Err(Refusal::Unknown);
        };
        let limits = [self.0.settings.key_light, self.0.settings.key_heavy];
        self.0.cache.put(key, limits, used, now);
        // Whether it is this key, and not only one with its id, is the cache's to say.
        match self.0.cache.find(id, hash, now) {
            Found::Fresh(known) => Ok(known),
            Found::Stale | Found::Absent => Err(Refusal::Unknown),
        }
    }

    /// Tells the store what was asked by each key since it was told last: call it now and then, and at the end. What cannot be told stays.
    ///
    /// # Errors
    /// The first thing that went wrong.
    pub async fn flush(&self) -> Result<(), KeyError> {
        let mut failed = None;
        for known in self.0.cache.all() {
            for (day, part) in known.take_usage() {
                match keys::add_usage(self.0.store.as_ref(), known.id, day, part).await {
                    Ok(stored) => known.told(day, part, Some(stored)),
                    Err(error) => {
                        known.told(day, part, None);
                        failed = failed.or(Some(error));
                    }
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn is_open(&self, needs: Scope) -> bool {
        match needs {
            Scope::Read => true,
            Scope::Sql => !self.0.settings.sql_needs_key,
            Scope::History | Scope::Download => !self.0.settings.history_needs_key,
        }
    }

    /// µs since the start.
    fn ticks(&self, now: UtcMicros) -> u64 {
        u64::try_from(now.0.saturating_sub(self.0.started.0)).unwrap_or(0)
    }
}

/// A request that was let in.
#[derive(Clone)]
pub struct Admitted {
    gate: Gate,
    key: Option<Arc<Known>>,
    heavy: bool,
    standing: Option<Standing>,
    left_today: Option<u64>,
}

impl Admitted {
    /// The key that it came with.
    #[must_use]
    pub fn key(&self) -> Option<KeyId> {
        self.key.as_ref().map(|known| known.id)
    }

    /// Whether it came with a key: for what needs one by a setting of its own.
    ///
    /// # Errors
    /// [`Refusal::KeyNeeded`], or that the key has not this scope.
    pub fn require_key(&self, needs: Scope) -> Result<(), Refusal> {
        let known = self.key.as_ref().ok_or(Refusal::KeyNeeded(needs))?;
        if known.has(needs) {
            return Ok(());
        }
        Err(Refusal::Scope { needs, has: known.key.scopes.join(", ") })
    }

    /// Measures how long SQL runs for this request: until what is returned is dropped.
    #[must_use]
    pub fn meter(&self) -> Meter {
        let clock = self.gate.0.clock;
        Meter { key: self.key.clone(), since: clock(), clock }
    }

    /// Says what is left of the budget.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let Some(Standing { left, whole_in }) = self.standing else { return };
        let mut text = format!("\"{}\";r={left};t={}", name(self.heavy), whole_in.as_secs_f64().ceil());
        if let Some(left) = self.left_today {
            let now = (self.gate.0.clock)();
            let rest = (now.floor(DAY_US) + DAY_US).since(now).as_secs();
            // Writing into a text cannot fail.
            let _ = write!(text, ", \"day\";r={left};t={rest}");
        }
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(RATE_LIMIT, value);
        }
        let policy = match &self.key {
            Some(known) => policy(self.heavy, known.budget(self.heavy), known.key.requests_a_day),
            None => self.gate.0.policies[usize::from(self.heavy)].clone(),
        };
        headers.insert(RATE_LIMIT_POLICY, policy);
    }
}

/// How long SQL has run. Where it came with no key this counts for nobody.
pub struct Meter {
    key: Option<Arc<Known>>,
    since: UtcMicros,
    clock: fn() -> UtcMicros,
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            let now = (self.clock)();
            key.count_sql(now.since(self.since), now);
        }
    }
}

fn name(heavy: bool) -> &'static str {
    if heavy { "heavy" } else { "light" }
}

/// The value of `RateLimit-Policy`.
fn policy(heavy: bool, budget: Budget, requests_a_day: Option<u64>) -> HeaderValue {
    let mut text = format!("\"{}\";q={};w={}", name(heavy), budget.requests(), budget.window().as_secs());
    if let Some(most) = requests_a_day {
        let _ = write!(text, ", \"day\";q={most};w={}", Duration::from_micros(DAY_US.unsigned_abs()).as_secs());
    }
    // Nothing but plain signs stands in it.
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
