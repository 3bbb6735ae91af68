//! The keys that have been used lately: as they were read last, what their budgets are, and what they have used today.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use cloudping_model::UtcMicros;
use cloudping_schemas::stored::{ApiKey, ApiKeyUsage};
use subtle::ConstantTimeEq;

use super::budget::{Budget, Standing};
use super::keys::sum;
use super::scope::Scope;
use super::secret::KeyId;

/// A key is taken as it was read for so long.
const FRESH: Duration = Duration::from_secs(5);
/// And so long while another request reads it anew. What is revoked is refused within ten seconds.
const LONGEST: Duration = Duration::from_secs(9);
const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 86_400_000_000;

/// A key as it was read.
pub(super) struct Known {
    pub(super) id: KeyId,
    pub(super) key: ApiKey,
    light: Budget,
    heavy: Budget,
    read_at: UtcMicros,
    running: Arc<Running>,
}

/// What outlives a reading.
struct Running {
    light: AtomicU64,
    heavy: AtomicU64,
    /// Somebody reads it anew.
    reading: AtomicBool,
    usage: Mutex<Usage>,
}

/// What has been used, of it what the store does not know yet.
#[derive(Debug, Default)]
struct Usage {
    /// The start of the day (UTC).
    day: UtcMicros,
    /// What the store has of the day, by all services.
    stored: ApiKeyUsage,
    /// What is on its way into the store.
    going: ApiKeyUsage,
    /// What is new.
    new: ApiKeyUsage,
    /// Of days that have ended.
    owed: Vec<(UtcMicros, ApiKeyUsage)>,
}

/// What of a day has been used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spent {
    Requests(u64),
    SqlSeconds(u64),
}

impl Usage {
    /// Begins a new day where one has begun. A clock that went back stays in the day it had come to.
    fn turn(&mut self, now: UtcMicros) {
        let day = now.floor(DAY_US);
        if day > self.day {
            if self.new != ApiKeyUsage::default() {
                self.owed.push((self.day, self.new));
            }
            *self = Self { day, owed: std::mem::take(&mut self.owed), ..Self::default() };
        }
    }

    fn today(&self) -> ApiKeyUsage {
        sum(sum(self.stored, self.going), self.new)
    }

    /// Counts one request, and says how many are left of the day; or what of it is spent, counting nothing.
    fn count(&mut self, key: &ApiKey, needs: Scope, now: UtcMicros) -> Result<Option<u64>, Spent> {
        self.turn(now);
        let today = self.today();
        let left = match key.requests_a_day {
            Some(most) => Some(most.checked_sub(today.requests + 1).ok_or(Spent::Requests(most))?),
            None => None,
        };
        let seconds = key.sql_seconds_a_day.filter(|_| needs == Scope::Sql);
        if let Some(most) = seconds.filter(|most| today.sql_us >= most.saturating_mul(1_000_000)) {
            return Err(Spent::SqlSeconds(most));
        }
        let last_used = now.floor(HOUR_US);
        self.new = sum(self.new, ApiKeyUsage { requests: 1, sql_us: 0, last_used });
        Ok(left)
    }

    /// What the store is to be told, by day.
    fn take(&mut self) -> Vec<(UtcMicros, ApiKeyUsage)> {
        let mut due = std::mem::take(&mut self.owed);
        // What is on its way is told by whoever took it.
        if self.new != ApiKeyUsage::default() && self.going == ApiKeyUsage::default() {
            self.going = std::mem::take(&mut self.new);
            due.push((self.day, self.going));
        }
        due
    }

    /// What became of a part that was taken: what the store now has of its day, or nothing was told.
    fn told(&mut self, day: UtcMicros, part: ApiKeyUsage, stored: Option<ApiKeyUsage>) {
        let today = day == self.day;
        if today {
            self.going = ApiKeyUsage::default();
        }
        match stored {
            Some(stored) if today => self.stored = stored,
            Some(_) => {}
            None if today => self.new = sum(self.new, part),
            None => self.owed.push((day, part)),
        }
    }
}

impl Known {
    /// Whether this is the key with that hash. Where the two differ says nothing by the time it takes.
    fn is(&self, hash: &[u8; 32]) -> bool {
        self.key.hash.ct_eq(hash).into()
    }

    pub(super) fn has(&self, scope: Scope) -> bool {
        self.key.scopes.iter().any(|name| name == scope.name())
    }

    pub(super) fn budget(&self, heavy: bool) -> Budget {
        if heavy { self.heavy } else { self.light }
    }

