//! Saved audiences between contract and domain.

use std::collections::BTreeSet;

use dualwheel_kit::{
    Failure, Reason, Violations,
    caller::may_see,
    question::{check_brand, day_to_proto},
    resource::{etag, id_of, page_size, read_display_name, read_new_id, read_request_id, time_to_proto},
};
use dualwheel_lake::fact::LONGEST_KEY;
use dualwheel_measure::Day;
use dualwheel_proto::{
    consumer as proto,
    consumer::{AudienceDefinition, audience_definition::Form, import_audience_request::Part},
    types::AudienceExpression,
};
use prost::Message;
use tonic::{Status, Streaming};
use uuid::Uuid;

use super::{
    Service,
    basis::{Basis, Given},
    expression::{read_stored, to_proto as expression_to_proto},
};
use crate::{
    audience::Expression,
    queries::compute,
    store::{Audiences, Change, Error, Kind, NewAudience, People, StoredAudience},
};

/// Most audiences of a tenant.
const MOST_AUDIENCES: u64 = 10_000;
/// Most keys of an imported audience.
const MOST_KEYS: usize = 10_000_000;

impl Service {
    pub(super) fn audiences(&self, tenant: &str) -> Audiences {
        Audiences::of(&self.database, tenant)
    }

    pub(super) async fn create_audience(
        &self,
        tenant: &str,
        request: proto::CreateAudienceRequest,
    ) -> Result<proto::Audience, Status> {
        let audience = request.audience.unwrap_or_default();
        let mut violations = Violations::new();
        let id = read_new_id("audience_id", &request.audience_id, &mut violations);
        let request_id = read_request_id(&request.request_id, &mut violations);
        let display_name =
            read_display_name("audience.display_name", &audience.display_name, &mut violations);
        if !request.freeze && request.as_of.is_some() {
            violations.add("as_of", "only for a frozen audience: set freeze");
        }
        violations.finish(Reason::InvalidResource)?;
        if let Some(made) = self.audiences(tenant).by_request(request_id.as_deref()).await? {
            return self.saved_to_proto(tenant, &made).await;
        }
        self.has_room(tenant, 1).await?;
        let given = Given {
            field: "audience.definition",
            brand: &audience.brand,
            definition: audience.definition.as_ref(),
            as_of: request.as_of.as_ref(),
            pin: None,
        };
        let (basis, expression) = self.given(tenant, given).await?;
        self.sound(tenant, id.as_deref(), &expression).await?;
        let people = if request.freeze {
            Some(self.freeze(tenant, &basis, &expression).await?)
        } else {
            None
        };
        let new = NewAudience {
            id,
            request_id,
            brand: audience.brand,
            display_name,
            expression: Some(bytes(&expression, &basis)),
            people: people.clone(),
        };
        let made = self
            .or_forget(tenant, people, self.audiences(tenant).create(new).await)
            .await?;
        self.saved_to_proto(tenant, &made).await
    }

    pub(super) async fn import_audience(
        &self,
        tenant: &str,
        mut parts: Streaming<proto::ImportAudienceRequest>,
    ) -> Result<proto::ImportAudienceResponse, Status> {
        let first = parts.message().await?.and_then(|first| first.part);
        let Some(Part::Header(header)) = first else {
            return Err(wrong("header", "required in the first message"));
        };
        let mut violations = Violations::new();
        check_brand("header.brand", &header.brand, &mut violations);
        let id = read_new_id("header.audience_id", &header.audience_id, &mut violations);
        let request_id = read_request_id(&header.request_id, &mut violations);
        let display_name = read_display_name("header.display_name", &header.display_name, &mut violations);
        violations.finish(Reason::InvalidResource)?;
        let basis = self
            .basis(tenant, &header.brand, None, None, &mut Violations::new())
            .await?;
        basis.reader.require_brand(&header.brand).await?;
        let repeated = self.audiences(tenant).by_request(request_id.as_deref()).await?;
        if repeated.is_none() {
            self.has_room(tenant, 1).await?;
        }
        let suppressed = self.lake.tenant(tenant).suppressed().await?;
        let (deleted, keys): (Vec<String>, Vec<String>) = read_keys(&mut parts)
            .await?
            .into_iter()
            .partition(|key| suppressed.has(key));
        let inputs = basis.inputs(&[]).await?;
        let profiles = basis.reader.profiles().await?;
        let names = basis.reader.names();
        let (keys, unknown) = compute(move || {
            let people = inputs.known();
            let is_known = |key: &String| {
                names
                    .consumers
                    .find(key)
                    .is_some_and(|consumer| people.contains(consumer) || profiles.get(consumer).is_some())
            };
            let unknown = keys.iter().filter(|key| !is_known(key)).count();
            (keys, unknown)
        })
        .await?;
        let people = self.keep(tenant, keys, None).await?;
        let new = NewAudience {
            id,
            request_id,
            brand: header.brand,
            display_name,
            expression: None,
            people: Some(people.clone()),
        };
        let made = self.audiences(tenant).create(new).await;
        let made = self.or_forget(tenant, Some(people), made).await?;
        Ok(proto::ImportAudienceResponse {
            audience: Some(self.saved_to_proto(tenant, &made).await?),
            unknown: (unknown + deleted.len()) as i64,
        })
    }

