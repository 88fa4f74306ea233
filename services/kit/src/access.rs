//! Who may call what: one table of every method of the mesh.
//!
//! A method that is not in the table is refused; a test holds the table against the contracts.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::LazyLock,
};

/// What a token may be allowed to do.
macro_rules! scopes {
    ($($variant:ident $name:literal: $text:literal;)+) => {
        /// What a token may be allowed to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scope {
            $(#[doc = concat!("`", $name, "`: ", $text)] $variant,)+
        }

        impl Scope {
            /// Every scope, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word in a token's `scope`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

scopes! {
    FactsRead "facts.read": "read which facts a tenant has, and how they are kept.";
    FactsWrite "facts.write": "append facts and fix a tenant's time zone and currency.";
    MetricsRead "metrics.read": "ask metrics and their definitions.";
    PeopleRead "people.read": "read keys of consumers: lists of members, customers and audiences.";
    AudiencesRead "audiences.read": "read and count audiences.";
    AudiencesWrite "audiences.write": "make, change and delete audiences.";
    ConsumersErase "consumers.erase": "export and delete everything about a consumer.";
    IndexAdmin "index.admin": "rebuild and verify the people index.";
    PluginsRead "plugins.read": "read publishers, plugins, activations and runs.";
    PluginsWrite "plugins.write": "trust publishers, publish, activate and replay plugins.";
    JobsRead "jobs.read": "read jobs whose calls the token allows.";
    JobsWrite "jobs.write": "make, cancel and delete jobs whose calls the token allows.";
    DiagnosisRead "diagnosis.read": "read runs and peer sets.";
    DiagnosisWrite "diagnosis.write": "start and cancel runs, keep peer sets.";
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// How a method is tied to the brands that a caller may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The request names brands, at least one; the caller must be allowed each of them.
    Named,
    /// The request names a stored resource, which its repository shows to callers of its brand only.
    Stored,
    /// It reaches all brands of the tenant; the caller must be allowed every brand.
    Whole,
    /// It has nothing to do with brands.
    Free,
}

/// What a method does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Answers from the facts, the definitions and the request alone; the answer may be kept.
    Measure,
    /// Reads.
    Read,
    /// Gives keys of consumers away; audited.
    Export,
    /// Changes something; audited.
    Write,
}

/// A method and what it takes to call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// `package.Service/Method`.
    pub path: &'static str,
    /// What the caller must be allowed to do.
    pub scope: Scope,
    /// How it is tied to brands.
    pub bound: Bound,
    /// What it does.
    pub deed: Deed,
}

impl Method {
    /// The method of an HTTP path, `/package.Service/Method`.
    #[must_use]
    pub fn of(path: &str) -> Option<&'static Self> {
        BY_PATH.get(path.strip_prefix('/')?).copied()
    }

    /// Whether its calls have lines in the audit log.
    #[must_use]
    pub fn is_audited(&self) -> bool {
        matches!(self.deed, Deed::Write | Deed::Export)
    }
}

static BY_PATH: LazyLock<HashMap<&'static str, &'static Method>> =
    LazyLock::new(|| METHODS.iter().map(|method| (method.path, method)).collect());

macro_rules! methods {
    ($($service:literal { $($method:ident $scope:ident $bound:ident $deed:ident;)+ })+) => {
        &[$($(Method {
            path: concat!($service, "/", stringify!($method)),
            scope: Scope::$scope,
            bound: Bound::$bound,
            deed: Deed::$deed,
        },)+)+]
    };
}

