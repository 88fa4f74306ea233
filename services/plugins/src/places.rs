//! Places for calls of plugins, shared out so that nobody waits for one who would take them all.
//!
//! A tenant, a brand and a plugin have a share of the places each. Who finds none waits, and is served in turn: tenant by
//! tenant, of a tenant brand by brand, of a brand who came first. Who may have no more is passed over, and keeps the turn.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use opentelemetry::{KeyValue, global};
use tokio::{sync::oneshot, time::timeout};

/// Whose a call is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub tenant: String,
    /// Empty for a call that is for no brand.
    pub brand: String,
    /// SHA-256 of the plugin's component.
    pub sha256: String,
}

impl Owner {
    fn parts(&self) -> [Part; 3] {
        [
            Part::Tenant(self.tenant.clone()),
            Part::Brand(self.tenant.clone(), self.brand.clone()),
            Part::Plugin(self.sha256.clone()),
        ]
    }
}

/// Whoever has a share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Tenant(String),
    Brand(String, String),
    Plugin(String),
}

/// Places. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Places(Arc<Mutex<State>>);

/// A call's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    owner: Owner,
}

/// A call that waits.
#[derive(Debug)]
struct Waiting {
    id: u64,
    owner: Owner,
    send: oneshot::Sender<Place>,
}

/// Takes a call out of its line when nobody waits for its place any more.
struct Queued<'a> {
    places: &'a Places,
    id: u64,
}

/// Calls of a brand, in the order in which they came.
#[derive(Debug)]
struct Line {
    brand: String,
    calls: VecDeque<Waiting>,
}

/// Lines of a tenant, the brand whose turn it is first.
#[derive(Debug)]
struct Lines {
    tenant: String,
    brands: VecDeque<Line>,
}

#[derive(Debug)]
struct State {
    most: usize,
    free: usize,
    held: HashMap<Part, usize>,
    /// The tenant whose turn it is first. No line is empty.
    tenants: VecDeque<Lines>,
    last_id: u64,
}

impl Places {
    /// So many places.
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            most,
            free: most,
            held: HashMap::new(),
            tenants: VecDeque::new(),
            last_id: 0,
        })))
    }

    /// Tells how many are in use, as of the process's other pools.
    pub(crate) fn told_as(self, pool: &'static str) -> Self {
        let state = Arc::downgrade(&self.0);
        global::meter("dualwheel")
            .u64_observable_gauge("dualwheel.work.running")
            .with_description("Jobs that hold a place in a pool")
            .with_callback(move |gauge| {
                if let Some(places) = state.upgrade().map(Places) {
                    let in_use = places.state().in_use();
                    gauge.observe(in_use as u64, &[KeyValue::new("pool", pool)]);
                }
            })
            .build();
        self
    }

    /// Waits for a place; `None` when there was none for this owner within `patience`.
    pub(crate) async fn enter(&self, owner: Owner, patience: Duration) -> Option<Place> {
        let (send, place) = oneshot::channel();
        let id = self.state().wait(owner, send);
        let _queued = Queued { places: self, id };
        self.share_out();
        timeout(patience, place).await.ok()?.ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives what is free to those whose turn it is. Somebody may have left meanwhile: then it is free again.
    fn share_out(&self) {
        loop {
            let Some(next) = self.state().next() else { return };
            let place = Place {
                places: self.clone(),
                owner: next.owner,
            };
            drop(next.send.send(place));
        }
    }
}

impl Lines {
    fn wait(&mut self, call: Waiting) {
        let line = self.brands.iter_mut().find(|line| line.brand == call.owner.brand);
        match line {
            Some(line) => line.calls.push_back(call),
            None => self.brands.push_back(Line {
                brand: call.owner.brand.clone(),
                calls: [call].into(),
            }),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.state().give_back(&self.owner);
        self.places.share_out();
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.places.state().leave(self.id);
    }
}

impl State {
    /// How many places one may have. A brand or a plugin leaves room for another one of the same tenant, and a tenant for
    /// another tenant, where there are so many.
    fn share(&self, part: &Part) -> usize {
        let one = (self.most / 2).max(1);
        match part {
            Part::Tenant(_) => self.most.min((one + 1).max(self.most - self.most.div_ceil(4))),
            Part::Brand(..) | Part::Plugin(_) => one,
        }
    }

    fn in_use(&self) -> usize {
        self.most - self.free
    }

    fn admits(&self, owner: &Owner) -> bool {
        let held = |part: &Part| self.held.get(part).copied().unwrap_or_default();
        self.free > 0 && owner.parts().iter().all(|part| held(part) < self.share(part))
    }

    /// Puts a call at the end of its line, and a line that is new at the end of all.
    fn wait(&mut self, owner: Owner, send: oneshot::Sender<Place>) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        let tenant = owner.tenant.clone();
        let call = Waiting { id, owner, send };
        match self.tenants.iter_mut().find(|lines| lines.tenant == tenant) {
            Some(lines) => lines.wait(call),
            None => {
                let brands = VecDeque::new();
                let mut lines = Lines { tenant, brands };
                lines.wait(call);
                self.tenants.push_back(lines);
            }
        }
        id
    }

    /// Takes out the call whose turn it is, if there is a place for any, and gives it one.
    fn next(&mut self) -> Option<Waiting> {
        let (tenant, brand, call) = self.tenants.iter().enumerate().find_map(|(tenant, lines)| {
            lines.brands.iter().enumerate().find_map(|(brand, line)| {
                let call = line.calls.iter().position(|call| self.admits(&call.owner))?;
                Some((tenant, brand, call))
            })
        })?;
        let mut lines = self.tenants.remove(tenant)?;
        let mut line = lines.brands.remove(brand)?;
        let next = line.calls.remove(call)?;
        if !line.calls.is_empty() {
            lines.brands.push_back(line);
        }
        if !lines.brands.is_empty() {
            self.tenants.push_back(lines);
        }
        self.free -= 1;
        for part in next.owner.parts() {
            *self.held.entry(part).or_default() += 1;
        }
        Some(next)
    }

    fn give_back(&mut self, owner: &Owner) {
        self.free += 1;
        for part in owner.parts() {
            if let Some(held) = self.held.get_mut(&part) {
                *held -= 1;
                if *held == 0 {
                    self.held.remove(&part);
                }
            }
        }
    }

    fn leave(&mut self, id: u64) {
        for lines in &mut self.tenants {
            for line in &mut lines.brands {
                line.calls.retain(|call| call.id != id);
            }
            lines.brands.retain(|line| !line.calls.is_empty());
        }
        self.tenants.retain(|lines| !lines.brands.is_empty());
    }
}

#[cfg(test)]
mod tests;