    pub(super) async fn get_audience(&self, tenant: &str, name: &str) -> Result<proto::Audience, Status> {
        let found = self.audiences(tenant).get(&id(name)?).await?;
        self.saved_to_proto(tenant, &found).await
    }

    pub(super) async fn list_audiences(
        &self,
        tenant: &str,
        request: &proto::ListAudiencesRequest,
    ) -> Result<proto::ListAudiencesResponse, Status> {
        let size = page_size(request.page_size)?;
        let page = self
            .audiences(tenant)
            .list(&request.brand, size, &request.page_token)
            .await?;
        let currency = self.currency(tenant).await?;
        let audiences = page.items.iter().map(|one| self.in_currency(one, &currency));
        Ok(proto::ListAudiencesResponse {
            audiences: audiences.collect::<Result<_, _>>()?,
            next_page_token: page.next,
        })
    }

    pub(super) async fn update_audience(
        &self,
        tenant: &str,
        request: proto::UpdateAudienceRequest,
    ) -> Result<proto::Audience, Status> {
        let audience = request.audience.unwrap_or_default();
        let id = id(&audience.name)?;
        let current = self.audiences(tenant).get(&id).await?;
        let paths = request.update_mask.map(|mask| mask.paths);
        let mut violations = Violations::new();
        for path in paths.iter().flatten() {
            if !["display_name", "definition"].contains(&path.as_str()) {
                let message = format!("{path} cannot be changed; display_name and definition can");
                violations.add("update_mask", message);
            }
        }
        let wanted = |field: &str| {
            let named = |paths: &Vec<String>| paths.iter().any(|path| path == field);
            paths.as_ref().is_none_or(named)
        };
        let mut change = Change::default();
        if wanted("display_name") {
            let name = read_display_name("audience.display_name", &audience.display_name, &mut violations);
            change.display_name = Some(name);
        }
        let redefined = wanted("definition") && (paths.is_some() || audience.definition.is_some());
        if redefined && current.kind == Kind::Imported {
            violations.add("audience.definition", "an imported audience has none");
        }
        violations.finish(Reason::InvalidResource)?;
        if redefined {
            let given = Given {
                field: "audience.definition",
                brand: &current.brand,
                definition: audience.definition.as_ref(),
                as_of: None,
                pin: None,
            };
            let (basis, expression) = self.given(tenant, given).await?;
            self.sound(tenant, Some(&id), &expression).await?;
            change.expression = Some(bytes(&expression, &basis));
        }
        let updated = self
            .audiences(tenant)
            .update(&id, etag(&audience.etag), change)
            .await?;
        self.saved_to_proto(tenant, &updated).await
    }

    pub(super) async fn refresh_audience(
        &self,
        tenant: &str,
        request: proto::RefreshAudienceRequest,
    ) -> Result<proto::Audience, Status> {
        let id = id(&request.name)?;
        let current = self.audiences(tenant).get(&id).await?;
        if current.kind == Kind::Imported {
            return Err(wrong(
                "name",
                "an imported audience has no expression to be judged anew",
            ));
        }
        let mut violations = Violations::new();
        let as_of = request.as_of.as_ref();
        let basis = self
            .basis(tenant, &current.brand, as_of, None, &mut violations)
            .await?;
        violations.finish(Reason::InvalidQuestion)?;
        let expression = self.expression_of(&current)?;
        let people = self.freeze(tenant, &basis, &expression).await?;
        let change = Change {
            people: Some(people.clone()),
            ..Change::default()
        };
        let updated = self
            .audiences(tenant)
            .update(&id, etag(&request.etag), change)
            .await;
        let updated = self.or_forget(tenant, Some(people), updated).await?;
        self.forget(tenant, current.people).await;
        self.saved_to_proto(tenant, &updated).await
    }

