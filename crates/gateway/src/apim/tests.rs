//! Policy files as people have them, and as nobody should.

use super::*;
use domain::{CountBy, HeaderAction, Name, Span, Timestamp};
use std::time::Duration;

const TENANT: &str = "0f6c4b8e-1111-4222-8333-944444444444";
const SEED: &str = include_str!("../../../../examples/gateway/api_policy_template.xml");

fn named(name: &str, value: Option<&str>) -> NamedValue {
    NamedValue {
        name: Name::new(name).unwrap(),
        secret: value.is_none(),
        value: value.map(str::to_owned),
        updated: Timestamp(0),
    }
}

fn options() -> ImportOptions {
    let map = [
        ("https://login.microsoftonline.com/", "built_in"),
        ("https://login.microsoftonline.com/other/", "https://id.example/realms/"),
        ("https://near.example/", "http://127.0.0.1:9/"),
    ];
    ImportOptions {
        audiences: vec!["api://a".to_owned()],
        set: BTreeMap::from([("tenant_id".to_owned(), TENANT.to_owned())]),
        named_values: vec![named("AMLKey", None), named("Region", Some("west"))],
        urls: Urls {
            map: UrlMap(map.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()),
            public_url: "http://127.0.0.1:8780".to_owned(),
            tenant: TENANT.to_owned(),
        },
        ..ImportOptions::default()
    }
}

/// A whole file around some lines of `inbound`; the first of them is line 3.
fn around(inbound: &str) -> String {
    format!("<policies>\n<inbound>\n{inbound}\n</inbound>\n<backend><base /></backend>\n</policies>")
}

fn taken(inbound: &str) -> Imported {
    import(&around(inbound), &options()).unwrap_or_else(|fault| panic!("{inbound}: {fault}"))
}

fn told(xml: &str) -> String {
    let fault = import(xml, &options()).expect_err(xml);
    assert_eq!(fault.code, domain::ErrorCode::InvalidInput);
    fault.message
}

/// Refused at a line and with words.
fn refused(inbound: &str, line: u32, words: &[&str]) {
    let told = told(&around(inbound));
    assert!(told.starts_with(&format!("line {line}, column ")), "{inbound}\n{told}");
    for word in words {
        assert!(told.contains(word), "'{word}' is missing: {told}");
    }
}

#[test]
fn the_seeds_file_is_read_with_its_audience_beside_it() {
    let read = import(SEED, &options()).unwrap();
    assert_eq!(
        read.trusted.iter().map(|(_, t)| t).collect::<Vec<_>>(),
        [&Trusted::BuiltIn, &Trusted::BuiltIn]
    );
    assert_eq!(read.trusted[0].0, Place { line: 10, column: 28 });
    let policy = &read.policy;
    assert_eq!((policy.refused_status, policy.clock_skew), (Some(401), Some(0)));
    assert_eq!(policy.audiences, ["api://a"]);
    let rule = &policy.request_headers[0];
    assert_eq!((rule.name.as_str(), rule.action), ("Authorization", HeaderAction::Override));
    assert_eq!(rule.values, ["Bearer {{AMLKey}}"], "never resolved here");

    let none = ImportOptions { audiences: vec![], ..options() };
    let told = import(SEED, &none).unwrap_err().message;
    assert!(
        told.contains("--audience") && told.contains("--any-audience") && told.starts_with("line 6,"),
        "{told}"
    );
    let any = ImportOptions { any_audience: true, ..none };
    assert!(import(SEED, &any).unwrap().policy.any_audience);
    let unset = ImportOptions { set: BTreeMap::new(), ..options() };
    let told = import(SEED, &unset).unwrap_err().message;
    assert!(told.starts_with("line 10,") && told.contains("--set tenant_id"), "{told}");
    let unmapped = ImportOptions { urls: Urls { map: UrlMap::default(), ..options().urls }, ..options() };
    let read = import(SEED, &unmapped).unwrap();
    assert!(
        matches!(&read.trusted[1].1, Trusted::Discovery { url, loopback_http: false } if url.starts_with("https://login."))
    );
    let keyless = ImportOptions { named_values: vec![], ..options() };
    let told = import(SEED, &keyless).unwrap_err().message;
    assert!(told.starts_with("line 14,") && told.contains("secret set AMLKey"), "{told}");
}

