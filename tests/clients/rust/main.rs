//! A brand's first month, told line by line: facts go in, a metric comes out, audiences are kept.
//!
//! `DUALWHEEL_ENDPOINT` is the URL of the mesh, `http://127.0.0.1:7650` by default, and `DUALWHEEL_TOKEN` a bearer
//! token where the mesh wants one.

#![allow(clippy::print_stdout)]

use std::{
    env,
    error::Error,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use dualwheel_proto::{
    Date,
    consumer::{
        Audience, AudienceDefinition, CreateAudienceRequest, ExportAudienceRequest, GetFastRequest,
        ListAudiencesRequest, audience_definition::Form, audience_service_client::AudienceServiceClient,
        consumer_service_client::ConsumerServiceClient,
    },
    facts::{
        AppendRequest, Behavior, BehaviorKind, FactKind, FactRows, OrderLine, append_request::Batch,
        fact_service_client::FactServiceClient,
    },
    types::{DataVersion, Metric, MetricQuery, Window},
};
use prost_types::Timestamp;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt;

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Noon of 20 February 2026, in seconds.
const FEBRUARY: i64 = 1_771_588_800;
/// Noon of 10 March 2026, in seconds.
const MARCH: i64 = 1_773_144_000;
/// Every call has a deadline.
const DEADLINE: Duration = Duration::from_secs(10);

/// Sends the token, if there is one, with every call.
#[derive(Clone)]
struct Bearer(Option<MetadataValue<Ascii>>);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.0 {
            request.metadata_mut().insert("authorization", header.clone());
        }
        Ok(request)
    }
}

/// One brand's view of the mesh. Its sequence numbers start with it, so it is a producer of its own.
struct Shop {
    facts: FactServiceClient<InterceptedService<Channel, Bearer>>,
    consumers: ConsumerServiceClient<InterceptedService<Channel, Bearer>>,
    audiences: AudienceServiceClient<InterceptedService<Channel, Bearer>>,
    brand: String,
}

impl Shop {
    async fn connect(brand: String) -> Fallible<Self> {
        let url = env::var("DUALWHEEL_ENDPOINT").unwrap_or_else(|_| "http://127.0.0.1:7650".to_owned());
        let channel = Endpoint::from_shared(url)?.timeout(DEADLINE).connect().await?;
        let header = match env::var("DUALWHEEL_TOKEN") {
            Ok(token) => Some(format!("Bearer {token}").parse()?),
            Err(_) => None,
        };
        let bearer = Bearer(header);
        Ok(Self {
            facts: FactServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            consumers: ConsumerServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            audiences: AudienceServiceClient::with_interceptor(channel, bearer),
            brand,
        })
    }

    /// `consumer` searched for the brand.
    fn search(&self, consumer: &str, seconds: i64) -> Behavior {
        Behavior {
            event_id: format!("{}-{consumer}-{seconds}", self.brand),
            consumer: consumer.to_owned(),
            brand: self.brand.clone(),
            kind: BehaviorKind::Search.into(),
            occurred_at: Some(Timestamp { seconds, nanos: 0 }),
            ..Behavior::default()
        }
    }

    /// `consumer` paid `amount`, decimal text.
    fn purchase(&self, consumer: &str, seconds: i64, amount: &str) -> OrderLine {
        OrderLine {
            order: format!("{}-{consumer}-{seconds}", self.brand),
            line: "1".to_owned(),
            consumer: consumer.to_owned(),
            brand: self.brand.clone(),
            product: "serum".to_owned(),
            quantity: 1,
            paid_amount: amount.to_owned(),
            paid_at: Some(Timestamp { seconds, nanos: 0 }),
            ..OrderLine::default()
        }
    }

    fn batch(&self, kind: FactKind, sequence: i64, rows: FactRows) -> AppendRequest {
        AppendRequest {
            producer: format!("shop-{}", self.brand),
            sequence,
            kind: kind.into(),
            batch: Some(Batch::Rows(rows)),
        }
    }

    /// Tells what became of each batch, once it is durable. A batch that was not answered is simply sent again.
    async fn append(&mut self, batches: Vec<AppendRequest>) -> Fallible<()> {
        let mut answers = self.facts.append(tokio_stream::iter(batches)).await?.into_inner();
        while let Some(answer) = answers.message().await? {
            println!(
                "batch {}: {} rows in table version {}, {} refused, sent before: {}",
                answer.sequence, answer.accepted, answer.table_version, answer.refused, answer.repeated_batch
            );
            for refusal in answer.refusals {
                println!("  row {}: {}: {}", refusal.row, refusal.field, refusal.reason);
            }
        }
        Ok(())
    }

    /// `fast.advancing` of March: as of now, or at the versions of an earlier answer.
    async fn advancing(&mut self, data_version: Option<DataVersion>) -> Fallible<Metric> {
        let query = MetricQuery {
            brand: self.brand.clone(),
            window: Some(march()),
            data_version,
            ..MetricQuery::default()
        };
        let request = GetFastRequest {
            query: Some(query),
            ..GetFastRequest::default()
        };
        let metrics = self.consumers.get_fast(request).await?.into_inner().metrics;
        let advancing = metrics.into_iter().find(|metric| metric.id == "fast.advancing");
        Ok(advancing.ok_or("the answer lacks fast.advancing")?)
    }

