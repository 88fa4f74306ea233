//! Files made to hurt who reads or compiles them, byte by byte.

/// A file, and why it is refused: the code, and what of it stands in the words.
pub struct Hostile {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub code: &'static str,
    pub words: &'static str,
}

fn number(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [vec![id], number(content.len() as u64), content.to_vec()].concat()
}

/// A section with so many times the same item.
fn items(id: u8, count: u64, item: &[u8]) -> Vec<u8> {
    section(
        id,
        &[number(count), item.repeat(usize::try_from(count).unwrap())].concat(),
    )
}

fn component(sections: &[u8]) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0", sections].concat()
}

fn module(sections: &[u8]) -> Vec<u8> {
    [b"\0asm\x01\0\0\0", sections].concat()
}

/// A component with one core module.
fn with_module(sections: &[u8]) -> Vec<u8> {
    component(&section(1, &module(sections)))
}

/// A core module whose functions have these bodies.
fn with_functions(bodies: &[Vec<u8>]) -> Vec<u8> {
    let count = bodies.len() as u64;
    let code: Vec<u8> = bodies
        .iter()
        .flat_map(|body| [number(body.len() as u64), body.clone()].concat())
        .collect();
    with_module(
        &[
            items(1, 1, &[0x60, 0, 0]),
            items(3, count, &[0]),
            section(10, &[number(count), code].concat()),
        ]
        .concat(),
    )
}

/// A body with so many locals of 32 bits.
fn body(locals: u64, operators: &[u8]) -> Vec<u8> {
    [
        vec![1],
        number(locals),
        vec![0x7f],
        operators.to_vec(),
        vec![0x0b],
    ]
    .concat()
}

/// A type within a type within a type; `outer` is what a component's or an instance's type begins with.
fn nested_type(depth: usize, outer: &[u8]) -> Vec<u8> {
    component(&section(
        7,
        &[vec![1], outer.repeat(depth), vec![0x41, 0]].concat(),
    ))
}

fn nested_component(depth: usize) -> Vec<u8> {
    (0..depth).fold(component(&[]), |inner, _| component(&section(4, &inner)))
}

/// Components of which each instantiates the one before so many times.
fn multiplied(levels: u64, times: u64) -> Vec<u8> {
    let one = |level: u64| {
        if level == 0 {
            return section(4, &component(&[]));
        }
        let alias = section(6, &[vec![1, 0x04, 0x02, 1], number(level - 1)].concat());
        section(4, &component(&[alias, items(5, times, &[0, 0, 0])].concat()))
    };
    let defined: Vec<u8> = (0..levels).flat_map(one).collect();
    let last = section(5, &[vec![1, 0], number(levels - 1), vec![0]].concat());
    component(&[defined, last].concat())
}

fn name(text: &str) -> Vec<u8> {
    [number(text.len() as u64), text.as_bytes().to_vec()].concat()
}

/// Imports of the outermost component, each a function of the only type.
fn imports(count: u64, length: usize) -> Vec<u8> {
    let kind = items(7, 1, &[0x40, 0, 1, 0]);
    let import = |at: u64| [vec![0], name(&format!("a{at}{}", "x".repeat(length))), vec![1, 0]].concat();
    let all: Vec<u8> = (0..count).flat_map(import).collect();
    component(&[kind, section(10, &[number(count), all].concat())].concat())
}

