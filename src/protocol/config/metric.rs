//! What is measured, and which way is better (`ch02 §8`).

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::protocol::Extra;
use crate::protocol::wire_enum::wire_enum;

wire_enum! {
    /// The type of a metric in the evaluation schema (`ch02 §8`).
    MetricType {
        /// A number without a fraction.
        Integer = "integer",
        /// A finite number.
        Real = "real",
        /// A string.
        Text = "text",
    }
}

impl MetricType {
    /// Whether a value of an evaluation may stand under a metric of this type; `null` always may (`ch02 §1.3`).
    pub fn admits(self, value: &serde_json::Value) -> bool {
        match (self, value) {
            (_, serde_json::Value::Null) | (Self::Text, serde_json::Value::String(_)) => true,
            (Self::Real, serde_json::Value::Number(number)) => number.as_f64().is_some_and(f64::is_finite),
            (Self::Integer, serde_json::Value::Number(number)) => {
                number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|n| n.fract() == 0.0)
            }
            _ => false,
        }
    }
}

wire_enum! {
    /// Which way is better.
    Direction {
        /// Larger is better.
        Maximize = "maximize",
        /// Smaller is better.
        Minimize = "minimize",
    }
}

impl Direction {
    /// Whether `candidate` beats `best`.
    pub fn better(self, candidate: f64, best: f64) -> bool {
        match self {
            Self::Maximize => candidate > best,
            Self::Minimize => candidate < best,
        }
    }
}

/// What the experiment optimises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    /// An expression over metric names. Switchboard draws it when it is the name of one metric.
    pub expr: String,
    /// Which way is better.
    pub direction: Direction,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Metric name to type, in the order in which they were written; fixed for the life of the experiment (`ch08 §4.2`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EvaluationSchema {
    names: Vec<String>,
    types: BTreeMap<String, MetricType>,
}

impl EvaluationSchema {
    /// The type of a metric, when it is one.
    pub fn get(&self, name: &str) -> Option<MetricType> {
        self.types.get(name).copied()
    }

    /// Whether this is the name of a metric.
    pub fn contains_key(&self, name: &str) -> bool {
        self.types.contains_key(name)
    }

    /// The metrics and their types.
    pub fn iter(&self) -> impl Iterator<Item = (&str, MetricType)> {
        let named = |name: &'_ String| self.types.get(name).copied();
        self.names
            .iter()
            .filter_map(move |name| Some((name.as_str(), named(name)?)))
    }
}

impl FromIterator<(String, MetricType)> for EvaluationSchema {
    /// Of a name that comes twice the last type holds, in the place of the first.
    fn from_iter<I: IntoIterator<Item = (String, MetricType)>>(metrics: I) -> Self {
        let mut schema = Self::default();
        for (name, kind) in metrics {
            if schema.types.insert(name.clone(), kind).is_none() {
                schema.names.push(name);
            }
        }
        schema
    }
}

impl Serialize for EvaluationSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for EvaluationSchema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Metrics;

        impl<'de> Visitor<'de> for Metrics {
            type Value = EvaluationSchema;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from metrics to their types")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut given: A) -> Result<EvaluationSchema, A::Error> {
                let metrics = std::iter::from_fn(|| given.next_entry().transpose());
                metrics.collect()
            }
        }

        deserializer.deserialize_map(Metrics)
    }
}
