//! What holds for whole files: how they open, how they are called, and that no machine shows in them.

use super::Breach;
use super::tree::File;

/// Written by tools, or naming a registry because that is their subject.
const EXEMPT: &[&str] = &["Cargo.lock", "fuzz/Cargo.lock"];

/// Places of one machine and hosts of package registries. In two parts each, so that this file does not match.
const PLACES: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("/fa", "rm/"),
    ("bash_", "jobs"),
    ("crates", ".io"),
    ("pypi", ".org"),
    ("python", "hosted"),
    ("npmjs", ".org"),
    ("npmjs", ".com"),
    ("deb.", "debian"),
];

/// Breaches in one text file.
pub fn check(file: &File) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let name = file.name.as_str();
    if name.ends_with(".rs") && !file.text.starts_with("//!") {
        breaches.push(Breach::new(name, 1, "opens without //!: say what the file is"));
    }
    if name.ends_with("/mod.rs") {
        breaches.push(Breach::new(name, 0, "mod.rs: call it after its folder, beside it"));
    }
    if !EXEMPT.contains(&name) {
        let named = file.text.lines().enumerate().flat_map(|(at, line)| {
            places(line)
                .map(move |place| Breach::new(name, at + 1, format!("{place} names a machine or a registry")))
        });
        breaches.extend(named);
    }
    breaches
}

fn places(line: &str) -> impl Iterator<Item = String> + '_ {
    PLACES.iter().map(|(head, tail)| format!("{head}{tail}")).filter(move |place| {
        line.match_indices(place.as_str()).any(|(at, _)| {
            // A path begins where no word goes on: what follows a letter is a relative path.
            !place.starts_with('/')
                || !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(name: &str, text: &str) -> Vec<String> {
        check(&File { name: name.to_owned(), text: text.to_owned() }).into_iter().map(|b| b.text).collect()
    }

    #[test]
    fn a_file_says_first_what_it_is() {
        assert_eq!(texts("a.rs", "use x;\n").len(), 1);
        assert!(texts("a.rs", "//! Rows.\n").is_empty());
    }

    #[test]
    fn mod_rs_is_caught() {
        assert_eq!(texts("crates/x/src/rows/mod.rs", "//! Rows.\n").len(), 1);
    }

    #[test]
    fn places_of_machines_and_registries_are_caught() {
        for (head, tail) in PLACES {
            assert_eq!(texts("a.md", &format!("see {head}{tail}x\n")).len(), 1, "{head}{tail}");
        }
        assert!(texts("a.md", "build/work/x and homework/\n").is_empty());
        assert!(texts("Cargo.lock", &["crates", ".io"].concat()).is_empty());
    }
}