    /// Takes a request out of the budget; `now` in µs since the start.
    pub(super) fn spend(&self, heavy: bool, now: u64) -> Result<Standing, Duration> {
        let (budget, cell) = (self.budget(heavy), if heavy { &self.running.heavy } else { &self.running.light });
        let mut whole_at = cell.load(Ordering::Relaxed);
        loop {
            let (then, standing) = budget.spend(whole_at, now, 1)?;
            match cell.compare_exchange_weak(whole_at, then, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(standing),
                Err(found) => whole_at = found,
            }
        }
    }

    /// Counts one request, and says how many are left of the day.
    pub(super) fn count(&self, needs: Scope, now: UtcMicros) -> Result<Option<u64>, Spent> {
        self.usage().count(&self.key, needs, now)
    }

    /// Counts time of running SQL.
    pub(super) fn count_sql(&self, time: Duration, now: UtcMicros) {
        let mut usage = self.usage();
        usage.turn(now);
        let sql_us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        usage.new = sum(usage.new, ApiKeyUsage { requests: 0, sql_us, last_used: now.floor(HOUR_US) });
    }

    /// What the store is to be told, by day. What is taken is told of with [`told`](Self::told).
    pub(super) fn take_usage(&self) -> Vec<(UtcMicros, ApiKeyUsage)> {
        self.usage().take()
    }

