//! The people index between contract and domain.

use dualwheel_kit::{Call, Failure, Reason, question::day_to_proto};
use dualwheel_proto::{
    consumer::{
        GetPeopleIndexResponse, PeopleIndex, PeopleIndexDifference, RebuildPeopleIndexResponse,
        VerifyPeopleIndexResponse,
    },
    types::DataVersion,
};
use tonic::Status;

use super::Service;
use crate::index::{Error, Snapshot, verify::Difference};

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Lake(error) => error.into(),
            Error::Exhausted { ref tenant, .. } => {
                let failure = Failure::new(Reason::ConsumerLimit, error.to_string());
                failure.quota(tenant, "consumers of a people index").into()
            }
            Error::Job(error) => error.into(),
            Error::Bitmap(_) | Error::RowsGone | Error::Shared(_) | Error::Panicked(_) => {
                Failure::internal(&error).into()
            }
        }
    }
}

fn to_proto(snapshot: &Snapshot) -> PeopleIndex {
    let status = snapshot.status();
    let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    PeopleIndex {
        consumers: whole(status.consumers),
        version: status.version,
        data_version: Some(DataVersion {
            tables: snapshot.versions().into_iter().collect(),
        }),
    }
}

impl Service {
    pub(super) async fn people_index(&self, call: &Call) -> Result<GetPeopleIndexResponse, Status> {
        let index = Some(to_proto(&self.people.catch_up(call).await?));
        Ok(GetPeopleIndexResponse { index })
    }

    pub(super) async fn rebuild_index(&self, call: &Call) -> Result<RebuildPeopleIndexResponse, Status> {
        let index = Some(to_proto(&self.people.rebuild(call).await?));
        Ok(RebuildPeopleIndexResponse { index })
    }

    pub(super) async fn verify_index(&self, call: &Call) -> Result<VerifyPeopleIndexResponse, Status> {
        let (snapshot, verified) = self.people.verify(call).await?;
        let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        Ok(VerifyPeopleIndexResponse {
            index: Some(to_proto(&snapshot)),
            brands: whole(verified.brands),
            bitmaps: whole(verified.bitmaps),
            people: i64::try_from(verified.people).unwrap_or(i64::MAX),
            different: whole(verified.different),
            differences: verified.listed.into_iter().map(difference_to_proto).collect(),
        })
    }
}

fn difference_to_proto(difference: Difference) -> PeopleIndexDifference {
    PeopleIndexDifference {
        brand: difference.brand,
        signal: difference.signal.to_owned(),
        day: Some(day_to_proto(difference.day)),
        missing: i64::try_from(difference.missing).unwrap_or(i64::MAX),
        extra: i64::try_from(difference.extra).unwrap_or(i64::MAX),
    }
}
