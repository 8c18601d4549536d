//! Taking a CSV in, beside just reading the file and `pandas.read_csv`, each in a child process of its own: MB/s and the
//! most memory it held; processor seconds too, for machines that are busy otherwise. `PORTCULLIS_BENCH_MB` sets the size (default 64), `PORTCULLIS_BENCH_FILE` takes a file instead,
//! `PORTCULLIS_PYTHON` names an interpreter with pandas.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints its figures and stops at what is wrong"
)]

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const CHILD: &str = "PORTCULLIS_BENCH_CHILD";
const PANDAS: &str = "
import sys, time, pandas
start = time.perf_counter()
frame = pandas.read_csv(sys.argv[1])
print(time.perf_counter() - start, len(frame), time.process_time())
print(open('/proc/self/status').read())
";

fn main() {
    if let Ok(what) = std::env::var(CHILD) {
        return child(&what, Path::new(&std::env::args().nth(1).unwrap()));
    }
    let dir = tempfile::tempdir().unwrap();
    let file = match std::env::var_os("PORTCULLIS_BENCH_FILE") {
        Some(file) => PathBuf::from(file),
        None => generate(dir.path()),
    };
    let bytes = fs::metadata(&file).unwrap().len();
    println!("{} MB", bytes / 1_000_000);
    let mut runs: Vec<(&str, Command)> = Vec::new();
    for what in ["read", "ingest"] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(CHILD, what).arg(&file);
        runs.push((what, command));
    }
    if let Some(python) = std::env::var_os("PORTCULLIS_PYTHON") {
        let mut command = Command::new(python);
        command.args(["-c", PANDAS]).arg(&file);
        runs.push(("pandas.read_csv", command));
    }
    for (name, mut command) in runs {
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let words: Vec<&str> = text.split_whitespace().take(3).collect();
        let [seconds, rows, cpu] = words[..] else {
            println!("{name}: failed: {}", String::from_utf8_lossy(&output.stderr));
            continue;
        };
        let peak = text.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("?").trim();
        let (seconds, cpu): (f64, f64) = (seconds.parse().unwrap(), cpu.parse().unwrap());
        let rate = bytes as f64 / 1e6 / seconds;
        println!("{name:16} {rate:8.0} MB/s  {seconds:7.2} s  {cpu:7.2} s CPU  {rows} rows  peak {peak}");
    }
}

fn child(what: &str, file: &Path) {
    let start = Instant::now();
    let mut input = File::open(file).unwrap();
    let rows = if what == "read" {
        let mut block = vec![0; 1 << 20];
        while input.read(&mut block).unwrap() > 0 {}
        0
    } else {
        let dir = tempfile::tempdir_in(file.parent().unwrap()).unwrap();
        let artifacts = store::Artifacts::open(dir.path()).unwrap();
        portcullis_data::ingest(input, &artifacts, &portcullis_data::ReadOptions::default(), &|_| ())
            .unwrap()
            .rows
    };
    let seconds = start.elapsed().as_secs_f64();
    println!("{seconds} {rows} {}", cpu_seconds());
    println!("{}", fs::read_to_string("/proc/self/status").unwrap());
}

/// Processor time of this process, all threads, user and system.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).map(|t| t.parse::<f64>().unwrap()).sum();
    ticks / 100.0
}

/// Writes rows until the file has its size.
fn generate(dir: &Path) -> PathBuf {
    let size = std::env::var("PORTCULLIS_BENCH_MB").map_or(64, |mb| mb.parse().unwrap()) * 1_000_000_u64;
    let path = dir.join("table.csv");
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&path).unwrap());
    writeln!(
        out,
        "id,age,balance,rate,job,marital,contact,opened,last seen,duration,score,city,note,active,y"
    )
    .unwrap();
    let (mut random, mut written, mut row) = (1_u64, 0, 0_u64);
    while written < size {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let line = line(row, random >> 16);
        out.write_all(line.as_bytes()).unwrap();
        written += line.len() as u64;
        row += 1;
    }
    out.flush().unwrap();
    path
}

/// Numbers, categories, dates, an identifier and free text, as tables of customers have them.
fn line(row: u64, r: u64) -> String {
    let jobs = ["admin.", "blue-collar", "technician", "services", "management", "retired", "unknown"];
    let states = ["married", "single", "divorced"];
    let pick = |words: &[&'static str], salt: u64| words[(r / salt % words.len() as u64) as usize];
    let numbers = format!(
        "{row},{},{}.{:02},{:.6}",
        18 + r % 70,
        r % 1_000_000,
        r % 97,
        (r % 1_000_003) as f64 / 1_000_003.0
    );
    let contact = if r.is_multiple_of(9) { "" } else { "cellular" };
    let words = format!("{},{},{contact}", pick(&jobs, 3), pick(&states, 5));
    let opened = format!("{}-{:02}-{:02}", 1990 + r % 34, 1 + r % 12, 1 + r % 28);
    let seen = format!(
        "{}-{:02}-{:02} {:02}:{:02}:{:02}",
        2015 + r % 9,
        1 + r % 11,
        1 + r % 27,
        r % 24,
        r % 60,
        r % 59
    );
    let score = (r % 100_000_007) as f64 * 1e-3;
    let note = pick(&["no remark", "\"asked for a call, later\"", "no remark", "moved"], 7);
    let (active, y) = (pick(&["true", "false"], 11), pick(&["no", "no", "no", "yes", "no"], 13));
    format!(
        "{numbers},{words},{opened},{seen},{},{score:.3},city {},{note},{active},{y}\n",
        r % 4000,
        r % 3000
    )
}
