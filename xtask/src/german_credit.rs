//! Makes `examples/german-credit/german_credit_data.csv` from the original table as Debian's package `weka` ships it.
//!
//! The original (Hofmann 1994) has twenty attributes; ten of them stay, in the short words of the table that everybody
//! knows by the name "German credit": sex out of the personal status, ten purposes folded into eight, the texts of job,
//! savings and checking account shortened. The result is one fixed file, so its SHA-256 is checked before it is written.

use crate::outcome::{Fault, Result};
use crate::say;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// SHA-256 of the finished table, in hexadecimal.
const FINISHED: &str = "0eb5e4b3beade418c774282c9973d384bb6e36f4416506b7b76d22f303412e62";
/// Where the package keeps the original.
const IN_PACKAGE: &str = "./usr/share/doc/weka/examples/credit-g.arff";
const HEADER: &str =
    "Sno,Age,Sex,Job,Housing,Saving accounts,Checking account,Credit amount,Duration,Purpose,Risk";

const SEX: Words = &[
    ("male div/sep", "male"),
    ("male single", "male"),
    ("male mar/wid", "male"),
    ("female div/dep/mar", "female"),
];
const JOB: Words = &[
    ("unemp/unskilled non res", "0"),
    ("unskilled resident", "1"),
    ("skilled", "2"),
    ("high qualif/self emp/mgmt", "3"),
];
const HOUSING: Words = &[("own", "own"), ("rent", "rent"), ("for free", "free")];
const SAVINGS: Words = &[
    ("<100", "little"),
    ("100<=X<500", "moderate"),
    ("500<=X<1000", "quite rich"),
    (">=1000", "rich"),
    ("no known savings", "NA"),
];
const CHECKING: Words =
    &[("<0", "little"), ("0<=X<200", "moderate"), (">=200", "rich"), ("no checking", "NA")];
const PURPOSE: Words = &[
    ("new car", "car"),
    ("used car", "car"),
    ("radio/tv", "radio/TV"),
    ("furniture/equipment", "furniture/equipment"),
    ("business", "business"),
    ("education", "education"),
    ("retraining", "education"),
    ("repairs", "repairs"),
    ("domestic appliance", "domestic appliances"),
    ("vacation", "vacation/others"),
    ("other", "vacation/others"),
];
const RISK: Words = &[("good", "good"), ("bad", "bad")];

/// The original's word and ours.
type Words = &'static [(&'static str, &'static str)];

/// Reads the original from an ARFF file or from the Debian package that holds it, writes the table to `out`.
pub fn make(source: &Path, out: &Path) -> Result<()> {
    let arff = if source.extension().is_some_and(|e| e == "deb") { unpack(source)? } else { read(source)? };
    let table = convert(&arff)?;
    let digest = hex(&Sha256::digest(table.as_bytes()));
    if digest != FINISHED {
        return Err(Fault::new(format!(
            "{} gives a table with sha256 {digest}, not {FINISHED}: is it the original with 1000 records?",
            source.display()
        )));
    }
    std::fs::write(out, &table).map_err(|e| Fault::new(format!("{}: {e}", out.display())))?;
    say::line(&format!("{} written, {} records, sha256 {digest}", out.display(), table.lines().count() - 1));
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| Fault::new(format!("{}: {e}", path.display())))
}

/// The ARFF file out of the package, by the two programs that every Debian has.
fn unpack(package: &Path) -> Result<String> {
    let failed = |what: &str| Fault::new(format!("{}: {what}", package.display()));
    let mut opened = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| failed(&format!("dpkg-deb: {e}")))?;
    let pipe = opened.stdout.take().ok_or_else(|| failed("dpkg-deb gave no output"))?;
    let unpacked = Command::new("tar").args(["-xO", IN_PACKAGE]).stdin(pipe).output();
    let ended = opened.wait().map_err(|e| failed(&format!("dpkg-deb: {e}")))?;
    let unpacked = unpacked.map_err(|e| failed(&format!("tar: {e}")))?;
    if !ended.success() || !unpacked.status.success() {
        return Err(failed(&format!("holds no {IN_PACKAGE}")));
    }
    String::from_utf8(unpacked.stdout).map_err(|e| failed(&format!("{IN_PACKAGE}: {e}")))
}

