#!/usr/bin/env python3
"""Make small exports as people have them, and say what each holds.

    make_exports.py DST

DST gets a folder for each case, and cases.json: by case the keys of mapping, source and entry, the command's options, and what
comes of it, which is known here because the rows are: numbers of rows, sums to the cent, days, and the refused rows by field,
place and a word of the reason; or words of the error. Needs the PyPI package `duckdb`, for Parquet.
"""

import argparse
import gzip
import io
import json
import pathlib
import shutil
import zipfile

import duckdb

HEADER = ["订单编号", "买家", "商品编号", "数量", "实付金额", "付款时间"]
ROWS = [
    ["2026050112345678901", "王小明", "0012", "1", "10.50", "2026-05-01 00:30:00"],
    ["2026050112345678902", "李四", "0013", "2", "20.25", "2026-05-02 12:00:00"],
    ["2026050112345678903", "王小明", "0012", "3", "0.00", "2026-05-31 23:59:59"],
]
GOOD = {
    "accepted": 3, "paid": "30.75", "units": 6, "first": "2026-05-01", "last": "2026-05-31", "consumers": 2, "products": 2,
}

cases = {}
out = pathlib.Path()


def text(rows=ROWS, header=HEADER, separator=",", end="\n"):
    lines = ([header] if header else []) + rows
    return end.join(separator.join(line) for line in lines) + end


def put(row, **changed):
    """The rows with values of one row, counted from 1, changed by column."""
    rows = [list(one) for one in ROWS]
    for column, value in changed.items():
        rows[row - 1][HEADER.index(column)] = value
    return rows


def case(name, files, expect=None, *, refused=(), error=None, **how):
    """A case: `files` by name, or the bytes of `orders.csv`; what comes of it."""
    if not isinstance(files, dict):
        files = {"orders.csv": files}
    for file, content in files.items():
        path = out / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    if name in cases:
        raise SystemExit(f"{name} is there twice")
    told = {"orders": how.pop("orders", next(iter(files)))}
    if error is not None:
        told["error"] = error
    else:
        told["expect"] = {**GOOD, **(expect or {}), "refused": [list(one) for one in refused]}
    cases[name] = {**told, **how}


def without(row):
    """What is left when one row is refused."""
    left = [one for number, one in enumerate(ROWS, 1) if number != row]
    cents = sum(round(float(one[4]) * 100) for one in left)
    days = [one[5][:10] for one in left]
    return {
        "accepted": 2, "paid": f"{cents // 100}.{cents % 100:02}", "units": sum(int(one[3]) for one in left),
        "first": min(days), "last": max(days), "consumers": len({one[1] for one in left}),
        "products": len({one[2] for one in left}),
    }


def encodings():
    plain = text()
    case("utf-8", plain)
    case("utf-8-with-mark", b"\xef\xbb\xbf" + plain.encode())
    case("gbk", plain.encode("gbk"))
    rare = text(put(1, 买家="\U00020BB7野家"))
    case("gb18030", rare.encode("gb18030"), {"consumers": 3})
    case("utf-16-little", b"\xff\xfe" + plain.encode("utf-16-le"))
    case("utf-16-big", b"\xfe\xff" + plain.encode("utf-16-be"))
    table = str.maketrans("订单编号买数实额时间", "訂單編號買數實額時間")
    traditional = [f'"{name.translate(table)}"' for name in HEADER]
    fields = ["order", "consumer", "product", "quantity", "paid_amount", "paid_at"]
    case("big5-declared", plain.translate(table).encode("big5"), source={"encoding": "big5"}, select=dict(zip(fields, traditional)))
    case("no-encoding", b"\xff\xff\x00\xff\xfe\xff" + plain.encode(), error=["orders.csv", "encoding"])