/// Every method of the mesh, in the order of the contracts.
#[rustfmt::skip]
pub const METHODS: &[Method] = methods! {
    "dualwheel.facts.v1.FactService" {
        Append              FactsWrite      Whole   Write;
        GetProducer         FactsWrite      Whole   Read;
        GetTenant           FactsRead       Free    Read;
        ConfigureTenant     FactsWrite      Whole   Write;
        ListBrands          FactsRead       Free    Read;
        ListCoverage        FactsRead       Free    Read;
        ListDimensionValues FactsRead       Named   Read;
        WatchDataVersions   FactsRead       Free    Read;
    }
    "dualwheel.consumer.v1.ConsumerService" {
        GetAipl             MetricsRead     Named   Measure;
        GetFlow             MetricsRead     Named   Measure;
        GetFast             MetricsRead     Named   Measure;
        GetGrow             MetricsRead     Named   Measure;
        GetBrandSignals     MetricsRead     Named   Measure;
        GetRfm              MetricsRead     Named   Measure;
        GetValue            MetricsRead     Named   Measure;
        ListValues          PeopleRead      Named   Export;
        GetJourneys         MetricsRead     Named   Read;
        GetMoveCosts        MetricsRead     Named   Measure;
        GetSources          MetricsRead     Whole   Measure;
        ListDefinitions     MetricsRead     Free    Measure;
        ExplainMetric       MetricsRead     Named   Read;
    }
    "dualwheel.consumer.v1.AudienceService" {
        EstimateAudience    AudiencesRead   Named   Read;
        ExportAudience      PeopleRead      Named   Export;
        CompareAudiences    AudiencesRead   Named   Read;
        ProfileAudience     AudiencesRead   Named   Read;
        CreateAudience      AudiencesWrite  Named   Write;
        ImportAudience      AudiencesWrite  Whole   Write;
        GetAudience         AudiencesRead   Stored  Read;
        ListAudiences       AudiencesRead   Named   Read;
        UpdateAudience      AudiencesWrite  Stored  Write;
        RefreshAudience     AudiencesWrite  Stored  Write;
        DeleteAudience      AudiencesWrite  Stored  Write;
    }
    "dualwheel.consumer.v1.TargetingService" {
        ExpandAudience      AudiencesWrite  Named   Write;
        FindClusters        AudiencesRead   Named   Read;
        SaveClusters        AudiencesWrite  Named   Write;
        GetWinback          MetricsRead     Named   Read;
        ListWinbackOutlooks MetricsRead     Named   Read;
        SaveWinbackPacks    AudiencesWrite  Named   Write;
    }
    "dualwheel.consumer.v1.PrivacyService" {
        DeleteConsumers     ConsumersErase  Whole   Write;
        GetConsumerDeletion ConsumersErase  Whole   Read;
        ListConsumerDeletions ConsumersErase Whole  Read;
        ExportConsumer      ConsumersErase  Whole   Export;
    }
    "dualwheel.consumer.v1.PeopleIndexService" {
        GetPeopleIndex      IndexAdmin      Whole   Read;
        RebuildPeopleIndex  IndexAdmin      Whole   Write;
        VerifyPeopleIndex   IndexAdmin      Whole   Read;
    }
    "dualwheel.product.v1.ProductService" {
        GetSuper            MetricsRead     Named   Measure;
        GetPriceStrength    MetricsRead     Named   Measure;
        ListLifecycle       MetricsRead     Named   Read;
        ListStyleTrends     MetricsRead     Whole   Read;
        ListDefinitions     MetricsRead     Free    Measure;
        ExplainMetric       MetricsRead     Named   Read;
    }
    "dualwheel.content.v1.ContentService" {
        GetStart            MetricsRead     Named   Measure;
        ListDefinitions     MetricsRead     Free    Measure;
        ExplainMetric       MetricsRead     Named   Read;
    }
    "dualwheel.membership.v1.MembershipService" {
        GetPlus             MetricsRead     Named   Measure;
        GetCloseness        MetricsRead     Named   Measure;
        GetKocBoard         MetricsRead     Named   Read;
        ListKocCandidates   PeopleRead      Named   Export;
        ListDefinitions     MetricsRead     Free    Measure;
        ExplainMetric       MetricsRead     Named   Read;
    }
    "dualwheel.metric.v1.MetricService" {
        ListMetrics         MetricsRead     Free    Read;
        QueryMetrics        MetricsRead     Named   Measure;
        StreamMetrics       MetricsRead     Named   Read;
        ListDefinitions     MetricsRead     Free    Measure;
        ExplainMetric       MetricsRead     Named   Read;
    }
    "dualwheel.diagnosis.v1.DiagnosisService" {
        StartDiagnosis      DiagnosisWrite  Named   Write;
        WatchRun            DiagnosisRead   Stored  Read;
        GetRun              DiagnosisRead   Stored  Read;
        ListRuns            DiagnosisRead   Named   Read;
        CancelRun           DiagnosisWrite  Stored  Write;
        ResumeRun           DiagnosisWrite  Stored  Write;
        GetIndex            MetricsRead     Named   Read;
        GetNeo              MetricsRead     Named   Read;
        ListDefinitions     MetricsRead     Free    Measure;
        ExplainMetric       MetricsRead     Named   Read;
    }
    "dualwheel.diagnosis.v1.PeerSetService" {
        CreatePeerSet       DiagnosisWrite  Whole   Write;
        GetPeerSet          DiagnosisRead   Stored  Read;
        ListPeerSets        DiagnosisRead   Stored  Read;
        UpdatePeerSet       DiagnosisWrite  Whole   Write;
        DeletePeerSet       DiagnosisWrite  Whole   Write;
    }
    "dualwheel.job.v1.JobService" {
        CreateJob           JobsWrite       Stored  Write;
        GetJob              JobsRead        Stored  Read;
        WatchJob            JobsRead        Stored  Read;
        ListJobs            JobsRead        Stored  Read;
        CancelJob           JobsWrite       Stored  Write;
        DeleteJob           JobsWrite       Stored  Write;
    }
    "dualwheel.plugin.v1.PluginService" {
        PublishPlugin       PluginsWrite    Whole   Write;
        GetPluginPublication PluginsRead    Free    Read;
        WatchPluginPublication PluginsRead  Free    Read;
        GetPlugin           PluginsRead     Free    Read;
        ListPlugins         PluginsRead     Free    Read;
        RetirePlugin        PluginsWrite    Whole   Write;
        DeletePlugin        PluginsWrite    Whole   Write;
        CheckPlugin         PluginsWrite    Free    Write;
    }
    "dualwheel.plugin.v1.PublisherService" {
        CreatePublisher     PluginsWrite    Whole   Write;
        ListPublishers      PluginsRead     Free    Read;
        DeletePublisher     PluginsWrite    Whole   Write;
        AddPublisherKey     PluginsWrite    Whole   Write;
        RemovePublisherKey  PluginsWrite    Whole   Write;
    }
    "dualwheel.plugin.v1.ActivationService" {
        ActivatePlugin      PluginsWrite    Named   Write;
        DeactivatePlugin    PluginsWrite    Named   Write;
        ShadowPlugin        PluginsWrite    Named   Write;
        PromotePlugin       PluginsWrite    Named   Write;
        RollBackPlugin      PluginsWrite    Named   Write;
        GetPluginActivation PluginsRead     Named   Read;
        ListPluginActivations PluginsRead   Named   Read;
    }
    "dualwheel.plugin.v1.PluginRunService" {
        ListPluginRuns      PluginsRead     Named   Read;
        GetPluginRun        PluginsRead     Stored  Read;
        GetPluginRunRows    PluginsWrite    Stored  Export;
        ReplayPluginRun     PluginsWrite    Stored  Write;
    }
};

