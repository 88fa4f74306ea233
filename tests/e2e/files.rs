//! Exports of a shop, brought in as they are, in a folder of one's own.

use std::path::Path;

use serde_json::Value;

use crate::harness::{Ran, command, finish, tests_folder};

const MAPPING: &str = r#"
about: orders of a shop
time_zone: Asia/Shanghai
currency: CNY
sources:
  orders: {skip_lines: 1}
facts:
- fact: order_line
  needs: [orders]
  sql: |
    SELECT "订单编号" AS "order", '1' AS line, "买家" AS consumer, '我的品牌' AS brand, "商品" AS product,
           "数量" AS quantity, "实付金额(元)" AS paid_amount, "付款时间" AS paid_at, "版本" AS revision
    FROM orders
"#;

/// Two orders, the first with an amount, both of a version of the export.
fn export(amount: &str, version: i64) -> String {
    format!(
        "2026年5月 订单导出\n订单编号,买家,商品,数量,\"实付金额(元)\",付款时间,版本\n\
         =\"2026050100012345678\",小王,'0012,1,{amount},2026-05-01 12:00:00,{version}\n\
         =\"2026050100012345679\",小李,'0013,2,20.50,2026-05-02 12:00:00,{version}\n"
    )
}

fn at(folder: &Path, args: &[&str]) -> Ran {
    finish(command(args).current_dir(folder))
}

/// Rows accepted, refused, and written before.
fn counts(summary: &Value) -> [i64; 3] {
    let counts = &summary["facts"][0];
    ["accepted", "refused", "repeated"].map(|name| counts[name].as_i64().unwrap())
}

#[test]
fn a_shops_export_goes_in_by_relative_paths_and_a_corrected_one_replaces_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("mapping.yaml"), MAPPING).unwrap();
    std::fs::write(folder.join("订单 导出.csv"), export("10.00", 1)).unwrap();
    let import = |more: &[&str]| {
        let args = [
            "import",
            "--mapping",
            "mapping.yaml",
            "--source",
            "orders=订单 导出.csv",
        ];
        let args: Vec<&str> = args
            .iter()
            .chain(&["--data", "我的 店", "--json"])
            .chain(more)
            .copied()
            .collect();
        at(folder, &args)
    };
    let gmv = || {
        let answer = at(
            folder,
            &[
                "ask",
                "grow",
                "--brand",
                "我的品牌",
                "--window",
                "2026-05-01..2026-05-31",
                "--data",
                "我的 店",
                "--json",
            ],
        )
        .json();
        let metrics = answer["metrics"].as_array().unwrap();
        let gmv = metrics.iter().find(|metric| metric["id"] == "grow.gmv").unwrap();
        gmv["value"].as_f64().unwrap()
    };
    assert_eq!(counts(&import(&[]).json()), [2, 0, 0]);
    assert_eq!(gmv(), 30.5);
    assert_eq!(counts(&import(&[]).json()), [2, 0, 2]);
    // Of equal name and size, and another file all the same.
    std::fs::write(folder.join("订单 导出.csv"), export("99.00", 2)).unwrap();
    assert_eq!(counts(&import(&[]).json()), [2, 0, 0]);
    assert_eq!(gmv(), 119.5);
    // Another name of the same file is the same import.
    std::fs::rename(folder.join("订单 导出.csv"), folder.join("b.csv")).unwrap();
    std::fs::copy(folder.join("b.csv"), folder.join("订单 导出.csv")).unwrap();
    assert_eq!(counts(&import(&[]).json()), [2, 0, 2]);
    // One bad row is refused with its line, and told in a file of its own; the other goes in.
    std::fs::write(folder.join("订单 导出.csv"), export("much", 3)).unwrap();
    let summary = import(&[]).json();
    assert_eq!(counts(&summary), [1, 1, 0]);
    let group = &summary["facts"][0]["refusals"][0];
    assert_eq!(group["first"][0]["place"], "订单 导出.csv, line 3", "{group}");
    let letter = summary["facts"][0]["dead_letters"][0].as_str().unwrap();
    let kept = std::fs::read_to_string(folder.join(letter)).unwrap();
    let told: Value = serde_json::from_str(kept.lines().nth(1).unwrap()).unwrap();
    assert_eq!(told["line"], 3);
    // Mended where it is kept, the row goes in, with nothing but the file; the others are not sent again.
    std::fs::write(folder.join(letter), kept.replace("much", "￥1,000.25")).unwrap();
    let mended =
        finish(command(["import", "--retry", letter, "--data", "我的 店", "--json"]).current_dir(folder))
            .json();
    assert_eq!(counts(&mended), [1, 0, 0]);
    assert_eq!(gmv(), 1_020.75);
    assert_eq!(gmv(), 1_020.75);
    std::fs::write(folder.join("订单 导出.csv"), export("99.00,\"open", 4)).unwrap();
    // The next order's guarded id closes it.
    import(&[]).fails(
        1,
        &["订单 导出.csv, line 4: text behind a quote", "opened on line 3"],
    );
    assert_eq!(gmv(), 1_020.75);
}