def lines():
    case("crlf", text(end="\r\n"))
    case("no-last-line-end", text().rstrip("\n"))
    case("blank-lines", text().replace("\n", "\n\n") + ",,,,,\n")
    case("trailing-separators", text([one + ["", ""] for one in ROWS], HEADER + ["", ""]))
    case("header-again", text(ROWS[:1]) + text(ROWS[1:]))
    case("preamble", "某某旗舰店 订单导出\n\"2026年5月\n" + text(), source={"skip_lines": 2})
    case("no-header", text(header=None), source={"header": False, "columns": HEADER})
    case("upper-case-name", {"ORDERS.CSV": text()})
    case("blanks-around", text([[f" {one}\u3000" for one in row] for row in ROWS], [f" {one} " for one in HEADER]))
    case("only-header", text([]), {"accepted": 0, "paid": None, "units": None, "first": None, "last": None, "consumers": None,
                                   "products": None})
    case("nothing", "", error=["orders.csv", "names of the columns"])


def separators():
    for name, separator in [("tab", "\t"), ("semicolon", ";"), ("bar", "|"), ("two-bars", "||"), ("wide-comma", "，"),
                            ("control", "\u0001")]:
        case(f"separated-by-{name}", text(separator=separator), source={"separator": separator})


def quotes():
    wide = ["订单编号", "买家", "商品编号", "数量", '"实付金额(元,含运费)"', "付款时间"]
    case("quoted-header", text(header=wide), select={"paid_amount": '"实付金额(元,含运费)"'})
    case("quoted-values", text([[f'"{one}"' for one in row] for row in ROWS]))
    case("separators-and-lines-in-quotes", text(put(1, 买家='"王,小\n明"', 商品编号='"一""寸"')),
         {"consumers": 3, "products": 3})
    case("inches", text(put(2, 商品编号='5"')), {"products": 2})
    case("quotes-are-letters", text(put(2, 商品编号='"大" 号')), source={"quotes": False})
    case("open-quote", text(put(2, 商品编号='"ring twice')), error=["orders.csv, line 3", "quote", "quotes: false"])
    case("stray-quote", text(put(2, 商品编号='"大" 号')), error=["orders.csv, line 3", "write a quote within a value twice"])
    case("too-many-values", text(put(2, 实付金额="20,25")), without(2), refused=[["", "orders.csv, line 3", "7 values where there are 6"]])
    case("too-few-values", text().replace(",20.25,2026-05-02 12:00:00", ""), without(2),
         refused=[["paid_amount", "orders.csv, line 3", "missing"]])


def headers():
    doubled = HEADER[:3] + ["备注", "备注"] + HEADER[3:]
    rows = [row[:3] + ["a", "b"] + row[3:] for row in ROWS]
    case("equal-headers-not-used", text(rows, doubled))
    case("equal-headers-used", text(rows, doubled), select={"channel": '"备注"'}, error=["备注 (1)", "备注 (2)"])
    case("equal-headers-told-apart", text(rows, doubled), select={"channel": '"备注 (2)"'})
    case("missing-column", text([row[:5] for row in ROWS], HEADER[:5]), error=["付款时间", "订单编号"])
    case("other-order-of-columns", text([row[::-1] for row in ROWS], HEADER[::-1]))


def keys():
    def guarded(before, after=""):
        return text([[before + row[0] + after, *row[1:]] for row in ROWS])

    case("ids-behind-tabs", guarded("\t"))
    case("ids-behind-apostrophes", guarded("'"))
    case("ids-as-formulas", guarded('="', '"'))
    case("ids-as-quoted-formulas", guarded('"=""', '"""'))
    case("id-of-excel", text(put(3, 订单编号="2.02605E+18")), without(3),
         refused=[["order", "orders.csv, line 4", "scientific notation"]])
    case("id-too-long", text(put(3, 订单编号="9" * 129)), without(3), refused=[["order", "orders.csv, line 4", "128"]])
    case("no-consumer", text(put(2, 买家="")), without(2), refused=[["consumer", "orders.csv, line 3", "missing"]])


