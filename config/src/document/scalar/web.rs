//! Hosts, paths, addresses and URLs.

use headgate_gateway::settings::Address;

pub(super) fn read_endpoint(text: &str) -> Option<Address> {
    if let Some(path) = text.strip_prefix("unix:") {
        return path.starts_with('/').then(|| Address::Unix(path.into()));
    }
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host != "*" && !host.starts_with("*.") && is_host_pattern(host),
    };
    (port > 0 && is_host).then(|| Address::Tcp(text.into()))
}

pub(super) fn is_host_pattern(text: &str) -> bool {
    let host = text.strip_prefix("*.").unwrap_or(text);
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text == "*" || (host.len() <= 253 && host.split('.').all(is_label))
}

/// A name without the dot of the root, in small letters.
pub(super) fn read_dns_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_plain);
    let is_name = name.len() <= 253 && name.split('.').all(is_label);
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    (is_name && !is_address).then(|| name.to_ascii_lowercase())
}

pub(super) fn is_host_name(text: &str) -> bool {
    let is_address = text.parse::<std::net::IpAddr>().is_ok();
    is_address || (!text.contains('*') && is_host_pattern(text))
}

pub(super) fn is_path_prefix(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"{}*?#%\\".contains(&byte);
    let has_dots = text.split('/').any(|segment| segment == "." || segment == "..");
    text.starts_with('/') && text.bytes().all(is_plain) && !text.contains("//") && !has_dots
}

pub(super) fn is_fetchable(url: &http::Uri) -> bool {
    matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some()
}

pub(super) fn is_service(text: &str) -> bool {
    let url = text.parse::<http::Uri>().ok().filter(is_fetchable);
    url.is_some_and(|url| matches!(url.path(), "" | "/") && url.query().is_none())
}

pub(super) fn read_sha256(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(digest)
}

pub(super) fn read_sent(text: &str) -> Option<(http::Method, http::uri::PathAndQuery)> {
    let (method, path) = text.split_once(' ')?;
    let method = method.parse().ok().filter(|method| *method != http::Method::CONNECT)?;
    path.starts_with('/').then(|| path.parse().ok().map(|path| (method, path)))?
}

pub(super) fn read_header_line(text: &str) -> Option<(http::HeaderName, http::HeaderValue)> {
    let (name, value) = text.split_once(':')?;
    let value = http::HeaderValue::from_str(value.trim()).ok()?;
    let is_text = value.to_str().is_ok();
    name.trim().parse().ok().filter(|_| is_text).map(|name| (name, value))
}
