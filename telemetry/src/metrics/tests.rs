//! Tests come with the body.
