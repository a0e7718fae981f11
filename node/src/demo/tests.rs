//! The supervisor's folder, its leftovers, and what its routes refuse.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use clap::Parser as _;
use orrery_base::hlc::Hlc;
use tower::ServiceExt as _;

use super::folder::Folder;
use super::leftovers::{self, Started};
use super::process::{self, Signal};
use super::routes;
use super::supervisor::{Plan, Supervisor};
use crate::cli::{Cli, DemoArgs};
use crate::config::Secret;
use crate::events::{Hub, Recorder};

/// A path for one test; what is there goes at the end.
struct Path(PathBuf);

impl Path {
    fn new(name: &str) -> Path {
        Path(std::env::temp_dir().join(format!("orrery-demo-{name}-{}", std::process::id())))
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        // The system's folder for temporary files is emptied anyway.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn args(more: &[&str]) -> DemoArgs {
    let line = ["orrery", "demo"].iter().chain(more);
    match Cli::try_parse_from(line).unwrap().command {
        crate::cli::Command::Demo(args) => args,
        _ => unreachable!("it says demo"),
    }
}

/// Opens a folder that nobody has. A process that another test starts at this moment has this one's locks until its
/// program begins.
fn open_free(path: &std::path::Path, more: &[&str]) -> anyhow::Result<Folder> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match Folder::open(path, &args(more)) {
            Err(error) if error.to_string().contains("another demo") && Instant::now() < deadline => {}
            result => return result,
        }
    }
}

#[test]
fn a_folder_is_for_one_demo_and_one_cluster() {
    let path = Path::new("folder");
    let folder = Folder::open(&path.0, &args(&[])).unwrap();
    let error = Folder::open(&path.0, &args(&[])).err().unwrap().to_string();
    assert!(error.contains("another demo"), "{error}");
    folder.note_settings(&args(&[]), None).unwrap();
    assert_eq!((folder.next_boot().unwrap(), folder.next_boot().unwrap()), (1, 2));
    drop(folder);

    let error = open_free(&path.0, &["--nodes", "3"]).err().unwrap().to_string();
    assert!(error.contains("5 nodes on port 8000") && error.contains("--fresh"), "{error}");
    let folder = open_free(&path.0, &["--nodes", "3", "--fresh"]).unwrap();
    folder.claim("node1").unwrap();
    std::fs::create_dir_all(folder.data("node1")).unwrap();
    std::fs::write(folder.file("homework.txt"), "mine").unwrap();
    folder.empty().unwrap();
    assert!(!folder.data("node1").exists());
    assert!(folder.file("homework.txt").exists(), "a file that the demo did not make stays");
}

/// Writes a file with the folders that it lies in.
fn put(path: PathBuf) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, "mine").unwrap();
}

#[test]
fn only_what_the_manifest_records_is_removed() {
    let path = Path::new("manifest");
    let folder = Folder::open(&path.0, &args(&[])).unwrap();
    folder.note_settings(&args(&[]), None).unwrap();
    for node in ["node1", "node2"] {
        folder.claim(node).unwrap();
        put(folder.data(node).join("orrery.redb"));
        put(folder.log(node));
    }
    let outside = Path::new("outside");
    put(outside.0.join("thesis.txt"));
    let mine = ["node_modules/react.js", "nodes.log", "access.log", "node3/thesis.txt"]
        .map(|name| folder.file(name));
    mine.iter().cloned().for_each(put);
    let error = folder.claim("node3").unwrap_err().to_string();
    assert!(error.contains("not the demo's"), "{error}");
    #[cfg(unix)]
    {
        std::fs::remove_dir_all(folder.data("node2")).unwrap();
        std::os::unix::fs::symlink(&outside.0, folder.data("node2")).unwrap();
    }
    // A manifest that somebody changed speaks of nothing outside of the folder.
    let manifest = folder.file("demo-manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let outwards = format!("\"made\": [\"../{0}\", \"{0}\", \"..\", \"node1/..\",", outside.0.display());
    std::fs::write(&manifest, text.replace("\"made\": [", &outwards)).unwrap();

    folder.empty().unwrap();
    for gone in [folder.data("node1"), folder.log("node1"), folder.data("node2"), folder.file("demo.json")] {
        assert!(std::fs::symlink_metadata(&gone).is_err(), "{} is left", gone.display());
    }
    for kept in mine.iter().chain([&outside.0.join("thesis.txt")]) {
        assert!(kept.exists(), "{} is gone", kept.display());
    }
    drop(folder);
    open_free(&path.0, &["--fresh"]).unwrap().empty().unwrap();
    assert!(mine.iter().all(|file| file.exists()));
}