    pub(super) fn told(&self, day: UtcMicros, part: ApiKeyUsage, stored: Option<ApiKeyUsage>) {
        self.usage().told(day, part, stored);
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.running.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of a key.
pub(super) enum Found {
    /// It is as it was read.
    Fresh(Arc<Known>),
    /// It must be read anew.
    Stale,
    /// Nothing yet.
    Absent,
}

/// The keys that have been used. As many as the operator has made, whatever else is tried.
#[derive(Default)]
pub(super) struct Cache(RwLock<HashMap<KeyId, Arc<Known>>>);

impl Cache {
    pub(super) fn find(&self, id: KeyId, hash: &[u8; 32], now: UtcMicros) -> Found {
        let found = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        let Some(known) = found.filter(|known| known.is(hash)) else { return Found::Absent };
        // A clock that went back must not keep a key for longer.
        let age = if now >= known.read_at { now.since(known.read_at) } else { LONGEST };
        // One reads it anew; the others need not wait for that.
        if age < FRESH || (age < LONGEST && known.running.reading.swap(true, Ordering::Relaxed)) {
            return Found::Fresh(known);
        }
        Found::Stale
    }

    /// Takes over what was read of a key. `limits` are those of a key without its own; `used` is what the store has of the day, which
    /// is told of a key that was not known.
    pub(super) fn put(&self, key: ApiKey, limits: [Budget; 2], used: ApiKeyUsage, now: UtcMicros) -> Arc<Known> {
        let id = KeyId::of(&key.hash);
        let [light, heavy] = [(key.light, limits[0]), (key.heavy, limits[1])]
            .map(|(own, general)| own.and_then(|own| Budget::try_from(own).ok()).unwrap_or(general));
        let mut cache = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let running = cache.get(&id).map(|known| Arc::clone(&known.running)).unwrap_or_else(|| {
            let usage = Usage { day: now.floor(DAY_US), stored: used, ..Usage::default() };
            let (light, heavy, reading) = Default::default();
            Arc::new(Running { light, heavy, reading, usage: Mutex::new(usage) })
        });
        running.reading.store(false, Ordering::Relaxed);
        let known = Arc::new(Known { id, key, light, heavy, read_at: now, running });
        cache.insert(id, Arc::clone(&known));
        known
    }

    /// Forgets a key that is no longer there.
    pub(super) fn forget(&self, id: KeyId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    pub(super) fn all(&self) -> Vec<Arc<Known>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UtcMicros = UtcMicros(1_767_355_200_000_000);
    const SECOND: i64 = 1_000_000;

    fn key(requests_a_day: Option<u64>, sql_seconds_a_day: Option<u64>) -> ApiKey {
        ApiKey {
            hash: [7; 32],
            name: "test".to_owned(),
            scopes: vec!["sql".to_owned(), "of-tomorrow".to_owned()],
            created_at: NOON,
            expires_at: None,
            revoked_at: None,
            light: None,
            heavy: None,
            requests_a_day,
            sql_seconds_a_day,
        }
    }

    fn put(cache: &Cache, key: ApiKey, used: u64, now: UtcMicros) -> Arc<Known> {
        let used = ApiKeyUsage { requests: used, ..ApiKeyUsage::default() };
        cache.put(key, [Budget::of(100, 60), Budget::of(10, 60)], used, now)
    }

    #[test]
    fn a_key_is_read_anew_by_one_while_the_others_go_on_for_a_while() {
        let cache = Cache::default();
        let known = put(&cache, key(None, None), 0, NOON);
        let find = |seconds: i64| cache.find(known.id, &[7; 32], NOON + seconds * SECOND);
        assert!(matches!(cache.find(known.id, &[8; 32], NOON), Found::Absent), "another key with this id");
        assert!(matches!(find(0), Found::Fresh(_)) && matches!(find(4), Found::Fresh(_)));
        assert!(matches!(find(5), Found::Stale), "the first one reads it");
        assert!(matches!(find(5), Found::Fresh(_)) && matches!(find(8), Found::Fresh(_)));
        assert!(matches!(find(9), Found::Stale), "whoever was to read it did not come back");
        assert!(matches!(find(-3_600), Found::Stale), "the clock went back");
        put(&cache, key(None, None), 0, NOON + 9 * SECOND);
        assert!(matches!(find(13), Found::Fresh(_)) && matches!(find(14), Found::Stale));
        cache.forget(known.id);
        assert!(matches!(find(14), Found::Absent));
    }

    #[test]
    fn a_day_has_so_many_requests_and_the_next_one_again() {
        let cache = Cache::default();
        let known = put(&cache, key(Some(5), None), 3, NOON);
        assert_eq!(known.count(Scope::Read, NOON), Ok(Some(1)));
        // Reading the key anew changes nothing.
        let known = put(&cache, key(Some(5), None), 0, NOON + 5 * SECOND);
        assert_eq!(known.count(Scope::Read, NOON), Ok(Some(0)));
        assert_eq!(known.count(Scope::Read, NOON), Err(Spent::Requests(5)));
        assert_eq!(known.count(Scope::Read, NOON + DAY_US / 2), Ok(Some(4)));
        assert_eq!(known.count(Scope::Read, NOON), Ok(Some(3)), "the clock went back");
        assert!(!known.has(Scope::Read) && known.has(Scope::Sql));
    }

    #[test]
    fn sql_has_its_seconds_a_day() {
        let known = put(&Cache::default(), key(None, Some(2)), 0, NOON);
        known.count_sql(Duration::from_micros(1_999_999), NOON);
        assert_eq!(known.count(Scope::Sql, NOON), Ok(None));
        known.count_sql(Duration::from_micros(1), NOON);
        assert_eq!(known.count(Scope::Sql, NOON), Err(Spent::SqlSeconds(2)));
        assert_eq!(known.count(Scope::Read, NOON), Ok(None));
    }

    #[test]
    fn what_was_used_is_told_once_also_when_it_fails_or_the_day_ends() {
        let known = put(&Cache::default(), key(Some(100), None), 10, NOON);
        let (today, tomorrow) = (NOON.floor(DAY_US), NOON.floor(DAY_US) + DAY_US);
        known.count(Scope::Read, NOON).unwrap();
        let [(day, part)] = known.take_usage()[..] else { panic!("one day") };
        assert_eq!((day, part.requests, part.last_used), (today, 1, NOON));
        assert!(known.take_usage().is_empty(), "it is on its way");
        assert_eq!(known.count(Scope::Read, NOON), Ok(Some(88)), "what is on its way counts");
        known.told(day, part, None);
        let [(_, part)] = known.take_usage()[..] else { panic!("one day") };
        assert_eq!(part.requests, 2, "what was not told, and what came since");
        // Another service has used 30 meanwhile.
        known.told(day, part, Some(ApiKeyUsage { requests: 42, ..part }));
        assert_eq!(known.count(Scope::Read, NOON), Ok(Some(57)));
        known.count(Scope::Read, tomorrow).unwrap();
        let due = known.take_usage();
        assert_eq!(
            due.iter().map(|(day, part)| (*day, part.requests)).collect::<Vec<_>>(),
            [(today, 1), (tomorrow, 1)]
        );
        known.told(due[0].0, due[0].1, None);
        known.told(due[1].0, due[1].1, Some(due[1].1));
        assert_eq!(known.take_usage(), [due[0]]);
    }

    #[test]
    fn many_threads_get_no_more_than_the_budget() {
        let known = put(&Cache::default(), key(None, None), 0, NOON);
        let taken = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        if known.spend(false, 5).is_ok() {
                            taken.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(taken.into_inner(), 100);
        assert_eq!(known.spend(true, 5).unwrap().left, 9, "heavy requests have their own");
    }
}
