//! The launcher: what a program behind it may not do, and that nothing of it stays behind.

use super::support::{binary, skip};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// An order for Python code, with everything allowed that every test needs.
fn order(folder: &Path, code: &str) -> Value {
    json!({
        "argv": ["python3", "-c", code],
        "cwd": folder,
        "env": {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONUNBUFFERED": "1"},
        "limits": {"memory_bytes": 0, "address_space_bytes": 0, "cpu_seconds": 0, "file_bytes": 0, "open_files": 0,
            "processes": 0, "nice": 0},
        "files": {"read": [], "write": [folder]},
        "network": {"relayed": []},
        "grace": "1s",
        "report": null
    })
}

fn launch(order: &Value) -> Child {
    let mut command = binary();
    command.args(["worker", "launch"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // What a server may have in its environment never reaches the program.
    let mut child = command.env("PORTCULLIS_TOKEN", "secret of the server").spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(format!("{order}\n").as_bytes()).unwrap();
    child
}

/// Runs to the end; exit code, standard output, standard error.
fn run(order: &Value) -> (i32, String, String) {
    let mut child = launch(order);
    let lifeline = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(lifeline);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn python() -> bool {
    let found = Path::new("/usr/bin/python3").exists() || Path::new("/usr/local/bin/python3").exists();
    if !found {
        skip("launcher", "python3");
    }
    found
}

/// Numbers of processes whose command line holds the text.
fn running(text: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(text) {
            found.push(id);
        }
    }
    found
}

fn until(what: &str, mut met: impl FnMut() -> bool) {
    let start = Instant::now();
    while !met() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let mut byte = [0];
    let out = child.stdout.as_mut().unwrap();
    while out.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(char::from(byte[0]));
    }
    line
}

#[test]
fn exit_codes_and_output_come_through() {
    if !python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let code = "import os, sys; print('out', os.getcwd(), dict(os.environ)); print('err', file=sys.stderr); sys.exit(7)";
    let mut order = order(folder.path(), code);
    order["report"] = json!(folder.path().join("report.json"));
    let (status, out, err) = run(&order);
    assert_eq!(status, 7, "{out} {err}");
    assert!(out.starts_with("out ") && out.contains(folder.path().to_str().unwrap()), "{out}");
    assert!(!out.contains("secret"), "{out}");
    assert!(err.contains("err"), "{err}");
    let report: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("report.json")).unwrap()).unwrap();
    assert_eq!(report, json!({"code": 7, "signal": null, "memory_bytes": null, "disk_bytes": null}));
    order["argv"] = json!(["no-such-program"]);
    let (status, _, err) = run(&order);
    assert_eq!(status, 125);
    assert!(err.contains("'no-such-program' cannot be started"), "{err}");
}

#[test]
fn what_is_not_allowed_is_refused() {
    if !python() {
        return;
    }
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(outside.path().join("secret"), "the server's").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let code = format!(
        r#"
import ctypes, os, socket, subprocess
def refused(name, do):
    try:
        print(name, "allowed", do())
    except OSError as e:
        print(name, "refused")
refused("read", lambda: open("{secret}").read())
refused("write", lambda: open("{outside}/new", "w"))
refused("delete", lambda: os.remove("{secret}"))
refused("connect", lambda: socket.create_connection(("127.0.0.1", {port}), 2))
refused("outside", lambda: socket.create_connection(("192.0.2.1", 80), 2))
def datagram():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b"x", ("192.0.2.1", 53))
refused("datagram", datagram)
refused("parent", lambda: open("/proc/{own}/environ", "rb").read())
libc = ctypes.CDLL(None, use_errno=True)
def call(*arguments):
    if libc.syscall(*arguments) < 0: raise OSError(ctypes.get_errno(), "")
refused("unshare", lambda: call(272, 0x10000000))
refused("keyctl", lambda: call(250, 0, -3, 0))
refused("ptrace", lambda: call(101, 16, os.getppid(), 0, 0))
print("own", open("own", "w").write("fine"), subprocess.run(["true"]).returncode)
"#,
        secret = outside.path().join("secret").display(),
        outside = outside.path().display(),
        port = listener.local_addr().unwrap().port(),
        own = std::process::id(),
    );
    let (status, out, err) = run(&order(folder.path(), &code));
    assert_eq!(status, 0, "{out} {err}");
    for name in
        ["read", "write", "delete", "connect", "outside", "datagram", "parent", "unshare", "keyctl", "ptrace"]
    {
        assert!(out.contains(&format!("{name} refused")), "{name}: {out} {err}");
    }
    assert!(out.contains("own 4 0"), "{out} {err}");
}

