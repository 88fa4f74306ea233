//! Wrong settings: each is named, with where it was set and what to do.

use std::{
    fs,
    io::Read,
    net::TcpListener,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use dualwheel_tests::keys::{Certificates, Issuer, write_jwks};

use crate::harness::{command, finish, run};

#[test]
fn wrong_settings_name_the_key_and_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("d.toml");
    let with = |text: &str| {
        fs::write(&file, text).unwrap();
        finish(command(["config", "--config"]).arg(&file))
    };
    let name = file.display().to_string();
    with("[limits]\nconcurrency = \"many\"\n").fails(64, &["limits.concurrency", &name]);
    with("[limits]\nconcurency = 7\n").fails(64, &["limits.concurency", &name, "limits.concurrency"]);
    with("[limits\n").fails(64, &[&name, "line 1"]);
    run(["config", "--config", "/nowhere/d.toml"]).fails(64, &["/nowhere/d.toml"]);
    run(["config", "--set", "limits.concurrency=zero"]).fails(64, &["limits.concurrency", "flag"]);
    run(["config", "--set", "deadlines.default_ms=0"]).fails(64, &["deadlines.default_ms", "flag"]);
    run(["config", "--set", "nose=1"]).fails(64, &["nose", "flag", "tenant"]);
    run(["config", "--set", "nose"]).fails(2, &["NAME=VALUE"]);
    run(["serve", "all", "--set", "log.filter=a=b=c"]).fails(64, &["log.filter"]);
    run(["serve", "all", "--set", "listen=nowhere"]).fails(64, &["listen", "HOST:PORT"]);
    finish(command(["config"]).env("DUALWHEEL_LISTEN", "7650")).fails(64, &["listen", "DUALWHEEL_LISTEN"]);
    finish(command(["config"]).env("DUALWHEEL_LIMITS__NOSE", "1"))
        .fails(64, &["limits.nose", "DUALWHEEL_LIMITS__NOSE"]);
    for tenant in ["", "Acme", "a/b", "../other", "a b", "公司", &"x".repeat(64)] {
        run(["config", "--set", &format!("tenant={tenant}")]).fails(64, &["tenant", "a-z"]);
    }
    run([
        "serve",
        "diagnosis",
        "--data",
        &folder.path().display().to_string(),
    ])
    .fails(1, &["endpoints."]);
    run(["serve", "nose"]).fails(2, &["nose", "consumer"]);
    let remote = ["serve", "content", "--listen", "0.0.0.0:0", "--data"];
    finish(command(remote).arg(folder.path())).fails(1, &["allow_remote_without_auth"]);
}