/// The brands that a caller may see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Brands {
    /// Every brand of the tenant.
    All,
    /// These.
    Some(BTreeSet<String>),
}

impl Brands {
    /// Whether the brand is among them.
    #[must_use]
    pub fn has(&self, brand: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(brands) => brands.contains(brand),
        }
    }
}

/// The brands that a request names, where its bytes can be read as the method's request.
pub mod named {
    use prost_reflect::{
        DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, Value, prost::DecodeError,
    };

    use std::collections::HashSet;

    use super::{HashMap, LazyLock, METHODS};

    /// Names of fields that hold brand keys.
    pub(super) const FIELDS: [&str; 4] = ["brand", "brands", "peer", "peers"];

    /// Names of fields that hold names of resources.
    const RESOURCES: [&str; 2] = ["name", "plugin"];

    static POOL: LazyLock<DescriptorPool> =
        LazyLock::new(|| DescriptorPool::decode(dualwheel_proto::DESCRIPTORS).unwrap_or_default());

    static DESCRIBED: LazyLock<HashMap<&'static str, MethodDescriptor>> = LazyLock::new(|| {
        let described = |path: &'static str| {
            let (service, method) = path.split_once('/')?;
            let service = POOL.get_service_by_name(service)?;
            let found = service.methods().find(|one| one.name() == method)?;
            Some((path, found))
        };
        METHODS
            .iter()
            .filter_map(|method| described(method.path))
            .collect()
    });

    /// The message that a method takes.
    pub fn request(path: &str) -> Option<MessageDescriptor> {
        Some(DESCRIBED.get(path)?.input())
    }

    /// The message that a method answers.
    pub fn response(path: &str) -> Option<MessageDescriptor> {
        Some(DESCRIBED.get(path)?.output())
    }

    /// Whether a method takes one message and answers one.
    pub fn is_unary(path: &str) -> bool {
        static UNARY: LazyLock<HashSet<&'static str>> =
            LazyLock::new(|| paths(|method| !method.is_client_streaming() && !method.is_server_streaming()));
        UNARY.contains(path)
    }

    /// Whether a method takes one message.
    pub fn takes_one(path: &str) -> bool {
        static ONE: LazyLock<HashSet<&'static str>> =
            LazyLock::new(|| paths(|method| !method.is_client_streaming()));
        ONE.contains(path)
    }

    fn paths(such: impl Fn(&MethodDescriptor) -> bool) -> HashSet<&'static str> {
        let described = DESCRIBED.iter();
        described
            .filter(|(_, method)| such(method))
            .map(|(path, _)| *path)
            .collect()
    }

    /// Every brand named in `bytes`, the request of `path`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn brands(path: &str, bytes: &[u8]) -> Result<Vec<String>, DecodeError> {
        let Some(request) = request(path) else {
            return Ok(Vec::new());
        };
        DynamicMessage::decode(request, bytes).map(|message| brands_of(&message))
    }

    /// The request of `path` in `bytes`; `None` when they cannot be read.
    pub fn message(path: &str, bytes: &[u8]) -> Option<DynamicMessage> {
        DynamicMessage::decode(request(path)?, bytes).ok()
    }

    /// Every brand that a request names.
    pub fn brands_of(message: &DynamicMessage) -> Vec<String> {
        let mut found = Vec::new();
        collect(message, &mut found);
        found
    }

    /// The resources that a request names, itself or in what it brings: `audiences/x`.
    pub fn resources_of(message: &DynamicMessage) -> Vec<String> {
        let mut found = Vec::new();
        for (field, value) in message.fields() {
            match value {
                Value::String(name) if RESOURCES.contains(&field.name()) => found.push(name.clone()),
                Value::Message(inner) => {
                    let named = inner
                        .fields()
                        .filter(|(field, _)| RESOURCES.contains(&field.name()));
                    found.extend(named.filter_map(|(_, value)| value.as_str().map(str::to_owned)));
                }
                _ => {}
            }
        }
        found.retain(|name| !name.is_empty());
        found
    }

    fn collect(message: &DynamicMessage, found: &mut Vec<String>) {
        // Values that come with the request are nobody's facts, whatever they are called.
        let supplied = message.get_field_by_name("supplied");
        if supplied.is_some_and(|values| values.as_map().is_some_and(|values| !values.is_empty())) {
            return;
        }
        for (field, value) in message.fields() {
            let is_brand = FIELDS.contains(&field.name());
            walk(value, is_brand, found);
        }
    }

    fn walk(value: &Value, is_brand: bool, found: &mut Vec<String>) {
        match value {
            Value::String(brand) if is_brand && !brand.is_empty() => found.push(brand.clone()),
            Value::Message(message) => collect(message, found),
            Value::List(values) => values.iter().for_each(|value| walk(value, is_brand, found)),
            Value::Map(values) => values.values().for_each(|value| walk(value, is_brand, found)),
            _ => {}
        }
    }

    /// Whether a message has a field of brands, itself or in what it holds.
    #[cfg(test)]
    pub(super) fn has_brands(message: &MessageDescriptor, depth: usize) -> bool {
        depth < 8
            && message.fields().any(|field| {
                let inner = field.kind();
                FIELDS.contains(&field.name())
                    || inner
                        .as_message()
                        .is_some_and(|inner| has_brands(inner, depth + 1))
            })
    }

    #[cfg(test)]
    pub(super) fn methods() -> Vec<String> {
        let services = POOL
            .services()
            .filter(|one| one.full_name().starts_with("dualwheel."));
        let of = |service: prost_reflect::ServiceDescriptor| {
            let name = service.full_name().to_owned();
            service
                .methods()
                .map(move |method| format!("{name}/{}", method.name()))
                .collect::<Vec<_>>()
        };
        services.flat_map(of).collect()
    }

    #[cfg(test)]
    pub(crate) fn encode(path: &str, json: &str) -> Vec<u8> {
        let mut json = serde_json::Deserializer::from_str(json);
        let message = DynamicMessage::deserialize(request(path).unwrap(), &mut json).unwrap();
        prost_reflect::prost::Message::encode_to_vec(&message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_method_once_and_no_other() {
        let table: Vec<&str> = METHODS.iter().map(|method| method.path).collect();
        let given: BTreeSet<&str> = table.iter().copied().collect();
        assert_eq!(given.len(), table.len(), "a method stands twice in the table");
        let contracts = named::methods();
        let wanted: BTreeSet<&str> = contracts.iter().map(String::as_str).collect();
        assert_eq!(given, wanted);
        assert_eq!(
            Method::of("/dualwheel.consumer.v1.ConsumerService/GetFast")
                .unwrap()
                .scope,
            Scope::MetricsRead
        );
        assert!(Method::of("/dualwheel.consumer.v1.ConsumerService/Nothing").is_none());
    }

    #[test]
    fn requests_that_name_brands_are_held_to_them() {
        for method in METHODS {
            let names = named::has_brands(&named::request(method.path).unwrap(), 0);
            match method.bound {
                Bound::Named => assert!(names, "{} names no brand", method.path),
                Bound::Stored | Bound::Whole => {}
                // Definitions may be asked for a brand, or for none.
                Bound::Free => assert!(
                    !names || method.path.ends_with("/ListDefinitions"),
                    "{}",
                    method.path
                ),
            }
        }
    }

    #[test]
    fn brands_are_found_wherever_a_request_names_them() {
        let brands = |path: &str, json: &str| named::brands(path, &named::encode(path, json)).unwrap();
        let fast = "dualwheel.consumer.v1.ConsumerService/GetFast";
        assert_eq!(brands(fast, r#"{"query": {"brand": "A"}}"#), ["A"]);
        assert!(brands(fast, "{}").is_empty());
        let neo = "dualwheel.diagnosis.v1.DiagnosisService/GetNeo";
        assert_eq!(
            brands(neo, r#"{"query": {"brand": "A"}, "peers": ["B", "C"]}"#),
            ["A", "B", "C"]
        );
        let index = "dualwheel.diagnosis.v1.DiagnosisService/GetIndex";
        let peers = r#"{"spec": {"brand": "A", "peers": [{"brand": "B"},
            {"brand": "C", "supplied": {"super.star": {"value": 0.5}}}, {"brand": "D", "supplied": {}}]}}"#;
        assert_eq!(brands(index, peers), ["A", "B", "D"]);
        assert!(named::brands(fast, &[0xff]).is_err());
    }

    #[test]
    fn resources_are_found_where_a_request_names_them() {
        let resources = |path: &str, json: &str| {
            named::resources_of(&named::message(path, &named::encode(path, json)).unwrap())
        };
        let consumer = |method: &str| format!("dualwheel.consumer.v1.ConsumerService/{method}");
        let name = r#"{"name": "audiences/x"}"#;
        assert_eq!(resources(&consumer("RefreshAudience"), name), ["audiences/x"]);
        let update = r#"{"audience": {"name": "audiences/x", "displayName": "y"}}"#;
        assert_eq!(resources(&consumer("UpdateAudience"), update), ["audiences/x"]);
        let keys = r#"{"consumer": "somebody"}"#;
        assert!(resources(&consumer("ExportConsumer"), keys).is_empty());
        let deleted = r#"{"consumers": ["somebody"]}"#;
        assert!(resources(&consumer("DeleteConsumers"), deleted).is_empty());
        let setting = r#"{"brand": "b", "setting": {"plugin": "plugins/m/versions/1.0.0"}}"#;
        let activate = "dualwheel.plugin.v1.ActivationService/ActivatePlugin";
        assert_eq!(resources(activate, setting), ["plugins/m/versions/1.0.0"]);
    }

    #[test]
    fn definitions_are_kept_as_metrics_are() {
        let lists = METHODS
            .iter()
            .filter(|method| method.path.ends_with("/ListDefinitions"));
        assert!(
            lists
                .inspect(|method| assert_eq!(method.deed, Deed::Measure))
                .count()
                >= 5
        );
    }

    #[test]
    fn scopes_are_unique() {
        let names: BTreeSet<_> = Scope::ALL.iter().map(|scope| scope.name()).collect();
        assert_eq!(names.len(), Scope::ALL.len());
    }
}