#[test]
fn only_what_is_relayed_is_reached() {
    if !python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let code = format!(
        "import socket\ns = socket.create_connection(('127.0.0.1', {port}), 5)\ns.sendall(b'ask')\nprint(s.recv(9))\n\
         own = socket.create_server(('127.0.0.1', 0)); socket.create_connection(own.getsockname(), 5); print('own loopback')",
        port = to.port()
    );
    let mut order = order(folder.path(), &code);
    order["network"] = json!({"relayed": [{"port": to.port(), "to": to}]});
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; 3];
        stream.read_exact(&mut bytes).unwrap();
        stream.write_all(b"answer").unwrap();
        bytes
    });
    let (status, out, err) = run(&order);
    assert_eq!((status, out.as_str()), (0, "b'answer'\nown loopback\n"), "{err}");
    assert_eq!(&answering.join().unwrap(), b"ask");
}

/// A program that ignores the wish to end, and leaves a process in a session of its own behind.
fn stubborn(mark: &str) -> String {
    format!(
        "import os, signal, sys, time\n\
         signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
         if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        print('ready', flush=True)\n        time.sleep(600)\n    os._exit(0)\n\
         time.sleep(600)  # {mark}"
    )
}

#[test]
fn the_end_of_the_server_a_stop_or_a_kill_leaves_no_process() {
    if !python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for way in ["lifeline", "stop", "kill"] {
        let mark = format!("stubborn-{way}-{}", std::process::id());
        let mut child = launch(&order(folder.path(), &stubborn(&mark)));
        assert_eq!(first_line(&mut child), "ready");
        assert!(running(&mark).len() >= 2);
        match way {
            "lifeline" => drop(child.stdin.take()),
            "stop" => child.stdin.as_mut().unwrap().write_all(b"stop\n").unwrap(),
            _ => kill_process(Pid::from_child(&child), Signal::KILL).unwrap(),
        }
        let held = child.stdin.take();
        child.wait().unwrap();
        drop(held);
        until(&format!("{way}: processes are left: {:?}", running(&mark)), || running(&mark).is_empty());
        assert!(test_kill_process(Pid::from_child(&child)).is_err());
    }
}

