use super::*;

type Texts<'a> = &'a [(&'a str, &'a str)];

fn load(file: Option<&str>, environment: Texts<'_>, flags: Texts<'_>) -> Result<Config, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = file.map(|text| {
        let path = folder.path().join("dw.toml");
        std::fs::write(&path, text).unwrap();
        path
    });
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    load::load(
        path.as_deref(),
        environment.iter().map(owned),
        &flags.iter().map(owned).collect(),
    )
}

fn error(file: Option<&str>, environment: Texts<'_>, flags: Texts<'_>) -> String {
    load(file, environment, flags).unwrap_err().to_string()
}

#[test]
fn nothing_gives_the_defaults() {
    let config = load(None, &[("PATH", "/bin"), ("DUALWHEEL_TENANT", "")], &[]).unwrap();
    assert_eq!(config, Config::default());
    let here = std::env::current_dir().unwrap();
    let database = here.join(".dualwheel/state.db");
    assert_eq!(config.database_url(), format!("sqlite://{}", database.display()));
}

#[test]
fn later_sources_win() {
    let file = "tenant = 'file'\nlisten = 'localhost:1'\n[limits]\nconcurrency = 1\nbatch_rows = 5\n";
    let environment = [
        ("DUALWHEEL_TENANT", "2024"),
        ("DUALWHEEL_LIMITS__CONCURRENCY", "2"),
    ];
    let flags = [
        ("limits.concurrency", "3"),
        ("allow_remote_without_auth", "true"),
        ("log.format", "json"),
    ];
    let config = load(Some(file), &environment, &flags).unwrap();
    assert_eq!(
        (config.tenant.as_str(), config.listen.as_str()),
        ("2024", "localhost:1")
    );
    assert_eq!((config.limits.concurrency, config.limits.batch_rows), (3, 5));
    assert_eq!(
        (config.allow_remote_without_auth, config.log.format),
        (true, LogFormat::Json)
    );
}

#[test]
fn the_environment_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    std::fs::write(&path, "tenant = 'named'").unwrap();
    let config = load(None, &[("DUALWHEEL_CONFIG", path.to_str().unwrap())], &[]).unwrap();
    assert_eq!(config.tenant, "named");
    let missing = error(None, &[("DUALWHEEL_CONFIG", "/nowhere/c.toml")], &[]);
    assert!(missing.contains("/nowhere/c.toml"), "{missing}");
}

#[test]
fn wrong_keys_are_named_with_their_source() {
    let wrong = error(Some("[limits]\nconcurency = 1"), &[], &[]);
    assert!(
        wrong.contains("limits.concurency from file") && wrong.contains("limits.concurrency"),
        "{wrong}"
    );
    let wrong = error(None, &[("DUALWHEEL_TENANTS", "x")], &[]);
    assert!(
        wrong.contains("tenants from environment variable DUALWHEEL_TENANTS"),
        "{wrong}"
    );
    let wrong = error(None, &[], &[("nose.long", "x")]);
    assert!(wrong.contains("nose.long from flag --nose.long"), "{wrong}");
    let wrong = error(None, &[], &[("limits", "x")]);
    assert!(wrong.contains("limits from flag --limits"), "{wrong}");
    assert!(error(Some("tenant = "), &[], &[]).contains("dw.toml"));
}

#[test]
fn wrong_values_are_named_with_their_source() {
    let wrong = error(None, &[("DUALWHEEL_LIMITS__CONCURRENCY", "many")], &[]);
    assert!(
        wrong.contains("limits.concurrency from environment variable DUALWHEEL_LIMITS__CONCURRENCY"),
        "{wrong}"
    );
    let wrong = error(Some("tenant = 5"), &[], &[]);
    assert!(
        wrong.contains("tenant from file") && wrong.contains("dw.toml") && wrong.contains("string"),
        "{wrong}"
    );
    let wrong = error(Some("tenant = 'Big Corp'"), &[], &[]);
    assert!(
        wrong.contains("tenant from file") && wrong.contains("a-z"),
        "{wrong}"
    );
    let wrong = error(None, &[], &[("log.format", "xml")]);
    assert!(
        wrong.contains("log.format from flag --log.format") && wrong.contains("json"),
        "{wrong}"
    );
    let cases = [
        ("listen", "7650"),
        ("listen", "host:99999"),
        ("log.filter", "a=b=c"),
        ("endpoints.product", "nonsense"),
        ("limits.concurrency", "0"),
        ("plugins.runs", "0"),
        ("plugins.checks", "0"),
        ("deadlines.margin_ms", "30000"),
        ("data", "s3://bucket/lake"),
        ("auth.lifetime_s", "0"),
        ("database", "mysql://db/x"),
        ("redis.url", "127.0.0.1:6379"),
    ];
    for (key, value) in cases {
        let wrong = error(None, &[], &[(key, value)]);
        assert!(
            wrong.starts_with(&format!("{key} from flag --{key}: ")),
            "{wrong}"
        );
    }
}

