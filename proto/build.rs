//! Compiles the contracts with protox, so that no `protoc` is needed.

use std::{env, error::Error, fs, path::Path};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    collect(Path::new("dualwheel"), &mut files)?;
    files.sort();
    println!("cargo:rerun-if-changed=dualwheel");
    println!("cargo:rerun-if-changed=google");
    let descriptors = protox::compile(&files, ["."])?;
    fs::write(
        Path::new(&env::var("OUT_DIR")?).join("descriptors.bin"),
        descriptors.encode_to_vec(),
    )?;
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
