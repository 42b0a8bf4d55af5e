//! Takes the credential out of a request's headers.

use http::{
    HeaderMap, HeaderName,
    header::{AUTHORIZATION, HeaderValue},
};

use crate::identity::{ClientCertificate, Denied, Reason};

/// All that a request shows of its caller.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// The certificate that came with the connection.
    pub certificate: Option<&'a ClientCertificate>,
}

/// Without a certificate.
impl<'a> From<&'a HeaderMap> for Credentials<'a> {
    fn from(headers: &'a HeaderMap) -> Self {
        Self { headers, certificate: None }
    }
}

/// Bytes of a credential. Longer ones are refused unread, so that nobody has the edge hash and
/// parse at length; a token with some dozens of scopes takes 2 KiB.
pub(super) const CREDENTIAL_BYTES_MAX: usize = 8 * 1024;

const SCHEME: &[u8] = b"bearer";

/// The bearer token (RFC 6750, section 2.1). Another scheme counts as none.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&[u8], Denied> {
    let value = single(headers, &AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(SCHEME.len()).ok_or(Denied::Missing)?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(Denied::Missing);
    }
    match token.first() {
        Some(b' ') => bounded(token.trim_ascii()),
        // The scheme without a token.
        None => Err(Reason::Malformed.into()),
        // A longer word is another scheme.
        Some(_) => Err(Denied::Missing),
    }
}

/// The API key in a header of the operator's choice.
pub(super) fn api_key<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a [u8], Denied> {
    bounded(single(headers, name)?.as_bytes())
}

/// With two values the edge and the upstream could each take another one.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a HeaderValue, Denied> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(Denied::Missing)?;
    if values.next().is_some() { Err(Reason::Malformed.into()) } else { Ok(value) }
}

fn bounded(credential: &[u8]) -> Result<&[u8], Denied> {
    if credential.is_empty() || credential.len() > CREDENTIAL_BYTES_MAX {
        return Err(Reason::Malformed.into());
    }
    Ok(credential)
}
