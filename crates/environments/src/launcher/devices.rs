//! What of the system every program finds: programs and libraries, some files of `/etc`, the processor's own description, and devices
//! that hold nothing.

use std::path::PathBuf;

/// Folders of programs and libraries, and what says how many processors there are.
pub const SYSTEM: [&str; 10] = [
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/sbin",
    "/usr",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/kernel/mm/transparent_hugepage",
    "/sys/fs/cgroup/cpu.max",
];

/// The files of `/etc` that libraries read: names of hosts and users, the loader's, the time zone, certificates, kinds of files.
const ETC: [&str; 24] = [
    "alternatives",
    "ca-certificates",
    "debian_version",
    "fonts",
    "gai.conf",
    "group",
    "host.conf",
    "hosts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "passwd",
    "pki/ca-trust/extracted",
    "pki/tls/certs",
    "protocols",
    "resolv.conf",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
];

/// Devices that every program may use.
pub const DEVICES: [&str; 6] = ["full", "null", "random", "tty", "urandom", "zero"];

/// Names of the program's own streams.
pub const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Everything of the system that may be read.
pub fn system() -> Vec<PathBuf> {
    let etc = PathBuf::from("/etc");
    let mut all: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    all.extend(ETC.iter().map(|name| etc.join(name)));
    // The settings of a distribution's interpreter.
    let entries = std::fs::read_dir(&etc).into_iter().flatten().flatten();
    all.extend(
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"))
            .map(|entry| entry.path()),
    );
    all
}