#[test]
fn paths_may_be_told_from_home_and_every_folder_is_named_as_people_name_them() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let run = |args: &[&str]| finish(command(args).env("HOME", home).current_dir(home));
    run(&["index", "show", "--data", "~/a shop"]).ok();
    run(&["index", "show", "--data=~/店"]).ok();
    std::fs::write(home.join("c.toml"), "data = \"~/from a file\"\n").unwrap();
    run(&["index", "show", "--config", "c.toml"]).ok();
    run(&["index", "show", "--data", "plain"]).ok();
    for name in ["a shop", "店", "from a file", "plain"] {
        assert!(home.join(name).join("state.db").exists(), "{name}");
    }
    assert!(!home.join("~").exists());
}

/// An export of 千牛: GBK, a line before the header, guarded ids, an order that was never paid.
const QIANNIU: &str = "订单列表,,,,,,,,,,,\n\
    订单编号,买家会员名,买家实际支付金额,订单状态,订单创建时间,订单付款时间,宝贝标题,宝贝总数量,店铺名称,订单关闭原因,退款金额,确认收货时间\n\
    =\"2187530024611209834\",小明,128.50,交易成功,2026-05-01 23:59:58,2026-05-01 23:59:59,杯,2,小店,订单未关闭,0,\n\
    '2187530024611209835,小红,\"1,009.00\",交易成功,2026-05-02 00:00:00,2026-05-02 00:00:00,面霜,1,小店,订单未关闭,9.00,\n\
    2187530024611209836\t,小刚,0,等待买家付款,2026-05-02 00:00:00,,杯,1,小店,订单未关闭,0,\n";

#[test]
fn the_first_commands_of_the_reference_work_as_they_are_typed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let page = std::fs::read_to_string(tests_folder().join("../services/lake/mappings/README.md")).unwrap();
    let (_, first) = page.split_once("## A first mapping").unwrap();
    let commands = first
        .split("```sh\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    std::fs::write(folder.join("订单.csv"), QIANNIU).unwrap();
    let shell = |line: &str| {
        let program = std::path::Path::new(command::<&str>([]).get_program()).to_owned();
        let path = format!(
            "{}:{}",
            program.parent().unwrap().display(),
            std::env::var("PATH").unwrap()
        );
        let mut shell = std::process::Command::new("sh");
        finish(shell.args(["-ec", line]).env("PATH", path).current_dir(folder))
    };
    let shown = shell(commands).ok();
    assert!(shown.contains("2187530024611209835"), "{shown}");
    let proposed = std::fs::read_to_string(folder.join("orders.yaml")).unwrap();
    assert!(
        proposed.contains("skip_lines: 1") && !proposed.contains("NULL AS"),
        "{proposed}"
    );
    for mapping in ["orders.yaml", "qianniu-orders"] {
        let data = format!("shop of {mapping}");
        // The shipped mapping is of the report without a title; the file that it takes has none.
        let source = if mapping == "orders.yaml" {
            "订单.csv"
        } else {
            "bare.csv"
        };
        std::fs::write(folder.join("bare.csv"), QIANNIU.split_once('\n').unwrap().1).unwrap();
        let import =
            format!("dualwheel import --mapping {mapping} --source orders={source} --data '{data}' --json");
        let summary: Value = serde_json::from_str(&shell(&import).ok()).unwrap();
        assert_eq!(counts(&summary), [2, 0, 0], "{summary}");
        let ask =
            format!("dualwheel ask grow --brand 小店 --window 2026-05-02..2026-05-31 --data '{data}' --json");
        let answer: Value = serde_json::from_str(&shell(&ask).ok()).unwrap();
        let metrics = answer["metrics"].as_array().unwrap();
        let gmv = metrics.iter().find(|metric| metric["id"] == "grow.gmv").unwrap();
        assert_eq!(gmv["value"].as_f64().unwrap(), 1_000.0, "{gmv}");
    }
    shell("dualwheel import --init 订单.csv --mapping qianniu-orders").fails(2, &["--init", "--mapping"]);
    shell("dualwheel import --init gone.csv").fails(1, &["gone.csv cannot be read"]);
}
