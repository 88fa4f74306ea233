//! Every reason for which a call can fail, and the status made of it.
//!
//! A status carries exactly one `google.rpc.ErrorInfo` (domain `dualwheel.dev`, the reason's name, values as
//! metadata) and, for bad input, a `google.rpc.BadRequest` with every wrong field. What went on inside is
//! logged, never returned. [`Reason`] is the table: its variants tell what happened and what to do.

use std::{collections::HashMap, error::Error, fmt::Write, time::Duration};

use dualwheel_proto::rpc;
use prost_reflect::prost::{DecodeError, Message};
use tonic::{Code, Status, metadata::MetadataMap};
use tonic_types::{ErrorDetails, FieldViolation, QuotaViolation, StatusExt};

use crate::jitter::random_share;

mod outage;

/// Domain of every reason.
pub const DOMAIN: &str = "dualwheel.dev";

/// Metadata that says in how many milliseconds to try again, as gRPC's retry policies have it.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Longest message of a status, in bytes. All of a status travels in headers, of which many clients take in 16 KiB.
const MESSAGE_BYTES: usize = 1 << 10;
/// Longest value, field and expectation of a status, in bytes.
const VALUE_BYTES: usize = 256;
/// Most wrong fields of a status.
const VIOLATIONS: usize = 16;