def numbers():
    same = [("thousands", '"1,010.50"', "1030.75"), ("currency", "￥10.50", "30.75"), ("currency-code", "CNY 10.50", "30.75"),
            ("yuan", "10.50元", "30.75"), ("full-width", "１０．５０", "30.75"), ("ten-thousands", "1.2万", "12020.25"),
            ("indian-groups", '"1,00,010.50"', "100030.75"), ("four-decimals", "10.4999", "30.7499"), ("no-decimals", "10", "30.25")]
    for name, value, paid in same:
        case(f"amount-{name}", text(put(1, 实付金额=value)), {"paid": paid})
    for name, value, word in [("comma", '"10,50"', "comma"), ("word", "ten", "no number"), ("five-decimals", "10.50001", "decimals"),
                              ("negative", "-10.50", "negative"), ("in-brackets", "(10.50)", "negative"),
                              ("scientific", "1.05E+1", "scientific"), ("missing", "", "missing")]:
        case(f"amount-{name}", text(put(1, 实付金额=value)), without(1), refused=[["paid_amount", "orders.csv, line 2", word]])
    case("count-as-decimal", text(put(3, 数量="3.0")))
    case("count-with-fraction", text(put(3, 数量="1.5")), without(3), refused=[["quantity", "orders.csv, line 4", "whole number"]])
    case("nulls", text([row + [null] for row, null in zip(ROWS, ["\\N", "NULL", "-"])], [*HEADER, "退款"]),
         select={"refund_amount": '"退款"'})
    case("own-nulls", text([row + ["无"] for row in ROWS], [*HEADER, "退款"]), select={"refund_amount": '"退款"'},
         source={"nulls": ["无"]})


def times():
    def at(first, second, third):
        return text([[*row[:5], time] for row, time in zip(ROWS, [first, second, third])])

    case("times-with-t", at("2026-05-01T00:30:00", "2026-05-02T12:00:00", "2026-05-31T23:59:59.999"))
    case("times-with-slashes", at("2026/5/1 0:30", "2026/5/2 12:00", "2026/5/31 23:59"))
    case("times-in-chinese", at("2026年5月1日 0时30分", "2026年5月2日 下午1:00", "2026年05月31日 23:59:59"))
    case("times-with-offsets", at("2026-04-30T16:30:00Z", "2026-05-02 12:00:00 +0800", "2026-05-31 11:59:59-04:00"))
    case("times-in-english", at('"May 1, 2026 12:30:00 AM"', "2 May 2026 12:00", "31-May-2026 11:59 PM"))
    case("days-alone", at("2026-05-01", "20260502", "2026.05.31"))
    case("excel-days", at("46143.020833333", "46144.5", "46173.999"), entry={"formats": {"paid_at": "excel"}})
    case("epoch-seconds", at("1777566600", "1777694400", "1780243199"), entry={"formats": {"paid_at": "seconds"}})
    case("epoch-millis", at("1777566600000", "1777694400000", "1780243199000"), entry={"formats": {"paid_at": "millis"}})
    case("day-first", at("1/5/2026 0:30", "2/5/2026", "31/5/2026"))
    case("month-first", at("5/1/2026 0:30", "5/2/2026", "5/31/2026"))
    case("either-first", at("1/5/2026", "2/5/2026", "3/5/2026"), error=["paid_at", "day or month first", "formats:"])
    case("both-first", at("31/5/2026", "5/31/2026", "3/5/2026"), error=["paid_at", "different orders", "formats:"])
    case("declared-pattern", at("1.5.26 00:30", "2.5.26 12:00", "31.5.26 23:59"), entry={"formats": {"paid_at": "%d.%m.%y %H:%M"}})
    case("not-the-pattern", at("2026-05-01 00:30:00", "2.5.26 12:00", "31.5.26 23:59"), without(1),
         refused=[["paid_at", "orders.csv, line 2", "formats"]], entry={"formats": {"paid_at": "%d.%m.%y %H:%M"}})
    for name, value in [("no-day", "2026-02-30 10:00"), ("zone-name", "2026-05-01 00:30 PST"), ("two-digit-year", "1/5/26"),
                        ("undeclared-number", "46143.5"), ("words", "昨天")]:
        case(f"time-{name}", at(value, ROWS[1][5], ROWS[2][5]), without(1), refused=[["paid_at", "orders.csv, line 2", "no time"]])
    london = {"time_zone": "Europe/London", "currency": "GBP"}
    night = {"first": "2026-10-25", "last": "2026-10-25"}
    twice = at("2026-10-25 01:30", "2026-10-25 00:30", "2026-10-25 02:30")
    case("twice", twice, night, mapping=london)
    case("twice-refused", twice, {**without(1), **night}, mapping={**london, "dst": "refuse"},
         refused=[["paid_at", "orders.csv, line 2", "twice"]])
    paulo = {"time_zone": "America/Sao_Paulo", "currency": "BRL"}
    spring = at("2017-10-15 00:00:00", "2017-10-15 00:59:59", "2017-10-14 23:59:59")
    case("skipped", spring, {"first": "2017-10-14", "last": "2017-10-15"}, mapping=paulo)
    case("skipped-refused", spring, {**without(1), "accepted": 1, "paid": "0.00", "units": 3, "first": "2017-10-14", "last": "2017-10-14",
                                     "consumers": 1, "products": 1}, mapping={**paulo, "dst": "refuse"},
         refused=[["paid_at", "orders.csv, line 2", "skips", 2]])