#[test]
fn a_folder_of_somebody_else_is_refused_and_one_of_the_release_before_is_taken_over() {
    let path = Path::new("foreign");
    put(path.0.join("node1/index.js"));
    for more in [&[][..], &["--fresh"]] {
        let error = Folder::open(&path.0, &args(more)).err().unwrap().to_string();
        assert!(error.contains("not empty") && error.contains("node1"), "{error}");
    }
    assert_eq!(std::fs::read_dir(&path.0).unwrap().count(), 1, "nothing was made there");

    std::fs::write(path.0.join("demo.json"), r#"{"nodes":5,"port":8000}"#).unwrap();
    for name in ["node2/lock", "node2/orrery.redb", "node2.log", "node1.log"] {
        put(path.0.join(name));
    }
    let folder = Folder::open(&path.0, &args(&["--fresh"])).unwrap();
    let said = folder.adopted().unwrap();
    assert!(said.contains("earlier release") && said.contains("node2, ") | said.ends_with("node2"), "{said}");
    folder.empty().unwrap();
    let left = |name: &str| path.0.join(name).exists();
    assert_eq!(["node1/index.js", "node1.log", "node2", "node2.log"].map(left), [true, true, false, false]);
    drop(folder);
    let again = open_free(&path.0, &[]).unwrap();
    assert_eq!(again.adopted(), None);
}

/// A process with a path among its arguments, which a terminate signal ends.
fn sleeper(data: &std::path::Path) -> Child {
    Command::new("sh").args(["-c", "sleep 60"]).arg(data).spawn().unwrap()
}

#[cfg(unix)]
#[tokio::test]
async fn leftovers_are_ended_even_when_stopped_and_others_are_not_touched() {
    let path = Path::new("leftovers");
    let folder = Folder::open(&path.0, &args(&[])).unwrap();
    let (mut old, mut other) = (sleeper(&folder.data("node1")), sleeper(&folder.data("node2")));
    let recorded = |child: &Child, name: &str| {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            // Right after the start, a process still has the arguments of this one.
            match Started::of(child.id(), folder.data(name)) {
                Some(started) if started.is_there() => return started,
                _ => assert!(Instant::now() < deadline),
            }
        }
    };
    let started = recorded(&old, "node1");
    let impostor = Started { data: folder.data("node3"), ..recorded(&other, "node2") };
    leftovers::record(&folder, &[started, impostor]).unwrap();
    process::signal(old.id(), Signal::Stop).unwrap();

    let said = leftovers::clean(&folder).await.unwrap();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(!old.wait().unwrap().success());
    assert_eq!(other.try_wait().unwrap(), None, "another program with a recorded id lives on");
    assert_eq!(leftovers::clean(&folder).await.unwrap(), Vec::<String>::new());
    other.kill().unwrap();
    other.wait().unwrap();
}

/// Every route of the supervisor that changes something, as it is declared.
fn changing_routes() -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for line in include_str!("routes.rs").lines().filter(|line| line.trim_start().starts_with(".route(\"")) {
        let (path, methods) = line.split_once('"').unwrap().1.split_once('"').unwrap();
        for (method, call) in [("POST", "post("), ("PUT", "put("), ("PATCH", "patch("), ("DELETE", "delete(")]
        {
            if methods.contains(call) {
                found.push((method, path.replace("{id}", "nobody")));
            }
        }
    }
    found
}

#[tokio::test]
async fn whatever_changes_something_in_the_demo_says_that_it_is_json() {
    let path = Path::new("media-types");
    let folder = open_free(&path.0, &[]).unwrap();
    let hub = Hub::new(Recorder::new("supervisor".into(), 1, true, Hlc::default()), 64);
    let plan =
        Plan { args: args(&[]), program: "no-such-program".into(), secret: Secret(Vec::new()), log: None };
    let supervisor = Supervisor::new(plan, folder, &[], hub.clone());
    let router = routes::router(supervisor.clone(), hub, supervisor.guard());
    let send = async |method: &str, path: &str, kind: Option<&str>, body: &'static str| {
        let request = Request::builder().method(method).uri(path).header("host", "localhost:8000");
        let request = match kind {
            Some(kind) => request.header("content-type", kind),
            None => request,
        };
        router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap().status().as_u16()
    };
    let routes = changing_routes();
    assert!(routes.len() >= 8 && routes.contains(&("DELETE", "/demo/nodes/nobody".into())), "{routes:?}");
    let others = [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=a",
        "application/jsonp",
    ];
    for (method, path) in &routes {
        for kind in others.into_iter().map(Some).chain([None]) {
            for body in ["{}", ""] {
                assert_eq!(
                    send(method, path, kind, body).await,
                    415,
                    "{method} {path} as {kind:?} with {body:?}"
                );
            }
        }
    }
    // It was the header: the same request with it is understood.
    for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON"] {
        for action in ["kill", "start"] {
            let path = format!("/demo/nodes/nobody/{action}");
            assert_eq!(send("POST", &path, Some(kind), "{}").await, 404, "{path} as {kind}");
        }
    }
    assert_eq!(send("GET", "/demo/nodes", None, "").await, 200, "what only looks needs no header");
}