#[test]
fn a_polite_program_may_end_by_itself() {
    if !python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let code = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\nprint('ready', flush=True)\ntime.sleep(600)";
    let mut polite = order(folder.path(), code);
    // However slow the machine is: it is not killed.
    polite["grace"] = json!("10m");
    let mut child = launch(&polite);
    assert_eq!(first_line(&mut child), "ready");
    // Waiting closes standard input, which is the lifeline, unless it is held elsewhere.
    let mut lifeline = child.stdin.take().unwrap();
    lifeline.write_all(b"stop\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[test]
fn limits_end_what_goes_beyond() {
    if !python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut one = order(folder.path(), "x = bytearray(1 << 30)");
    one["limits"]["memory_bytes"] = json!(256 << 20);
    let (status, _, err) = run(&one);
    assert_eq!(status, 1, "{err}");
    assert!(err.contains("MemoryError"), "{err}");
    // Each process for itself stays below, all together do not.
    let code = "import os, time\nfor _ in range(5): os.fork() or (bytearray(os.urandom(1 << 20) * 100), time.sleep(600))\ntime.sleep(600)";
    let mut many = order(folder.path(), &code.replace("(bytearray", "(x := bytearray"));
    many["limits"]["memory_bytes"] = json!(256 << 20);
    many["report"] = json!(folder.path().join("report.json"));
    let (status, _, err) = run(&many);
    assert_eq!(status, 137, "{err}");
    assert!(err.contains("bytes of memory together"), "{err}");
    let mut time = order(folder.path(), "while True: pass");
    time["limits"]["cpu_seconds"] = json!(1);
    let (status, _, err) = run(&time);
    assert!(status == 152 || status == 137, "{status} {err}");
    let mut file = order(folder.path(), "open('big', 'wb').write(b'0' * (1 << 22))");
    file["limits"]["file_bytes"] = json!(1 << 20);
    let (status, _, err) = run(&file);
    assert!(status == 1 && err.contains("File too large"), "{status} {err}");
}

/// Looks at what may be there, and at what may not.
const LOOKS: &str = r#"
import os, socket
def told(name, do):
    try: print(name, "allowed", do())
    except OSError as e: print(name, "refused", e)
def connect(path): socket.socket(socket.AF_UNIX).connect(path)
told("socket", lambda: connect("SOCKET"))
for path in ("/etc/shadow", "/etc/gshadow", "/root", "/home", "/var", "/etc/ssl/private", "/sys/kernel/debug", "/sys/class", "/dev/mem",
             "/dev/kmsg", "/dev/disk", "/run", "SHARED", "READABLE/key.pem", "READABLE/data/admin-token"):
    told(path, lambda: os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1))
told("changed", lambda: open("READABLE/seen", "w"))
for path in ("READABLE/seen", "/etc/passwd", "/sys/devices/system/cpu/online", "/dev/urandom"):
    told(path, lambda: open(path, "rb").read(1))
told("null", lambda: open("/dev/null", "w").write("x"))
told("shared", lambda: open("/dev/shm/mine", "w").write("x"))
told("own", lambda: open("own", "w").write("fine"))
print("there", [p for p in ("/root", "/home", "/var", "/run", "/etc/shadow", "/dev/mem", "/sys/class") if os.path.lexists(p)])
import multiprocessing, ssl, tempfile
print("semaphore", multiprocessing.get_context("spawn").Semaphore(1).acquire(), os.cpu_count() > 0)
"#;

#[test]
fn the_file_system_holds_what_is_allowed_and_nothing_else() {
    if !python() {
        return;
    }
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let socket = outside.path().join("socket");
    let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let shared = Path::new("/dev/shm").join(format!("portcullis-test-{}", std::process::id()));
    std::fs::write(&shared, "outside").unwrap();
    let readable = folder.path().join("readable");
    std::fs::create_dir_all(readable.join("data")).unwrap();
    for (name, text) in [("seen", "fine"), ("key.pem", "secret"), ("data/admin-token", "secret")] {
        std::fs::write(readable.join(name), text).unwrap();
    }
    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let code = LOOKS
        .replace("SOCKET", socket.to_str().unwrap())
        .replace("SHARED", shared.to_str().unwrap())
        .replace("READABLE", readable.to_str().unwrap());
    let mut order = order(&work, &code);
    order["env"]["TMPDIR"] = json!(work);
    order["files"]["read"] = json!([readable]);
    order["files"]["hidden"] = json!([readable.join("data"), readable.join("key.pem")]);
    let (status, out, err) = run(&order);
    std::fs::remove_file(&shared).unwrap();
    assert_eq!(status, 0, "{out} {err}");
    let absent = !err.contains("no root of its own") && !err.contains("no namespaces");
    for line in out.lines().filter(|line| line.contains(" refused ") || line.contains(" allowed ")) {
        let wanted = ["own ", "null ", "shared ", "/dev/urandom", "/etc/passwd", "/sys/devices/system/cpu"]
            .iter()
            .any(|name| line.starts_with(name))
            || line.contains("/readable/seen ");
        // Without a root of its own a socket is reached by its path, and an empty folder stands where something is hidden.
        if absent || !line.starts_with("socket ") {
            assert_eq!(line.contains(" allowed ") && !line.ends_with(" b''"), wanted, "{line}\n{out}\n{err}");
        }
    }
    assert!(out.contains("semaphore True True"), "{out} {err}");
    if absent {
        assert!(out.contains("there []"), "{out}");
    }
}

#[test]
fn processes_are_counted_for_root_too() {
    if !python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let code = "import os, time\nn = 0\ntry:\n    while n < 200:\n        if os.fork() == 0: time.sleep(60)\n        n += 1\n\
                except OSError as e: print('stopped', e.errno)\nprint('made', n, flush=True)\nos._exit(0)";
    let mut order = order(folder.path(), code);
    order["limits"]["processes"] = json!(20);
    let (status, out, err) = run(&order);
    assert_eq!(status, 0, "{out} {err}");
    if err.contains("the number of processes is not limited") {
        skip("processes_are_counted_for_root_too", "a control group");
        return;
    }
    let made: u32 = out.lines().find_map(|line| line.strip_prefix("made ")).unwrap().parse().unwrap();
    assert!(made < 20, "{out} {err}");
}

#[test]
fn what_folders_hold_together_is_bounded() {
    if !python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let code = "import time\nfor n in range(8): open(f'{n}', 'wb').write(b'0' * (1 << 20))\ntime.sleep(600)";
    let mut many = order(folder.path(), code);
    many["files"]["budgets"] = json!([{"folders": [folder.path()], "bytes": 4 << 20}]);
    many["report"] = json!(folder.path().join("report.json"));
    let (status, _, err) = run(&many);
    assert_eq!(status, 137, "{err}");
    assert!(err.contains("bytes together, 4194304 are allowed"), "{err}");
    let report: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("report.json")).unwrap()).unwrap();
    assert!(report["disk_bytes"].as_u64().unwrap() >= 8 << 20, "{report}");
    let mut shared = order(folder.path(), "open('/dev/shm/big', 'wb').write(b'0' * (64 << 20))");
    shared["limits"]["memory_bytes"] = json!(48 << 20);
    let (status, _, err) = run(&shared);
    assert_ne!(status, 0, "{err}");
}
