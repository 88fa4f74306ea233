//! A lake in a bucket of an object store, with nothing of it on the disk.

use std::{path::Path, process::Command};

use dualwheel_tests::servers::Bucket;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{BRAND, Server, command, finish, generate};

/// A bucket, and a database for what is not of the lake.
struct Cloud {
    bucket: Bucket,
    state: TempDir,
}

impl Cloud {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = command(args);
        command.envs(self.bucket.environment());
        command
    }

    fn settings(&self) -> Vec<String> {
        let state = self.state.path().join("state.db");
        vec![format!("database=sqlite://{}", state.display())]
    }

    fn import(&self, facts: &Path) -> Command {
        let mut import = self.command(&["import", "--data", self.bucket.url(), "--facts"]);
        import.arg(facts).args(["--set", &self.settings()[0]]);
        import
    }

    fn serve(&self) -> Server {
        let place = Path::new(self.bucket.url());
        let serve = self.command(&["serve"]);
        Server::begin(serve, "127.0.0.1:0", place, &["all"], &self.settings())
    }
}

/// The answers of a mesh to questions about each kind of facts, without the versions of its tables.
fn answers(server: &Server) -> Vec<Vec<Value>> {
    let ask = |metrics: &str| {
        let args = [
            "ask",
            metrics,
            "--brand",
            BRAND,
            "--window",
            "2026-04-01..2026-06-30",
            "--json",
        ];
        let answer = finish(command(args).args(["--endpoint", &server.url()])).json();
        let mut metrics = answer["metrics"].as_array().unwrap().clone();
        assert!(!metrics.is_empty(), "{answer}");
        for metric in &mut metrics {
            metric.as_object_mut().unwrap().remove("data_version");
        }
        metrics
    };
    ["aipl", "fast", "grow", "plus", "super", "start"].map(ask).into()
}

#[test]
fn a_lake_in_a_bucket_answers_as_one_in_a_folder() {
    let (first, second, folder) = (
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
    );
    generate(first.path(), 7);
    generate(second.path(), 8);
    for facts in [&first, &second] {
        let import = ["import", "--facts"];
        finish(command(import).arg(facts.path()).arg("--data").arg(folder.path())).ok();
    }
    let expected = answers(&Server::all(folder.path()));

    let cloud = Cloud {
        bucket: Bucket::start().unwrap(),
        state: TempDir::new().unwrap(),
    };
    let server = cloud.serve();
    // Two processes at once, and a third that has looked before.
    std::thread::scope(|scope| {
        let imports = [&first, &second].map(|facts| {
            let mut import = cloud.import(facts.path());
            scope.spawn(move || finish(&mut import).ok())
        });
        for import in imports {
            import.join().unwrap();
        }
    });
    assert!(answers(&server) == expected);
    assert!(answers(&cloud.serve()) == expected);
    // Sent again, nothing is there twice.
    finish(&mut cloud.import(first.path())).ok();
    finish(&mut cloud.command(&[
        "compact",
        "--data",
        cloud.bucket.url(),
        "--set",
        &cloud.settings()[0],
    ]))
    .ok();
    assert!(answers(&server) == expected);
    // Of several at once each waits for the one before.
    std::thread::scope(|scope| {
        let compact = || {
            let mut compact = cloud.command(&["compact", "--data", cloud.bucket.url()]);
            compact.args(["--set", &cloud.settings()[0]]);
            finish(&mut compact).ok()
        };
        for compacted in [(); 3].map(|()| scope.spawn(compact)) {
            compacted.join().unwrap();
        }
    });
    assert!(answers(&server) == expected);
    let mut verify = cloud.command(&["lake", "verify", "--data", cloud.bucket.url(), "--json"]);
    verify.args(["--set", &cloud.settings()[0]]);
    let verified = finish(&mut verify).json();
    assert_eq!(
        (&verified["files_without_sum"], &verified["damages"]),
        (&0.into(), &serde_json::json!([]))
    );
    let mut nowhere = cloud.import(first.path());
    nowhere.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    nowhere.env("AWS_MAX_RETRIES", "0");
    let told = finish(&mut nowhere);
    assert_ne!(told.code, 0, "{}", told.out);
}
