//! The API's own description, made from the table that also makes its router.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    api::{Answer, ENDPOINTS, Endpoint, Mirrors, Ready, Routes, Strangle},
    problem,
    status::Status,
};

/// The document that describes the admin API, as `OpenAPI` 3.1.
pub fn document() -> Value {
    let paths: Map<String, Value> =
        ENDPOINTS.iter().map(|endpoint| (endpoint.path.to_owned(), operation(endpoint))).collect();
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
    json!({ "get": { "summary": endpoint.summary, "responses": responses } })
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
    name::<Ready>(&mut generator);
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
            "code": { "type": "string", "enum": problem::Problem::ALL.map(problem::Problem::code) },
        },
    })
}

#[cfg(test)]
mod tests;