def folders():
    case("folder", {"d/1.csv": text(ROWS[:1]), "d/2.CSV": text([row[::-1] for row in ROWS[1:]], HEADER[::-1]), "d/_SUCCESS": "",
                    "d/.1.csv.crc": b"\0\1", "d/.DS_Store": b"\0", "d/~$1.csv": b"\0"}, orders="d")
    case("folder-with-more-columns", {"d/1.csv": text(ROWS[:1]), "d/2.csv": text([[*row, "x"] for row in ROWS[1:]], [*HEADER, "备注"])},
         orders="d", notes=["备注"])
    case("folder-without-a-column", {"d/1.csv": text(ROWS[:1]), "d/2.csv": text([row[:5] for row in ROWS[1:]], HEADER[:5])}, orders="d",
         error=["2.csv", "付款时间"])


def zipped(files):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return whole.getvalue()


def workbook(rows):
    """A workbook with one sheet: texts as they are, numbers as numbers, times (days since 1899-12-30) in style 1."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'

    def cell(place, value):
        if isinstance(value, str):
            return f'<c r="{place}" t="inlineStr"><is><t>{value}</t></is></c>'
        if isinstance(value, tuple):
            return f'<c r="{place}" s="1"><v>{value[0]}</v></c>'
        return f'<c r="{place}"><v>{value}</v></c>'

    lines = "".join(
        f'<row r="{number}">' + "".join(cell(f"{chr(65 + at)}{number}", value) for at, value in enumerate(row)) + "</row>"
        for number, row in enumerate(rows, 1)
    )
    return zipped({
        "[Content_Types].xml": f'{head}<Types xmlns="{package}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/></Types>',
        "_rels/.rels": f'{head}<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'{head}<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="订单" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{head}<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="rId1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{office}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'{head}<styleSheet xmlns="{main}"><numFmts count="1"><numFmt numFmtId="164" '
        'formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/></numFmts><cellXfs count="2"><xf numFmtId="0"/>'
        '<xf numFmtId="164" applyNumberFormat="1"/></cellXfs></styleSheet>',
        "xl/worksheets/sheet1.xml": f'{head}<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>',
    })


def kinds():
    plain = text().encode()
    case("gzip", {"orders.csv.gz": gzip.compress(plain, mtime=0)})
    case("gzip-by-another-name", {"orders.txt": gzip.compress(plain, mtime=0)})
    case("zip", {"orders.zip": zipped({"导出/orders.csv": plain, "__MACOSX/._orders.csv": b"\0"})})
    case("zip-of-two", {"orders.zip": zipped({"a.csv": plain, "b.csv": plain})}, error=["a.csv", "b.csv"])
    days = [(46143.020833333336,), (46144.5,), (46173.99998842593,)]
    sheet = [[*row[:3], int(row[3]), float(row[4]), day] for row, day in zip(ROWS, days)]
    case("workbook", {"orders.xlsx": workbook([HEADER, *sheet])})
    bad = [list(row) for row in sheet]
    bad[1][4] = "two"
    case("workbook-with-a-bad-row", {"订单.XLSX": workbook([HEADER, *bad])}, without(2),
         refused=[["paid_amount", "订单.XLSX, line 3", "no number"]])
    objects = [dict(zip(HEADER, row)) for row in ROWS]
    told = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)
    case("json-lines", {"orders.jsonl": told})
    case("json-lines-packed", {"orders.json.gz": gzip.compress(told.encode(), mtime=0)})
    case("json-array", {"orders.json": json.dumps(objects, ensure_ascii=False, indent=1)})
    mixed = [dict(one) for one in objects]
    mixed[0].update({"订单编号": 2026050112345678901, "数量": 1, "实付金额": 10.5})
    mixed[2].update({"退款": "0.00", "实付金额": None})
    mixed[2]["实付金额"] = 0
    case("json-of-mixed-types-and-late-fields", {"orders.jsonl": "".join(json.dumps(one) + "\n" for one in mixed)},
         select={"refund_amount": '"退款"'})
    case("json-with-a-bad-line", {"orders.jsonl": told.replace('"李四"', '"李四')}, without(2),
         refused=[["", "orders.jsonl, line 2", ""]])
    nested = "".join(json.dumps({"订单编号": one["订单编号"], "rest": one}, ensure_ascii=False) + "\n" for one in objects)
    case("json-nested", {"orders.jsonl": nested}, select={
        "consumer": '"rest.买家"', "product": '"rest.商品编号"', "quantity": '"rest.数量"', "paid_amount": '"rest.实付金额"',
        "paid_at": '"rest.付款时间"'})


def parquet():
    values = ", ".join("('" + "', '".join(row) + "')" for row in ROWS)
    names = ", ".join(f'"{name}"' for name in HEADER)

    def file(select):
        path = out / "one.parquet"
        database = duckdb.connect()
        database.execute(f"COPY (SELECT {select} FROM (VALUES {values}) t({names})) TO '{path}' (FORMAT parquet)")
        content = path.read_bytes()
        path.unlink()
        return content

    rest = '"买家", "商品编号"'
    local = '"付款时间"::TIMESTAMP AS "付款时间"'
    zoned = "(\"付款时间\"::TIMESTAMP AT TIME ZONE 'Asia/Shanghai') AS \"付款时间\""
    case("parquet-of-texts", {"orders.parquet": file("*")})
    case("parquet-typed", {"orders.PARQUET": file(
        f'"订单编号", {rest}, "数量"::INTEGER AS "数量", "实付金额"::DECIMAL(12, 2) AS "实付金额", {local}')})
    case("parquet-zoned", {"orders.dat": file(
        f'"订单编号"::BIGINT AS "订单编号", {rest}, "数量"::DOUBLE AS "数量", "实付金额"::DOUBLE AS "实付金额", {zoned}')})
    case("parquet-days-and-float-keys", {"orders.parquet": file(
        f'row_number() OVER ()::DOUBLE AS "订单编号", {rest}, "数量", "实付金额", "付款时间"::DATE AS "付款时间"')})


def wholes():
    many = [[str(number), f"客{number % 50}", "p", "1", "1.00", "2026-05-01 10:00:00"] for number in range(400)]
    for number in range(0, 400, 8):
        many[number][4] = "x"
    whole = {"accepted": 350, "paid": "350.00", "units": 350, "last": "2026-05-01", "consumers": 50, "products": 1}
    case("too-many-refused", text(many), error=["50 of 400 rows", "--max-refused", "paid_amount"])
    case("many-refused-and-admitted", text(many), whole, options=["--max-refused", "20%"],
         refused=[["paid_amount", "orders.csv, line 2", "no number", 50]])
    case("all-refused", text([[*row[:5], "soon"] for row in ROWS]), error=["3 of 3 rows", "the mapping is wrong"])
    joined = """SELECT o."订单编号" AS "order", '1' AS line, o."买家" AS consumer, '{brand}' AS brand, o."商品编号" AS product,
        o."数量" AS quantity, o."实付金额" AS paid_amount, o."付款时间" AS paid_at
        FROM orders o JOIN orders p ON o."订单编号" = p."订单编号" ORDER BY o."订单编号\""""
    case("joined-with-a-bad-row", text(put(2, 实付金额="much")), without(2), sql=joined,
         refused=[["paid_amount", "row 2 of the SELECT", "no number"]])


def main():
    global out
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("dst", type=pathlib.Path)
    out = arguments.parse_args().dst
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for part in [encodings, lines, separators, quotes, headers, keys, numbers, times, folders, kinds, parquet, wholes]:
        part()
    (out / "cases.json").write_text(json.dumps(cases, ensure_ascii=False, indent=1) + "\n")
    print(len(cases), "cases")


if __name__ == "__main__":
    main()
