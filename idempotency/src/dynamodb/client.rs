//! The SDK's client, with its retries off and its timeouts named.

use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::Client;

use super::settings::{Credentials, Settings};

/// What the SDK does by default, as of this version of it: an update changes nothing unseen.
fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// A client. What the settings do not say is looked up where AWS's tools look.
pub(super) async fn connect(settings: &Settings) -> Client {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(settings.connect_timeout)
        .operation_attempt_timeout(settings.attempt_timeout)
        .operation_timeout(settings.operation_timeout)
        .build();
    // The SDK would send a lost write again and hide that it did: a refusal could then be one by
    // the write itself. So attempts are counted and judged here.
    let mut loader = aws_config::defaults(behavior())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &settings.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if settings.credentials == Credentials::Local {
        let pair =
            aws_sdk_dynamodb::config::Credentials::new("local", "local", None, None, "local");
        loader = loader.credentials_provider(pair);
    }
    Client::new(&loader.load().await)
}
