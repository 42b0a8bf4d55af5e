//! Asks name servers for addresses and services.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU16,
    time::Duration,
};

use headgate_router::discovery::{Fault, Found, Target, preferred, weight};
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    lookup::Lookup,
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{Name, RData, RecordType},
    },
};
use tokio::task::JoinSet;

use crate::settings::Question;

/// Time that a name server has for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Further times that it is asked.
const REPEATS: usize = 1;

/// Name servers.
#[derive(Clone)]
pub(super) struct Names {
    /// None: what was configured can't be asked.
    resolver: Option<TokioResolver>,
}

/// What was found, and for how long that is good.
type Answer = (Vec<Found>, Duration);

impl Names {
    /// Prepares to ask these servers; nothing is sent. Whoever calls is within a runtime.
    pub(super) fn of(servers: &[SocketAddr]) -> Self {
        let servers = servers.iter().map(|server| {
            let at_port = |mut connection: ConnectionConfig| {
                connection.port = server.port();
                connection
            };
            // By TCP what is too long for UDP.
            let ways = vec![at_port(ConnectionConfig::udp()), at_port(ConnectionConfig::tcp())];
            NameServerConfig::new(server.ip(), true, ways)
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        let provider = TokioRuntimeProvider::default();
        let resolver = TokioResolver::builder_with_config(config, provider);
        let resolver = resolver.with_options(options()).build();
        // Without TLS and DNSSEC there is nothing that could be wrong.
        Self { resolver: resolver.ok() }
    }

    /// Looks endpoints up.
    ///
    /// # Errors
    ///
    /// [`Fault`]; what was known before is as good as ever then.
    pub(super) async fn look(&self, question: &Question) -> Result<Answer, Fault> {
        match question {
            Question::Addresses { name, port } => {
                let (addresses, good_for) = self.addresses(name).await?;
                let found = |ip| Found { address: (ip, *port).into(), weight: NonZeroU16::MIN };
                Ok((addresses.into_iter().map(found).collect(), good_for))
            }
            Question::Service { name } => self.service(name).await,
        }
    }

    /// The addresses of both families. One of them is enough.
    async fn addresses(&self, name: &str) -> Result<(Vec<IpAddr>, Duration), Fault> {
        let of = |kind| self.ask(name, kind);
        let (four, six) = tokio::join!(of(RecordType::A), of(RecordType::AAAA));
        let lookups = match (four, six) {
            (Ok(four), Ok(six)) => vec![four, six],
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => vec![one],
            // That a name has no addresses of a family says less than that nobody could tell.
            (Err(Fault::Empty), Err(fault)) | (Err(fault), Err(_)) => return Err(fault),
        };
        let address = |data: &RData| match data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        };
        let records = lookups.iter().flat_map(Lookup::answers);
        let found = records.filter_map(|record| address(&record.data)).collect();
        Ok((found, good_for(&lookups)))
    }

    async fn service(&self, name: &str) -> Result<Answer, Fault> {
        let lookup = self.ask(name, RecordType::SRV).await?;
        let target = |data: &RData| match data {
            RData::SRV(record) => Some(Target {
                priority: record.priority,
                weight: record.weight,
                port: record.port,
                name: record.target.to_ascii(),
            }),
            _ => None,
        };
        let targets = lookup.answers().iter().filter_map(|record| target(&record.data));
        let mut good_for = good_for([&lookup]);
        let mut looking = JoinSet::new();
        // As many at once as an upstream may have endpoints.
        for target in preferred(targets) {
            let names = self.clone();
            looking.spawn(async move { (names.addresses(&target.name).await, target) });
        }
        let mut all = Vec::new();
        for (addresses, target) in looking.join_all().await {
            let (addresses, known_for) = match addresses {
                Ok(addresses) => addresses,
                // A record of somebody who has left.
                Err(Fault::Empty | Fault::NoName) => continue,
                Err(fault) => return Err(fault),
            };
            good_for = good_for.min(known_for);
            let weight = weight(target.weight);
            let found = |ip| Found { address: (ip, target.port).into(), weight };
            all.extend(addresses.into_iter().map(found));
        }
        Ok((all, good_for))
    }

    async fn ask(&self, name: &str, kind: RecordType) -> Result<Lookup, Fault> {
        let resolver = self.resolver.as_ref().ok_or(Fault::Unreachable)?;
        let mut name = Name::from_ascii(name).map_err(|_| Fault::NoName)?;
        // A whole name, to which nothing is added.
        name.set_fqdn(true);
        resolver.lookup(name, kind).await.map_err(|error| why(&error))
    }
}

fn options() -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = ANSWER_WITHIN;
    options.attempts = REPEATS;
    // When to look again, and what stays meanwhile, is decided elsewhere.
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options
}

fn good_for<'l>(lookups: impl IntoIterator<Item = &'l Lookup>) -> Duration {
    let records = lookups.into_iter().flat_map(Lookup::answers);
    let least = records.map(|record| record.ttl).min().unwrap_or_default();
    Duration::from_secs(least.into())
}

fn why(error: &NetError) -> Fault {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => Fault::NoName,
            _ => Fault::Empty,
        },
        NetError::Dns(_) => Fault::Refused,
        NetError::Timeout => Fault::Timeout,
        NetError::Proto(_) => Fault::Garbled,
        _ => Fault::Unreachable,
    }
}
