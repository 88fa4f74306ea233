//! Audiences of keys that are saved together, all of them or none, and once for a request. No expression yields their
//! people, so that each is one of keys, as an imported one is.

use dualwheel_kit::{
    Call, Failure, Violations,
    resource::{id_ending, is_id},
};
use dualwheel_lake::frames::Names;
use dualwheel_measure::Day;
use prost::Message;
use tonic::Status;

use super::Service;
use crate::store::{Answer, NewAudience, People};

/// Longest start of audience ids.
const LONGEST_PREFIX: usize = 40;

/// People who become an audience.
pub(super) struct Group<'a> {
    pub id: String,
    pub display_name: String,
    pub people: &'a [u32],
}

/// Whose audiences are saved together, by which request.
pub(super) struct Saving<'a> {
    pub brand: &'a str,
    pub request_id: Option<String>,
    pub names: &'a Names,
    pub as_of: Day,
}

/// Reads the start of the ids of a brand's audiences that are saved together, and gives it its [ending](id_ending).
pub(super) fn read_prefix(
    call: &Call,
    field: &str,
    prefix: &str,
    brand: &str,
    violations: &mut Violations,
) -> String {
    let begins = prefix.starts_with(|first: char| first.is_ascii_lowercase());
    let ending = id_ending(call, brand);
    let longest = LONGEST_PREFIX - ending.len();
    if !is_id(prefix) || prefix.len() > longest || !begins {
        violations.add(
            field,
            format!("1 to {longest} of a-z, 0-9 and hyphen, starting with a letter"),
        );
    }
    format!("{prefix}{ending}")
}

impl Service {
    /// What was answered to a request that saved audiences together.
    pub(super) async fn saved_together<M: Message + Default>(
        &self,
        call: &Call,
        request_id: Option<&str>,
    ) -> Result<Option<M>, Status> {
        let answer = self.audiences(call).answered(request_id).await?;
        answer.map(|bytes| decoded(&bytes)).transpose()
    }

    /// Saves the groups, all of them or none, and answers `answer`; where the same request has saved them meanwhile, what
    /// was answered to it.
    pub(super) async fn save_together<M: Message + Default>(
        &self,
        call: &Call,
        saving: Saving<'_>,
        groups: Vec<Group<'_>>,
        answer: M,
    ) -> Result<M, Status> {
        let ids: Vec<String> = groups.iter().map(|group| group.id.clone()).collect();
        let people = groups.iter().map(|group| group.people.len()).sum();
        self.require_room(call, &ids).await?;
        let mut lists = Vec::with_capacity(groups.len());
        let saved = self.save_all(call, saving, groups, &answer, &mut lists).await;
        if !matches!(saved, Ok(None)) {
            for list in lists {
                self.forget(call, Some(list)).await;
            }
        }
        match saved? {
            None => {
                ids.iter()
                    .for_each(|id| call.notes().resource(&format!("audiences/{id}")));
                call.notes().people(people);
                Ok(answer)
            }
            Some(first) => decoded(&first),
        }
    }

    /// That there may be so many more audiences, and none of these ids.
    pub(super) async fn require_room(&self, call: &Call, ids: &[String]) -> Result<(), Status> {
        self.has_room(call, ids.len()).await?;
        Ok(self.audiences(call).require_free(ids).await?)
    }

    /// What was answered to the same request before, if it was; `lists` takes the lists of keys that were stored.
    async fn save_all(
        &self,
        call: &Call,
        saving: Saving<'_>,
        groups: Vec<Group<'_>>,
        answer: &impl Message,
        lists: &mut Vec<People>,
    ) -> Result<Option<Vec<u8>>, Status> {
        let mut new = Vec::with_capacity(groups.len());
        for group in groups {
            let keys = sorted_keys(group.people, saving.names);
            let people = self.keep(call, keys, Some(saving.as_of)).await?;
            lists.push(people.clone());
            new.push(NewAudience {
                id: Some(group.id),
                request_id: None,
                brand: saving.brand.to_owned(),
                display_name: group.display_name,
                expression: None,
                people: Some(people),
            });
        }
        let answer = Answer {
            brand: saving.brand.to_owned(),
            request_id: saving.request_id,
            bytes: answer.encode_to_vec(),
        };
        Ok(self.audiences(call).create_all(new, answer).await?)
    }
}

fn decoded<M: Message + Default>(bytes: &[u8]) -> Result<M, Status> {
    M::decode(bytes).map_err(|error| Failure::internal(&error).into())
}

fn sorted_keys(people: &[u32], names: &Names) -> Vec<String> {
    let view = names.consumers.view();
    let mut keys: Vec<String> = people.iter().map(|one| view.key(*one).to_owned()).collect();
    keys.sort_unstable();
    keys
}
