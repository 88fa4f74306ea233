//! Compiles the contracts with protox, so that no `protoc` is needed.

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    collect(Path::new("dualwheel"), &mut files)?;
    files.sort();
    println!("cargo:rerun-if-changed=dualwheel");
    println!("cargo:rerun-if-changed=google");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true);
    let descriptors = compiler.open_files(&files)?;
    // As bytes, for the types of prost have no place for options of our own.
    fs::write(
        Path::new(&env::var("OUT_DIR")?).join("descriptors.bin"),
        descriptors.encode_file_descriptor_set(),
    )?;
    let descriptors = descriptors.file_descriptor_set();
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
