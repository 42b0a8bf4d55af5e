//! The API's own description, made from the table that also makes its router.

mod page;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

pub use self::page::http_api;
use crate::{
    api::{Answer, ENDPOINTS, Endpoint, Mirrors, Parameter, Ready, Routes, Strangle, Takes},
    control::{ConfigAt, ControlStatus, Rollback, RolledBack, Versions},
    events::{
        DeadLetter, DeadLetterPage, EventEntry, EventPage, Groups, Redrive, RedrivePlan, Redriven,
        ResolveLetter, ResolvedLetter, Series, SeriesStand, SeriesWish, Topics,
    },
    history::History,
    idempotency::{HeldKey, HeldKeys, Resolve, Resolved},
    limits::LimitsStatus,
    overlays::{OverlayList, OverlayRequest},
    passport::{PassportRotated, RotatePassport},
    probes::{ProbeBegun, ProbeList, ProbeWish},
    problem,
    status::Status,
    why::Why,
};

/// The document that describes the admin API, as `OpenAPI` 3.1.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in ENDPOINTS {
        let item = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(endpoint.takes.method().to_owned(), operation(endpoint));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Headgate admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": { "schemas": schemas() },
    })
}

fn operation(endpoint: &Endpoint) -> Value {
    let mut responses: Map<String, Value> =
        endpoint.answers.iter().map(|it| (it.status.to_string(), answer(it))).collect();
    responses.insert(
        "default".to_owned(),
        json!({
            "description": "A problem",
            "content": { problem::CONTENT_TYPE: { "schema": reference("Problem") } },
        }),
    );
    let mut operation = json!({ "summary": endpoint.summary, "responses": responses });
    let (parameters, body) = match endpoint.takes {
        Takes::Get(parameters) | Takes::Delete(parameters) => (parameters, None),
        Takes::Post(parameters, schema) => (parameters, Some(schema)),
    };
    let Some(members) = operation.as_object_mut() else { return operation };
    if !parameters.is_empty() {
        let all: Vec<_> = parameters.iter().map(parameter).collect();
        members.insert("parameters".to_owned(), all.into());
    }
    if let Some(schema) = body {
        let content = json!({ "application/json": { "schema": reference(schema) } });
        members.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    operation
}

fn parameter(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "in": if parameter.is_path { "path" } else { "query" },
        "required": parameter.is_path,
        "description": parameter.summary,
        "schema": { "type": parameter.kind },
    })
}

fn answer(answer: &Answer) -> Value {
    let schema = answer.schema.map_or_else(|| json!({}), reference);
    json!({
        "description": answer.summary,
        "content": { answer.content_type: { "schema": schema } },
    })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn schemas() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    name::<Status>(&mut generator);
    name::<Routes>(&mut generator);
    name::<Strangle>(&mut generator);
    name::<Mirrors>(&mut generator);
    name::<LimitsStatus>(&mut generator);
    name::<History>(&mut generator);
    name::<Why>(&mut generator);
    name::<Ready>(&mut generator);
    name::<HeldKeys>(&mut generator);
    name::<HeldKey>(&mut generator);
    name::<Resolve>(&mut generator);
    name::<Resolved>(&mut generator);
    name::<OverlayList>(&mut generator);
    name::<OverlayRequest>(&mut generator);
    name::<ControlStatus>(&mut generator);
    name::<Versions>(&mut generator);
    name::<ConfigAt>(&mut generator);
    name::<Rollback>(&mut generator);
    name::<RolledBack>(&mut generator);
    name::<PassportRotated>(&mut generator);
    name::<RotatePassport>(&mut generator);
    name::<ProbeList>(&mut generator);
    name::<ProbeWish>(&mut generator);
    name::<ProbeBegun>(&mut generator);
    name::<Topics>(&mut generator);
    name::<Groups>(&mut generator);
    name::<EventPage>(&mut generator);
    name::<EventEntry>(&mut generator);
    name::<Series>(&mut generator);
    name::<SeriesStand>(&mut generator);
    name::<SeriesWish>(&mut generator);
    name::<DeadLetterPage>(&mut generator);
    name::<DeadLetter>(&mut generator);
    name::<Redrive>(&mut generator);
    name::<RedrivePlan>(&mut generator);
    name::<Redriven>(&mut generator);
    name::<ResolveLetter>(&mut generator);
    name::<ResolvedLetter>(&mut generator);
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem_schema());
    schemas
}

/// Files a type's schema under its name.
fn name<T: JsonSchema>(generator: &mut SchemaGenerator) {
    generator.subschema_for::<T>();
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "Problem details, RFC 9457",
        "required": ["type", "title", "status", "code"],
        "properties": {
            "type": { "type": "string", "format": "uri" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "code": { "type": "string", "enum": problem::Problem::ALL.map(problem::Problem::code) },
            "faults": { "type": "array", "items": reference("FaultStatus") },
        },
    })
}

#[cfg(test)]
mod tests;
