//! How long an exchange may take.
