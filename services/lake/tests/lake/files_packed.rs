//! Workbooks and zip files: what is within them goes in, or is refused by its cell's row.

use std::io::{Cursor, Write};

use zip::{ZipWriter, write::SimpleFileOptions};

use super::files::{Folder, mapping, notes, of, plain, rows, taken};

/// A zip file.
fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        if name.ends_with('/') {
            zip.add_directory(*name, SimpleFileOptions::default()).unwrap();
        } else {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
    }
    zip.finish().unwrap().into_inner()
}

/// A workbook whose first sheet has these rows, of which style 1 is a date and time, and style 2 a duration.
fn workbook(rows: &str, is_1904: bool) -> Vec<u8> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006";
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>";
    let types = format!(
        "{head}<Types xmlns=\"{package}/content-types\"><Default Extension=\"rels\" \
         ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" \
         ContentType=\"application/xml\"/></Types>"
    );
    let root = format!(
        "{head}<Relationships xmlns=\"{package}/relationships\"><Relationship Id=\"rId1\" \
         Type=\"{relations}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
    );
    let book = format!(
        "{head}<workbook xmlns=\"{main}\" xmlns:r=\"{relations}\"><workbookPr{}/><sheets>\
         <sheet name=\"secret\" sheetId=\"3\" state=\"hidden\" r:id=\"rId3\"/>\
         <sheet name=\"订单\" sheetId=\"1\" r:id=\"rId1\"/><sheet name=\"说明\" sheetId=\"2\" r:id=\"rId3\"/></sheets></workbook>",
        if is_1904 { " date1904=\"1\"" } else { "" }
    );
    let parts = format!(
        "{head}<Relationships xmlns=\"{package}/relationships\">\
         <Relationship Id=\"rId1\" Type=\"{relations}/worksheet\" Target=\"worksheets/sheet1.xml\"/>\
         <Relationship Id=\"rId3\" Type=\"{relations}/worksheet\" Target=\"worksheets/sheet2.xml\"/>\
         <Relationship Id=\"rId2\" Type=\"{relations}/styles\" Target=\"styles.xml\"/>\
         <Relationship Id=\"rId4\" Type=\"{relations}/sharedStrings\" Target=\"sharedStrings.xml\"/></Relationships>"
    );
    let styles = format!(
        "{head}<styleSheet xmlns=\"{main}\"><numFmts count=\"1\"><numFmt numFmtId=\"164\" \
         formatCode=\"yyyy\\-mm\\-dd\\ hh:mm:ss\"/></numFmts><cellXfs count=\"3\"><xf numFmtId=\"0\"/>\
         <xf numFmtId=\"164\" applyNumberFormat=\"1\"/><xf numFmtId=\"46\" applyNumberFormat=\"1\"/></cellXfs></styleSheet>"
    );
    let strings = format!("{head}<sst xmlns=\"{main}\"><si><t>order</t></si><si><t>amount</t></si></sst>");
    let sheet =
        |rows: &str| format!("{head}<worksheet xmlns=\"{main}\"><sheetData>{rows}</sheetData></worksheet>");
    zipped(&[
        ("[Content_Types].xml", types.as_bytes()),
        ("_rels/.rels", root.as_bytes()),
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", parts.as_bytes()),
        ("xl/styles.xml", styles.as_bytes()),
        ("xl/sharedStrings.xml", strings.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet(rows).as_bytes()),
        ("xl/worksheets/sheet2.xml", sheet("").as_bytes()),
    ])
}

const HEADER: &str = "<row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"s\"><v>1</v></c></row>";

#[tokio::test]
async fn the_first_sheet_of_a_workbook_is_read() {
    let cells = format!(
        "{HEADER}\
         <row r=\"2\"><c r=\"A2\" t=\"inlineStr\"><is><t>a \"b\",\nc</t></is></c><c r=\"B2\"><v>10</v></c></row>\
         <row r=\"5\"><c r=\"A5\"><v>123456789012345</v></c><c r=\"B5\"><f>10+10</f><v>20</v></c></row>\
         <row r=\"6\"><c r=\"A6\" s=\"1\"><v>45943.541</v></c><c r=\"B6\"><v>30</v></c></row>\
         <row r=\"7\"><c r=\"A7\" s=\"2\"><v>1.5</v></c><c r=\"B7\"><v>4.0E1</v></c></row>\
         <row r=\"8\"><c r=\"A8\" t=\"b\"><v>1</v></c><c r=\"B8\"><v>50</v></c></row>\
         <row r=\"9\"><c r=\"A9\"><v>0.30000000000000004</v></c><c r=\"B9\"><v>60</v></c></row>\
         <row r=\"10\"><c r=\"A10\"><v>6.9012345678901235E+18</v></c><c r=\"B10\"><v>70</v></c></row>\
         <row r=\"11\"><c r=\"A11\" t=\"str\"><v>x</v></c><c r=\"B11\" t=\"e\"><v>#N/A</v></c></row>\
         <row r=\"12\"><c r=\"A12\" s=\"1\"><v>45943</v></c><c r=\"B12\"><v>80</v></c></row>"
    );
    let folder = Folder::new();
    let path = folder.file("订单.XLSX", workbook(&cells, false));
    let mut expected = rows(&[
        ("a \"b\",\nc", 10),
        ("123456789012345", 20),
        ("2025-10-13 12:59:02.400", 30),
        ("36:00:00", 40),
        ("true", 50),
        ("0.3", 60),
    ]);
    expected.push(("x".to_owned(), None));
    expected.extend(rows(&[("2025-10-13 00:00:00", 80)]));
    assert_eq!(super::files::read(&plain(), &path).await.unwrap(), expected);
    let (_, refused) = taken(&plain(), &path).await.unwrap();
    assert!(
        matches!(&refused[..], [(10, reason)] if reason.contains("6.90123456789012E+18") && reason.contains("format the column as text")),
        "{refused:?}"
    );
    let told = notes(&plain(), &path).await;
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(
        told[0].contains("of the sheets 订单, 说明 only the first is read"),
        "{told:?}"
    );
    assert!(told[1].contains("1 cells (first B11) hold errors"), "{told:?}");
    assert!(
        told[2].contains("(first A10) hold numbers of more than 15 digits"),
        "{told:?}"
    );

    // The system of dates that began on the Macintosh.
    let cells =
        format!("{HEADER}<row r=\"2\"><c r=\"A2\" s=\"1\"><v>44481.5</v></c><c r=\"B2\"><v>1</v></c></row>");
    assert_eq!(
        of("o.dat", workbook(&cells, true), &plain()).await.unwrap(),
        rows(&[("2025-10-13 12:00:00", 1)])
    );
}

