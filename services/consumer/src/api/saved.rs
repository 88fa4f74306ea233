//! Saved audiences between contract and domain.

use std::collections::{BTreeMap, BTreeSet};

use dualwheel_kit::{
    Call, Failure, Reason, Violations,
    page::page_size,
    question::day_to_proto,
    resource::{Mask, etag, id_of, read_display_name, read_new_id_of, read_request_id, time_to_proto},
};
use dualwheel_lake::frames::Names;
use dualwheel_measure::Day;
use dualwheel_proto::{
    consumer as proto,
    consumer::{AudienceDefinition, audience_definition::Form},
    types::AudienceExpression,
};
use prost::Message;
use roaring::RoaringBitmap;
use tonic::Status;
use uuid::Uuid;

use super::{
    Service,
    audience::told,
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

impl Service {
    pub(super) fn audiences(&self, call: &Call) -> Audiences {
        Audiences::of(call, &self.database)
    }

    pub(super) async fn create_audience(
        &self,
        call: &Call,
        request: proto::CreateAudienceRequest,
    ) -> Result<proto::Audience, Status> {
        let audience = request.audience.unwrap_or_default();
        let mut violations = Violations::new();
        let id = read_new_id_of(
            call,
            &audience.brand,
            "audience_id",
            &request.audience_id,
            &mut violations,
        );
        let request_id = read_request_id(&request.request_id, &mut violations);
        let display_name =
            read_display_name("audience.display_name", &audience.display_name, &mut violations);
        if !request.freeze && request.as_of.is_some() {
            violations.add("as_of", "only for a frozen audience: set freeze");
        }
        violations.finish(Reason::InvalidResource)?;
        if let Some(made) = self.audiences(call).by_request(request_id.as_deref()).await? {
            return self.saved_to_proto(call, &made).await;
        }
        self.has_room(call, 1).await?;
        let given = Given {
            field: "audience.definition",
            brand: &audience.brand,
            definition: audience.definition.as_ref(),
            as_of: request.as_of.as_ref(),
            pin: None,
        };
        let (basis, expression) = self.given(call, given).await?;
        self.sound(call, id.as_deref(), &expression).await?;
        let people = if request.freeze {
            Some(self.freeze(call, &basis, &expression).await?)
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
            .or_forget(call, people, self.audiences(call).create(new).await)
            .await?;
        call.notes().resource(&name_of(&made));
        self.saved_to_proto(call, &made).await
    }

    pub(super) async fn get_audience(&self, call: &Call, name: &str) -> Result<proto::Audience, Status> {
        let found = self.audiences(call).get(&id(name)?).await?;
        self.saved_to_proto(call, &found).await
    }

    pub(super) async fn list_audiences(
        &self,
        call: &Call,
        request: &proto::ListAudiencesRequest,
    ) -> Result<proto::ListAudiencesResponse, Status> {
        let size = page_size(request.page_size)?;
        let page = self
            .audiences(call)
            .list(&request.brand, size, &request.page_token)
            .await?;
        Ok(proto::ListAudiencesResponse {
            audiences: self.all_to_proto(call, &page.items).await?,
            next_page_token: page.next,
        })
    }

    pub(super) async fn update_audience(
        &self,
        call: &Call,
        request: proto::UpdateAudienceRequest,
    ) -> Result<proto::Audience, Status> {
        let audience = request.audience.unwrap_or_default();
        let id = id(&audience.name)?;
        let current = self.audiences(call).get(&id).await?;
        let mut violations = Violations::new();
        let mask = Mask::read(
            request.update_mask,
            &["display_name", "definition"],
            &mut violations,
        );
        let mut change = Change::default();
        if mask.has("display_name") {
            let name = read_display_name("audience.display_name", &audience.display_name, &mut violations);
            change.display_name = Some(name);
        }
        let redefined = mask.has("definition") && (mask.is_given() || audience.definition.is_some());
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
            let (basis, expression) = self.given(call, given).await?;
            self.sound(call, Some(&id), &expression).await?;
            change.expression = Some(bytes(&expression, &basis));
        }
        let (_, updated) = self
            .audiences(call)
            .update(&id, etag(&audience.etag), change)
            .await?;
        self.saved_to_proto(call, &updated).await
    }

    pub(super) async fn refresh_audience(
        &self,
        call: &Call,
        request: proto::RefreshAudienceRequest,
    ) -> Result<proto::Audience, Status> {
        let id = id(&request.name)?;
        let current = self.audiences(call).get(&id).await?;
        if current.kind == Kind::Imported {
            return Err(wrong(
                "name",
                "an imported audience has no expression to be judged again",
            ));
        }
        let mut violations = Violations::new();
        let as_of = request.as_of.as_ref();
        let basis = self
            .basis(call, &current.brand, as_of, None, &mut violations)
            .await?;
        violations.finish(Reason::InvalidQuestion)?;
        let expression = self.expression_of(&current)?;
        let people = self.freeze(call, &basis, &expression).await?;
        let change = Change {
            people: Some(people.clone()),
            ..Change::default()
        };
        let changed = self
            .audiences(call)
            .update(&id, etag(&request.etag), change)
            .await;
        let unused = match &changed {
            // What the change was made of, which may be what another has left.
            Ok((before, _)) => before.people.clone(),
            Err(_) => Some(people),
        };
        self.forget(call, unused).await;
        self.saved_to_proto(call, &changed?.1).await
    }

    pub(super) async fn delete_audience(
        &self,
        call: &Call,
        request: &proto::DeleteAudienceRequest,
    ) -> Result<(), Status> {
        let id = id(&request.name)?;
        let audiences = self.audiences(call);
        // Whether the caller may see it, before it is told who names it.
        audiences.get(&id).await?;
        let mut users = Vec::new();
        for other in audiences.with_expressions().await? {
            if other.id != id && self.expression_of(&other)?.named().contains(&id.as_str()) {
                users.push(if call.may_see(&other.brand) {
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
        self.forget(call, deleted.people).await;
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
    async fn sound(&self, call: &Call, id: Option<&str>, expression: &Expression) -> Result<(), Status> {
        let mut open: Vec<(String, Vec<String>)> = named(expression, &[]);
        let mut seen = BTreeSet::new();
        while let Some((name, path)) = open.pop() {
            if id == Some(name.as_str()) {
                return Err(cycle(&name, path.split_last().map_or(&[], |(_, above)| above)));
            }
            if seen.insert(name.clone()) {
                let stored = self.audiences(call).get(&name).await?;
                if stored.kind == Kind::Live {
                    open.extend(named(&self.expression_of(&stored)?, &path));
                }
            }
        }
        Ok(())
    }

    pub(super) async fn has_room(&self, call: &Call, more: usize) -> Result<(), Status> {
        if self.audiences(call).count().await? + more as u64 <= MOST_AUDIENCES {
            return Ok(());
        }
        let text =
            format!("the tenant may have {MOST_AUDIENCES} audiences, and {more} more would be too many");
        let failure = Failure::new(Reason::AudienceLimit, text);
        Err(failure
            .quota(call.tenant(), format!("{MOST_AUDIENCES} audiences"))
            .into())
    }

    /// Keeps the people that an expression has now.
    async fn freeze(&self, call: &Call, basis: &Basis, expression: &Expression) -> Result<People, Status> {
        let found = self.judge_one(call, basis, expression.clone()).await?;
        let names = basis.reader.names();
        let keys = compute(move || {
            let view = names.consumers.view();
            let mut keys: Vec<String> = found.people.iter().map(|one| view.key(one).to_owned()).collect();
            keys.sort_unstable();
            keys
        })
        .await?;
        self.keep(call, keys, Some(basis.as_of)).await
    }

    pub(super) async fn keep(
        &self,
        call: &Call,
        keys: Vec<String>,
        as_of: Option<Day>,
    ) -> Result<People, Status> {
        call.notes().people(keys.len());
        let (list, size) = (Uuid::now_v7().simple().to_string(), keys.len() as i64);
        self.lake.of(call).put_keys(&list, keys).await?;
        Ok(People {
            keys: list,
            size,
            as_of,
        })
    }

    /// What was stored; `people` are forgotten unless they are its people.
    pub(super) async fn or_forget(
        &self,
        call: &Call,
        people: Option<People>,
        stored: Result<StoredAudience, Error>,
    ) -> Result<StoredAudience, Error> {
        if stored.as_ref().ok().and_then(|stored| stored.people.as_ref()) != people.as_ref() {
            self.forget(call, people).await;
        }
        stored
    }

    /// Deletes a list that nothing refers to any more; one that cannot be deleted only takes room.
    pub(super) async fn forget(&self, call: &Call, people: Option<People>) {
        if let Some(people) = people
            && let Err(error) = self.lake.of(call).delete_keys(&people.keys).await
        {
            tracing::warn!(keys.list = %people.keys, error = %error, "a list of keys could not be deleted");
        }
    }

    async fn currency(&self, call: &Call) -> Result<String, Status> {
        Ok(self.lake.of(call).settings().await?.currency)
    }

    pub(super) async fn saved_to_proto(
        &self,
        call: &Call,
        stored: &StoredAudience,
    ) -> Result<proto::Audience, Status> {
        let told = self.all_to_proto(call, std::slice::from_ref(stored)).await?.pop();
        told.ok_or_else(|| Status::internal("an audience that was not written"))
    }

    async fn all_to_proto(
        &self,
        call: &Call,
        stored: &[StoredAudience],
    ) -> Result<Vec<proto::Audience>, Status> {
        let currency = self.currency(call).await?;
        let mut bases = BTreeMap::new();
        let mut audiences = Vec::with_capacity(stored.len());
        for one in stored {
            let (size, size_withheld) = self.size(call, one, &mut bases).await?;
            audiences.push(proto::Audience {
                size,
                size_withheld,
                ..self.in_currency(one, &currency)?
            });
        }
        Ok(audiences)
    }

    /// Number of people of a frozen or imported audience, and whether it is withheld. Who may not see every brand is told
    /// of those who are known to the audience's brand now; `bases` keeps what these are found by.
    async fn size(
        &self,
        call: &Call,
        stored: &StoredAudience,
        bases: &mut BTreeMap<String, Basis>,
    ) -> Result<(i64, bool), Status> {
        let Some(kept) = &stored.people else {
            return Ok((0, false));
        };
        if call.sees_all() {
            return Ok((kept.size, false));
        }
        if !bases.contains_key(&stored.brand) {
            let none = &mut Violations::new();
            let basis = self.basis(call, &stored.brand, None, None, none).await?;
            bases.insert(stored.brand.clone(), basis);
        }
        let basis = bases
            .get(&stored.brand)
            .ok_or_else(|| Status::internal("a basis that was made"))?;
        let (sight, names) = (basis.sight().await?, basis.reader.names());
        let keys = self.lake.of(call).keys(&kept.keys).await?;
        let seen = sight.clone();
        let people = compute(move || seen.keep(ordinals(&keys, &names)).len()).await?;
        Ok(told(&sight, people))
    }

    /// An audience as the contract writes it, but for its size; the money of its expression in `currency`.
    fn in_currency(&self, stored: &StoredAudience, currency: &str) -> Result<proto::Audience, Status> {
        let expression = match &stored.expression {
            Some(_) => Some(self.expression_of(stored)?),
            None => None,
        };
        let tree = expression.as_ref().map(|expression| AudienceDefinition {
            form: Some(Form::Expression(expression_to_proto(expression, currency))),
        });
        Ok(proto::Audience {
            name: name_of(stored),
            brand: stored.brand.clone(),
            display_name: stored.display_name.clone(),
            definition: tree,
            kind: stored.kind as i32,
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
            ..proto::Audience::default()
        })
    }
}

pub(super) fn name_of(stored: &StoredAudience) -> String {
    format!("audiences/{}", stored.id)
}

/// The ordinals of those of `keys` that have one.
pub(super) fn ordinals(keys: &[String], names: &Names) -> RoaringBitmap {
    keys.iter().filter_map(|key| names.consumers.find(key)).collect()
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

pub(super) fn wrong(field: &str, expected: &str) -> Status {
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