#[test]
fn the_whole_vocabulary_of_validate_jwt_is_read() {
    let read = taken(
        r#"<validate-jwt header-name="authorization" failed-validation-httpcode="403"
             failed-validation-error-message="No way from {{Region}}" require-expiration-time="true" require-scheme="Bearer"
             require-signed-tokens="true" clock-skew="60" output-token-variable-name="jwt">
            <openid-config url="https://login.microsoftonline.com/other/v2.0/.well-known/openid-configuration" />
            <openid-config url="https://near.example/.well-known/openid-configuration" />
            <issuers><issuer>https://id.example/realms/x</issuer></issuers>
            <required-claims>
                <claim name="roles" match="any" separator=","><value>a</value><value>{{Region}}</value></claim>
                <claim name="tid"><value>{tenant_id}</value></claim>
            </required-claims>
        </validate-jwt>
        <rate-limit-by-key calls="5" renewal-period="60" counter-key="@(((Jwt)context.Variables["jwt"]).Claims["oid"].FirstOrDefault())" />"#,
    );
    let policy = &read.policy;
    assert_eq!((policy.refused_status, policy.clock_skew), (Some(403), Some(60)));
    assert_eq!(policy.refused_message.as_deref(), Some("No way from west"));
    let claims = &policy.required_claims;
    assert_eq!((claims[0].all, claims[0].separator.as_deref()), (false, Some(",")));
    assert_eq!((claims[0].values.join(" "), claims[1].all), ("a west".to_owned(), true));
    assert_eq!(claims[1].values, [TENANT]);
    let near = Trusted::Discovery {
        url: "http://127.0.0.1:9/.well-known/openid-configuration".to_owned(),
        loopback_http: true,
    };
    assert_eq!(read.trusted[1].1, near);
    assert_eq!(read.listed[0].1, "https://id.example/realms/x");
    assert_eq!(policy.rate_limits[0].by, CountBy::Claim("oid".to_owned()));
    let read = import(&around("<validate-jwt header-name='Authorization'><openid-config url='https://a.example/' /><audiences><audience>api://x</audience></audiences></validate-jwt>"),
        &ImportOptions { audiences: vec![], ..options() }).unwrap();
    assert_eq!(read.policy.audiences, ["api://x"]);
}

#[test]
fn every_other_element_is_read() {
    let read = taken(
        r#"<base /><!-- a comment -->
        <set-header name="X-Team" exists-action="append"><value>{{Region}}</value><value> b </value></set-header>
        <set-header name="X-Gone" exists-action="delete" />
        <rate-limit calls="10" renewal-period="60" />
        <quota calls="100" bandwidth="4000" renewal-period="0" />
        <quota-by-key calls="7" renewal-period="300" counter-key="@(context.Request.IpAddress)" />
        <limit-concurrency key="all" max-count="3"><rate-limit-by-key calls="1" renewal-period="1" counter-key="all" /></limit-concurrency>
        <ip-filter action="allow"><address>10.0.0.1</address><address-range from="10.0.1.0" to="10.0.1.9" /></ip-filter>
        <ip-filter action="forbid"><address>::1</address></ip-filter>
        <cors allow-credentials="true"><allowed-origins><origin>https://a.example</origin></allowed-origins>
          <allowed-methods preflight-result-max-age="300"><method>*</method></allowed-methods>
          <allowed-headers><header>content-type</header></allowed-headers><expose-headers><header>x-a</header></expose-headers></cors>
        <validate-client-certificate validate-revocation="false" />
        <validate-content unspecified-content-type-action="ignore" max-size="1024" size-exceeded-action="prevent" errors-variable-name="e" />"#,
    );
    let p = &read.policy;
    assert_eq!(p.request_headers[0].values, ["{{Region}}", "b"]);
    assert_eq!(p.request_headers[1].action, HeaderAction::Delete);
    assert_eq!(
        p.rate_limits.iter().map(|r| r.by.clone()).collect::<Vec<_>>(),
        [CountBy::Subscription, CountBy::Api]
    );
    assert_eq!(
        (p.quotas[0].calls, p.quotas[0].kilobytes, p.quotas[0].per),
        (Some(100), Some(4000), Span(Duration::ZERO))
    );
    assert_eq!((p.quotas[1].by.clone(), p.concurrency), (CountBy::Address, Some(3)));
    assert_eq!(p.addresses.allow, ["10.0.0.1", "10.0.1.0-10.0.1.9"]);
    assert_eq!(p.addresses.forbid, ["::1"]);
    let cors = p.cors.as_ref().unwrap();
    assert_eq!((cors.methods.len(), cors.max_age, cors.credentials), (0, Some(300), true));
    assert!(p.client_certificate && p.body_bytes == Some(1024));
    assert!(read.notes[0].contains("no <validate-jwt>"), "{:?}", read.notes);
    let xml = "<policies><backend><forward-request timeout='20' /></backend><outbound><set-header name='X-A'><value>b</value></set-header></outbound></policies>";
    let read = import(xml, &options()).unwrap();
    assert_eq!(read.policy.timeout, Some(Span(Duration::from_secs(20))));
    assert_eq!(read.policy.response_headers[0].name, "X-A");
}