/// Makes the enum, its names, codes and paragraphs out of one table.
macro_rules! reasons {
    ($($variant:ident $name:literal $code:ident: $text:literal;)+) => {
        /// Why a call failed: what happened, and what to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = concat!("`", $name, "`: ", $text)] $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name in `ErrorInfo.reason`, UPPER_SNAKE.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The reason of a name in the table.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.name() == name)
            }

            /// The status code that goes with it.
            #[must_use]
            pub fn code(self) -> Code {
                match self { $(Self::$variant => Code::$code,)+ }
            }

            /// What happened and what to do, in a few sentences.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

reasons! {
    InvalidQuestion "INVALID_QUESTION" InvalidArgument:
        "A field of the question is missing or out of range. Every wrong field is listed; correct them and ask again.";
    InvalidResource "INVALID_RESOURCE" InvalidArgument:
        "A resource that was to be stored has missing or wrong fields. Every wrong field is listed; correct them.";
    InvalidPage "INVALID_PAGE" InvalidArgument:
        "The page token was not made by this method, or the page size is negative. Start again without a token.";
    MetricUnknown "METRIC_UNKNOWN" NotFound:
        "No definition has this metric id. List the definitions of the service to see which it has.";
    BrandUnknown "BRAND_UNKNOWN" NotFound:
        "No fact of the tenant names this brand. Check the spelling, or append the brand's facts first.";
    DataVersionUnknown "DATA_VERSION_UNKNOWN" FailedPrecondition:
        "A table no longer has, or never had, the version that the question pins. Ask again without the pin.";
    BatchMalformed "BATCH_MALFORMED" InvalidArgument:
        "A batch cannot be read at all: no key, no rows, or columns that fit no fact. Nothing of it was stored; correct \
         the producer and send it again.";
    BatchTooLarge "BATCH_TOO_LARGE" InvalidArgument:
        "A batch has more rows or bytes than the limit named in the metadata. Nothing of it was stored; send smaller \
         batches.";
    SequenceReused "SEQUENCE_REUSED" AlreadyExists:
        "The producer already used this sequence number for another batch: other rows, or the same ones in another form. \
         Nothing was stored; count on from the producer's last sequence, which GetProducer tells, or send under another \
         name.";
    SequenceSkipped "SEQUENCE_SKIPPED" OutOfRange:
        "A batch before this one is missing: the producer's sequence numbers follow each other without a gap. Nothing was \
         stored; send on from `next_sequence` in the metadata.";
    FactNotOwned "FACT_NOT_OWNED" FailedPrecondition:
        "This service does not own the table of the fact. Send it to the service named in the metadata.";
    LakeUnavailable "LAKE_UNAVAILABLE" Unavailable:
        "The fact tables cannot be read or written now. Nothing was acknowledged; try again later.";
    LakeDamaged "LAKE_DAMAGED" DataLoss:
        "Something that is stored is not what was written: a file, the log of a table, settings or suppressions, named in the \
         metadata. Nothing that depends on it is answered; whoever runs the mesh restores it, as the message says.";
    StorageFull "STORAGE_FULL" ResourceExhausted:
        "The disk or bucket below the fact tables is full. Nothing was acknowledged; make room and send it again.";
    TenantTimeZoneFixed "TENANT_TIME_ZONE_FIXED" FailedPrecondition:
        "The tenant has facts, whose days were cut in another time zone. Use the tenant's zone, or a new tenant.";
    TenantCurrencyFixed "TENANT_CURRENCY_FIXED" FailedPrecondition:
        "The tenant has facts in another currency. Convert the amounts before they are sent, or use a new tenant.";
    AudienceUnknown "AUDIENCE_UNKNOWN" NotFound:
        "The tenant has no audience of this name. List the audiences to see which there are.";
    AudienceExists "AUDIENCE_EXISTS" AlreadyExists:
        "An audience of this name exists. Update it, or choose another name.";
    AudienceInUse "AUDIENCE_IN_USE" FailedPrecondition:
        "Other audiences name this one, as the message says. Delete or change them first.";
    AudienceCycle "AUDIENCE_CYCLE" FailedPrecondition:
        "An audience would be named by itself, through the audiences of the message. Change one of them.";
    AudienceLimit "AUDIENCE_LIMIT" ResourceExhausted:
        "The tenant has as many audiences as it may. Delete some that are no longer used.";
    ConsumerLimit "CONSUMER_LIMIT" ResourceExhausted:
        "The tenant has more consumers than a people index can number. Questions are answered from the facts, more slowly; \
         divide the tenant, or delete consumers that are no longer needed.";
    DeletionUnknown "DELETION_UNKNOWN" NotFound:
        "The tenant has no deletion of this name. List the deletions to see which there are.";
    ModelRefused "MODEL_REFUSED" FailedPrecondition:
        "A model that the question needs does not apply to the brand's facts, for the reason given. Leave the predicted \
         value out, or wait for more facts.";
    PublisherUnknown "PUBLISHER_UNKNOWN" NotFound:
        "The tenant trusts no publisher of this name. List the publishers, or trust its key first.";
    PublisherExists "PUBLISHER_EXISTS" AlreadyExists:
        "A publisher of this name is trusted with another key. Add the key to it, choose another name, or delete that one first.";
    PublisherKeys "PUBLISHER_KEYS" FailedPrecondition:
        "A publisher has one key, or two while one takes the place of the other, and the key that is removed must be one of \
         two. List the publishers to see their keys.";
    PluginUnknown "PLUGIN_UNKNOWN" NotFound:
        "The tenant has no plugin of this name and version. List the plugins to see which there are.";
    PluginVersionExists "PLUGIN_VERSION_EXISTS" AlreadyExists:
        "Another file was published as this version of the plugin. Give the model another version, build and sign it again.";
    PluginNameTaken "PLUGIN_NAME_TAKEN" FailedPrecondition:
        "Plugins of this name belong to another publisher, or to the mesh itself. Give the model another name, build and sign it \
         again.";
    PluginSignature "PLUGIN_SIGNATURE" InvalidArgument:
        "The signature is missing, is none, or is not of this file by the publisher's key. Sign the file that is uploaded with \
         the key that the tenant trusts.";
    PluginUntrusted "PLUGIN_UNTRUSTED" FailedPrecondition:
        "The tenant no longer trusts the publisher of this plugin. Trust its key again, or activate another plugin.";
    PluginRetired "PLUGIN_RETIRED" FailedPrecondition:
        "The version is retired: where it is active it answers on, but it becomes active nowhere. Use another version, or take \
         the retirement back.";
    PluginInUse "PLUGIN_IN_USE" FailedPrecondition:
        "The brands of the metadata use the version. Activate another one for them, end their shadows, and delete it then.";
    PluginUpload "PLUGIN_UPLOAD" InvalidArgument:
        "An upload does not start with a header, or its parts are empty, too large or in the wrong order. Nothing was stored; \
         send it again as the contract has it.";
    PluginWorldNotServed "PLUGIN_WORLD_NOT_SERVED" FailedPrecondition:
        "This process does not serve the world of the plugin. Send the call to the service named in the metadata.";
    PluginNoShadow "PLUGIN_NO_SHADOW" FailedPrecondition:
        "The brand has no shadow that could become active. Set one first, or activate the plugin.";
    PluginNothingBefore "PLUGIN_NOTHING_BEFORE" FailedPrecondition:
        "Nothing was active before what is active now. Activate the plugin that is wanted, or deactivate this one.";
    PluginRunUnknown "PLUGIN_RUN_UNKNOWN" NotFound:
        "The tenant has no run of this name, or no longer. List the runs to see which there are.";
    PluginRunNotKept "PLUGIN_RUN_NOT_KEPT" FailedPrecondition:
        "The rows of this run are not kept. Activate the plugin with `keep_inputs`, and replay a later run.";
    PluginRegistryLimit "PLUGIN_REGISTRY_LIMIT" ResourceExhausted:
        "The tenant has as many publishers or versions of plugins as it may. Delete versions or publishers that nobody uses.";
    PluginDoesNotConform "PLUGIN_DOES_NOT_CONFORM" FailedPrecondition:
        "The plugin's check did not hold when it was published. Ask its publisher, or say with `force_reason` why it is to answer.";
    PluginPublicationUnknown "PLUGIN_PUBLICATION_UNKNOWN" NotFound:
        "The tenant has no publication of this name. Publish the file.";
    PluginLimit "PLUGIN_LIMIT" Internal:
        "A limit of the plugin host is out of bounds. The operator must correct the configuration.";
    PluginEngine "PLUGIN_ENGINE" Unavailable:
        "This machine cannot run plugins. Details are in the server's log; the built-in model works.";
    PluginNotAComponent "PLUGIN_NOT_A_COMPONENT" InvalidArgument:
        "The file is no WebAssembly component. Pack it with `dualwheel plugin pack`, sign and publish that.";
    PluginMalformed "PLUGIN_MALFORMED" InvalidArgument:
        "The component is damaged or uses what is not admitted. Build it anew, and copy it as a binary file.";
    PluginTooLarge "PLUGIN_TOO_LARGE" InvalidArgument:
        "The component is larger than admitted. Strip it, and leave data out of the code.";
    PluginTooComplex "PLUGIN_TOO_COMPLEX" InvalidArgument:
        "Compiling the component would take too much, of what the message names. Build it simpler: split huge functions, leave out \
         what is generated and not used.";
    PluginContractVersion "PLUGIN_CONTRACT_VERSION" InvalidArgument:
        "The component was built for a version of the contract that this host does not speak. Build it with another SDK.";
    PluginImportRefused "PLUGIN_IMPORT_REFUSED" InvalidArgument:
        "The component imports what no model gets, as the message names it. Build it without that.";
    PluginWasiRefused "PLUGIN_WASI_REFUSED" FailedPrecondition:
        "The plugin needs a sealed WASI, which the brand does not allow. Allow it, or build the plugin without WASI.";
    PluginWrongWorld "PLUGIN_WRONG_WORLD" InvalidArgument:
        "The component implements another world than the one asked for. Use it for that one, or build the other.";
    PluginBadDescription "PLUGIN_BAD_DESCRIPTION" InvalidArgument:
        "What the model says of itself breaks the contract, as the message tells. Its author must mend it.";
    PluginInput "PLUGIN_INPUT" FailedPrecondition:
        "The plugin requires a column that the brand's facts do not fill, or a parameter is wrong. Supply the facts, or \
         activate it with other parameters.";
    PluginCompiling "PLUGIN_COMPILING" Unavailable:
        "The plugin is being compiled in this process, beside the call; until then what stands in for it answers. Ask again in a \
         few seconds.";
    PluginBusy "PLUGIN_BUSY" ResourceExhausted:
        "As many runs of plugins are under way as may be. Ask again later.";
    PluginFuelExhausted "PLUGIN_FUEL_EXHAUSTED" FailedPrecondition:
        "The plugin used more instructions than its rows admit. Its author must mend it; roll back, or deactivate it.";
    PluginDeadline "PLUGIN_DEADLINE" FailedPrecondition:
        "The plugin took longer than admitted. Its author must mend it; roll back, or deactivate it.";
    PluginMemory "PLUGIN_MEMORY" FailedPrecondition:
        "The plugin asked for more memory than admitted. Its author must mend it; roll back, or deactivate it.";
    PluginTable "PLUGIN_TABLE" FailedPrecondition:
        "The plugin asked for larger tables than admitted. Its author must mend it; roll back, or deactivate it.";
    PluginStack "PLUGIN_STACK" FailedPrecondition:
        "The plugin's calls were nested too deeply. Its author must mend it; roll back, or deactivate it.";
    PluginTrapped "PLUGIN_TRAPPED" FailedPrecondition:
        "The plugin broke down, as the message and the run's log tell. Its author must mend it; roll back, or deactivate it.";
    PluginBadOutput "PLUGIN_BAD_OUTPUT" FailedPrecondition:
        "The plugin's answer breaks the contract. Its author must mend it; roll back, or deactivate it.";
    PluginOutputTooLarge "PLUGIN_OUTPUT_TOO_LARGE" FailedPrecondition:
        "The plugin handed over more than admitted. Its author must mend it; roll back, or deactivate it.";
    PluginRefused "PLUGIN_REFUSED" FailedPrecondition:
        "The model says that it cannot answer, for the reason given. Do what it says, or activate another.";
    PeerSetUnknown "PEER_SET_UNKNOWN" NotFound:
        "The tenant has no peer set of this name. List the peer sets to see which there are.";
    PeerSetExists "PEER_SET_EXISTS" AlreadyExists:
        "A peer set of this name exists. Update it, or choose another name.";
    RunUnknown "RUN_UNKNOWN" NotFound:
        "The tenant has no diagnosis run of this name. List the runs to see which there are.";
    RunLimit "RUN_LIMIT" ResourceExhausted:
        "As many diagnosis runs of the tenant are at work or wait as may. Nothing was stored; wait until some have ended, or \
         cancel some, and send the same request again.";
    JobUnknown "JOB_UNKNOWN" NotFound:
        "The tenant has no job of this name, or the caller may not see it. List the jobs to see which there are.";
    JobLimit "JOB_LIMIT" ResourceExhausted:
        "As many jobs of the tenant are at work or wait as may. Nothing was begun; wait until some have ended, or cancel some, \
         and send the same request again.";
    JobAtWork "JOB_AT_WORK" FailedPrecondition:
        "The job has not ended yet. Cancel it, or wait for its end, before it is deleted.";
    AnswerTooLarge "ANSWER_TOO_LARGE" ResourceExhausted:
        "The answer of a job is larger than a message may be. Ask for less at a time: fewer brands, a shorter window.";
    EtagMismatch "ETAG_MISMATCH" Aborted:
        "Somebody changed the resource since it was read. Read it again, apply the change and send the new etag.";
    StateUnavailable "STATE_UNAVAILABLE" Unavailable:
        "The database of stored resources does not answer. Nothing was changed; try again later.";
    ServiceUnavailable "SERVICE_UNAVAILABLE" Unavailable:
        "A service that is needed for the answer cannot be reached, or this one is stopping. Try again later.";
    Unauthenticated "UNAUTHENTICATED" Unauthenticated:
        "The call carries no token that this mesh accepts, for the reason given. Send `authorization: Bearer TOKEN` with a \
         token of the issuer that has not expired.";
    PermissionDenied "PERMISSION_DENIED" PermissionDenied:
        "The token does not allow this method, or not for the brands of the request. Ask the issuer for one with the scope \
         or brand named in the metadata.";
    RateLimited "RATE_LIMITED" ResourceExhausted:
        "The tenant has made more calls than its limit allows. Wait as long as the status says, and spread calls out.";
    RequestIdReused "REQUEST_ID_REUSED" AlreadyExists:
        "The request id was used before for another request. Nothing was done; use a fresh id for every new request.";
    RequestPending "REQUEST_PENDING" Aborted:
        "A request with this id is still being worked on. Wait, and send the same request again for its answer.";
    Overloaded "OVERLOADED" ResourceExhausted:
        "The server has as many calls in hand as it may. The call was not begun; try again later, with fewer at once.";
    StreamIdle "STREAM_IDLE" Unavailable:
        "The stream waited for its caller for long, to send the next message or to read an answer, and another stream needed \
         its place. What was acknowledged is kept; go on with a new stream.";
    MethodUnknown "METHOD_UNKNOWN" Unimplemented:
        "This endpoint has no such method. Check its name, and whether another service of the mesh has it; reflection lists \
         what there is here.";
    CompressionUnknown "COMPRESSION_UNKNOWN" Unimplemented:
        "The message is compressed in a way that this endpoint does not know. Send it as `grpc-accept-encoding` says, or \
         uncompressed.";
    MessageMalformed "MESSAGE_MALFORMED" InvalidArgument:
        "The bytes of a message are none of its type in the contract; the field is named where it is known. Nothing was done; \
         build the client from the contract, and send texts in UTF-8.";
    MessageTooLarge "MESSAGE_TOO_LARGE" InvalidArgument:
        "A message is larger than the endpoint takes in, as the message says. Nothing was done; ask for less, or send it in \
         parts.";
    NotFound "NOT_FOUND" NotFound:
        "The endpoint serves nothing of this name. Check the name; reflection lists what there is here.";
    Cancelled "CANCELLED" Cancelled:
        "The call was given up before it was answered. Ask again where the answer is still wanted.";
    Deadline "DEADLINE" DeadlineExceeded:
        "The answer was not ready in time. Ask for a shorter window or fewer cuts, or allow more time.";
    Internal "INTERNAL" Internal:
        "Something went wrong inside. Details are in the server's log under the request id of the answer.";
}

/// A failed call in the making: a reason, a sentence, values and wrong fields.
#[derive(Clone, Debug)]
pub struct Failure {
    reason: Reason,
    message: String,
    metadata: HashMap<String, String>,
    retry_after: Option<Duration>,
    violated: Box<Violated>,
}

/// What a failed call broke. Apart, so that a failure is small enough to be returned.
#[derive(Clone, Debug, Default)]
struct Violated {
    fields: Vec<FieldViolation>,
    quotas: Vec<QuotaViolation>,
}

impl Failure {
    /// A failure with a sentence for the caller; it must not carry internal details.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            metadata: HashMap::new(),
            retry_after: None,
            violated: Box::default(),
        }
    }

    /// `INTERNAL`; `error` and its causes are logged here, once, and never returned.
    #[must_use]
    pub fn internal(error: &dyn Error) -> Self {
        Self::hidden(
            Reason::Internal,
            "something went wrong inside; see the server's log",
            error,
        )
    }

    /// A failure whose cause is logged here, once, and not returned: the caller reads only `message`.
    #[must_use]
    pub fn hidden(reason: Reason, message: impl Into<String>, error: &dyn Error) -> Self {
        tracing::error!(reason = reason.name(), error = %causes(error), "a call failed inside");
        Self::new(reason, message)
    }

    /// Adds a value that programs may read.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl ToString) -> Self {
        self.metadata.insert(key.into(), value.to_string());
        self
    }

    /// Adds a wrong field: its path in the request, and what is expected of it.
    #[must_use]
    pub fn violation(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        let violation = FieldViolation::new(field, description);
        self.violated.fields.push(violation);
        self
    }

    /// Says which quota of the tenant is used up, as a `google.rpc.QuotaFailure`.
    #[must_use]
    pub fn quota(mut self, tenant: &str, description: impl Into<String>) -> Self {
        let violation = QuotaViolation::new(format!("tenants/{tenant}"), description);
        self.violated.quotas.push(violation);
        self
    }

    /// Says when to try again, as a `google.rpc.RetryInfo` and as `grpc-retry-pushback-ms`, which clients with a retry policy
    /// heed by themselves. Up to a half is added at random, so that those who are refused together do not come again together.
    /// Where something is unavailable the client learns it without this, too: the longer that lasts, the later.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// What the caller reads.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The status to answer. What a caller has made long is cut.
    #[must_use]
    pub fn status(mut self) -> Status {
        cut(&mut self.message, MESSAGE_BYTES);
        self.metadata
            .values_mut()
            .for_each(|value| cut(value, VALUE_BYTES));
        let Violated { mut fields, quotas } = *self.violated;
        fields.truncate(VIOLATIONS);
        for violation in &mut fields {
            cut(&mut violation.field, VALUE_BYTES);
            cut(&mut violation.description, VALUE_BYTES);
        }
        let mut details = ErrorDetails::new();
        details.set_error_info(self.reason.name(), DOMAIN, self.metadata);
        if !fields.is_empty() {
            details.set_bad_request(fields);
        }
        if !quotas.is_empty() {
            details.set_quota_failure(quotas);
        }
        let mut metadata = MetadataMap::new();
        if let Some(wait) = self.retry_after.or_else(|| outage::wait(self.reason)) {
            let wait = wait.mul_f64(1.0 + random_share() / 2.0);
            details.set_retry_info(Some(wait));
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            metadata.insert(PUSHBACK, millis.saturating_add(1).into());
        }
        Status::with_error_details_and_metadata(self.reason.code(), self.message, details, metadata)
    }
}

