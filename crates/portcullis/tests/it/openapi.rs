//! The description of the control plane that is checked in is the one the handlers make.

use crate::support::repository;

#[test]
fn the_checked_in_description_has_not_drifted() {
    let made = api::openapi().to_pretty_json().unwrap() + "\n";
    let file = repository("openapi.json");
    if std::env::var_os("PORTCULLIS_BLESS").is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        made == kept,
        "openapi.json has drifted: run PORTCULLIS_BLESS=1 cargo test -p portcullis openapi, and read the difference"
    );
}
