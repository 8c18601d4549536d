//! The issuers against a clock that is turned by hand.