#[test]
fn origins_of_pages_are_exact() {
    let (app, local) = ("https://app.example.com", "http://localhost:5173");
    let toml = format!("[web]\norigins = ['{app}', '{local}']");
    let variable = format!("{app}, {local}");
    let ways = [
        load(Some(&toml), &[], &[]),
        load(None, &[("DUALWHEEL_WEB__ORIGINS", &variable)], &[]),
        load(None, &[], &[("web.origins", &variable)]),
    ];
    for config in ways {
        let config = config.unwrap();
        assert_eq!(config.web.origins, [app, local]);
        assert_eq!(load(Some(&config.render()), &[], &[]).unwrap(), config);
    }
    for (wrong, cure) in [
        ("*", "name each origin, such as https://"),
        ("https://*.example.com", "name each origin, such as https://"),
        ("https://app.example.com/", "https://app.example.com, not"),
        ("https://App.Example.com", "https://app.example.com, not"),
        ("https://app.example.com:443", "https://app.example.com, not"),
        ("https://app.example.com/shop", "https://app.example.com, not"),
        ("app.example.com", "such as https://app.example.com"),
        ("null", "such as https://app.example.com"),
    ] {
        let told = error(None, &[], &[("web.origins", wrong)]);
        assert!(
            told.starts_with("web.origins from flag --web.origins: ") && told.contains(cure),
            "{told}"
        );
    }
    let told = error(Some("[web]\norigins = 5"), &[], &[]);
    assert!(
        told.contains("web.origins from file") && told.contains("a list of texts"),
        "{told}"
    );
}

#[test]
fn what_is_shown_hides_secrets_and_loads_again() {
    let config = Config {
        database: Some("postgres://me:p@ss@db/x?sslpassword=s3&sslmode=on".to_owned()),
        telemetry: Telemetry {
            otlp_endpoint: Some("http://u:hush@collector:4317".to_owned()),
            prometheus_listen: None,
        },
        redis: Redis {
            url: Some("redis://:quiet@a:1/0,redis://:quiet@b:2/0".to_owned()),
            ..Redis::default()
        },
        client: Client {
            token_file: Some("/run/token".to_owned()),
            ..Client::default()
        },
        ..Config::default()
    };
    let shown = config.render();
    assert!(
        shown.contains("postgres://me:***@db/x?sslpassword=***&sslmode=on"),
        "{shown}"
    );
    assert!(
        shown.contains("http://u:***@collector:4317") && !shown.contains("hush"),
        "{shown}"
    );
    assert!(shown.contains("redis://:***@a:1/0,redis://:***@b:2/0"), "{shown}");
    assert!(
        shown.contains("/run/token") && !shown.contains("quiet"),
        "{shown}"
    );
    assert_eq!(
        load(Some(&Config::default().render()), &[], &[]).unwrap(),
        Config::default()
    );
}

#[test]
fn no_password_is_told_of_a_url_that_cannot_be_read() {
    let urls = [
        "postgres://me:hu?sh@db/x",
        "postgres://me:hu/sh@db/x",
        "postgres://me:hu#sh@db/x",
        "postgres://me:5?hush@db/x",
        "postgres://me:5/hush@db/x",
        "postgres://me:hush@db:port/x",
        "postgres://me:hush@[db/x",
        "postgres://me:hush@db/x?a=b@c",
        "postgres://db/x?user=me&password=hush",
        "postgres://db/x?user=me&pass%77ord=hush",
        "postgres:me:hush@db/x",
        "me:hush@db/x",
        "host=db password=hush",
        "redis://me:5,hush@db",
        "redis://:hu,sh@db",
        "redis://:hush@a:1,:hush@b:2",
        "https://me:hush@host:99999",
    ];
    for url in urls {
        let told = shown(url);
        assert!(
            !told.contains("hush") && !told.contains("sh@") && !told.contains("hu"),
            "{url}: {told}"
        );
        // Whatever the setting, neither what is shown nor what is refused tells it.
        for key in [
            "database",
            "redis.url",
            "telemetry.otlp_endpoint",
            "endpoints.product",
            "data",
            "redis",
        ] {
            let told = match load(None, &[], &[(key, url)]) {
                Ok(config) => config.render(),
                Err(error) => format!("{error} {error:?}"),
            };
            // A folder may have any name.
            let folder = key == "data" && !url.contains("://");
            assert!(
                folder || !told.contains("hush") && !told.contains("sh@"),
                "{key}={url}: {told}"
            );
        }
        for text in [
            format!("database = {url}"),
            format!("[redis]\nurl = \"{url}"),
            format!("redis = '{url}'"),
        ] {
            let told = error(Some(&text), &[], &[]);
            assert!(!told.contains("hush") && !told.contains("sh@"), "{text}: {told}");
        }
    }
    for plain in [
        "sqlite://./a@b/state.db",
        "sqlite::memory:",
        "http://127.0.0.1:7650",
        "s3://bucket/lake?region=x",
        "redis://a:1,redis://b:2",
    ] {
        assert_eq!(shown(plain), plain);
    }
}