    pub(super) async fn delete_audience(
        &self,
        tenant: &str,
        request: &proto::DeleteAudienceRequest,
    ) -> Result<(), Status> {
        let id = id(&request.name)?;
        let audiences = self.audiences(tenant);
        // Whether the caller may see it, before it is told who names it.
        audiences.get(&id).await?;
        let mut users = Vec::new();
        for other in audiences.with_expressions().await? {
            if other.id != id && self.expression_of(&other)?.named().contains(&id.as_str()) {
                users.push(if may_see(&other.brand) {
                    format!("audiences/{}", other.id)
                } else {
                    "one of another brand".to_owned()
                });
            }
        }
        if !users.is_empty() {
            let text = format!("audiences/{id} is named by {}", users.join(", "));
            return Err(Failure::new(Reason::AudienceInUse, text).into());
        }
        let deleted = audiences.delete(&id, etag(&request.etag)).await?;
        self.forget(tenant, deleted.people).await;
        Ok(())
    }

    /// The expression of a stored audience that has one.
    pub(super) fn expression_of(&self, stored: &StoredAudience) -> Result<Expression, Status> {
        let damaged = |message: &str| {
            Status::from(Error::Damaged {
                resource: format!("audiences/{}", stored.id),
                message: message.to_owned(),
            })
        };
        let bytes = stored
            .expression
            .as_deref()
            .ok_or_else(|| damaged("it has no expression"))?;
        let tree = AudienceExpression::decode(bytes).map_err(|error| damaged(&error.to_string()))?;
        read_stored(&tree).ok_or_else(|| damaged("its expression is not sound"))
    }

    /// Whether an expression may become that of the audience `id`: every audience that it names, through others or not,
    /// exists and is not the audience itself.
    async fn sound(&self, tenant: &str, id: Option<&str>, expression: &Expression) -> Result<(), Status> {
        let mut open: Vec<(String, Vec<String>)> = named(expression, &[]);
        let mut seen = BTreeSet::new();
        while let Some((name, path)) = open.pop() {
            if id == Some(name.as_str()) {
                return Err(cycle(&name, path.split_last().map_or(&[], |(_, above)| above)));
            }
            if seen.insert(name.clone()) {
                let stored = self.audiences(tenant).get(&name).await?;
                if stored.kind == Kind::Live {
                    open.extend(named(&self.expression_of(&stored)?, &path));
                }
            }
        }
        Ok(())
    }

    pub(super) async fn has_room(&self, tenant: &str, more: usize) -> Result<(), Status> {
        if self.audiences(tenant).count().await? + more as u64 <= MOST_AUDIENCES {
            return Ok(());
        }
        let text =
            format!("the tenant may have {MOST_AUDIENCES} audiences, and {more} more would be too many");
        let failure = Failure::new(Reason::AudienceLimit, text);
        Err(failure
            .quota(tenant, format!("{MOST_AUDIENCES} audiences"))
            .into())
    }

    /// Keeps the people that an expression has now.
    async fn freeze(&self, tenant: &str, basis: &Basis, expression: &Expression) -> Result<People, Status> {
        let found = self.judge_one(tenant, basis, expression.clone()).await?;
        let names = basis.reader.names();
        let keys = compute(move || {
            let view = names.consumers.view();
            let mut keys: Vec<String> = found.people.iter().map(|one| view.key(one).to_owned()).collect();
            keys.sort_unstable();
            keys
        })
        .await?;
        self.keep(tenant, keys, Some(basis.as_of)).await
    }

    pub(super) async fn keep(
        &self,
        tenant: &str,
        keys: Vec<String>,
        as_of: Option<Day>,
    ) -> Result<People, Status> {
        let (list, size) = (Uuid::now_v7().simple().to_string(), keys.len() as i64);
        self.lake.tenant(tenant).put_keys(&list, keys).await?;
        Ok(People {
            keys: list,
            size,
            as_of,
        })
    }

    /// What was stored; `people` are forgotten unless they are its people.
    pub(super) async fn or_forget(
        &self,
        tenant: &str,
        people: Option<People>,
        stored: Result<StoredAudience, Error>,
    ) -> Result<StoredAudience, Error> {
        if stored.as_ref().ok().and_then(|stored| stored.people.as_ref()) != people.as_ref() {
            self.forget(tenant, people).await;
        }
        stored
    }

