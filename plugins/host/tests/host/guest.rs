//! Builds components from fixtures: fields of a core module in text form, to which is added what every guest needs.

use dualwheel_plugin_host::{Admitted, World};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The contract.
pub const CONTRACT: &str = include_str!("../../../wit/plugin.wit");

/// A fixture's text.
pub fn fixture(name: &str) -> String {
    // The tests of other crates build their guests here too.
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/host");
    let path = format!("{root}/tests/fixtures/{name}.wat");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A guest to be built.
#[derive(Clone)]
pub struct Guest {
    world: World,
    name: String,
    version: String,
    fields: String,
    contract: String,
    interface: String,
    imports: String,
    pages: u32,
    columns: Vec<(&'static str, bool)>,
    /// Name, default, least, greatest.
    parameters: Vec<(&'static str, f64, f64, f64)>,
}

impl Guest {
    /// A `koc-model` that asks for two ranks and has a weight.
    pub fn koc(name: &str) -> Self {
        let columns = vec![("followers_rank", true), ("interactions_30d_rank", true)];
        Self::new(World::KocModel, name, columns, ("weight", 0.5, 0.0, 1.0))
    }

    /// A `style-trend-model` that asks for a text and a series.
    pub fn style(name: &str) -> Self {
        let columns = vec![("style", true), ("gmv", true), ("brand_tgi", false)];
        Self::new(
            World::StyleTrendModel,
            name,
            columns,
            ("sensitivity", 50.0, 0.0, 100.0),
        )
    }

    /// A `hit-model` that asks for a rank.
    pub fn hit(name: &str) -> Self {
        let columns = vec![("growth_rank", true)];
        Self::new(World::HitModel, name, columns, ("weight", 0.5, 0.0, 1.0))
    }

    fn new(
        world: World,
        name: &str,
        columns: Vec<(&'static str, bool)>,
        parameter: (&'static str, f64, f64, f64),
    ) -> Self {
        Self {
            world,
            name: "fixture".to_owned(),
            version: "1.2.0".to_owned(),
            fields: fixture(name).replace("FACTOR", "1"),
            contract: CONTRACT.to_owned(),
            interface: "dualwheel:plugin/host@1.1.0".to_owned(),
            imports: String::new(),
            pages: 2,
            columns,
            parameters: vec![parameter],
        }
    }

    /// Calling itself so.
    #[allow(dead_code, reason = "the tests of the registry publish several")]
    pub fn named(mut self, name: &str, version: &str) -> Self {
        (self.name, self.version) = (name.to_owned(), version.to_owned());
        self
    }

    /// With `from` replaced in the fixture.
    pub fn with(mut self, from: &str, to: &str) -> Self {
        assert!(self.fields.contains(from));
        self.fields = self.fields.replace(from, to);
        self
    }

    /// With `from` replaced in the contract that it is built for.
    pub fn contract(mut self, from: &str, to: &str) -> Self {
        assert!(self.contract.contains(from));
        self.contract = self.contract.replace(from, to);
        self
    }

    /// Built for another version of the contract.
    pub fn version(mut self, version: &str) -> Self {
        self.interface = format!("dualwheel:plugin/host@{version}");
        self.contract("dualwheel:plugin@1.1.0;", &format!("dualwheel:plugin@{version};"))
    }

    /// With more imports of the core module.
    pub fn importing(mut self, imports: &str) -> Self {
        self.imports = imports.to_owned();
        self
    }

    /// With more packages beside the contract.
    pub fn packages(mut self, packages: &str) -> Self {
        self.contract.push_str(packages);
        self
    }

    /// Starting with so much memory.
    pub fn pages(mut self, pages: u32) -> Self {
        self.pages = pages;
        self
    }

    /// Asking for these columns.
    pub fn asking(mut self, columns: &[(&'static str, bool)]) -> Self {
        self.columns = columns.to_vec();
        self
    }

    /// With these parameters.
    pub fn parameters(mut self, parameters: &[(&'static str, f64, f64, f64)]) -> Self {
        self.parameters = parameters.to_vec();
        self
    }

    /// The component.
    pub fn build(&self) -> Vec<u8> {
        let text = self.module();
        let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
        let mut resolve = Resolve::default();
        let package = resolve.push_source("plugin.wit", &self.contract).unwrap();
        let world = resolve.select_world(&[package], Some(self.world.name())).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default()
            .validate(true)
            .module(&module)
            .unwrap()
            .encode()
            .unwrap()
    }

    /// The core module's text.
    pub fn module(&self) -> String {
        let mut data = Data::default();
        let describe = self.describe(&mut data);
        let (answers, result) = self.answers(&mut data);
        let described = match self.fields.contains("(export \"describe\")") {
            true => String::new(),
            false => format!("(func $describe (export \"describe\") (result i32) (i32.const {describe}))"),
        };
        let payloads: String = (0..self.world.answers().len())
            .map(|index| {
                let at = answers + 20 * u32::try_from(index).unwrap();
                format!(
                    "(i32.store (i32.const {}) (local.get {index})) (i32.store (i32.const {}) (local.get $rows))\n",
                    at + 12,
                    at + 16,
                )
            })
            .collect();
        PRELUDE
            .replace("INTERFACE", &self.interface)
            .replace("IMPORTS", &self.imports)
            .replace("PAGES", &self.pages.to_string())
            .replace("ANSWERS", &answers.to_string())
            .replace("PAYLOADS", &payloads)
            .replace("RESULT", &result.to_string())
            .replace("DATA", &data.text())
            .replace("DESCRIBE", &described)
            .replace("FIELDS", &self.fields)
    }

    /// Lays out the description as the canonical form has it.
    fn describe(&self, data: &mut Data) -> u32 {
        let columns: Vec<u8> = self
            .columns
            .iter()
            .flat_map(|&(name, required)| [data.text_at(name), vec![u8::from(required), 0, 0, 0]].concat())
            .collect();
        let parameters: Vec<u8> = self
            .parameters
            .iter()
            .flat_map(|&(name, default, least, greatest)| {
                let numbers = [default, least, greatest].map(f64::to_le_bytes).concat();
                [
                    data.text_at(name),
                    data.text_at("A number between its bounds."),
                    numbers,
                ]
                .concat()
            })
            .collect();
        let list = |data: &mut Data, bytes: &[u8], count: usize| {
            let at = data.put(bytes, 8);
            [at.to_le_bytes(), u32::try_from(count).unwrap().to_le_bytes()].concat()
        };
        let description = [
            data.text_at(&self.name),
            data.text_at(&self.version),
            data.text_at("A model for tests."),
            list(data, &columns, self.columns.len()),
            list(data, &parameters, self.parameters.len()),
        ]
        .concat();
        data.put(&description, 8)
    }

    /// Lays out an answer without values: its columns, and the result that names them.
    fn answers(&self, data: &mut Data) -> (u32, u32) {
        let answers = self.world.answers();
        let columns: Vec<u8> = answers
            .iter()
            .flat_map(|answer| {
                let kind = u8::from(answer.admitted == Admitted::Codes);
                let values = [vec![kind], vec![0; 11]].concat();
                [data.text_at(answer.name), values].concat()
            })
            .collect();
        let columns = data.put(&columns, 8);
        let count = u32::try_from(answers.len()).unwrap();
        let result = [0_u32, columns, count].map(u32::to_le_bytes).concat();
        (columns, data.put(&result, 8))
    }
}

/// What every guest has: an allocator that never frees, its description, and an answer to fill in.
const PRELUDE: &str = r#"
(module
    (import "INTERFACE" "log" (func $log (param i32 i32)))
    IMPORTS
    (memory (export "memory") PAGES)
    (global $top (mut i32) (i32.const 65536))
    (global $answers i32 (i32.const ANSWERS))
    (func $alloc (param $align i32) (param $size i32) (result i32)
        (local $at i32)
        (local.set $at
            (i32.and
                (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
                (i32.sub (i32.const 0) (local.get $align))))
        (global.set $top (i32.add (local.get $at) (local.get $size)))
        (block $enough
            (br_if $enough (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
            (br_if $enough
                (i32.ne (i32.const -1)
                    (memory.grow
                        (i32.sub
                            (i32.shr_u (i32.add (global.get $top) (i32.const 65535)) (i32.const 16))
                            (memory.size)))))
            unreachable)
        (local.get $at))
    (func (export "cabi_realloc")
        (param $old i32) (param $had i32) (param $align i32) (param $size i32) (result i32)
        (local $at i32)
        (local.set $at (call $alloc (local.get $align) (local.get $size)))
        (memory.copy (local.get $at) (local.get $old) (local.get $had))
        (local.get $at))
    ;; Where the values of the column at `index` are.
    (func $numbers (param $columns i32) (param $index i32) (result i32)
        (i32.load offset=12 (i32.add (local.get $columns) (i32.mul (local.get $index) (i32.const 20)))))
    (func $answer (param i32 i32 i32) (param $rows i32) (result i32)
        PAYLOADS
        (i32.const RESULT))
    (func $refuse (param $text i32) (param $len i32) (result i32)
        (i32.store (i32.const RESULT) (i32.const 1))
        (i32.store offset=4 (i32.const RESULT) (local.get $text))
        (i32.store offset=8 (i32.const RESULT) (local.get $len))
        (i32.const RESULT))
    (data (i32.const 1024) "DATA")
    DESCRIBE
    FIELDS)
"#;

/// Bytes that a guest has in its memory from address 1024 on.
#[derive(Default)]
struct Data(Vec<u8>);

impl Data {
    fn put(&mut self, bytes: &[u8], align: usize) -> u32 {
        self.0.resize(self.0.len().next_multiple_of(align), 0);
        let at = 1024 + self.0.len();
        self.0.extend_from_slice(bytes);
        u32::try_from(at).unwrap()
    }

    /// Address and length of a text.
    fn text_at(&mut self, text: &str) -> Vec<u8> {
        let at = self.put(text.as_bytes(), 1);
        [at.to_le_bytes(), u32::try_from(text.len()).unwrap().to_le_bytes()].concat()
    }

    fn text(&self) -> String {
        self.0.iter().map(|byte| format!("\\{byte:02x}")).collect()
    }
}
