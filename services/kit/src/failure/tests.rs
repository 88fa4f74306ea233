use super::*;

#[test]
fn statuses_fit_into_headers_whatever_was_asked() {
    let mut violations = Violations::new();
    for _ in 0..100 {
        violations.add("字".repeat(10_000), "x".repeat(10_000));
    }
    let status = violations.finish(Reason::InvalidQuestion).unwrap_err();
    assert!(status.message().ends_with('…') && status.message().len() <= MESSAGE_BYTES);
    assert_eq!(violations_of(&status).len(), VIOLATIONS);
    let status = Failure::new(Reason::RunUnknown, "x")
        .with("key", "字".repeat(100_000))
        .status();
    assert!(value_of(&status, "key").unwrap().len() <= VALUE_BYTES);
}

#[test]
fn a_status_tells_its_reason_values_and_fields() {
    let status = Failure::new(Reason::BatchTooLarge, "too large")
        .with("limit", 5)
        .violation("rows", "at most 5")
        .status();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(reason_of(&status).as_deref(), Some("BATCH_TOO_LARGE"));
    assert_eq!(value_of(&status, "limit").as_deref(), Some("5"));
    assert_eq!(
        violations_of(&status),
        [("rows".to_owned(), "at most 5".to_owned())]
    );
    assert_eq!(reason_of(&Status::internal("x")), None);
}

#[test]
fn internal_details_stay_inside() {
    let status = Failure::internal(&std::io::Error::other("/secret/path")).status();
    assert_eq!(status.code(), Code::Internal);
    assert!(!format!("{status:?}").contains("secret"));
}

#[test]
fn a_status_tells_when_to_come_again_and_which_quota_is_used_up() {
    let wait = Duration::from_millis(400);
    let statuses = [(); 32].map(|()| {
        Failure::new(Reason::RateLimited, "slower")
            .retry_after(wait)
            .quota("acme", "5 calls a second")
            .status()
    });
    for status in &statuses {
        let told = retry_after(status).unwrap();
        assert!(told >= wait && told <= wait.mul_f64(1.5), "{told:?}");
        let pushback = status.metadata().get(PUSHBACK).unwrap().to_str().unwrap();
        assert_eq!(pushback.parse::<u128>().unwrap(), told.as_millis() + 1);
        let quota = status.get_details_quota_failure().unwrap().violations;
        let quota = quota
            .iter()
            .map(|one| (one.subject.as_str(), one.description.as_str()));
        assert!(quota.eq([("tenants/acme", "5 calls a second")]));
    }
    let waits: std::collections::HashSet<_> = statuses.iter().map(retry_after).collect();
    assert!(waits.len() > 16, "they come again together: {waits:?}");
}

#[test]
fn who_finds_something_unavailable_is_told_when_to_come_again() {
    for reason in Reason::all() {
        let status = Failure::new(reason, "x").status();
        let unavailable = reason.code() == Code::Unavailable;
        let told = (
            retry_after(&status).is_some(),
            status.metadata().contains_key(PUSHBACK),
        );
        assert_eq!(told, (unavailable, unavailable), "{}", reason.name());
    }
    let status = Failure::new(Reason::StateUnavailable, "x").retry_after(Duration::from_secs(60));
    let told = retry_after(&status.status()).unwrap();
    assert!(
        told >= Duration::from_secs(60),
        "what is known better stands: {told:?}"
    );
}