/// The finished table from the text of `credit-g.arff`.
fn convert(arff: &str) -> Result<String> {
    let mut columns = BTreeMap::new();
    let mut table = format!("{HEADER}\n");
    let (mut in_data, mut serial) = (false, 0);
    for (number, line) in arff.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('%') {
            continue;
        }
        if in_data {
            let record = Record { columns: &columns, values: fields(line), line: number + 1 };
            table.push_str(&row(&record, serial)?);
            serial += 1;
        } else if line.to_ascii_lowercase().starts_with("@attribute") {
            let name = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
            columns.insert(name, columns.len());
        } else if line.eq_ignore_ascii_case("@data") {
            in_data = true;
        }
    }
    Ok(table)
}

struct Record<'a> {
    columns: &'a BTreeMap<String, usize>,
    values: Vec<String>,
    /// Line number in the original, from 1.
    line: usize,
}

impl Record<'_> {
    fn get(&self, attribute: &str) -> Result<&str> {
        let value = self.columns.get(attribute).and_then(|&place| self.values.get(place));
        value.map(String::as_str).ok_or_else(|| Fault::new(format!("line {}: no {attribute}", self.line)))
    }

    fn word(&self, attribute: &str, words: Words) -> Result<&'static str> {
        let value = self.get(attribute)?;
        let found = words.iter().find(|(theirs, _)| *theirs == value);
        let unknown = || Fault::new(format!("line {}: {attribute} '{value}' is not in the map", self.line));
        found.map(|(_, ours)| *ours).ok_or_else(unknown)
    }
}

fn row(record: &Record<'_>, serial: usize) -> Result<String> {
    Ok(format!(
        "{serial},{},{},{},{},{},{},{},{},{},{}\n",
        record.get("age")?,
        record.word("personal_status", SEX)?,
        record.word("job", JOB)?,
        record.word("housing", HOUSING)?,
        record.word("savings_status", SAVINGS)?,
        record.word("checking_status", CHECKING)?,
        record.get("credit_amount")?,
        record.get("duration")?,
        record.word("purpose", PURPOSE)?,
        record.word("class", RISK)?,
    ))
}

/// Fields of an ARFF record: commas between, texts with spaces or commas in single quotes.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '\'' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => {
                if let Some(field) = fields.last_mut() {
                    field.push(other);
                }
            }
        }
    }
    fields
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARFF: &str = "\
% a comment
@relation german_credit
@attribute checking_status { '<0', 'no checking'}
@attribute duration numeric
@attribute purpose { 'new car', radio/tv}
@attribute credit_amount numeric
@attribute savings_status { '<100'}
@attribute personal_status { 'male single'}
@attribute age numeric
@attribute housing { own}
@attribute job { skilled}
@attribute class { good, bad}
@data
'no checking',6,'new car',1169,'<100','male single',67,own,skilled,good
'<0',48,radio/tv,5951,'<100','male single',22,own,skilled,bad
";

    #[test]
    fn records_are_folded_and_numbered() {
        let expected = format!(
            "{HEADER}\n0,67,male,2,own,little,NA,1169,6,car,good\n1,22,male,2,own,little,little,5951,48,radio/TV,bad\n"
        );
        assert_eq!(convert(ARFF).unwrap(), expected);
    }

    #[test]
    fn an_unknown_word_is_refused_with_its_line() {
        let fault = convert(&ARFF.replace("radio/tv,5951", "yacht,5951")).unwrap_err();
        assert_eq!(fault.to_string(), "line 15: purpose 'yacht' is not in the map");
    }

    #[test]
    fn a_table_that_is_not_the_original_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let (source, out) = (folder.path().join("credit-g.arff"), folder.path().join("out.csv"));
        std::fs::write(&source, ARFF).unwrap();
        assert!(make(&source, &out).unwrap_err().to_string().contains("is it the original"));
        assert!(!out.exists());
    }

    #[test]
    fn the_shipped_table_is_the_one_that_the_original_gives() {
        let shipped = crate::place::root().join("examples/german-credit/german_credit_data.csv");
        assert_eq!(hex(&Sha256::digest(std::fs::read(shipped).unwrap())), FINISHED);
    }
}