/// All of them.
pub fn all() -> Vec<Hostile> {
    let complex = |name, words, bytes| Hostile {
        name,
        bytes,
        code: "PLUGIN_TOO_COMPLEX",
        words,
    };
    let malformed = |name, words, bytes| Hostile {
        name,
        bytes,
        code: "PLUGIN_MALFORMED",
        words,
    };
    let no_contract = |name, bytes| Hostile {
        name,
        bytes,
        code: "PLUGIN_CONTRACT_VERSION",
        words: "it names none",
    };
    let block: &[u8] = &[0x02, 0x40];
    let end: &[u8] = &[0x0b];
    let blocks = |count: usize| [block.repeat(count), end.repeat(count)].concat();
    let flat = |count: usize| [block, end].concat().repeat(count);
    let table = |targets: u64| {
        [
            vec![0x41, 0, 0x0e],
            number(targets),
            vec![0; targets as usize],
            vec![0],
        ]
        .concat()
    };
    let outer_component: &[u8] = &[0x41, 1, 1];
    let outer_instance: &[u8] = &[0x42, 1, 1];
    let mixed: &[u8] = &[0x41, 1, 1, 0x42, 1, 1];
    let empty = || component(&[]);
    vec![
        complex(
            "types of components, 1 000 deep",
            "nesting",
            nested_type(1_000, outer_component),
        ),
        complex(
            "types of components, 17 deep",
            "nesting",
            nested_type(17, outer_component),
        ),
        complex(
            "types of components, 100 000 deep",
            "nesting",
            nested_type(100_000, outer_component),
        ),
        complex(
            "types of instances, 1 000 deep",
            "nesting",
            nested_type(1_000, outer_instance),
        ),
        complex("types of both by turns", "nesting", nested_type(5_000, mixed)),
        complex("types beside nested types", "types", {
            let inner = [vec![0x41], number(30_000), [1, 0x41, 0].repeat(30_000)].concat();
            component(&section(7, &[vec![1], inner].concat()))
        }),
        complex("instantiated twice, 30 levels", "instances", multiplied(30, 2)),
        complex("instantiated twice, 63 levels", "instances", multiplied(63, 2)),
        complex("instantiated twice, 200 levels", "instances", multiplied(200, 2)),
        complex("instantiated ten times, 4 levels", "instances", multiplied(4, 10)),
        complex("instantiated 5 000 times", "instances", multiplied(2, 5_000)),
        complex("components, 100 deep", "nesting", nested_component(100)),
        complex("components, 5 000 deep", "nesting", nested_component(5_000)),
        complex(
            "components beside one another",
            "sections",
            component(&section(4, &empty()).repeat(20_000)),
        ),
        complex(
            "modules beside one another",
            "sections",
            component(&section(1, &module(&[])).repeat(20_000)),
        ),
        complex("an imported component", "instances", {
            let kind = items(7, 1, &[0x41, 0]);
            let import = section(10, &[vec![1, 0], name("other"), vec![4, 0]].concat());
            component(&section(4, &component(&[kind, import].concat())))
        }),
        complex("a component taken from an instance", "instances", {
            let instance = [section(4, &empty()), items(5, 1, &[0, 0, 0])].concat();
            let alias = section(6, &[vec![1, 0x04, 0x00, 0], name("other")].concat());
            component(&[instance, alias].concat())
        }),
        complex("exported components instantiated", "instances", {
            let inner = section(
                4,
                &component(&[section(4, &empty()), items(5, 900, &[0, 0, 0])].concat()),
            );
            let export = section(11, &[vec![1, 0], name("again"), vec![4, 0, 0]].concat());
            component(&[inner, export, items(5, 2, &[0, 1, 0])].concat())
        }),
        complex("core instances", "instances", {
            component(&[section(1, &module(&[])), items(2, 5_000, &[0, 0, 0])].concat())
        }),
        complex(
            "sections of custom data",
            "sections",
            component(&section(0, &name("x")).repeat(30_000)),
        ),
        complex(
            "sections of custom data in a module",
            "sections",
            with_module(&section(0, &name("x")).repeat(30_000)),
        ),
        complex(
            "functions without end",
            "functions",
            with_functions(&vec![body(0, &[]); 1_000_000]),
        ),
        complex(
            "100 001 functions",
            "functions",
            with_functions(&vec![vec![0, 0x0b]; 100_001]),
        ),
        complex(
            "a function of 3 MB",
            "bytes of a function",
            with_functions(&[body(0, &vec![0x01; 3 << 20])]),
        ),
        complex(
            "blocks times locals",
            "locals times branches",
            with_functions(&[body(2_000, &flat(25_000))]),
        ),
        complex(
            "nested blocks times locals",
            "locals times branches",
            with_functions(&[body(49_999, &blocks(1_000))]),
        ),
        complex(
            "blocks, 200 000 deep",
            "branches",
            with_functions(&[body(1, &blocks(200_000))]),
        ),
        complex(
            "blocks side by side",
            "branches",
            with_functions(&[body(1, &flat(200_000))]),
        ),
        complex(
            "a table of branches",
            "branches",
            with_functions(&[body(1, &table(1_000_000))]),
        ),
        complex(
            "tables of branches",
            "branches",
            with_functions(&[body(1, &[block, &table(500).repeat(300), end].concat())]),
        ),
        complex("branches out of a block", "branches", {
            let branches = [0x41, 0, 0x0d, 0].repeat(150_000);
            with_functions(&[body(1, &[block, &branches, end].concat())])
        }),
        complex(
            "conditions",
            "branches",
            with_functions(&[body(1, &[0x41, 0, 0x04, 0x40, 0x0b].repeat(150_000))]),
        ),
        complex(
            "loops",
            "branches",
            with_functions(&[body(1, &[0x03, 0x40, 0x0b].repeat(150_000))]),
        ),
        complex(
            "types of functions",
            "types",
            with_module(&items(1, 50_000, &[0x60, 0, 0])),
        ),
        complex("types in one group", "types", {
            with_module(&section(
                1,
                &[vec![1, 0x4e], number(50_000), [0x60, 0, 0].repeat(50_000)].concat(),
            ))
        }),
        complex(
            "types of modules",
            "types",
            component(&items(3, 50_000, &[0x50, 0])),
        ),
        complex(
            "types of values",
            "types",
            component(&items(7, 50_000, &[0x70, 0x7f])),
        ),
        complex("imports of a module", "imports", {
            with_module(
                &[
                    items(1, 1, &[0x60, 0, 0]),
                    items(2, 200_000, &[1, b'm', 1, b'f', 0, 0]),
                ]
                .concat(),
            )
        }),
        complex(
            "exports of a module",
            "exports",
            with_module(&items(7, 200_000, &[1, b'f', 0, 0])),
        ),
        complex(
            "aliases",
            "aliases",
            component(&items(6, 200_000, &[0x03, 0x02, 0, 0])),
        ),
        complex(
            "functions lowered",
            "imports",
            component(&items(8, 200_000, &[1, 0, 0, 0])),
        ),
        complex(
            "imports of the outermost component",
            "bytes of names",
            imports(20_000, 6),
        ),
        complex("names of imports", "bytes of names", imports(3, 90_000)),
        complex(
            "globals",
            "globals",
            with_module(&items(6, 50_000, &[0x7f, 0, 0x41, 0, 0x0b])),
        ),
        complex("tables", "globals", with_module(&items(4, 50_000, &[0x70, 0, 1]))),
        complex("memories", "globals", with_module(&items(5, 50_000, &[0, 1]))),
        complex("segments of data", "segments", {
            with_module(&[items(5, 1, &[0, 1]), items(11, 90_000, &[0, 0x41, 0, 0x0b, 0])].concat())
        }),
        complex("segments of elements", "segments", {
            with_module(
                &[
                    items(4, 1, &[0x70, 0, 1]),
                    items(9, 90_000, &[0, 0x41, 0, 0x0b, 0]),
                ]
                .concat(),
            )
        }),
        complex("elements of a table", "elements", {
            let segment = [vec![0, 0x41, 0, 0x0b], number(400_000), vec![0; 400_000]].concat();
            with_module(
                &[
                    items(4, 1, &[0x70, 0, 1]),
                    section(9, &[vec![1], segment].concat()),
                ]
                .concat(),
            )
        }),
        malformed(
            "a count without items",
            "",
            component(&section(7, &number(u64::from(u32::MAX)))),
        ),
        malformed(
            "a section longer than the file",
            "",
            component(&[7, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        ),
        malformed("a body longer than its section", "", {
            with_module(&section(10, &[vec![1], number(1 << 30), vec![0]].concat()))
        }),
        malformed(
            "locals beyond number",
            "",
            with_functions(&[[
                vec![2],
                number(u64::from(u32::MAX)),
                vec![0x7f],
                number(u64::from(u32::MAX)),
                vec![0x7f, 0x0b],
            ]
            .concat()]),
        ),
        no_contract(
            "an instance of what is not there",
            component(&items(5, 1, &[0, 9, 0])),
        ),
        no_contract(
            "an alias out of everything",
            component(&items(6, 1, &[0x04, 0x02, 0x7f, 0])),
        ),
        malformed("the end too often", "", component(&[0x0b; 100])),
    ]
}
