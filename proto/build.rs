//! Compiles the contracts with protox, so that no `protoc` is needed.

use std::{env, error::Error, fmt::Write, fs, path::Path};

use prost_types::{EnumDescriptorProto, FileDescriptorSet};

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    collect(Path::new("dualwheel"), &mut files)?;
    files.sort();
    println!("cargo:rerun-if-changed=dualwheel");
    println!("cargo:rerun-if-changed=google");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true);
    let descriptors = compiler.open_files(&files)?;
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    // As bytes, for the types of prost have no place for options of our own.
    fs::write(
        out.join("descriptors.bin"),
        descriptors.encode_file_descriptor_set(),
    )?;
    let descriptors = descriptors.file_descriptor_set();
    fs::write(out.join("names.rs"), names(&descriptors, str::to_owned)?)?;
    fs::write(out.join("words.rs"), names(&descriptors, str::to_lowercase)?)?;
    // Ordered maps: the same message is always the same bytes. The codec looks at messages, by their names, before it makes
    // room for them.
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        .btree_map(".")
        .codec_path("crate::codec::Codec")
        .compile_fds_with_config(descriptors, config)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path.display().to_string());
        }
    }
    Ok(())
}

/// The names of the closed sets of the facts by number, without the prefix of their set: one constant a set.
fn names(descriptors: &FileDescriptorSet, spell: fn(&str) -> String) -> Result<String, Box<dyn Error>> {
    let facts = descriptors
        .file
        .iter()
        .filter(|file| file.package() == "dualwheel.facts.v1");
    let mut source = String::new();
    for set in facts.flat_map(|file| &file.enum_type) {
        let prefix = prefix(set);
        write!(source, "pub const {prefix}: [&str; {}] = [", set.value.len())?;
        for (number, value) in (0..).zip(&set.value) {
            let name = value
                .name()
                .strip_prefix(&prefix)
                .and_then(|name| name.strip_prefix('_'));
            let name = name.filter(|_| value.number() == number);
            let name =
                name.ok_or_else(|| format!("{} is not {prefix}_… or not number {number}", value.name()))?;
            write!(source, "{:?}, ", spell(name))?;
        }
        source.push_str("];\n");
    }
    Ok(source)
}

/// `BEHAVIOR_KIND` of `BehaviorKind`.
fn prefix(set: &EnumDescriptorProto) -> String {
    let mut prefix = String::new();
    for (at, letter) in set.name().chars().enumerate() {
        if at > 0 && letter.is_uppercase() {
            prefix.push('_');
        }
        prefix.extend(letter.to_uppercase());
    }
    prefix
}
