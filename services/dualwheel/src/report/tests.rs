use std::env;

use dualwheel_proto::diagnosis::Diagnosis;

use super::{Lang, render};
use crate::fixture;

const LANGS: [Lang; 2] = [Lang::En, Lang::Zh];

/// Every element must be closed in order; quotes and angle brackets outside of tags must be escaped.
fn assert_balanced(page: &str) {
    const VOID: [&str; 2] = ["meta", "!doctype"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, tail) = after.split_once('>').expect("a tag ends");
        assert!(!tag.contains('<'), "an unescaped bracket in <{tag}>");
        rest = tail;
        let name = tag
            .trim_start_matches('/')
            .split([' ', '/', '\n'])
            .next()
            .unwrap();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(
                open.pop(),
                Some(closed),
                "near {}",
                &tail.chars().take(80).collect::<String>()
            );
        } else if !VOID.contains(&name) && !tag.ends_with('/') {
            assert_eq!(tag.matches('"').count() % 2, 0, "quotes in <{tag}>");
            open.push(name);
            if matches!(name, "script" | "style") {
                let end = format!("</{name}>");
                rest = &rest[rest.find(&end).expect("raw text ends")..];
            }
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[test]
fn is_well_formed_in_both_languages() {
    for lang in LANGS {
        let page = render(&fixture::diagnosis(), lang).unwrap();
        assert_balanced(&page);
        for wrong in ["NaN", "inf%", "undefined", "none</", "{{", "}}"] {
            let body = page
                .split("</style>")
                .nth(1)
                .unwrap()
                .split("<script>")
                .next()
                .unwrap();
            assert!(!body.contains(wrong), "{wrong}");
        }
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        // Writes the pages out to be looked at: REPORT_FIXTURE=/tmp/report cargo test … report
        if let Ok(path) = env::var("REPORT_FIXTURE") {
            std::fs::write(format!("{path}-{}.html", lang.tag()), &page).unwrap();
        }
    }
}

#[test]
fn loads_nothing_from_elsewhere() {
    for lang in LANGS {
        let page = render(&fixture::diagnosis(), lang).unwrap();
        for outside in [
            "http:", "https:", "src=", "@import", "url(", "<link", "<img", "<iframe",
        ] {
            assert!(!page.contains(outside), "{outside}");
        }
        for part in page.split("href=\"").skip(1) {
            assert!(part.starts_with('#'), "{}", part.split('"').next().unwrap());
        }
    }
}

#[test]
fn escapes_what_users_supplied() {
    let mut diagnosis = fixture::diagnosis();
    diagnosis.members[0].brand = "<script>alert('x')</script>".to_owned();
    diagnosis.metrics[0].nearest_above = "\"><b onmouseover=x>".to_owned();
    diagnosis.scenes[0].does = "</style><script>".to_owned();
    diagnosis.definitions[0].formula = "a < b & \"c\"".to_owned();
    for lang in LANGS {
        let page = render(&diagnosis, lang).unwrap();
        assert_balanced(&page);
        assert_eq!(page.matches("<script>").count(), 1);
        assert!(!page.contains("<b onmouseover"));
        assert!(!page.contains(fixture::BRAND));
        assert!(page.contains("Nord &amp; Søn &lt;“Atelier”&gt;"));
        assert!(page.contains("a &lt; b &amp; &quot;c&quot;"));
    }
}

#[test]
fn speaks_the_language_that_was_asked_for() {
    let (en, zh) = LANGS
        .map(|lang| render(&fixture::diagnosis(), lang).unwrap())
        .into();
    assert!(en.contains("<html lang=\"en\">") && zh.contains("<html lang=\"zh-Hans\">"));
    assert!(en.contains("Advancing rate") && !en.contains("加深率"));
    assert!(zh.contains("加深率") && !zh.contains("Advancing rate"));
    assert!(zh.contains("五大赛道") && zh.contains("风格趋势洞察") && !zh.contains("Style trend insight"));
}

#[test]
fn names_what_is_absent_instead_of_drawing_zero() {
    let page = render(&fixture::diagnosis(), Lang::En).unwrap();
    assert!(page.contains("signal not supplied: no FOLLOW, JOIN or GROUP_JOIN behaviours &lt;yet&gt;"));
    assert!(page.contains("reachability assumed"));
    assert!(page.contains("fewer than three brands have a value"));
    assert!(page.contains(">partial<"));
}

#[test]
fn stands_an_empty_diagnosis() {
    for lang in LANGS {
        let page = render(&Diagnosis::default(), lang).unwrap();
        assert_balanced(&page);
    }
    let mut alone = fixture::diagnosis();
    alone.members.clear();
    alone.pictures = None;
    alone.index = None;
    alone.index_rank = 0;
    for track in &mut alone.tracks {
        track.score = None;
        track.peer_mean = None;
    }
    let page = render(&alone, Lang::En).unwrap();
    assert_balanced(&page);
    assert!(page.contains("has no index"));
}

#[test]
fn gives_the_same_bytes_again() {
    let page = || render(&fixture::diagnosis(), Lang::En).unwrap();
    assert_eq!(page(), page());
}
