//! Formats, packings and encodings.

use super::*;
use crate::{Compression, FileFormat, Values, preview};
use std::collections::BTreeMap;
use std::io::Write;

const TABLE: &str = "name,age,ok\nAda,36,true\nBob,NA,false\n\"C, D\",41,true\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn check(found: &Ingested, frame: &Frame) {
    assert_eq!(found.rows, 3);
    assert_eq!(kinds(found), [ColumnType::Category, ColumnType::Integer, ColumnType::Boolean]);
    let Values::Texts { codes, levels } = &frame.columns[0].values else { panic!("texts") };
    assert_eq!((&codes[..], &levels[..]), (&[0, 1, 2][..], &["Ada", "Bob", "C, D"].map(String::from)[..]));
    let Values::Numbers(ages) = &frame.columns[1].values else { panic!("numbers") };
    assert!(ages[0] == 36.0 && ages[1].is_nan() && ages[2] == 41.0);
    assert_eq!(frame.columns[2].values, Values::Numbers(vec![1.0, 0.0, 1.0]));
}

#[test]
fn one_table_in_every_wrapping() {
    let utf16 = |bom: &str| -> Vec<u8> {
        format!("{bom}{TABLE}").encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    let mut twice = gzip(&TABLE.as_bytes()[..20]);
    twice.extend(gzip(&TABLE.as_bytes()[20..]));
    let jsonl = "{\"name\":\"Ada\",\"age\":36,\"ok\":true}\n\n{\"name\":\"Bob\",\"age\":null,\"ok\":false}\n{\"ok\":true,\"age\":41,\"name\":\"C, \\u0044\"}";
    let cases: [(Vec<u8>, FileFormat, Compression, &str); 11] = [
        (TABLE.into(), FileFormat::Csv, Compression::None, "UTF-8"),
        (format!("\u{feff}{TABLE}").into(), FileFormat::Csv, Compression::None, "UTF-8"),
        (TABLE.replace('\n', "\r\n").into(), FileFormat::Csv, Compression::None, "UTF-8"),
        (TABLE.trim_end().into(), FileFormat::Csv, Compression::None, "UTF-8"),
        (format!("{TABLE}\n\r\n").into(), FileFormat::Csv, Compression::None, "UTF-8"),
        (
            TABLE.replace(", D", "\u{1}").replace(',', "\t").replace('\u{1}', ", D").into(),
            FileFormat::Tsv,
            Compression::None,
            "UTF-8",
        ),
        (utf16("\u{feff}"), FileFormat::Csv, Compression::None, "UTF-16LE"),
        (utf16(""), FileFormat::Csv, Compression::None, "UTF-16LE"),
        (twice, FileFormat::Csv, Compression::Gzip, "UTF-8"),
        (zstd::encode_all(TABLE.as_bytes(), 1).unwrap(), FileFormat::Csv, Compression::Zstd, "UTF-8"),
        (jsonl.into(), FileFormat::Jsonl, Compression::None, "UTF-8"),
    ];
    for (bytes, format, compression, encoding) in cases {
        let shelf = Shelf::new();
        let found = shelf.take(&bytes, &ReadOptions::default()).unwrap();
        let told = (found.format.format, found.format.compression, found.format.encoding.as_str());
        assert_eq!(told, (format, compression, encoding));
        assert_eq!(found.bytes, bytes.len() as u64);
        assert_eq!(shelf.artifacts.read(&found.digest).unwrap(), bytes);
        check(&found, &shelf.frame(&found));
        let rows = preview(&shelf.path(&found), &found.format, &found.columns, 2).unwrap();
        assert_eq!(
            rows,
            [[Some("Ada"), Some("36"), Some("true")], [Some("Bob"), None, Some("false")]]
                .map(|r| r.map(|c| c.map(str::to_owned)).to_vec())
        );
        let kept = serde_json::to_value(&found.format).unwrap();
        assert_eq!(serde_json::from_value::<Format>(kept).unwrap(), found.format);
    }
}

#[test]
fn other_encodings_by_name() {
    let options = ReadOptions { encoding: Some("latin1".to_owned()), ..ReadOptions::default() };
    let (found, frame) = frame_of(b"caf\xe9,n\n\xfc,1\n", &options);
    assert_eq!(found.columns[0].name, "café");
    assert_eq!(found.format.encoding, "windows-1252");
    assert!(matches!(&frame.columns[0].values, Values::Texts { levels, .. } if levels[0] == "ü"));
    let options = ReadOptions { encoding: Some("shift_jis".to_owned()), ..ReadOptions::default() };
    let error = refusal(b"a,b\n1,2\n3,\xff\xff\n", &options).to_string();
    assert!(error.starts_with("line 3, column 'b'") && error.contains("Shift_JIS"), "{error}");
}

#[test]
fn stated_options_win() {
    let options = ReadOptions {
        delimiter: Some(";".to_owned()),
        quote: Some(String::new()),
        header: Some(false),
        missing: Some(vec!["-".to_owned()]),
        types: BTreeMap::from([
            ("column2".to_owned(), ColumnType::Text),
            ("column3".to_owned(), ColumnType::Boolean),
        ]),
        ..ReadOptions::default()
    };
    let (found, frame) = frame_of(b"5\" pipe;1;yes\nNA;-;no\n;2;\n", &options);
    assert_eq!(kinds(&found), [ColumnType::Category, ColumnType::Text, ColumnType::Boolean]);
    assert_eq!(found.profile.columns.iter().map(|c| c.missing).collect::<Vec<_>>(), [1, 1, 1]);
    let Values::Texts { levels, .. } = &frame.columns[0].values else { panic!("texts") };
    assert_eq!(levels, &["5\" pipe", "NA"]);
    let Values::Numbers(flags) = &frame.columns[2].values else { panic!("numbers") };
    assert!(flags[0] == 1.0 && flags[1] == 0.0 && flags[2].is_nan());
}

#[test]
fn a_first_record_that_is_no_header_is_kept_whole() {
    let (found, frame) = frame_of(b"1,\"say \"\"a\"\"\"\n2,\"say \"\"a\"\"\"\n", &ReadOptions::default());
    assert_eq!((found.rows, found.columns[0].name.as_str()), (2, "column1"));
    assert!(matches!(&frame.columns[1].values, Values::Texts { levels, .. } if *levels == ["say \"a\""]));
}

#[test]
fn a_packed_file_that_ends_early_is_refused() {
    let packed = gzip(&TABLE.repeat(1000).into_bytes());
    let error = refusal(&packed[..packed.len() / 2], &ReadOptions::default());
    assert!(matches!(error, Error::Unpack { kind: "gzip", .. }), "{error}");
    let packed = zstd::encode_all(TABLE.as_bytes(), 1).unwrap();
    let error = refusal(&packed[..packed.len() - 3], &ReadOptions::default());
    assert!(matches!(error, Error::Unpack { kind: "zstd", .. }), "{error}");
}

#[test]
fn json_lines_may_bring_columns_late() {
    let text = "{\"a\":1}\n{\"a\":2,\"b\":\"x\"}\n{\"c\":2.5}\n{\"b\":\"y\",\"a\":\"NA\"}\n";
    let (found, frame) = frame_of(text.as_bytes(), &ReadOptions::default());
    assert_eq!(kinds(&found), [ColumnType::Integer, ColumnType::Category, ColumnType::Float]);
    let counts: Vec<(u64, u64)> = found.profile.columns.iter().map(|c| (c.count, c.missing)).collect();
    assert_eq!(counts, [(2, 2), (2, 2), (1, 3)]);
    assert_eq!(frame.rows(), 4);
    assert_eq!(
        frame.columns[1].values,
        Values::Texts { codes: vec![u32::MAX, 0, u32::MAX, 1], levels: vec!["x".into(), "y".into()] }
    );
    let shelf = Shelf::new();
    let found = shelf.take(text.as_bytes(), &ReadOptions::default()).unwrap();
    let rows = preview(&shelf.path(&found), &found.format, &found.columns, 1).unwrap();
    assert_eq!(rows, [[Some("1".to_owned()), None, None]]);
}

#[test]
fn text_at_hand_is_read_whole() {
    let table = crate::read_text(TABLE.as_bytes(), &ReadOptions::default()).unwrap();
    assert_eq!(table.columns, ["name", "age", "ok"]);
    assert_eq!(table.rows[2], [Some("C, D".to_owned()), Some("41".to_owned()), Some("true".to_owned())]);
    assert!(crate::read_text(b"a\n1,2\n", &ReadOptions::default()).is_err());
}

#[test]
fn progress_counts_the_packed_bytes() {
    let packed = gzip(TABLE.as_bytes());
    let seen = std::sync::atomic::AtomicU64::new(0);
    let told = |bytes| seen.store(bytes, std::sync::atomic::Ordering::Relaxed);
    ingest(&packed[..], &Shelf::new().artifacts, &ReadOptions::default(), &told).unwrap();
    assert_eq!(seen.into_inner(), packed.len() as u64);
}

mod parquet_files {
    use super::*;
    use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use std::sync::Arc;

    const SCHEMA: &str = "message t {
        required boolean ok; optional int32 n; required double x; optional binary word (UTF8);
        required int32 day (DATE); optional int64 at (TIMESTAMP_MILLIS); optional int64 price (DECIMAL(9,2));
    }";

    /// Two row groups of so many rows; every third optional value is missing.
    fn file(rows: usize) -> Vec<u8> {
        let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
        let mut writer =
            SerializedFileWriter::new(Vec::new(), schema, Arc::new(WriterProperties::new())).unwrap();
        let levels: Vec<i16> = (0..rows).map(|n| i16::from(n % 3 != 0)).collect();
        let there: Vec<usize> = (0..rows).filter(|n| n % 3 != 0).collect();
        let longs = |f: fn(usize) -> i64| there.iter().map(|n| f(*n)).collect::<Vec<_>>();
        for _ in 0..2 {
            let mut group = writer.next_row_group().unwrap();
            let mut at = 0;
            while let Some(mut column) = group.next_column().unwrap() {
                let some = Some(&levels[..]);
                match at {
                    0 => column.typed::<BoolType>().write_batch(
                        &(0..rows).map(|n| n % 2 == 0).collect::<Vec<_>>(),
                        None,
                        None,
                    ),
                    1 => column.typed::<Int32Type>().write_batch(
                        &there.iter().map(|n| *n as i32).collect::<Vec<_>>(),
                        some,
                        None,
                    ),
                    2 => column.typed::<DoubleType>().write_batch(
                        &(0..rows)
                            .map(|n| if n == 1 { f64::NAN } else { n as f64 / 8.0 })
                            .collect::<Vec<_>>(),
                        None,
                        None,
                    ),
                    3 => column.typed::<ByteArrayType>().write_batch(
                        &there
                            .iter()
                            .map(|n| ByteArray::from(format!("{}", n % 5).as_str()))
                            .collect::<Vec<_>>(),
                        some,
                        None,
                    ),
                    4 => column.typed::<Int32Type>().write_batch(
                        &(0..rows).map(|n| n as i32).collect::<Vec<_>>(),
                        None,
                        None,
                    ),
                    5 => column.typed::<Int64Type>().write_batch(&longs(|n| n as i64 * 1500), some, None),
                    _ => column.typed::<Int64Type>().write_batch(&longs(|n| n as i64), some, None),
                }
                .unwrap();
                column.close().unwrap();
                at += 1;
            }
            group.close().unwrap();
        }
        writer.into_inner().unwrap()
    }

    #[test]
    fn columns_keep_their_types() {
        let (found, frame) = frame_of(&file(6000), &ReadOptions::default());
        use ColumnType::{Boolean, Category, Float, Integer, Timestamp};
        assert_eq!(kinds(&found), [Boolean, Integer, Float, Category, Timestamp, Timestamp, Float]);
        assert_eq!((found.rows, frame.rows()), (12_000, 12_000));
        assert_eq!(found.profile.columns[1].missing, 4000);
        assert_eq!(found.profile.columns[2].missing, 2);
        let numbers = |at: usize| match &frame.columns[at].values {
            Values::Numbers(numbers) => numbers.clone(),
            Values::Texts { .. } => panic!("numbers"),
        };
        assert_eq!(numbers(0)[..2], [1.0, 0.0]);
        assert!(numbers(1)[0].is_nan() && numbers(1)[5997].is_nan() && numbers(1)[5998] == 5998.0);
        assert!(numbers(2)[1].is_nan() && numbers(2)[6002] == 0.25);
        assert_eq!(numbers(4)[5], 5.0 * 86_400.0);
        assert_eq!(numbers(5)[1], 1.5);
        assert_eq!(numbers(6)[5998], 59.98);
        assert!(matches!(&frame.columns[3].values, Values::Texts { levels, .. } if levels.len() == 5));
    }

    #[test]
    fn previews_and_stated_types() {
        let shelf = Shelf::new();
        let types = BTreeMap::from([("word".to_owned(), ColumnType::Integer)]);
        let found = shelf.take(&file(10), &ReadOptions { types, ..ReadOptions::default() }).unwrap();
        assert_eq!(found.columns[3].kind, ColumnType::Integer);
        let rows = preview(&shelf.path(&found), &found.format, &found.columns, 2).unwrap();
        let texts: Vec<&str> = rows[1].iter().map(|c| c.as_deref().unwrap_or("-")).collect();
        assert_eq!(
            texts,
            ["false", "1", "-", "1", "1970-01-02T00:00:00", "1970-01-01T00:00:01.500000", "1e-2"]
        );
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let refused =
            |bytes: &[u8]| Shelf::new().take(bytes, &ReadOptions::default()).unwrap_err().to_string();
        assert!(refused(b"PAR1").contains("Parquet"));
        assert!(refused(b"PAR1rubbishrubbishPAR1").contains("Parquet"));
        let whole = file(100);
        assert!(refused(&whole[..whole.len() - 20]).contains("Parquet"));
        assert!(refused(&gzip(&whole)).contains("unpack it"));
        let schema = Arc::new(parse_message_type("message t { repeated int32 n; }").unwrap());
        let writer =
            SerializedFileWriter::new(Vec::new(), schema, Arc::new(WriterProperties::new())).unwrap();
        assert!(refused(&writer.into_inner().unwrap()).contains("column 'n'"));
        assert!(refused(&file(0)).contains("no records"));
    }

    /// Any single damaged byte gives a table or a refusal, never a panic that leaves the crate.
    #[test]
    fn damaged_files_are_refused() {
        let whole = file(30);
        let shelf = Shelf::new();
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            drop(shelf.take(&bytes, &ReadOptions::default()));
        }
    }
}