#[tokio::test]
async fn a_row_of_a_sheet_is_refused_by_its_number() {
    let cells = "<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>of\nMay</t></is></c></row>\
         <row r=\"3\"><c r=\"A3\" t=\"s\"><v>0</v></c><c r=\"B3\" t=\"s\"><v>1</v></c></row>\
         <row r=\"4\"><c r=\"A4\" t=\"inlineStr\"><is><t>a\nb</t></is></c><c r=\"B4\"><v>10</v></c></row>\
         <row r=\"9\"><c r=\"A9\"><v>2</v></c><c r=\"B9\"><v>1.5</v></c><c r=\"D9\"><v>7</v></c></row>\
         <row r=\"11\"><c r=\"A11\"><v>3</v></c><c r=\"B11\" t=\"str\"><v>ten</v></c></row>";
    let folder = Folder::new();
    let path = folder.file("o.xlsx", workbook(cells, false));
    for skipped in ["skip_lines: 2", "skip_lines: 1"] {
        let (found, refused) = taken(&mapping(skipped, "order", "amount"), &path).await.unwrap();
        let lines: Vec<u64> = refused.iter().map(|(line, _)| *line).collect();
        assert_eq!((found, lines), (1, vec![9, 11]), "{refused:?}");
    }
}

#[tokio::test]
async fn a_workbook_that_is_damaged_is_told() {
    let whole = workbook(&format!("{HEADER}<row r=\"2\"><c r=\"A2\"><v>1</v>"), false);
    let told = of("o.xlsx", &whole, &plain()).await.unwrap_err();
    assert!(told.contains("o.xlsx, a workbook that is not whole"), "{told}");
    let told = of("o.xlsx", &whole[..whole.len() / 2], &plain())
        .await
        .unwrap_err();
    assert!(told.contains("a zip file that is not whole"), "{told}");
    let told = of("o.xlsb", zipped(&[("xl/workbook.bin", b"x")]), &plain())
        .await
        .unwrap_err();
    assert!(told.contains("save it as .xlsx"), "{told}");
}

#[tokio::test]
async fn a_zip_file_holds_one_file() {
    let expected = rows(&[("1", 10), ("2", 20)]);
    let csv = b"order,amount\n1,10\n2,20\n".as_slice();
    let json = b"[{\"order\": 1, \"amount\": 10}, {\"order\": 2, \"amount\": 20}]".as_slice();
    let junk = b"\0\0".as_slice();
    for held in [("导出/o.csv", csv), ("o.json", json), ("o.dat", json)] {
        let zip = zipped(&[
            ("导出/", b""),
            ("__MACOSX/._o.csv", junk),
            held,
            (".DS_Store", junk),
        ]);
        assert_eq!(of("o.ZIP", zip, &plain()).await.unwrap(), expected, "{held:?}");
    }
    let cells = format!("{HEADER}<row r=\"2\"><c r=\"A2\"><v>1</v></c><c r=\"B2\"><v>10</v></c></row>");
    let book = workbook(&cells, false);
    let within = zipped(&[("订单.xlsx", &book)]);
    assert_eq!(of("o.zip", &within, &plain()).await.unwrap(), rows(&[("1", 10)]));
    let several = zipped(&[("o.csv", csv), ("p.csv", csv)]);
    for (zip, words) in [
        (
            several,
            "holds 2 files where one is read: o.csv, p.csv; unpack it",
        ),
        (zipped(&[]), "holds 0 files where one is read; unpack it"),
        (zipped(&[("o.zip", &within)]), "a zip file within others"),
    ] {
        let told = of("o.zip", zip, &plain()).await.unwrap_err();
        assert!(told.contains(words), "{told}");
    }
    let folder = Folder::new();
    let path = folder.file("o.zip", zipped(&[("o.csv", b"order,amount\r\n1,x\r\n2,20\r\n")]));
    let (found, refused) = taken(&plain(), &path).await.unwrap();
    assert_eq!((found, refused[0].0), (1, 2));
}