/// Serves over `data` with settings that must be refused; answers what is told. What serves all the same is ended.
#[track_caller]
fn refused(data: &Path, settings: &[String]) -> String {
    let mut serve = command(["serve", "content", "membership", "--set", "listen=127.0.0.1:0"]);
    serve.args(["--set", &format!("data={}", data.display())]);
    for setting in settings {
        serve.args(["--set", setting]);
    }
    let mut child = serve
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let code = loop {
        if let Some(ended) = child.try_wait().unwrap() {
            break ended.code();
        }
        if begun.elapsed() > Duration::from_secs(30) {
            child.kill().unwrap();
            break Some(0);
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(
        code.is_some_and(|code| code > 0),
        "{settings:?} end with {code:?}: {told}"
    );
    told
}

/// Files that settings name, good and bad.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificates = Certificates::new(folder.path()).unwrap();
        for name in ["mine", "other"] {
            certificates.issue(name).unwrap();
        }
        write_jwks(
            &folder.path().join("good.json"),
            &[&Issuer::ed25519("k").unwrap()],
        )
        .unwrap();
        fs::write(folder.path().join("empty.json"), "{\"keys\": []}").unwrap();
        fs::write(folder.path().join("text"), "no key, no certificate").unwrap();
        fs::create_dir_all(folder.path().join("definitions/acme")).unwrap();
        fs::write(folder.path().join("definitions/acme/content.yaml"), "metrics: [").unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}

#[test]
fn what_cannot_be_served_with_is_named_with_its_setting_its_path_and_a_cure() {
    let files = Files::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let file = |name: &str| files.path(name);
    let gone = file("gone");
    let cases: Vec<(Vec<String>, Vec<String>)> = [
        (
            vec![
                format!("tls.certificate={gone}"),
                format!("tls.key={}", file("mine.key")),
            ],
            vec!["tls.certificate", &gone, "write it, or correct the path"],
        ),
        (
            vec![
                format!("tls.certificate={}", file("mine.pem")),
                format!("tls.key={gone}"),
            ],
            vec!["tls.key", &gone, "write it, or correct the path"],
        ),
        (
            vec![
                format!("tls.certificate={}", file("mine.pem")),
                format!("tls.key={}", file("text")),
            ],
            vec!["tls.key", &file("text"), "expected PEM"],
        ),
        (
            vec![
                format!("tls.certificate={}", file("mine.pem")),
                format!("tls.key={}", file("other.key")),
            ],
            vec![
                "tls.key",
                &file("other.key"),
                "do not belong together",
                "name a certificate",
            ],
        ),
        (
            vec![format!("tls.certificate={}", file("mine.pem"))],
            vec!["tls.key", "together with tls.certificate"],
        ),
        (
            vec![format!("auth.jwks={gone}")],
            vec!["auth.jwks", &gone, "write it, or correct the path"],
        ),
        (
            vec![format!("auth.jwks={}", file("empty.json"))],
            vec!["auth.jwks", &file("empty.json"), "add the public key"],
        ),
        (
            vec![format!("auth.jwks={}", file("text"))],
            vec!["auth.jwks", &file("text"), "is no JWKS"],
        ),
        (
            vec!["auth.issuer=me".to_owned()],
            vec!["auth.jwks", "expected where auth.issuer"],
        ),
        (
            vec![
                format!("auth.jwks={}", file("good.json")),
                "auth.lifetime_s=0".to_owned(),
            ],
            vec!["auth.lifetime_s", "expected 1 to 31536000"],
        ),
        (
            vec![format!("listen={taken}")],
            vec!["listen", &taken, "name another address"],
        ),
        (
            vec![format!("telemetry.prometheus_listen={taken}")],
            vec!["telemetry.prometheus_listen", &taken, "choose a free address"],
        ),
        (
            vec![format!("data={}/lake", file("text"))],
            vec!["data", &file("text"), "name one that this process may make"],
        ),
        (
            vec!["database=mysql://me:hush@db/x".to_owned()],
            vec!["database", "begins with postgres:// or sqlite:"],
        ),
        (
            vec!["database=postgres://me:hu?sh@db/x".to_owned()],
            vec!["database", "%3F"],
        ),
        (
            vec![format!("database=sqlite://{}/state.db", file("text"))],
            vec!["database", &file("text"), "name one that can be"],
        ),
        (
            vec![format!("database=sqlite://{}", file("definitions"))],
            vec!["database", &file("definitions"), "this process may write to it"],
        ),
        (
            vec!["redis.url=redis://:hu/sh@db".to_owned()],
            vec!["redis.url", "%2F"],
        ),
        (
            vec![format!("definitions={}", file("definitions"))],
            vec![
                "setting `definitions`",
                &file("definitions/acme/content.yaml"),
                "correct it there",
            ],
        ),
        (
            vec![format!("log.audit={gone}/audit.log")],
            vec!["log.audit", &gone, "name one that this process may write to"],
        ),
    ]
    .map(|(settings, words): (Vec<String>, Vec<&str>)| {
        (settings, words.into_iter().map(str::to_owned).collect())
    })
    .into();
    assert!(cases.len() >= 16);
    for (settings, words) in cases {
        let data = tempfile::tempdir().unwrap();
        let told = refused(data.path(), &settings);
        for word in &words {
            assert!(
                told.contains(word.as_str()),
                "{settings:?}: `{word}` is not told: {told}"
            );
        }
        assert!(
            !told.contains("hush") && !told.contains("sh@"),
            "{settings:?}: {told}"
        );
    }
    // What calls carry.
    let ask = |setting: String| {
        let mut ask = command([
            "ask",
            "fast",
            "--brand",
            "B",
            "--window",
            "2026-04-01..2026-06-30",
        ]);
        finish(ask.args(["--endpoint", "https://127.0.0.1:1", "--set", &setting]))
    };
    for setting in ["client.token_file", "client.ca"] {
        ask(format!("{setting}={gone}")).fails(1, &[setting, &gone, "write it, or correct the path"]);
    }
    fs::write(file("blank"), " \n").unwrap();
    ask(format!("client.token_file={}", file("blank"))).fails(1, &["client.token_file", "holds no token"]);
    // A file that is no file.
    run(["config", "--config", &file("definitions")]).fails(64, &[&file("definitions"), "DUALWHEEL_CONFIG"]);
}

#[test]
fn no_password_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("d.toml");
    // Without quotation marks, as is soon forgotten.
    fs::write(&file, "tenant = 'a'\ndatabase = postgres://me:hush@db/x\n").unwrap();
    let told = finish(command(["config", "--config"]).arg(&file));
    let told = told.fails(64, &[&file.display().to_string(), "line 2, column"]);
    assert!(!told.contains("hush"), "{told}");
    for url in [
        "http://me:hush@127.0.0.1:port",
        "me:hush@127.0.0.1:1:2",
        "https://me:hush@[127.0.0.1",
    ] {
        let ask = [
            "ask",
            "fast",
            "--brand",
            "B",
            "--window",
            "2026-04-01..2026-06-30",
            "--endpoint",
            url,
        ];
        let told = run(ask);
        assert!(told.code != 0 && !told.err.contains("hush"), "{}", told.err);
    }
}