/// Cuts a text to at most `most` bytes.
fn cut(text: &mut String, most: usize) {
    const MARK: &str = "…";
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most - MARK.len()));
        text.push_str(MARK);
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        failure.status()
    }
}

/// Collects every wrong field of a request before it is refused.
#[derive(Clone, Debug, Default)]
pub struct Violations(Vec<FieldViolation>);

impl Violations {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a wrong field: its path in the request, and what is expected of it.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(FieldViolation::new(field, description));
    }

    /// Whether no field is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing when no field is wrong.
    ///
    /// # Errors
    /// One status with `reason` that names every wrong field.
    pub fn finish(self, reason: Reason) -> Result<(), Status> {
        if self.is_empty() {
            return Ok(());
        }
        Err(self.refuse(reason))
    }

    /// One status with `reason` that names every wrong field.
    #[must_use]
    pub fn refuse(self, reason: Reason) -> Status {
        let mut message = String::new();
        for FieldViolation {
            field, description, ..
        } in &self.0
        {
            if message.len() > MESSAGE_BYTES {
                break;
            }
            let separator = if message.is_empty() { "" } else { "; " };
            // Writing to a string does not fail.
            let _ = write!(message, "{separator}{field}: {description}");
        }
        let mut failure = Failure::new(reason, message);
        failure.violated.fields = self.0;
        failure.status()
    }
}

