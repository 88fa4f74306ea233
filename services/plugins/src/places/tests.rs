use std::{collections::BTreeSet, future::Future, pin::Pin, task::Poll};

use futures::{FutureExt, poll};
use proptest::prelude::*;

use super::*;

const LONG: Duration = Duration::from_secs(3_600);

fn owner(tenant: &str, brand: &str, sha256: &str) -> Owner {
    Owner {
        tenant: tenant.to_owned(),
        brand: brand.to_owned(),
        sha256: sha256.to_owned(),
    }
}

type Entering = Pin<Box<dyn Future<Output = Option<Place>> + Send>>;

/// A call that has come and waits, unless it has a place at once.
fn coming(places: &Places, owner: Owner) -> Entering {
    let places = places.clone();
    async move { places.enter(owner, LONG).await }.boxed()
}

async fn place(entering: &mut Entering) -> Option<Place> {
    match poll!(entering) {
        Poll::Ready(place) => Some(place.unwrap()),
        Poll::Pending => None,
    }
}

/// How many one brand gets, and how many all brands of a tenant.
async fn shares(most: usize) -> (usize, usize) {
    let mut counts = Vec::new();
    for brands in [1, most + 1] {
        let places = Places::new(most);
        let mut held = Vec::new();
        for at in 0..=most {
            let owner = owner("t", &(at % brands).to_string(), &at.to_string());
            held.extend(place(&mut coming(&places, owner)).await);
        }
        counts.push(held.len());
    }
    (counts[0], counts[1])
}

#[tokio::test]
async fn a_brand_has_a_part_and_a_tenant_more() {
    let mut told = Vec::new();
    for most in [1, 2, 3, 4, 5, 8, 12] {
        told.push(shares(most).await);
    }
    assert_eq!(told, [(1, 1), (1, 2), (1, 2), (2, 3), (2, 3), (4, 6), (6, 9)]);
    // A plugin as much as a brand, whichever brands and tenants ask it.
    let places = Places::new(8);
    let mut held = Vec::new();
    for at in 0..8 {
        let one = owner(&format!("t{}", at % 3), &at.to_string(), "same");
        held.extend(place(&mut coming(&places, one)).await);
    }
    assert_eq!(held.len(), 4);
    assert!(
        place(&mut coming(&places, owner("t0", "0", "other")))
            .await
            .is_some()
    );
}

#[tokio::test]
async fn who_waits_is_served_tenant_by_tenant_and_brand_by_brand() {
    let places = Places::new(1);
    let first = places.enter(owner("x", "x", "p"), LONG).await;
    // All of `a` come before any of the others.
    let calls = ["a1", "a1", "a1", "a2", "a2", "b1", "b1", "c1"];
    let mut waiting: Vec<(&str, Entering)> = calls
        .iter()
        .map(|call| {
            let (tenant, brand) = call.split_at(1);
            (*call, coming(&places, owner(tenant, brand, call)))
        })
        .collect();
    for (_, entering) in &mut waiting {
        assert!(place(entering).await.is_none());
    }
    drop(first);
    let mut served = Vec::new();
    while !waiting.is_empty() {
        let before = waiting.len();
        for at in (0..waiting.len()).rev() {
            if let Some(place) = place(&mut waiting[at].1).await {
                served.push(waiting.remove(at).0);
                drop(place);
                break;
            }
        }
        assert_eq!(waiting.len(), before - 1, "{served:?}");
    }
    assert_eq!(served, ["a1", "b1", "c1", "a2", "b1", "a1", "a2", "a1"]);
}

#[tokio::test]
async fn who_may_have_no_more_is_passed_over_and_who_left_is_forgotten() {
    let places = Places::new(2);
    let slow = places.enter(owner("a", "1", "slow"), LONG).await.unwrap();
    let mut second = coming(&places, owner("a", "1", "other"));
    let mut same = coming(&places, owner("b", "1", "slow"));
    assert!(place(&mut second).await.is_none() && place(&mut same).await.is_none());
    let other = places.enter(owner("c", "1", "good"), Duration::ZERO).await;
    assert!(other.is_some());
    // Patience ends; what waited no longer counts.
    let impatient = places
        .enter(owner("d", "1", "good2"), Duration::from_millis(5))
        .await;
    assert!(impatient.is_none());
    drop((second, other));
    drop(slow);
    assert!(place(&mut same).await.is_some());
    // A place that came too late for its call is the next one's.
    drop(same);
    let mut late = coming(&places, owner("a", "1", "p"));
    let held = place(&mut late).await.unwrap();
    let mut gone = coming(&places, owner("a", "1", "q"));
    assert!(place(&mut gone).await.is_none());
    drop(held);
    drop(gone);
    let state = places.state();
    assert_eq!((state.free, state.held.len(), state.tenants.len()), (2, 0, 0));
}

