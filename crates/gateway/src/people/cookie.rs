//! Cookies: one of each name, host-bound, out of reach of scripts.

use http::{HeaderMap, HeaderValue, header};

/// The session's cookie, without its prefix.
pub(crate) const SESSION: &str = "portcullis";
/// The cookie of a login at a provider that is under way.
pub(crate) const FLOW: &str = "portcullis-login";

/// Which other sites' navigations bring the cookie along.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SameSite {
    /// None.
    Strict,
    /// A link or redirect to us: the way back from a provider.
    Lax,
}

/// The whole name: over https with `__Host-`, which a browser takes only from this host itself, over https, for every path.
fn full(name: &str, secure: bool) -> String {
    if secure { format!("__Host-{name}") } else { name.to_owned() }
}

/// The value of a cookie; none when it is absent or stands twice.
pub(crate) fn read<'h>(headers: &'h HeaderMap, name: &str, secure: bool) -> Option<&'h str> {
    let name = full(name, secure);
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let mut found = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(n, _)| *n == name)
        .map(|(_, value)| value);
    found.next().filter(|_| found.next().is_none())
}

/// The header that sets a cookie for so many seconds.
pub(crate) fn set(name: &str, value: &str, (site, seconds): (SameSite, i64), secure: bool) -> HeaderValue {
    let site = match site {
        SameSite::Strict => "Strict",
        SameSite::Lax => "Lax",
    };
    let tail = if secure { "; Secure" } else { "" };
    let name = full(name, secure);
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={site}{tail}");
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The header that removes a cookie.
pub(crate) fn clear(name: &str, secure: bool) -> HeaderValue {
    set(name, "", (SameSite::Strict, 0), secure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_stands_once() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; __Host-portcullis=x; b=2"));
        assert_eq!(read(&headers, SESSION, true), Some("x"));
        assert_eq!(read(&headers, SESSION, false), None);
        headers.append(header::COOKIE, HeaderValue::from_static("__Host-portcullis=y"));
        assert_eq!(read(&headers, SESSION, true), None);
    }

    #[test]
    fn flags_follow_the_transport() {
        let over_tls = set(SESSION, "v", (SameSite::Strict, 60), true);
        assert_eq!(over_tls, "__Host-portcullis=v; Path=/; Max-Age=60; HttpOnly; SameSite=Strict; Secure");
        let plain = set(FLOW, "v", (SameSite::Lax, 60), false);
        assert_eq!(plain, "portcullis-login=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax");
    }
}