/// A status as the bytes of a `google.rpc.Status`, with the details that it carries.
#[must_use]
pub fn to_bytes(status: &Status) -> Vec<u8> {
    let carried = rpc::Status::decode(status.details());
    let carried = carried.ok().filter(|carried| carried.code != 0);
    let error = carried.unwrap_or_else(|| rpc::Status {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: Vec::new(),
    });
    error.encode_to_vec()
}

/// The status that [`to_bytes`] wrote.
///
/// # Errors
/// When the bytes are none.
pub fn of_bytes(bytes: &[u8]) -> Result<Status, DecodeError> {
    let carried = rpc::Status::decode(bytes)?;
    let (code, message) = (Code::from(carried.code), carried.message);
    Ok(Status::with_details(code, message, bytes.to_vec().into()))
}

/// The reason's name in a status of the mesh; `None` where it carries none of this domain.
#[must_use]
pub fn reason_of(status: &Status) -> Option<String> {
    status
        .get_details_error_info()
        .filter(|info| info.domain == DOMAIN)
        .map(|info| info.reason)
}

/// A value of the status's metadata.
#[must_use]
pub fn value_of(status: &Status, key: &str) -> Option<String> {
    status
        .get_details_error_info()
        .and_then(|mut info| info.metadata.remove(key))
}

/// When a status says to try again.
#[must_use]
pub fn retry_after(status: &Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|info| info.retry_delay)
}

/// The wrong fields that a status names: path and what is expected of it.
#[must_use]
pub fn violations_of(status: &Status) -> Vec<(String, String)> {
    let violations = status
        .get_details_bad_request()
        .map_or(Vec::new(), |bad| bad.field_violations);
    violations
        .into_iter()
        .map(|violation| (violation.field, violation.description))
        .collect()
}

/// An error and what caused it, in one line.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