/// What the rule says, said as plainly as may be: lists of who waits and who was served when.
struct Plain {
    most: usize,
    inside: Vec<(usize, Owner)>,
    waiting: Vec<(usize, Owner)>,
    turn: u64,
    /// When a tenant or a brand that waits was put to the end of the ring.
    turns: HashMap<Part, u64>,
}

impl Plain {
    fn ring(owner: &Owner) -> [Part; 2] {
        let [tenant, brand, _] = owner.parts();
        [tenant, brand]
    }

    fn forget(&mut self) {
        let there: BTreeSet<String> = self
            .waiting
            .iter()
            .flat_map(|(_, owner)| Self::ring(owner).map(|part| format!("{part:?}")))
            .collect();
        self.turns.retain(|part, _| there.contains(&format!("{part:?}")));
    }

    fn put_last(&mut self, part: Part) {
        self.turn += 1;
        self.turns.insert(part, self.turn);
    }

    fn come(&mut self, id: usize, owner: Owner) {
        for part in Self::ring(&owner) {
            if !self.turns.contains_key(&part) {
                self.put_last(part);
            }
        }
        self.waiting.push((id, owner));
        self.serve();
    }

    fn leave(&mut self, id: usize) {
        self.inside.retain(|(other, _)| *other != id);
        self.waiting.retain(|(other, _)| *other != id);
        self.forget();
        self.serve();
    }

    fn may(&self, owner: &Owner) -> bool {
        let half = (self.most / 2).max(1);
        let tenant = self.most.min((half + 1).max(self.most - self.most.div_ceil(4)));
        let count = |same: &dyn Fn(&Owner) -> bool| self.inside.iter().filter(|(_, one)| same(one)).count();
        self.inside.len() < self.most
            && count(&|one| one.tenant == owner.tenant) < tenant
            && count(&|one| one.tenant == owner.tenant && one.brand == owner.brand) < half
            && count(&|one| one.sha256 == owner.sha256) < half
    }

    fn serve(&mut self) {
        loop {
            let may = self.waiting.iter().filter(|(_, owner)| self.may(owner));
            let turns = |owner: &Owner| Self::ring(owner).map(|part| self.turns[&part]);
            let Some((id, owner)) = may.min_by_key(|(id, owner)| (turns(owner), *id)).cloned() else {
                return;
            };
            self.waiting.retain(|(other, _)| *other != id);
            for part in Self::ring(&owner) {
                self.put_last(part);
            }
            self.forget();
            self.inside.push((id, owner));
        }
    }
}

proptest! {
    #[test]
    fn places_are_given_as_the_rule_says(
        most in 1..7_usize,
        steps in prop::collection::vec((0..3_u8, 0..3_u8, 0..4_u8, 0..10_u8, 0..64_usize), 1..120),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let places = Places::new(most);
            let turns = HashMap::new();
            let mut plain = Plain { most, inside: vec![], waiting: vec![], turn: 0, turns };
            let mut calls: Vec<(usize, Entering, Option<Place>)> = Vec::new();
            for (id, (tenant, brand, sha256, kind, which)) in steps.into_iter().enumerate() {
                if kind < 6 || calls.is_empty() {
                    let owner = owner(&tenant.to_string(), &brand.to_string(), &sha256.to_string());
                    plain.come(id, owner.clone());
                    let mut entering = coming(&places, owner);
                    let given = place(&mut entering).await;
                    calls.push((id, entering, given));
                } else {
                    let (gone, ..) = calls.remove(which % calls.len());
                    plain.leave(gone);
                }
                // Or the runtime would at some time let no more futures get on.
                tokio::task::yield_now().await;
                for (_, entering, given) in &mut calls {
                    if given.is_none() {
                        *given = place(entering).await;
                    }
                }
                let inside: BTreeSet<usize> = calls.iter().filter(|call| call.2.is_some()).map(|call| call.0).collect();
                let wanted: BTreeSet<usize> = plain.inside.iter().map(|(id, _)| *id).collect();
                assert_eq!(inside, wanted);
            }
        });
    }
}
