//! Times within a `SELECT`: a text without an offset is local time of the mapping's zone there too, whichever function or cast
//! reads it.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, StringArray, TimestampMicrosecondArray},
    compute::cast,
    datatypes::{DataType, TimeUnit},
};
use chrono_tz::Tz;
use datafusion::{
    common::{
        DataFusionError, Result, ScalarValue,
        tree_node::{Transformed, TreeNode},
    },
    functions::datetime,
    logical_expr::{
        Cast, ColumnarValue, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
        Signature, TryCast, Volatility, expr::ScalarFunction, expr_rewriter::NamePreserver,
        utils::merge_schema,
    },
    prelude::{Expr, SessionContext},
};

use super::time::{self, Clock, Dst, Format, NO_TIME, Written};

/// Reads texts as times of a zone, in the place of DataFusion's function of the same name.
#[derive(Debug)]
struct ToTimestamp {
    name: &'static str,
    zone: Tz,
    dst: Dst,
    /// Whether what is no time is null, and no error.
    is_lenient: bool,
    /// What other values than texts are read by.
    other: Arc<ScalarUDF>,
    signature: Signature,
}

impl PartialEq for ToTimestamp {
    fn eq(&self, other: &Self) -> bool {
        (self.name, self.zone, self.dst, self.is_lenient)
            == (other.name, other.zone, other.dst, other.is_lenient)
    }
}

impl Eq for ToTimestamp {}

impl std::hash::Hash for ToTimestamp {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.name, self.is_lenient).hash(state);
    }
}

fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

impl ToTimestamp {
    fn read(
        &self,
        text: &str,
        formats: &[Format],
        clock: &mut Clock,
    ) -> std::result::Result<i64, &'static str> {
        let written = match formats {
            [] => time::read(text).ok_or(NO_TIME)?,
            formats => {
                let read = formats.iter().find_map(|format| time::read_as(text, format).ok());
                read.ok_or("is written in none of the formats")?
            }
        };
        match written {
            Written::Instant(micros) => Ok(micros),
            Written::Local(local) => clock.instant(local),
            Written::Open { .. } => Err("can be day or month first; give a format"),
        }
    }

    fn texts(&self, args: &ScalarFunctionArgs) -> Result<TimestampMicrosecondArray> {
        let mut given = Vec::with_capacity(args.args.len());
        for arg in &args.args {
            let array = cast(&arg.to_array(args.number_rows)?, &DataType::Utf8)?;
            given.push(array.as_string::<i32>().clone());
        }
        let (texts, patterns): (&StringArray, &[StringArray]) = match given.split_first() {
            Some((texts, patterns)) => (texts, patterns),
            None => return Err(DataFusionError::Plan(format!("{} needs a value", self.name))),
        };
        let mut clock = Clock::new(self.zone, self.dst);
        let mut instants = Vec::with_capacity(texts.len());
        for row in 0..texts.len() {
            let text = texts
                .is_valid(row)
                .then(|| texts.value(row).trim())
                .filter(|text| !text.is_empty());
            let Some(text) = text else {
                instants.push(None);
                continue;
            };
            let patterns = patterns.iter().filter(|pattern| pattern.is_valid(row));
            let formats: Vec<Format> = patterns
                .map(|pattern| Format::Pattern(pattern.value(row).to_owned()))
                .collect();
            instants.push(match self.read(text, &formats, &mut clock) {
                Ok(micros) => Some(micros),
                Err(_) if self.is_lenient => None,
                Err(reason) => return Err(DataFusionError::Execution(format!("'{text}' {reason}"))),
            });
        }
        Ok(TimestampMicrosecondArray::from(instants).with_timezone("UTC"))
    }
}

impl ScalarUDFImpl for ToTimestamp {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        match arg_types.first() {
            Some(first) if is_text(first) => Ok(utc()),
            _ => self.other.return_type(arg_types),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<Arc<arrow::datatypes::Field>> {
        let kinds: Vec<DataType> = args
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        Ok(Arc::new(arrow::datatypes::Field::new(
            self.name,
            self.return_type(&kinds)?,
            true,
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if !args.args.first().is_some_and(|first| is_text(&first.data_type())) {
            return self.other.invoke_with_args(args);
        }
        let is_scalar = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let instants: ArrayRef = Arc::new(self.texts(&args)?);
        Ok(if is_scalar && !instants.is_empty() {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&instants, 0)?)
        } else {
            ColumnarValue::Array(instants)
        })
    }
}

/// How a session reads times.
pub(super) struct Zoned {
    cast: Arc<ScalarUDF>,
    try_cast: Arc<ScalarUDF>,
}

impl Zoned {
    /// Makes a session read texts as times of the zone.
    pub fn new(session: &SessionContext, zone: Tz, dst: Dst) -> Self {
        let config = session.copied_config();
        let options = config.options();
        let function = |name: &'static str, other: Arc<ScalarUDF>, is_lenient: bool| {
            let other = other.inner().with_updated_config(options).map_or(other, Arc::new);
            ScalarUDF::from(ToTimestamp {
                name,
                zone,
                dst,
                is_lenient,
                other,
                signature: Signature::variadic_any(Volatility::Immutable),
            })
        };
        let functions = BTreeMap::from([
            ("to_timestamp", datetime::to_timestamp(options)),
            ("to_timestamp_seconds", datetime::to_timestamp_seconds(options)),
            ("to_timestamp_millis", datetime::to_timestamp_millis(options)),
            ("to_timestamp_micros", datetime::to_timestamp_micros(options)),
            ("to_timestamp_nanos", datetime::to_timestamp_nanos(options)),
        ]);
        for (name, other) in functions {
            session.register_udf(function(name, other, false));
        }
        let of = |name, is_lenient| Arc::new(function(name, datetime::to_timestamp(options), is_lenient));
        Self {
            cast: of("to_timestamp", false),
            try_cast: of("try_to_timestamp", true),
        }
    }

    /// The plan with casts of texts to times as calls of the function.
    ///
    /// # Errors
    /// DataFusion's.
    pub fn rewrite(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let rewritten = plan.transform_up_with_subqueries(|node| {
            let names = NamePreserver::new(&node);
            let schema = merge_schema(&node.inputs());
            let changed = node.map_expressions(|expression| {
                let name = names.save(&expression);
                let changed = expression.transform_up(|expression| self.rewritten(expression, &schema))?;
                Ok(changed.update_data(|expression| name.restore(expression)))
            })?;
            changed.map_data(LogicalPlan::recompute_schema)
        })?;
        Ok(rewritten.data)
    }

    fn rewritten(
        &self,
        expression: Expr,
        schema: &datafusion::common::DFSchema,
    ) -> Result<Transformed<Expr>> {
        use datafusion::logical_expr::ExprSchemable;
        let is_time =
            |field: &arrow::datatypes::Field| matches!(field.data_type(), DataType::Timestamp(_, None));
        let (inner, function) = match &expression {
            Expr::Cast(Cast { expr, field }) if is_time(field) => (expr, &self.cast),
            Expr::TryCast(TryCast { expr, field }) if is_time(field) => (expr, &self.try_cast),
            _ => return Ok(Transformed::no(expression)),
        };
        if !inner.get_type(schema).is_ok_and(|kind| is_text(&kind)) {
            return Ok(Transformed::no(expression));
        }
        let call = ScalarFunction::new_udf(Arc::clone(function), vec![inner.as_ref().clone()]);
        Ok(Transformed::yes(Expr::ScalarFunction(call)))
    }
}
