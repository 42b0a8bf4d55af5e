//! Arguments of the demo.

/// What the demo stands on.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Shows two edges on one log instead, on these brokers of Kafka, such as `127.0.0.1:9092`.
    /// `cargo xtask demo` starts them and `DynamoDB` Local, and this demo on both.
    #[arg(long, value_name = "ADDRESSES", requires = "dynamodb")]
    pub(crate) kafka: Option<String>,

    /// Where their `DynamoDB` Local is, such as `http://127.0.0.1:8000`.
    #[arg(long, value_name = "URL", requires = "kafka")]
    pub(crate) dynamodb: Option<String>,
}
