//! Every field of the published JSON Schema is read. Checked only where the schema is beside the project.

use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn published(name: &str) -> Option<Value> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = here
        .ancestors()
        .map(|dir| dir.join("shared/schemas").join(name))
        .find(|file| file.is_file())?;
    let text = std::fs::read_to_string(file).expect("a schema that can be read");
    Some(serde_json::from_str(&text).expect("JSON"))
}

fn good() -> Value {
    json!({
        "parallel_variants": 1,
        "evaluation_schema": { "score": "real" },
        "objective": { "expr": "score", "direction": "maximize" },
    })
}

fn faults_at(config: &Value, field: &str) -> bool {
    let faults = ExperimentConfig::checked(&config.to_string());
    faults.is_err_and(|faults| faults.iter().any(|fault| fault.field == field))
}

fn properties(schema: &Value) -> Vec<String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.map(|map| map.keys().cloned().collect()).unwrap_or_default()
}

#[test]
fn every_property_of_the_published_schema_is_read() {
    let Some(schema) = published("experiment-config.schema.json") else {
        return;
    };
    let fields = properties(&schema);
    assert!(fields.len() >= 12, "{fields:?}");
    // No property of the schema, at any level, may be a list.
    for field in fields {
        let mut config = good();
        config[&field] = json!([]);
        assert!(faults_at(&config, &field), "{field} is not read");
        let below = &schema["properties"][&field];
        let kinds = below["properties"]["kind"]["enum"].as_array();
        for name in properties(below) {
            let mut blocks = vec![json!({})];
            if let Some(kinds) = kinds {
                blocks = kinds.iter().map(|kind| json!({ "kind": kind })).collect();
            }
            let read = blocks.into_iter().any(|mut block| {
                block[&name] = json!([]);
                let mut config = good();
                config[&field] = block;
                faults_at(&config, &format!("{field}.{name}"))
            });
            assert!(read, "{field}.{name} is not read");
        }
        for kind in kinds.into_iter().flatten() {
            let mut config = good();
            config[&field] = json!({ "kind": kind });
            assert!(
                !faults_at(&config, &format!("{field}.kind")),
                "{field} knows no kind {kind}"
            );
        }
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        let name = required.as_str().unwrap_or_default();
        let mut config = good();
        config.as_object_mut().map(|config| config.remove(name));
        assert!(faults_at(&config, name), "{name} is required");
    }
}

#[test]
fn the_reserved_names_and_types_of_metrics_are_those_published() {
    let Some(schema) = published("evaluation-schema.schema.json") else {
        return;
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let reserved = list(&schema["propertyNames"]["not"]["enum"]);
    assert!(reserved.len() >= 10);
    for name in reserved.iter().filter_map(Value::as_str) {
        let mut config = good();
        config["evaluation_schema"][name] = json!("text");
        assert!(faults_at(&config, &format!("evaluation_schema.{name}")), "{name}");
    }
    let types = list(&schema["additionalProperties"]["enum"]);
    assert_eq!(types.len(), MetricType::ALL.len());
    for kind in types {
        let mut config = good();
        config["evaluation_schema"]["other"] = kind;
        assert!(ExperimentConfig::checked(&config.to_string()).is_ok(), "{config}");
    }
}