    /// Deletes a list that nothing refers to any more; one that cannot be deleted only takes room.
    pub(super) async fn forget(&self, tenant: &str, people: Option<People>) {
        if let Some(people) = people
            && let Err(error) = self.lake.tenant(tenant).delete_keys(&people.keys).await
        {
            tracing::warn!(keys.list = %people.keys, error = %error, "a list of keys could not be deleted");
        }
    }

    async fn currency(&self, tenant: &str) -> Result<String, Status> {
        Ok(self.lake.tenant(tenant).settings().await?.currency)
    }

    async fn saved_to_proto(&self, tenant: &str, stored: &StoredAudience) -> Result<proto::Audience, Status> {
        let currency = self.currency(tenant).await?;
        self.in_currency(stored, &currency)
    }

    /// An audience as the contract writes it, the money of its expression in `currency`.
    fn in_currency(&self, stored: &StoredAudience, currency: &str) -> Result<proto::Audience, Status> {
        let expression = match &stored.expression {
            Some(_) => Some(self.expression_of(stored)?),
            None => None,
        };
        let tree = expression.as_ref().map(|expression| AudienceDefinition {
            form: Some(Form::Expression(expression_to_proto(expression, currency))),
        });
        Ok(proto::Audience {
            name: format!("audiences/{}", stored.id),
            brand: stored.brand.clone(),
            display_name: stored.display_name.clone(),
            definition: tree,
            kind: stored.kind as i32,
            size: stored.people.as_ref().map_or(0, |people| people.size),
            as_of: stored
                .people
                .as_ref()
                .and_then(|people| people.as_of)
                .map(day_to_proto),
            etag: stored.etag.clone(),
            create_time: Some(time_to_proto(stored.made_at)),
            update_time: Some(time_to_proto(stored.changed_at)),
            text: expression
                .map(|expression| expression.to_string())
                .unwrap_or_default(),
        })
    }
}

/// The audiences that an expression names, each with the path of names that led there.
pub(super) fn named(expression: &Expression, path: &[String]) -> Vec<(String, Vec<String>)> {
    let step = |id: &str| {
        let mut path = path.to_vec();
        path.push(id.to_owned());
        (id.to_owned(), path)
    };
    expression.named().into_iter().map(step).collect()
}

/// The failure of an audience that names itself through those of `path`.
pub(super) fn cycle(id: &str, path: &[String]) -> Status {
    let from = path.iter().position(|one| one == id).map_or(0, |at| at + 1);
    let through = path.iter().skip(from).map(String::as_str);
    let names: Vec<String> = std::iter::once(id)
        .chain(through)
        .chain([id])
        .map(|id| format!("audiences/{id}"))
        .collect();
    Failure::new(Reason::AudienceCycle, names.join(" names ")).into()
}

async fn read_keys(parts: &mut Streaming<proto::ImportAudienceRequest>) -> Result<BTreeSet<String>, Status> {
    let mut keys = BTreeSet::new();
    let mut position = 0usize;
    while let Some(message) = parts.message().await? {
        let Some(Part::Keys(some)) = message.part else {
            return Err(wrong("keys", "required in every message after the first"));
        };
        for key in some.consumers {
            if key.is_empty() || key.len() > LONGEST_KEY {
                return Err(wrong(
                    &format!("keys[{position}]"),
                    &format!("1 to {LONGEST_KEY} bytes"),
                ));
            }
            keys.insert(key);
            position += 1;
        }
        if keys.len() > MOST_KEYS {
            return Err(wrong("keys", &format!("at most {MOST_KEYS}")));
        }
    }
    if keys.is_empty() {
        return Err(wrong("keys", "at least one"));
    }
    Ok(keys)
}

fn wrong(field: &str, expected: &str) -> Status {
    let mut violations = Violations::new();
    violations.add(field, expected);
    match violations.finish(Reason::InvalidResource) {
        Err(status) => status,
        Ok(()) => Status::internal("a wrong field passed its check"),
    }
}

fn bytes(expression: &Expression, basis: &Basis) -> Vec<u8> {
    expression_to_proto(expression, basis.reader.currency()).encode_to_vec()
}

fn id(name: &str) -> Result<String, Status> {
    id_of("audiences", name).ok_or_else(|| Error::Unknown(format!("audiences/ of the name {name:?}")).into())
}