    /// Saves a live audience. With the same request id, a UUID, repeating the call is safe.
    async fn save(&mut self, name: &str, expression: &str, request_id: &str) -> Result<Audience, Status> {
        let audience = Audience {
            brand: self.brand.clone(),
            display_name: name.to_owned(),
            definition: Some(text(expression)),
            ..Audience::default()
        };
        let request = CreateAudienceRequest {
            request_id: request_id.to_owned(),
            audience: Some(audience),
            ..CreateAudienceRequest::default()
        };
        let saved = self
            .audiences
            .create_audience(request)
            .await?
            .into_inner()
            .audience;
        saved.ok_or_else(|| Status::internal("the answer lacks the audience"))
    }

    /// Names of the brand's saved audiences, page by page.
    async fn audiences(&mut self, page_size: i32) -> Fallible<Vec<String>> {
        let mut names = Vec::new();
        let mut request = ListAudiencesRequest {
            brand: self.brand.clone(),
            page_size,
            ..ListAudiencesRequest::default()
        };
        loop {
            let page = self.audiences.list_audiences(request.clone()).await?.into_inner();
            names.extend(page.audiences.into_iter().map(|audience| audience.name));
            if page.next_page_token.is_empty() {
                return Ok(names);
            }
            request.page_token = page.next_page_token;
        }
    }

    /// Keys of an audience's people, as they stream in.
    async fn keys(&mut self, expression: &str) -> Fallible<Vec<String>> {
        let request = ExportAudienceRequest {
            brand: self.brand.clone(),
            definition: Some(text(expression)),
            as_of: march().last_day,
            ..ExportAudienceRequest::default()
        };
        let mut keys = Vec::new();
        let mut parts = self.audiences.export_audience(request).await?.into_inner();
        while let Some(part) = parts.message().await? {
            keys.extend(part.consumers);
        }
        Ok(keys)
    }
}

fn march() -> Window {
    let day = |day| {
        Some(Date {
            year: 2026,
            month: 3,
            day,
        })
    };
    Window {
        first_day: day(1),
        last_day: day(31),
    }
}

fn text(expression: &str) -> AudienceDefinition {
    AudienceDefinition {
        form: Some(Form::Text(expression.to_owned())),
    }
}

/// Tells why a call failed: the reason, for programs, and every wrong field with what is expected of it.
fn tell(status: &Status) {
    let details = status.get_error_details();
    let reason = details.error_info().map_or("", |info| info.reason.as_str());
    println!("{:?}, {reason}: {}", status.code(), status.message());
    for violation in details.bad_request().iter().flat_map(|bad| &bad.field_violations) {
        println!("  {}: {}", violation.field, violation.description);
    }
}

#[tokio::main]
async fn main() -> Fallible<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let mut shop = Shop::connect(format!("brand-{now}")).await?;

    // Twenty people search for the brand in February; eight of them buy in March.
    let people: Vec<String> = (0..20).map(|number| format!("person-{number:02}")).collect();
    let behaviors = people
        .iter()
        .map(|person| shop.search(person, FEBRUARY))
        .collect();
    let order_lines = people
        .iter()
        .take(8)
        .map(|person| shop.purchase(person, MARCH, "99.50"))
        .collect();
    let searches = FactRows {
        behaviors,
        ..FactRows::default()
    };
    let purchases = FactRows {
        order_lines,
        ..FactRows::default()
    };
    let searches = shop.batch(FactKind::Behavior, 1, searches);
    let purchases = shop.batch(FactKind::OrderLine, 1, purchases);
    shop.append(vec![searches.clone(), purchases]).await?;
    shop.append(vec![searches]).await?;

    let advancing = shop.advancing(None).await?;
    let version = advancing.data_version.clone();
    println!(
        "fast.advancing = {:?} in {:?}, read at {version:?}",
        advancing.value, advancing.interval
    );
    let late = FactRows {
        order_lines: vec![shop.purchase("person-08", MARCH, "10")],
        ..FactRows::default()
    };
    let late = shop.batch(FactKind::OrderLine, 2, late);
    shop.append(vec![late]).await?;
    let pinned = shop.advancing(version).await?;
    println!(
        "now {:?}, pinned {:?}",
        shop.advancing(None).await?.value,
        pinned.value
    );

    let buyers = "purchase(orders, last 31 days)";
    println!("buyers: {}", shop.keys(buyers).await?.join(" "));
    let request_id = format!("{:08x}-0000-4000-8000-000000000001", now as u32);
    let first = shop.save("Buyers", buyers, &request_id).await?;
    let again = shop.save("Buyers", buyers, &request_id).await?;
    println!("saved {}; asked again: {}", first.name, again.name);
    shop.save("Loyal", "stage(L)", "").await?;
    println!("page by page: {}", shop.audiences(1).await?.join(" "));
    if let Err(status) = shop.save("Nobody", "stage(", "").await {
        tell(&status);
    }
    Ok(())
}