#[test]
fn counters_are_read_in_the_forms_people_write() {
    let by = |key: &str| {
        let read = taken(&format!(r#"<rate-limit-by-key calls="1" renewal-period="1" counter-key={key} />"#));
        read.policy.rate_limits[0].by.to_string()
    };
    for (key, counted) in [
        (r#""@(context.Subscription.Id)""#, "subscription"),
        (r#""@(context.Subscription?.Key ?? "anonymous")""#, "subscription"),
        (r#""@( context.Subscription?.Key ?? &quot;anonymous&quot; )""#, "subscription"),
        (r#"'@(context.Subscription?.Key ?? "anonymous")'"#, "subscription"),
        (r#""@(context.Request.IpAddress)""#, "address"),
        (r#""@(context.Api.Id)""#, "api"),
        (r#""everybody""#, "api"),
        (r#""@(context.Request.Headers.GetValueOrDefault("X-Team","none"))""#, "header:x-team"),
        (r#""@(context.Request.Headers.GetValueOrDefault("X-Team"))""#, "header:x-team"),
        (
            r#""@(context.Request.Headers.GetValueOrDefault("Authorization","").AsJwt()?.Subject)""#,
            "claim:sub",
        ),
        (
            r#""@(context.Request.Headers.GetValueOrDefault("Authorization","").AsJwt()?.Claims.GetValueOrDefault("oid", ""))""#,
            "claim:oid",
        ),
        (
            r#""@(context.Request.Headers.GetValueOrDefault("Authorization","").AsJwt()?.Claims["tid"].FirstOrDefault())""#,
            "claim:tid",
        ),
    ] {
        assert_eq!(by(key), counted, "{key}");
    }
    for key in [
        r#""@(context.Request.Headers.GetValueOrDefault("Authorization",""))""#,
        r#""@(context.Request.Headers.GetValueOrDefault("X Y",""))""#,
        r#""@(context.User.Id)""#,
        r#""@(DateTime.Now < x ? "a" : "b")""#,
        r#""@{ return "a"; }""#,
        r#""@(((Jwt)context.Variables["jwt"]).Subject)""#,
        r#""@(context.Request.IpAddress""#,
    ] {
        let xml = format!("\n<rate-limit-by-key calls=\"1\" renewal-period=\"1\"\n counter-key={key} />");
        refused(&xml, 5, &["counter-key", "context.Request.IpAddress"]);
    }
}

#[test]
fn what_is_not_supported_is_refused_by_element_and_line() {
    for name in [
        "choose",
        "return-response",
        "mock-response",
        "cache-lookup",
        "cache-store",
        "retry",
        "set-body",
        "set-query-parameter",
        "set-variable",
        "set-backend-service",
        "rewrite-uri",
        "send-request",
        "check-header",
        "include-fragment",
        "authentication-basic",
        "log-to-eventhub",
        "validate-azure-ad-token",
        "json-to-xml",
        "nonsense",
    ] {
        refused(&format!("<base />\n<!-- x -->\n<{name} />"), 5, &[&format!("<{name}>"), "not supported"]);
    }
}

#[test]
fn attributes_of_validate_jwt_are_refused_by_line() {
    let jwt = |attributes: &str| {
        format!("<validate-jwt {attributes}\n ><openid-config url='https://a.example/' /></validate-jwt>")
    };
    for (attributes, words) in [
        ("query-parameter-name='t'", &["header only", "Authorization"][..]),
        ("token-value='x'", &["header only"]),
        ("header-name='X-Token'", &["X-Token", "header only"]),
        ("", &["header-name"]),
        ("header-name='Authorization' require-expiration-time='false'", &["exp"]),
        ("header-name='Authorization' require-signed-tokens='false'", &["signature"]),
        ("header-name='Authorization' require-scheme='Basic'", &["Bearer"]),
        ("header-name='Authorization' clock-skew='121'", &["0 to 120"]),
        ("header-name='Authorization' failed-validation-httpcode='200'", &["400 to 499"]),
        ("header-name='Authorization' surprise='1'", &["'surprise'", "clock-skew"]),
        ("header-name='@(context.X)'", &["expressions"]),
    ] {
        refused(&jwt(attributes), 3, words);
    }
}

/// Lines of `inbound`, the line of the file that is wrong, and what the refusal says.
const REFUSED: &[(&str, u32, &[&str])] = &[
    ("<validate-jwt header-name='Authorization' />", 3, &["openid-config"]),
    (
        "<validate-jwt header-name='Authorization'>\n<openid-config url='http://a.example/' /></validate-jwt>",
        4,
        &["https"],
    ),
    (
        "<validate-jwt header-name='Authorization'>\n<openid-config url='https://a.example/{x}' /></validate-jwt>",
        4,
        &["--set x"],
    ),
    (
        "<validate-jwt header-name='Authorization'>\n<openid-config url='https://login.microsoftonline.com/someone/.well-known/openid-configuration' /></validate-jwt>",
        4,
        &[TENANT],
    ),
    (
        "<validate-jwt header-name='Authorization'><issuer-signing-keys>\n<key>c2VjcmV0</key></issuer-signing-keys></validate-jwt>",
        4,
        &["shared secret"],
    ),
    (
        "<validate-jwt header-name='Authorization'><issuer-signing-keys>\n<key n='AQAB' e='AQAB' /></issuer-signing-keys></validate-jwt>",
        4,
        &["2048"],
    ),
    ("<validate-jwt header-name='Authorization'><decryption-keys /></validate-jwt>", 3, &["decryption-keys"]),
    (
        "<validate-jwt header-name='Authorization'><openid-config url='https://a.example/' />\n<required-claims><claim name='a' /></required-claims></validate-jwt>",
        4,
        &["<value>"],
    ),
    (
        "<set-header name='Authorization'><value>Bearer {{AMLKey}}</value></set-header>\n<validate-jwt header-name='Authorization'><openid-config url='https://a.example/' /></validate-jwt>",
        4,
        &["first"],
    ),
    ("<set-header name='Authorization'><value>Bearer abc</value></set-header>", 3, &["secret set"]),
    (
        "<set-header name='Authorization' exists-action='skip'><value>{{AMLKey}}</value></set-header>",
        3,
        &["overridden or deleted"],
    ),
    ("<set-header name='Content-Length'><value>1</value></set-header>", 3, &["frames the message"]),
    ("<set-header name='X-A'>\n<value>{{Nobody}}</value></set-header>", 4, &["secret set Nobody"]),
    ("<set-header name='X-A'>\n<value>@(context.RequestId)</value></set-header>", 4, &["expressions"]),
    ("<set-header name='X-A' exists-action='later'><value>1</value></set-header>", 3, &["override, skip"]),
    ("<set-header name='X-A'><value>a&#10;b</value></set-header>", 3, &["line break"]),
    ("<set-header name='{{AMLKey}}'><value>a</value></set-header>", 3, &["is secret"]),
    ("<rate-limit calls='0' renewal-period='60' />", 3, &["calls"]),
    ("<rate-limit calls='1' renewal-period='301' />", 3, &["1 to 300"]),
    (
        "<rate-limit calls='1' renewal-period='1'>\n<api name='x' calls='1' /></rate-limit>",
        4,
        &["single API"],
    ),
    (
        "<rate-limit-by-key calls='1' renewal-period='1' counter-key='a' increment-condition='@(true)' />",
        3,
        &["increment-condition"],
    ),
    ("<quota renewal-period='300' />", 3, &["calls or bandwidth"]),
    ("<quota calls='1' renewal-period='299' />", 3, &["300"]),
    ("<limit-concurrency key='@(context.Request.IpAddress)' max-count='1' />", 3, &["whole API"]),
    (
        "<limit-concurrency key='a' max-count='1'>\n<limit-concurrency key='a' max-count='1' /></limit-concurrency>",
        4,
        &["twice"],
    ),
    ("<ip-filter action='allow' />", 3, &["names no address"]),
    ("<ip-filter action='allow'>\n<address>10.0.0.300</address></ip-filter>", 4, &["10.0.0.300"]),
    (
        "<ip-filter action='allow'>\n<address-range from='10.0.0.9' to='10.0.0.1' /></ip-filter>",
        4,
        &["10.0.0.9-10.0.0.1"],
    ),
    (
        "<cors allow-credentials='true'><allowed-origins><origin>*</origin></allowed-origins></cors>",
        3,
        &["never together"],
    ),
    ("<validate-client-certificate />", 3, &["revocation"]),
    (
        "<validate-client-certificate validate-revocation='false'>\n<identities /></validate-client-certificate>",
        4,
        &["identities"],
    ),
    ("<validate-content unspecified-content-type-action='prevent' max-size='1' />", 3, &["unspecified"]),
    ("<forward-request />", 3, &["<inbound>", "<backend>"]),
    ("text", 3, &["text inside <inbound>"]),
    ("<?php x ?>", 3, &["processing instruction"]),
    ("<base id='x' />", 3, &["'id'"]),
    ("<x:base xmlns:x='urn:x' />", 3, &["namespace"]),
];

#[test]
fn values_are_refused_by_line() {
    for (inbound, line, words) in REFUSED {
        refused(inbound, *line, words);
    }
}

#[test]
fn what_is_no_policy_at_all_is_refused() {
    for (xml, words) in [
        ("", "no element"),
        ("<policies>", "before its root element is closed"),
        ("<policies><inbound></policies>", "well-formed"),
        ("<fragment><base /></fragment>", "the root is <policies>"),
        ("<policies><inbound /><inbound /></policies>", "twice"),
        ("<policies><middle /></policies>", "<on-error>"),
        ("<policies><backend /></policies>", "<base />"),
        ("<!DOCTYPE p [<!ENTITY a 'b'>]>\n<policies><inbound>&a;</inbound></policies>", "document type"),
        ("<policies><inbound>&a;</inbound></policies>", "well-formed"),
    ] {
        let told = told(xml);
        assert!(told.starts_with("line ") && told.contains(words), "{told}");
    }
    let deep = "<a>".repeat(5000) + &"</a>".repeat(5000);
    assert!(told(&deep).starts_with("line "));
    let deep = "<policies>".to_owned() + &"<a>".repeat(40) + &"</a>".repeat(40) + "</policies>";
    assert!(told(&deep).contains("deeper"));
    assert!(told(&"x".repeat(XML_MAX + 1)).contains("bytes"));
    assert!(told(&format!("<a {}/>", "b='' ".repeat(10_000))).contains("equals"));
    let many = "<openid-config url='https://a.example/' />\n".repeat(33);
    refused(
        &format!("<validate-jwt header-name='Authorization'>\n{many}</validate-jwt>"),
        36,
        &["at most 32"],
    );
    // Brackets that never close are looked at as often as there are attributes, and no further than a little way.
    assert!(told(&format!("<a b=\"@(\"{}", "\"@(".repeat(80_000))).starts_with("line "));
}

#[test]
fn a_template_that_nobody_needs_is_refused() {
    let mut options = options();
    options.set.insert("region".to_owned(), "west".to_owned());
    assert!(import(SEED, &options).unwrap_err().message.contains("--set region"));
}

/// Mutations of good files: whatever comes, an answer or a refusal with a place.
#[test]
fn no_mutation_breaks_the_reader() {
    let whole = around(
        r#"<validate-jwt header-name="Authorization"><openid-config url="https://a.example/{tenant_id}" /></validate-jwt>
        <rate-limit-by-key calls="5" renewal-period="60" counter-key="@(context.Request.Headers.GetValueOrDefault("X-Team",""))" />
        <set-header name="X-ü"><value>{{Region}} <![CDATA[ <b> ]]></value></set-header>"#,
    );
    let bits = [
        "<",
        ">",
        "\"",
        "'",
        "@(",
        "{{",
        "}}",
        "&",
        "<!--",
        "]]>",
        "<![CDATA[",
        "\n",
        "ü",
        "=",
        "/",
        "{x}",
        ")",
        "\0",
    ];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let (mut good, mut bad) = (0, 0);
    for round in 0..2_000 {
        let mut text: Vec<char> =
            if round % 2 == 0 { SEED.chars().collect() } else { whole.chars().collect() };
        for _ in 0..=random(3) {
            let at = random(text.len());
            match random(3) {
                0 => drop(text.drain(at..(at + 1 + random(12)).min(text.len()))),
                1 => drop(text.splice(at..at, bits[random(bits.len())].chars())),
                _ => {
                    let copied: Vec<char> = text[at..(at + random(60)).min(text.len())].to_vec();
                    let to = random(text.len());
                    drop(text.splice(to..to, copied));
                }
            }
        }
        let text: String = text.into_iter().collect();
        match import(&text, &options()) {
            Ok(_) => good += 1,
            Err(fault) => {
                bad += 1;
                assert!(fault.message.starts_with("line "), "{}\n{text}", fault.message);
            }
        }
    }
    assert!(good > 50 && bad > 500, "{good} {bad}");
}
