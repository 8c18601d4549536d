//! The decisions are numbered without a gap, and each opens with its number.

use super::Breach;
use super::tree::File;

const FOLDER: &str = "docs/decisions/";

/// Breaches in the numbering.
pub fn check(files: &[File]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let decisions = files.iter().filter(|file| file.name.starts_with(FOLDER) && file.name.ends_with(".md"));
    for (at, file) in decisions.enumerate() {
        let number = format!("{:04}", at + 1);
        if !file.name[FOLDER.len()..].starts_with(&format!("{number}-")) {
            breaches.push(Breach::new(
                &file.name,
                0,
                format!("the decision at this place has the number {number}"),
            ));
        }
        if !file.text.starts_with(&format!("# {number} ")) {
            breaches.push(Breach::new(&file.name, 1, format!("opens without '# {number} Title'")));
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decisions(names: &[&str]) -> usize {
        let file =
            |name: &&str| File { name: format!("{FOLDER}{name}"), text: format!("# {} Title\n", &name[..4]) };
        check(&names.iter().map(file).collect::<Vec<_>>()).len()
    }

    #[test]
    fn a_gap_a_double_and_a_missing_title_are_caught() {
        assert_eq!(decisions(&["0001-a.md", "0002-b.md"]), 0);
        assert!(decisions(&["0001-a.md", "0003-b.md"]) > 0);
        assert!(decisions(&["0001-a.md", "0001-b.md"]) > 0);
        let untitled = File { name: format!("{FOLDER}0001-a.md"), text: "About".to_owned() };
        assert_eq!(check(&[untitled]).len(), 1);
    }
}
